"""One set of cache sizes for Eigen inside TensorFlow, so that it blocks contractions alike on every CPU.

Eigen asks the CPU once for the sizes of its caches and keeps them in a function's static variable. It has a setter, which the wheel
does not export; but the wheel's symbol table names that variable and the guard that says it is filled. ``find`` looks them up, once
per image, with ``nm``; ``fix`` writes sizes and guard, as the setter would. Without the symbols nothing is changed.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Mapping
from pathlib import Path

from exseos.errors import HostError

LIBRARIES = ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")
"""Each has a variable of its own."""
SIZES = (32 << 10, 1 << 20, 32 << 20)
"""Bytes of the first, second and third level."""
_VARIABLE = "_ZZN5Eigen8internal20manage_caching_sizesENS_6ActionEPlS2_S2_E12m_cacheSizes"
_GUARD = _VARIABLE.replace("_ZZ", "_ZGVZ", 1)
_SECONDS = 240.0

Place = tuple[int, int]
"""Offsets of the three sizes and of their guard from where the library is loaded."""


def find(tensorflow: Path) -> dict[str, Place]:
    """Library → place, of those libraries in the folder ``tensorflow`` whose symbol table has both; empty if there is no ``nm``."""
    found = {}
    for name in LIBRARIES:
        symbols = _symbols(tensorflow / name)
        if _VARIABLE in symbols and _GUARD in symbols:
            found[name] = (symbols[_VARIABLE], symbols[_GUARD])
    return found


def _symbols(library: Path) -> dict[str, int]:
    """Offsets of the two symbols in ``library``: what is not in its table is not in the answer."""
    try:
        with subprocess.Popen(["nm", str(library)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            rows = [line.split() for line in process.stdout if line.rstrip().endswith((_VARIABLE, _GUARD))]
            code = process.wait(_SECONDS)
    except FileNotFoundError:
        return {}
    if code < 0:
        raise HostError(f"nm was killed by signal {-code} while it read {library.name}", hint="Free memory, and run again.")
    return {row[2]: int(row[0], 16) for row in rows if len(row) == 3}


def fix(places: Mapping[str, Place], sizes: tuple[int, int, int] = SIZES) -> None:
    """Write ``sizes`` into each library of this process, which has imported TensorFlow, and check that they hold.

    Raises ``HostError`` if a variable holds no sizes, or other sizes after a contraction.
    """
    import tensorflow as tf

    variables = {name: _variable(name, place) for name, place in places.items()}
    for name, (values, guard) in variables.items():
        before = tuple(values)
        if guard.value not in (0, 1) or (guard.value and not all(0 < size < 1 << 40 for size in before)):
            raise HostError(f"{name} does not keep Eigen's cache sizes where its symbol table says: {before}, {guard.value}")
        values[:] = list(sizes)
        guard.value = 1
    tf.linalg.matmul(tf.ones((64, 64)), tf.ones((64, 64)))
    for name, (values, guard) in variables.items():
        if tuple(values) != sizes or guard.value != 1:
            raise HostError(f"Eigen's cache sizes in {name} are {tuple(values)} after they were set to {sizes}")


def _variable(name: str, place: Place) -> tuple[ctypes.Array[ctypes.c_long], ctypes.c_ubyte]:
    base = _base(name)
    return (ctypes.c_long * 3).from_address(base + place[0]), ctypes.c_ubyte.from_address(base + place[1])


def _base(name: str) -> int:
    """Where the library is loaded in this process."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and Path(fields[5]).name == name:
            return int(fields[0].partition("-")[0], 16)
    raise HostError(f"TensorFlow is imported, but {name} is not in this process")
