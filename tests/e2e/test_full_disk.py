"""A disk that fills at any step of a build: said clearly, nothing half-written is kept, and with more room the build goes on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exseos.capsule.inspect import inspect
from tests.e2e.conftest import CAPSULE
from tests.e2e.running import Ended, Exseos

pytestmark = [
    pytest.mark.slow,
    pytest.mark.engine,
    pytest.mark.network,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]


@contextmanager
def disk(folder: Path, mebibytes: float) -> Iterator[Path]:
    """A small disk of its own at ``folder``."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={int(mebibytes * 1024)}k", "exseos-test", folder], check=True, timeout=30)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True, timeout=30)


def grow(folder: Path, mebibytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", folder], check=True, timeout=30)


def build(exseos: Exseos, capsule: Path) -> Ended:
    spec = exseos.sources / "examples/tiny/spec.yaml"
    return exseos("capsule", "build", spec, "-o", capsule, "--without", "image", "--engine", "bubblewrap")


def full(ended: Ended) -> None:
    """The error says that the disk is full and what to do; it is ours, not a traceback of our own code."""
    assert ended.code == 1, ended.text
    assert "No space left on device" in ended.error
    assert re.search(r"[Ff]ree (some|space)", ended.error)
    assert "Traceback" not in ended.error
    assert "layer that hls4ml supports" not in ended.error


@pytest.mark.parametrize("mebibytes", [0.4, 1, 2])
def test_during_the_stages(warm: Exseos, tmp_path: Path, mebibytes: float) -> None:
    capsule = tmp_path / CAPSULE
    with disk(tmp_path / "store", mebibytes) as store:
        (store / "cache").symlink_to(warm.store / "cache")
        exseos = warm.but(store=store, folder=tmp_path)
        ended = build(exseos, capsule)
        full(ended)
        assert not capsule.exists()
        done = [line.partition(":")[0] for line in ended.err.splitlines() if ": done in " in line]
        assert len(list((store / "stages").iterdir())) == len(done)
        assert list((store / "scratch").iterdir()) == []

        grow(store, 100)
        ended = build(exseos, capsule)
        assert ended.code == 0, ended.text
        assert [line.partition(":")[0] for line in ended.err.splitlines() if "already in the store" in line] == done
    assert inspect(capsule).id == inspect(warm.folder / CAPSULE).id


def test_during_download_and_assembly(warm: Exseos, tmp_path: Path) -> None:
    spec = warm.sources / "examples/tiny/spec.yaml"
    with disk(tmp_path / "store", 30) as store:
        exseos = warm.but(store=store, folder=tmp_path)
        ended = exseos("image", "build", spec)
        full(ended)
        downloads = store / "cache/downloads"
        assert all(len(path.name) == 64 or path.name.endswith(".part") for path in downloads.iterdir())

        for name in ("downloads", "origins"):
            shutil.rmtree(store / "cache" / name, ignore_errors=True)
            (store / "cache" / name).symlink_to(warm.store / "cache" / name)
        grow(store, 200)
        ended = exseos("image", "build", spec)
        full(ended)
        assert list((store / "cache/tmp").iterdir()) == []


def test_while_packing(warm: Exseos, tmp_path: Path) -> None:
    with disk(tmp_path / "out", 1) as out:
        capsule = out / CAPSULE
        (out / "older").write_text("of the user")
        ended = build(warm.but(folder=tmp_path), capsule)
        full(ended)
        assert [path.name for path in out.iterdir()] == ["older"]
        grow(out, 100)
        ended = build(warm.but(folder=tmp_path), capsule)
        assert ended.code == 0, ended.text
        assert ": running" not in ended.err
        assert inspect(capsule).id == inspect(warm.folder / CAPSULE).id
