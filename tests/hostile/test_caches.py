"""What is in the cache is not believed because it is there; what a killed run left stops nobody."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exseos.errors import CapsuleError, DigestMismatch
from exseos.image.archive import find_image
from exseos.image.assemble import assemble
from exseos.image.image import Image
from exseos.image.layer import LayerStore, scratch
from exseos.image.seal import MAX_AGE, Seal, TreeState
from exseos.image.tar import MTIME
from exseos.image.wheel import exseos_wheel
from exseos.progress import Quiet
from exseos.removal import remove_tree
from exseos.store import Store, _processes
from tests.image import sample


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sample.Sample:
    given = sample.write_sample(tmp_path)
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", given.mirror)
    return given


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def image(given: sample.Sample, cache: Path) -> Image:
    return made(given, cache)


def made(given: sample.Sample, cache: Path) -> Image:
    return assemble(given.packages, given.wheels, None, cache, Quiet())


def again(image: Image, cache: Path) -> Image:
    """The same image as another command finds it."""
    found = find_image(image.config_bytes, cache)
    assert found is not None
    return found


def put_times_back(path: Path) -> None:
    os.utime(path, (MTIME, MTIME), follow_symlinks=False)


def rewritten(tree: Path) -> None:
    """In place, with size and time as before."""
    path = tree / "usr/bin/alpha"
    path.write_bytes(b"#!/bin/sh\necho EVIL!\n"[: path.stat().st_size].ljust(path.stat().st_size))
    put_times_back(path)


def replaced(tree: Path) -> None:
    new = tree.parent / "new"
    shutil.copy2(tree / "usr/bin/alpha", new)
    rewritten_path = new.read_bytes().replace(b"alpha", b"omega")
    new.write_bytes(rewritten_path)
    put_times_back(new)
    new.replace(tree / "usr/bin/alpha")
    put_times_back(tree / "usr/bin")


def added(tree: Path) -> None:
    (tree / "usr/bin/more").write_bytes(b"x")
    put_times_back(tree / "usr/bin/more")
    put_times_back(tree / "usr/bin")


def link_turned(tree: Path) -> None:
    (tree / "usr/bin/awk").unlink()
    (tree / "usr/bin/awk").symlink_to("perl")
    put_times_back(tree / "usr/bin/awk")
    put_times_back(tree / "usr/bin")


def setuid(tree: Path) -> None:
    (tree / "usr/bin/alpha").chmod(0o4755)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "rewritten": rewritten,
    "replaced": replaced,
    "added": added,
    "removed": lambda tree: (tree / "usr/bin/alpha").unlink(),
    "link turned": link_turned,
    "setuid": setuid,
    "pipe": lambda tree: os.mkfifo(tree / "pipe"),
    "gone": lambda tree: (remove_tree(tree), None)[1],
}


def content(root: Path) -> dict[str, object]:
    return {
        str(path.relative_to(root)): (
            stat.S_IMODE(path.lstat().st_mode),
            path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None,
        )
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file() or path.is_dir() or path.is_fifo()
    }


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_layer_that_was_changed_is_not_found_and_made_anew(
    given: sample.Sample, image: Image, cache: Path, damage: Callable[[Path], None]
) -> None:
    good = content(image.rootfs())
    damage(image.layers[0].tree)
    assert find_image(image.config_bytes, cache) is None
    assert not image.layers[0].tree.exists()
    assert list((cache / "tmp").iterdir()) == []
    new = made(given, cache)
    assert new.id == image.id
    # Where files were hard links, the root file system had the damage too.
    assert content(new.rootfs()) == good


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_root_file_system_that_was_changed_is_not_used(
    given: sample.Sample, image: Image, cache: Path, damage: Callable[[Path], None]
) -> None:
    good = content(image.rootfs())
    damage(image.rootfs())
    assert content(made(given, cache).rootfs()) == good


def test_a_layer_that_is_changed_after_it_was_found_makes_no_root_file_system(image: Image) -> None:
    rewritten(image.layers[0].tree)
    with pytest.raises(DigestMismatch, match="changed in the cache"):
        image.rootfs()


def test_nothing_is_hashed_or_made_again_without_a_reason(image: Image, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = image.rootfs()
    inode = root.stat().st_ino
    monkeypatch.setattr("exseos.image.layer.tree_digest", lambda *arguments: pytest.fail("hashed again"))
    assert again(image, cache).rootfs().stat().st_ino == inode
    # Another image of the same layers adds links to their files.
    other = Image(image.config | {"author": "x"}, again(image, cache).layers, cache)
    assert other.rootfs() != root
    assert again(image, cache).rootfs().stat().st_ino == inode


def test_a_cache_that_was_copied_is_hashed_once_and_good(image: Image, cache: Path, tmp_path: Path) -> None:
    good = content(image.rootfs())
    subprocess.run(["cp", "-a", str(cache), str(tmp_path / "copy")], check=True, timeout=60)
    assert content(again(image, tmp_path / "copy").rootfs()) == good


def test_a_cache_without_seals_is_hashed_once(image: Image, cache: Path) -> None:
    shutil.rmtree(cache / "seals")
    again(image, cache)
    assert len(list((cache / "seals").iterdir())) == len(image.layers)


def test_a_disk_that_changes_bytes_by_itself_is_found_in_the_end(image: Image, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewritten(image.layers[0].tree)
    store = LayerStore(cache)
    store._write_seal(image.layers[0], store_state(image), int(time.time()))
    assert find_image(image.config_bytes, cache) is not None
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + MAX_AGE + 10)
    assert find_image(image.config_bytes, cache) is None


def store_state(image: Image) -> TreeState:
    return TreeState.of(image.layers[0].tree)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": "../../x", "size": 1}', '{"sha256": 3, "size": "a"}', "[" * 100_000])
def test_keys_and_seals_that_are_broken_are_as_good_as_none(image: Image, cache: Path, text: str) -> None:
    for path in (cache / "seals").iterdir():
        path.write_text(text)
        assert Seal.read(path) is None
    assert find_image(image.config_bytes, cache) is not None
    for path in (cache / "keys").iterdir():
        path.write_text(text)
    assert find_image(image.config_bytes, cache) is None


def test_a_size_that_is_wrong_in_a_key_is_not_believed(image: Image, cache: Path) -> None:
    layer = image.layers[0]
    (cache / "keys" / f"{layer.sha256}.json").write_text(f'{{"sha256": "{layer.sha256}", "size": {layer.size + 512}}}')
    assert find_image(image.config_bytes, cache) is None


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def test_a_package_that_was_damaged_in_the_cache_is_fetched_again(given: sample.Sample, cache: Path, tmp_path: Path) -> None:
    good = made(given, cache).id
    shutil.rmtree(cache / "layers")
    damaged = cache / "downloads" / given.packages[0].sha256
    flip(damaged)
    with pytest.raises(DigestMismatch, match=r"(?s)was changed since it came.*fetched anew"):
        made(given, cache)
    assert not damaged.exists()
    assert list((cache / "tmp").iterdir()) == []
    assert made(given, cache).id == good


@pytest.mark.parametrize("damage", [flip, lambda path: path.write_bytes(b"no zip")], ids=["flipped", "no zip"])
def test_a_wheel_that_was_damaged_in_the_cache_is_removed(given: sample.Sample, cache: Path, damage: Callable[[Path], object]) -> None:
    from exseos.digest import sha256_file

    (cache / "downloads").mkdir(parents=True)
    wheel = cache / "downloads" / sha256_file(given.wheels[0])
    shutil.copy(given.wheels[0], wheel)
    damage(wheel)
    with pytest.raises(DigestMismatch, match="was changed since it came"):
        assemble(given.packages, [wheel], None, cache, Quiet())
    assert not wheel.exists()


def test_the_own_wheel_is_written_again_if_it_was_changed(cache: Path) -> None:
    path = exseos_wheel(cache)
    good = path.read_bytes()
    flip(path)
    assert exseos_wheel(cache) == path
    assert path.read_bytes() == good


def nest(folder: Path, depth: int, name: str = "d" * 255) -> None:
    """Folders that no path can name, with a file in the last."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=handle)
        inner = os.open(name, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.close(handle)


def test_a_leftover_of_hostile_depth_is_removed(tmp_path: Path) -> None:
    nest(tmp_path / "bad", 2000, "d")
    nest(tmp_path / "bad/long", 100)
    assert remove_tree(tmp_path / "bad")
    assert list(tmp_path.iterdir()) == []


def test_removal_touches_nothing_outside(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (kept / "inner").mkdir(parents=True)
    (kept / "inner/file").write_bytes(b"x")
    bad = tmp_path / "bad"
    (bad / "a/b").mkdir(parents=True)
    (bad / "a/b/link").symlink_to(kept)
    (bad / "a/file-link").symlink_to(kept / "inner/file")
    os.link(kept / "inner/file", bad / "hard")
    os.mkfifo(bad / "a/pipe")
    assert remove_tree(bad)
    (tmp_path / "whole").symlink_to(kept)
    assert remove_tree(tmp_path / "whole")
    assert remove_tree(tmp_path / "nowhere")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (kept / "inner/file").read_bytes() == b"x"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o755


AS_NOBODY = """
import os, sys
from pathlib import Path
from exseos.removal import remove_tree
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
bad = Path("bad")
for path in ("a/b/c", "a/e", "f"):
    (bad / path).mkdir(parents=True)
    (bad / path / "file").write_bytes(b"x")
for path in ("a/b/c", "a/b", "a/e", "f", "a", ""):
    (bad / path).chmod(0)
assert remove_tree(bad)
print(sorted(path.name for path in Path(".").iterdir()))
"""


def test_folders_without_permissions_are_removed(tmp_path: Path) -> None:
    """As another user, since root needs none."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(home)], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_what_cannot_be_removed_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of another owner, or one that is immutable: every removal of it fails."""
    store = Store(tmp_path / "store")
    bad = store.root / "scratch" / f"{_processes()}.999999999.x"
    (bad / "deep/deeper").mkdir(parents=True)
    (bad / "deep/deeper/file").write_bytes(b"x")
    real = os.unlink

    def refuse(path: str, **options: int) -> None:
        if str(path).endswith("file"):
            raise PermissionError(1, "Operation not permitted", path)
        real(path, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    with Store(tmp_path / "store").scratch() as folder:
        assert folder.is_dir()
    assert bad.exists()
    monkeypatch.undo()
    Store(tmp_path / "store")
    assert not bad.exists()


def test_leftovers_of_hostile_depth_in_store_and_cache(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    bad = store.root / "scratch" / f"{_processes()}.999999999.x"
    nest(bad, 1100)
    half = store.cache / "tmp" / f"{socket.gethostname()}.999999999@aa"
    nest(half, 1100)
    Store(tmp_path / "store")
    with scratch(store.cache):
        pass
    assert not bad.exists()
    assert not half.exists()


@pytest.mark.parametrize(("depth", "name"), [(1100, "d"), (100, "d" * 255)], ids=["deep", "long"])
def test_outputs_of_hostile_depth_are_refused(tmp_path: Path, depth: int, name: str) -> None:
    store = Store(tmp_path / "store")
    with store.scratch() as folder:
        nest(folder / "out", depth, name)
        with pytest.raises(CapsuleError):
            store.put("a" * 64, folder / "out", {})
    assert list((store.root / "scratch").iterdir()) == []
    assert list((store.root / "stages").iterdir()) == []
