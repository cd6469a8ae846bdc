"""TensorFlow's approximate kernels, replaced by exact ones: compiled once per image from ``kernels.cc``, the same bytes everywhere."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from exseos.errors import HostError

LIBRARY = "kernels.so"
SOURCE = Path(__file__).with_name("kernels.cc")
REPLACED = {
    "Atan": ("float32", "float16", "bfloat16"),
    "Atan2": ("float32",),
    "Erfc": ("float32", "float16", "bfloat16"),
    "Erfinv": ("float32",),
    "Inv": ("float32", "float16", "bfloat16"),
    "LRN": ("float32",),
    "Ndtri": ("float32",),
    "Reciprocal": ("float32", "float16", "bfloat16"),
    "Rsqrt": ("float32", "float16", "bfloat16"),
    "Softmax": ("float32", "float16", "bfloat16"),
    "_UnaryOpsComposition": ("float32", "float16"),
}
"""Operation → the types for which ``kernels.cc`` has a kernel."""

_PRIORITY = 2
_SECONDS = 240.0
_FLAGS = (
    *("-std=c++17", "-O2", "-mavx2", "-mfma", "-ffp-contract=off", "-fPIC", "-shared", "-DNDEBUG", "-w"),
    # TensorFlow's own copies of Eigen's inline functions approximate: none of them may be taken instead of ours.
    *("-fvisibility=hidden", "-fno-gnu-unique", "-Wl,-Bsymbolic"),
    # As the wheel was built: see tf.sysconfig.get_compile_flags().
    *("-D_GLIBCXX_USE_CXX11_ABI=1", "-DEIGEN_MAX_ALIGN_BYTES=64"),
)


def compile_library(tensorflow: Path, folder: Path) -> tuple[Path | None, str | None]:
    """Compile the kernels for the TensorFlow installed in ``tensorflow`` into ``folder``.

    Returns the library, or the compiler's first error if the headers of that TensorFlow do not fit. Raises ``HostError`` if the
    compiler is killed, fills the disk, or cannot be started.
    """
    target = folder / LIBRARY
    command = ["g++", *_FLAGS, "-I", str(tensorflow / "include"), "-o", str(target), SOURCE.name]
    command += ["-L", str(tensorflow), "-l:libtensorflow_framework.so.2"]
    try:
        done = subprocess.run(command, cwd=SOURCE.parent, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except FileNotFoundError:
        return None, "there is no g++ in the image"
    except subprocess.TimeoutExpired as error:
        raise HostError(
            f"compiling the exact kernels took more than {_SECONDS:g} s", hint="Run again when this machine is less busy."
        ) from error
    if done.returncode == 0:
        return target, None
    errors = [line for line in done.stderr.splitlines() if " error: " in line]
    if done.returncode != 1 or not errors:
        raise HostError(
            f"compiling the exact kernels failed (exit code {done.returncode}): {done.stderr[-500:].strip()}",
            hint="Free memory or disk, and run again.",
        )
    return None, f"kernels.cc does not fit this TensorFlow: {errors[0][:200]}"


def load(folder: Path) -> None:
    """Load the kernels into this process; raises ``HostError`` unless TensorFlow then computes with them."""
    import tensorflow as tf

    try:
        tf.load_library(str(folder / LIBRARY))
    except Exception as error:  # whatever the loader says, no number of this process would repeat
        raise HostError(f"the exact kernels cannot be loaded: {error}", where=LIBRARY) from error
    check()


def check() -> None:
    """Raise ``HostError`` unless every replaced operation has its exact kernel, and it divides as IEEE 754 says."""
    import numpy as np
    import tensorflow as tf
    from tensorflow.python.framework import kernels

    wrong = []
    for name, types in REPLACED.items():
        found = {
            tf.dtypes.as_dtype(kind).name
            for kernel in kernels.get_registered_kernels_for_op(name).kernel
            if kernel.priority == _PRIORITY and kernel.device_type == "CPU"
            for constraint in kernel.constraint
            for kind in constraint.allowed_values.list.type
        }
        wrong += [f"{name} has no exact kernel for {kind}" for kind in types if kind not in found]
    x = _positive(np)
    one: Any = np.float32(1)
    for name, found, expected in (
        ("Reciprocal", tf.math.reciprocal(x), one / x),
        ("Rsqrt", tf.math.rsqrt(x), one / np.sqrt(x)),
    ):
        if not np.array_equal(found, expected):
            wrong.append(f"{name} does not divide as IEEE 754 says")
    if wrong:
        raise HostError("the exact kernels were loaded and are not in force: " + "; ".join(wrong))


def _positive(np: Any) -> Any:
    """65,536 float32 values from 2⁻³⁰ to 2³⁰, so many that an approximation cannot be right on all of them."""
    steps = np.arange(1 << 16, dtype=np.int64)
    mantissa = (1 << 23) + (steps * 2654435761) % (1 << 23)
    return np.ldexp(mantissa.astype(np.float32), (steps % 61 - 53).astype(np.int32))
