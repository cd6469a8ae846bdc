"""The tiny experiments of the hardware tests, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toolchains import tiny


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A binary classifier through all hardware stages; half of its test rows lie far outside of its input's range."""
    import numpy as np

    folder = tmp_path_factory.mktemp("binary")
    test = np.concatenate([tiny.rows(100, 3, seed=2), tiny.rows(100, 3, seed=3, scale=50.0)])[np.random.default_rng(0).permutation(200)]
    tiny.write_inputs(folder, tiny.quantised_model(), "binary", tiny.rows(50, 3, seed=1), test)
    return tiny.run(folder, tiny.HARDWARE)
