"""``exseos`` as end-to-end tests use it, with the warm store of ``tests/e2e/warm.py`` or without."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.running import Exseos
from tests.e2e.warm import CAPSULE as CAPSULE
from tests.e2e.warm import require_engine as require_engine

ENGINES = ("bubblewrap", "docker")


@pytest.fixture
def exseos(warm: Exseos, tmp_path: Path) -> Exseos:
    """``exseos`` in a working folder of its own, with the warm store."""
    return warm.but(folder=tmp_path)


@pytest.fixture
def fresh(warm: Exseos, tmp_path: Path) -> Exseos:
    """``exseos`` with a store that has no stages, and the warm cache of images and downloads."""
    store = tmp_path / "store"
    store.mkdir()
    (store / "cache").symlink_to(warm.store / "cache")
    return warm.but(folder=tmp_path, store=store)


@pytest.fixture
def experiment(sources: Path, tmp_path: Path) -> Path:
    """A copy of ``examples/tiny`` to change."""
    return shutil.copytree(sources / "examples/tiny", tmp_path / "experiment")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    name: str = request.param
    require_engine(name)
    return name
