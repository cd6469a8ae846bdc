"""What makes a training give the same bits on every x86-64 CPU with AVX2.

Two causes are left when every switch of ``exseos.worker.determinism`` is set: approximate
reciprocals and roots, which each maker of CPUs rounds in its own way (``kernels``), and the blocking
of contractions by the sizes of the CPU's caches (``caches``). Both are removed as soon as TensorFlow
is imported, in every worker. ``audit`` then says whether a training used only operations that were
shown to be exact; for any other the ``probe`` decides.

What belongs to an image and not to a run (compiled kernels, places in the libraries) is made once,
by ``build``, in the folder that ``FOLDER`` names.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from exseos.errors import HostError
from exseos.worker.numerics import caches, kernels

FOLDER = "EXSEOS_NUMERICS"
"""The variable that names the folder that ``build`` filled."""
_RECORD = "numerics.json"
_LIBM = Path("/lib/x86_64-linux-gnu/libm.so.6")


@dataclass(frozen=True)
class Numerics:
    """How TensorFlow computes in this process."""

    libraries: dict[str, str]
    """File name → SHA-256 of each library that the results of its operations depend on."""
    missing: tuple[str, ...]
    """What could not be made exact, and why; empty if all is."""


def tensorflow_folder() -> Path:
    """Where TensorFlow is installed; it is not imported. Raises ``ModuleNotFoundError``."""
    found = importlib.util.find_spec("tensorflow")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("tensorflow")
    return Path(next(iter(found.submodule_search_locations)))


def build(folder: Path) -> None:
    """Fill ``folder`` for the TensorFlow of this image: compiled kernels, places of Eigen's cache sizes, digests.

    A wheel that does not fit is recorded as such. Raises ``HostError`` if this machine is to blame.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensorflow = tensorflow_folder()
    places = caches.find(tensorflow)
    library, problem = kernels.compile_library(tensorflow, folder)
    files = [tensorflow / name for name in caches.LIBRARIES] + [_LIBM] + ([library] if library else [])
    record = {
        "places": {name: list(place) for name, place in places.items()},
        "problem": problem,
        "libraries": {file.name: _sha256(file) for file in files if file.is_file()},
    }
    partial = folder / f".{_RECORD}"
    partial.write_text(json.dumps(record, indent=1, sort_keys=True))
    partial.replace(folder / _RECORD)


def activate_on_import() -> None:
    """Make TensorFlow exact as soon as it is imported, whoever imports it."""
    if "tensorflow" in sys.modules:
        active()
    elif importlib.util.find_spec("wrapt") is not None:  # TensorFlow needs it, so it is there with it
        import wrapt

        wrapt.register_post_import_hook(lambda module: active(), "tensorflow")


@cache
def active() -> Numerics:
    """Load the kernels and fix the cache sizes in this process, once, and check that both are in force.

    Raises ``HostError`` if they are there and not in force: then no number of this process would repeat.
    """
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        tf.config.threading.set_intra_op_parallelism_threads(1)
    if tf.config.threading.get_inter_op_parallelism_threads() != 1:
        tf.config.threading.set_inter_op_parallelism_threads(1)
    folder, record = _folder()
    missing = []
    if record["problem"] is None:
        kernels.load(folder)
    else:
        missing.append(f"operations with reciprocals and roots approximate as this CPU does ({record['problem']})")
    if set(record["places"]) == set(caches.LIBRARIES):
        caches.fix({name: tuple(place) for name, place in record["places"].items()})
    else:
        lacking = ", ".join(sorted(set(caches.LIBRARIES) - set(record["places"])))
        missing.append(f"contractions are blocked by this CPU's caches ({lacking} does not name Eigen's cache sizes)")
    return Numerics(dict(record["libraries"]), tuple(missing))


def _folder() -> tuple[Path, dict[str, Any]]:
    """The folder that ``build`` filled, and its record; built here and now if there is none or it is another image's."""
    folder = Path(os.environ.get(FOLDER, ""))
    if not (folder / _RECORD).is_file():
        folder = Path(tempfile.mkdtemp(prefix="exseos-numerics-"))
        build(folder)
    record: dict[str, Any] = json.loads((folder / _RECORD).read_text())
    library = folder / kernels.LIBRARY
    if library.name in record["libraries"] and _sha256(library) != record["libraries"][library.name]:
        raise HostError(
            "the compiled kernels are not those that were compiled for this image",
            where=str(library),
            hint="Remove the folder `warm` of the cache below EXSEOS_STORE and run again.",
        )
    return folder, record


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
