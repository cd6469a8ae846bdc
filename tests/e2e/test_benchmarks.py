"""Every benchmark there is runs at its smallest size and prints figures (the contract is in ``benchmarks/__init__.py``)."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys

import pytest

import benchmarks
from tests.e2e.conftest import require_engine
from tests.e2e.running import REPOSITORY, Exseos

MODULES = benchmarks.modules()


def test_the_benchmarks_are_found() -> None:
    assert {"capsule", "image", "metrics", "start"} <= set(MODULES)
    assert benchmarks.SHARED not in MODULES


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.network
@pytest.mark.parametrize("name", MODULES)
def test_it_runs_at_its_smallest_size(warm: Exseos, name: str) -> None:
    for engine in getattr(importlib.import_module(f"benchmarks.{name}"), "ENGINES", ()):
        require_engine(engine)
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--smallest"],
        cwd=REPOSITORY,
        env={**warm.variables(), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert len(re.findall(r"\b\d+\.\d\d\b", done.stdout)) >= 2, f"no figures: {done.stdout}"
