"""One copy of the sources and one warm store, for all tests of the whole program: ``tests/conftest.py`` offers the fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exseos.engines.bubblewrap import Bubblewrap
from exseos.engines.docker import Docker
from tests.e2e.running import Exseos, copy_sources

CAPSULE = "tiny.capsule.zip"
_KEPT_STORE = "EXSEOS_E2E_STORE"
"""A store to use and keep: for the work on these tests. Otherwise each run begins with none."""


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sources(tmp_path_factory.mktemp("sources") / "checkout")


@pytest.fixture(scope="session")
def warm(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Exseos:
    """``exseos`` with the image and all stages of ``examples/tiny`` in its store, which was empty, and the capsule in its folder.

    Built by docker if there is one: the first of two builds that must not differ.
    """
    folder = tmp_path_factory.mktemp("warm")
    kept = os.environ.get(_KEPT_STORE)
    store = Path(kept, os.environ.get("PYTEST_XDIST_WORKER", "")) if kept else folder / "store"
    exseos = Exseos(sources, store, folder, {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"})
    engine = "docker" if Docker().available() is None else "auto"
    arguments = ("capsule", "build", sources / "examples/tiny/spec.yaml", "-o", folder / CAPSULE)
    ended = exseos(*arguments, "--without", "image", "--engine", engine, seconds=1800)
    assert ended.code == 0, ended.text
    return exseos


def require_engine(name: str) -> None:
    """Skip the test if this machine does not have the engine ``name``; fail if it was promised to have it."""
    reason = {"docker": Docker, "bubblewrap": Bubblewrap}[name]().available()
    if reason is not None:
        promised = os.environ.get("EXSEOS_REQUIRE_ENGINES", "").split(",")
        (pytest.fail if name in promised else pytest.skip)(f"{name} does not work here: {reason}")
