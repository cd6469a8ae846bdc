"""hls4ml projects that are the same bytes in every process, folder and year.

hls4ml stamps a project with a random id, stores the path it writes to and the model itself; here the id comes from
what is converted, the path is relative, and the model stays out.
"""

from __future__ import annotations

import contextlib
import re
import traceback
import types
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

from exseos.errors import StageError
from exseos.toolchains.smarthls import family
from exseos.worker.softmax import Softmax, softmax_settings

PROJECT = "myproject"
"""Name of the project's top function, hls4ml's default."""
FOLDER = "hls4ml"
_LIBERO_OUTPUTS = re.compile(r"i < \d+(; i\+\+\) \{\s+(\w+)_struct\.data\[i\] = \2\[i\];)")
"""The loop that hands the outputs over."""
_IDENTIFIER = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_DENSE = ("Dense", "EinsumDense")


@dataclass(frozen=True)
class Settings:
    """The ``convert`` section of a spec, complete."""

    backend: str
    io_type: str
    strategy: str
    precision: str
    reuse_factor: int
    part: str | None
    clock_ns: float

    @staticmethod
    def of(section: Mapping[str, Any]) -> Settings:
        """From the section as the host sends it, all defaults filled in."""
        return Settings(**{name: section[name] for name in Settings.__dataclass_fields__})


def write_project(model: Any, settings: Settings, rows: Any, output: Path, stamp: str) -> dict[str, Any]:
    """Write ``output/hls4ml`` and return what ``convert.json`` says of it.

    ``model`` is a ``keras.Model`` with one input and one output, ``rows`` its training rows [rows, features…] (the
    range of a softmax's logits is taken from them), ``stamp`` what the project's id derives from. Raises
    ``StageError`` for what hls4ml cannot convert, naming the layer.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise StageError(
            f"the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs",
            where="convert",
            hint="One of each can be converted.",
        )
    for layer in model.layers:
        if not _IDENTIFIER.fullmatch(layer.name):
            raise StageError(
                f"the layer {layer.name!r} has a name that cannot be one in C++",
                where="convert",
                hint="hls4ml makes types of the names of layers: use letters, digits and _ alone.",
            )
    with _explained(settings.backend):
        config, softmaxes = _configuration(model, settings, rows)
        # The path that hls4ml writes into the project is the one it is given.
        with contextlib.chdir(output), _fixed_stamp(stamp):
            graph = _convert(model, settings, config)
            with _libero_mended(graph) if settings.backend == "Libero" else contextlib.nullcontext():
                graph.write()
            _make_relative(Path(FOLDER), Path.cwd())
    (output / f"{FOLDER}.tar.gz").unlink(missing_ok=True)
    return _summary(graph, settings, softmaxes)


def _convert(model: Any, settings: Settings, config: dict[str, Any]) -> Any:
    from hls4ml.converters import convert_from_keras_model

    graph = convert_from_keras_model(
        model,
        hls_config=config,
        backend=settings.backend,
        output_dir=FOLDER,
        project_name=PROJECT,
        io_type=settings.io_type,
        clock_period=settings.clock_ns,
        part=settings.part,
        **(_libero(settings.part) if settings.backend == "Libero" else {}),
    )
    graph.config.config.pop("KerasModel", None)
    return graph


def _libero(part: str | None) -> dict[str, Any]:
    """What hls4ml asks for Libero alone: the part's family, and where SmartHLS is, which it looks for on PATH unless it is told.

    The path goes only into the makefile of its own C simulation; there is no SmartHLS where a model is converted.
    """
    return {"fpga_family": family(part or ""), "smarthls_path": "SmartHLS"}


@contextlib.contextmanager
def _libero_mended(graph: Any) -> Iterator[None]:
    """Get around three faults of hls4ml 1.3.0, by what they look like, so that a version without them is left alone.

    Its wheel lacks the template of ``build_lib.sh``, which is the last that ``write_build_script`` writes and which only hls4ml's own
    C simulation needs; the path of SmartHLS goes into the project's YAML as a Python object, which is another one in every version of
    Python; and the top function copies as many outputs as there are inputs, beyond the end of the array.
    """
    from hls4ml.writer.libero_writer import LiberoWriter

    write = LiberoWriter.write_build_script

    def write_build_script(writer: Any, model: Any) -> None:
        try:
            write(writer, model)
        except FileNotFoundError as error:
            if Path(str(error.filename)).name != "build_lib.sh":
                raise
        model.config.config["SmartHLSPath"] = str(model.config.config["SmartHLSPath"])

    with mock.patch.object(LiberoWriter, "write_build_script", write_build_script):
        yield
    top = Path(FOLDER) / "firmware" / f"{PROJECT}.cpp"
    size = int(graph.get_output_variables()[0].size())
    top.write_text(_LIBERO_OUTPUTS.sub(rf"i < {size}\1", top.read_text(encoding="utf-8")), encoding="utf-8")


def _configuration(model: Any, settings: Settings, rows: Any) -> tuple[dict[str, Any], list[Softmax]]:
    """hls4ml's configuration of the model and of its layers, and the choices made for softmax layers."""
    from hls4ml.converters import parse_keras_v3_model
    from hls4ml.utils import config_from_keras_model

    config = config_from_keras_model(
        model,
        granularity="name",
        backend=settings.backend,
        default_precision=settings.precision,
        default_reuse_factor=settings.reuse_factor,
    )
    distributed = settings.strategy == "distributed_arithmetic"
    config["Model"]["Strategy"] = "Latency" if distributed else settings.strategy.capitalize()
    layers, *_ = parse_keras_v3_model(model)
    for layer in layers:
        # On any other layer hls4ml fails or ignores it.
        if distributed and layer["class_name"] in _DENSE:
            config["LayerName"][layer["name"]]["Strategy"] = "distributed_arithmetic"
    softmaxes = softmax_settings(model, layers, rows, settings.backend)
    for softmax in softmaxes:
        softmax.apply(config["LayerName"])
    return config, softmaxes


