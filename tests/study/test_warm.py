"""The warm folder: made once, checked before each use, never kept if it is not what a compiler leaves."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from exseos.engines.base import Command, Engine, ImageSource, Limits, Mount
from exseos.progress import Quiet
from exseos.store import Store
from exseos.study.warm import warm_folder


class FakeEngine:
    """Fills the writable mount as ``fill`` says."""

    def __init__(self, fill: Callable[[Path], object]) -> None:
        self.fill = fill
        self.started = 0

    def start(self, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> Any:
        self.started += 1
        self.fill(mounts[0].source)
        return SimpleNamespace(stdin=io.BytesIO(), wait=lambda seconds: 0, kill=lambda: None)


def compiled(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep/module.pyc").write_bytes(b"bytecode")


def warm(engine: FakeEngine, store: Store) -> Path | None:
    image = cast(ImageSource, SimpleNamespace(id="sha256:" + "0" * 64))
    return warm_folder(cast(Engine, engine), image, cast(Limits, None), store, Quiet())


def rewritten(folder: Path) -> None:
    path = folder / "deep/module.pyc"
    times = path.stat()
    path.write_bytes(b"bytEcode")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    "damage", [rewritten, lambda folder: (folder / "more").touch(), lambda folder: (folder.parent / "seal.json").unlink()]
)
def test_a_folder_that_was_changed_is_made_again(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    store, engine = Store(tmp_path), FakeEngine(compiled)
    folder = warm(engine, store)
    assert folder is not None
    assert warm(engine, store) == folder
    assert engine.started == 1
    damage(folder)
    assert warm(engine, store) == folder
    assert engine.started == 2
    assert [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*"))] == ["deep", "deep/module.pyc"]
    assert (folder / "deep/module.pyc").read_bytes() == b"bytecode"
    assert list((store.cache / "tmp").iterdir()) == []


def test_a_folder_that_was_only_touched_is_hashed_and_kept(tmp_path: Path) -> None:
    store, engine = Store(tmp_path), FakeEngine(compiled)
    folder = warm(engine, store)
    assert folder is not None
    os.utime(folder / "deep/module.pyc", (1, 1))
    assert warm(engine, store) == folder
    assert engine.started == 1


def huge(folder: Path) -> None:
    with (folder / "sparse").open("wb") as stream:
        stream.truncate(1 << 30)


@pytest.mark.parametrize("fill", [lambda folder: os.mkfifo(folder / "pipe"), huge], ids=["pipe", "huge"])
def test_what_cannot_be_checked_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fill: Callable[[Path], object]) -> None:
    monkeypatch.setattr("exseos.study.warm._MAX_BYTES", 10 << 20)
    store = Store(tmp_path)
    assert warm(FakeEngine(fill), store) is None
    assert list((store.cache / "warm").glob("*")) == []
