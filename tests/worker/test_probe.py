"""The numerics probe repeats, and notices another way of computing."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from exseos.worker import determinism
from exseos.worker.numerics.probe import fixed_input, numpy_probe

pytestmark = pytest.mark.experiment

_PROBE = "from exseos.worker.numerics.probe import numpy_probe; print(numpy_probe(512, 100)['digest'])"


def digest(**variables: str) -> str:
    environment = {**determinism.environment(), "PATH": os.environ["PATH"], **variables}
    return subprocess.run([sys.executable, "-c", _PROBE], env=environment, check=True, timeout=60, capture_output=True, text=True).stdout


def test_the_input_is_fixed_by_integers() -> None:
    assert fixed_input((2, 2)).tolist() == fixed_input((2, 2)).tolist()
    assert fixed_input((2, 2)).dtype == np.float32
    values = fixed_input((100, 10)) * (1 << 14)
    np.testing.assert_array_equal(values, np.round(values))
    assert values.std() > 15000


def test_it_repeats_in_another_process_and_depends_on_the_shape() -> None:
    assert digest() == digest(PYTHONHASHSEED="7", HOME="/")
    assert numpy_probe(64, 3)["digest"] != numpy_probe(64, 4)["digest"]


def test_it_notices_other_kernels() -> None:
    """OpenBLAS without fused multiply-add rounds otherwise: another machine, as the probe sees it."""
    assert digest() != digest(OPENBLAS_CORETYPE="Sandybridge")
