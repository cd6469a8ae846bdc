"""The one place that sets and asserts every switch that numbers depend on.

``environment()`` is what the host starts the worker with; ``check()`` asserts it in the worker before anything runs;
``check_numpy()`` asserts what NumPy and OpenBLAS made of it; ``start_training()`` resets Keras and TensorFlow. What no switch
changes (approximate instructions, blocking by cache size) is the matter of ``exseos.worker.numerics``.

Why each: TensorFlow's oneDNN kernels, NumPy's dispatched loops and OpenBLAS choose code by CPU, and other code sums in
another order; AVX2 is what every supported host has. One thread: Eigen splits large contractions by the number of threads.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exseos.errors import HostError
from exseos.worker import numerics

_UMASK = 0o022

_SWITCHES = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "CUDA_VISIBLE_DEVICES": "",
    "HOME": "/tmp",
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": "/tmp/.keras",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_NUM_THREADS": "1",
    # The names of NumPy 2.4, then those of NumPy before it; NumPy passes over names it does not know.
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL",
    "OMP_NUM_THREADS": "1",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_L2_SIZE": "512",  # KiB; OpenBLAS blocks by it
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TZ": "UTC",
}
_PLACES = ("HOME", "KERAS_HOME")
"""Where scratch files go; no result depends on them, so their values are not asserted."""

_FORBIDDEN = {
    "DA_HARD_DC": "it changes the hardware that da4ml generates",
    "KERAS_FLOATX": "it changes the precision of every model",
    "NPY_ENABLE_CPU_FEATURES": "NumPy takes it or NPY_DISABLE_CPU_FEATURES, not both",
    "NPY_PROMOTION_STATE": "it changes NumPy's types",
    "PYTHONOPTIMIZE": "it removes assertions",
    "TF_USE_LEGACY_KERAS": "it replaces Keras 3",
    "TF_XLA_FLAGS": "it changes how TensorFlow compiles",
    "XLA_FLAGS": "it changes how TensorFlow compiles",
}
_NUMPY_ALLOWED = {"SSE", "SSE2", "SSE3", "SSSE3", "SSE41", "POPCNT", "SSE42", "AVX", "F16C", "FMA3", "AVX2", "X86_V2", "X86_V3"}


def environment() -> dict[str, str]:
    """The environment variables a worker must be started with, sorted by name."""
    return dict(sorted(_SWITCHES.items()))


def cpu_features(cpuinfo: str) -> frozenset[str]:
    """The flags of the first CPU in the text of ``/proc/cpuinfo``."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def cpu_model(cpuinfo: str) -> str:
    """The model name of the first CPU in the text of ``/proc/cpuinfo``, or ``unknown``."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return " ".join(value.split())
    return "unknown"


def read_cpuinfo() -> str:
    """The text of ``/proc/cpuinfo``."""
    return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")


def check_cpu(cpuinfo: str) -> None:
    """Raise ``HostError`` unless the CPU has AVX2 and FMA, which TensorFlow's wheels need."""
    missing = sorted({"avx2", "fma"} - cpu_features(cpuinfo))
    if missing:
        named = " and ".join("AVX2" if name == "avx2" else name.upper() for name in missing)
        raise HostError(
            f"this CPU has no {named} ({cpu_model(cpuinfo)})",
            hint="Intel CPUs have it since 2013, AMD's since 2015; a virtual machine must pass the host's CPU through.",
        )


def check(variables: Mapping[str, str] | None = None) -> None:
    """Assert every switch of this process and set the umask; ``HostError`` lists all that are wrong."""
    found = os.environ if variables is None else variables
    os.umask(_UMASK)
    if hasattr(time, "tzset"):
        time.tzset()
    wrong = [
        f"{name} is {found.get(name)!r}, must be {value!r}"
        for name, value in sorted(_SWITCHES.items())
        if name not in _PLACES and found.get(name) != value
    ]
    wrong += [f"{name} is set: {why}" for name, why in sorted(_FORBIDDEN.items()) if found.get(name)]
    if sys.flags.hash_randomization:
        wrong.append("Python's hash seed is random")
    if time.timezone != 0 or time.daylight:
        wrong.append(f"the time zone is {time.tzname[0]}, not UTC")
    if wrong:
        raise HostError(
            "the worker was not started with the switches that make numbers repeat: " + "; ".join(wrong),
            hint="Start it with exseos.worker.determinism.environment().",
        )


def check_numpy() -> None:
    """Assert that NumPy runs no loop above AVX2 and OpenBLAS its Haswell kernels, whatever the CPU offers."""
    core: Any = importlib.import_module("numpy._core._multiarray_umath")
    dispatched, features = core.__cpu_dispatch__, core.__cpu_features__
    above = [name for name in dispatched if features.get(name) and name not in _NUMPY_ALLOWED]
    wrong = [f"NumPy uses {', '.join(above)}"] if above else []
    kernels = openblas_kernels()
    if kernels not in (None, "Haswell"):
        wrong.append(f"OpenBLAS uses its {kernels} kernels, not Haswell")
    if wrong:
        raise HostError(
            "the switches that make numbers repeat had no effect: " + "; ".join(wrong), hint="Pin another NumPy in the spec's requirements."
        )


def openblas_kernels() -> str | None:
    """The name of the CPU whose kernels the OpenBLAS inside NumPy's wheel runs; None if there is no such OpenBLAS."""
    import ctypes

    import numpy as np

    for library in sorted((Path(np.__file__).parent.parent / "numpy.libs").glob("*openblas*.so*")):
        for name in ("scipy_openblas_get_corename64_", "openblas_get_corename64_"):
            function = getattr(ctypes.CDLL(str(library)), name, None)
            if function is not None:
                function.restype = ctypes.c_char_p
                return str(function().decode())
    return None


def start_training(seed: int) -> None:
    """Bring Keras and TensorFlow to one known state: no old graph, seeds set, deterministic ops, one thread, float32.

    Called before every training in a worker, so that what ran before has no influence.
    """
    import keras
    import tensorflow as tf

    check_numpy()
    numerics.active()
    tf.config.experimental.enable_op_determinism()
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session(free_memory=True)
    keras.utils.set_random_seed(seed)
    if tf.config.list_physical_devices("GPU"):
        raise HostError(
            "TensorFlow sees a GPU, whose numbers do not repeat here", hint="Use tensorflow-cpu, or unset CUDA_VISIBLE_DEVICES."
        )