def _make_relative(project: Path, folder: Path) -> None:
    """Replace the project's own absolute path, which the writers of Catapult and Libero put into some files, by ``.``."""
    own = str(folder / project).encode()
    for path in project.rglob("*"):
        if path.is_file() and own in (content := path.read_bytes()):
            path.write_bytes(content.replace(own, b"."))


@contextlib.contextmanager
def _fixed_stamp(stamp: str) -> Iterator[None]:
    """hls4ml's random ids, drawn from ``stamp`` instead."""
    from hls4ml.model import graph
    from hls4ml.model.optimizer.passes import stamp as stamping

    numbers = count()
    fixed = types.SimpleNamespace(uuid4=lambda: uuid.uuid5(uuid.NAMESPACE_OID, f"{stamp}:{next(numbers)}"))
    with mock.patch.object(stamping, "uuid", fixed), mock.patch.object(graph, "uuid", fixed):
        yield


@contextlib.contextmanager
def _explained(backend: str) -> Iterator[None]:
    """Any failure of hls4ml as a ``StageError`` that names the layer it was at."""
    try:
        yield
    except StageError:
        raise
    except Exception as error:
        # hls4ml raises bare Exception, AssertionError and KeyError for models that it cannot take.
        layer = _layer_in(error)
        raise StageError(
            f"hls4ml cannot convert {layer or 'the model'} for {backend}: {str(error) or type(error).__name__}",
            where="convert",
            hint="Replace it by a layer that hls4ml supports for this backend, choose another backend or io_type, or leave out `convert`.",
        ) from error


def _layer_in(error: BaseException) -> str | None:
    """Name and class of the layer in the innermost frame that knows one."""
    found = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for local in ("layer", "keras_layer", "node", "operation"):
            value = frame.f_locals.get(local)
            name = getattr(value, "name", None)
            if isinstance(name, str):
                kind = getattr(value, "class_name", None) or type(value).__name__
                found = f"the layer {name} ({kind})"
    return found


def _summary(graph: Any, settings: Settings, softmaxes: list[Softmax]) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "hls4ml": version("hls4ml"),
        "backend": settings.backend,
        "io_type": settings.io_type,
        "part": graph.config.get_config_value("Part"),
        "clock_ns": settings.clock_ns,
        "strategy": settings.strategy,
        "reuse_factor": settings.reuse_factor,
        "project": PROJECT,
        "input_size": int(graph.get_input_variables()[0].size()),
        "output_size": int(graph.get_output_variables()[0].size()),
        "layers": [
            {
                "name": layer.name,
                "class": layer.class_name,
                "precision": {name: str(kind.precision) for name, kind in sorted(layer.get_layer_precision().items())},
                "strategy": layer.get_attr("strategy"),
                "reuse_factor": layer.get_attr("reuse_factor"),
            }
            for layer in graph.get_layers()
        ],
        "softmax": [softmax.summary() for softmax in softmaxes],
    }
