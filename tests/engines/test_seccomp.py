"""The filters that ship are those that the script makes; where none can be put, that is told."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exseos.engines import seccomp
from exseos.engines.bubblewrap import UNFILTERED, Bubblewrap
from exseos.errors import HostError
from tests.engines.folder_image import FolderImage
from tests.engines.running import run

SCRIPT = Path(__file__).parents[2] / "scripts/make_seccomp.py"
WITHOUT = """#!/bin/sh
case "$*" in *--add-seccomp-fd*) echo "bwrap: prctl(PR_SET_SECCOMP): Invalid argument" >&2; exit 1 ;; esac
exec {bwrap} "$@"
"""


def test_the_script_makes_what_ships(tmp_path: Path) -> None:
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp is not installed here")
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, timeout=60)
    if "needs libseccomp" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    for name in seccomp.FILTERS:
        assert (tmp_path / name).read_bytes() == Path(seccomp.__file__).with_name(name).read_bytes()


def test_the_kernel_s_limit_on_a_filter_is_kept() -> None:
    for name in seccomp.FILTERS:
        size = Path(seccomp.__file__).with_name(name).stat().st_size
        assert size % 8 == 0
        assert 0 < size // 8 <= 4096


def test_a_filter_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "FILTERS", (seccomp.FILTERS[0], "no.bpf"))
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    with pytest.raises(HostError, match="lacks a filter"), seccomp.opened(True):
        pass
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


@pytest.mark.engine
def test_without_its_filters_an_installation_is_broken_not_weaker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "FILTERS", ("no.bpf",))
    assert "lacks a filter" in (Bubblewrap().available() or "")


@pytest.mark.engine
def test_a_kernel_that_takes_no_filter(image: FolderImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a sandbox is used, and what it lacks is told; one with a filter comes first, wherever it is."""
    from exseos.engines import bubblewrap

    program = tmp_path / "bwrap"
    program.write_text(WITHOUT.format(bwrap=shutil.which("bwrap") or next(bubblewrap._programs())))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    engine = Bubblewrap()
    assert engine.available() is None
    assert UNFILTERED not in engine.unenforced()  # the bundled one filters
    monkeypatch.setattr(bubblewrap, "_programs", lambda: iter([str(program)]))
    engine = Bubblewrap()
    assert engine.available() is None
    assert UNFILTERED in engine.unenforced()
    assert run(engine, image, ["exit", 3]).code == 3


@pytest.mark.engine
def test_another_processor(image: FolderImage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert UNFILTERED in Bubblewrap().unenforced()


@pytest.mark.engine
def test_the_probe_starts_with_the_filters() -> None:
    engine = Bubblewrap()
    assert engine.available() is None
    assert engine._program.filtered
    assert UNFILTERED not in engine.unenforced()
