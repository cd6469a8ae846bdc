"""The tiny experiments of the hardware tests, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toolchains import tiny


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A binary classifier, its test rows partly beyond its input's range, through all hardware stages."""
    folder = tmp_path_factory.mktemp("binary")
    tiny.write_binary_inputs(folder)
    return tiny.run(folder, tiny.HARDWARE)
