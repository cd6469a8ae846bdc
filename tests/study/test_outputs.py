"""What user code leaves in its output folder is hostile: regular files are copied, all else is refused, nothing outside is reached."""

from __future__ import annotations

import errno
import os
import resource
import socket
import stat
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exseos.digest import sha256_bytes
from exseos.errors import StageError
from exseos.manifest import Manifest
from exseos.removal import remove_tree
from exseos.study.outputs import Bounds, collect

NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where ``out`` is, which a container has filled."""
    (tmp_path / "out").mkdir()
    yield tmp_path
    remove_tree(tmp_path)


def collected(folder: Path, bounds: Bounds | None = None) -> Manifest:
    return collect(folder / "out", folder / "copy", bounds or Bounds(), "train")


def refused(folder: Path, what: str, bounds: Bounds | None = None) -> StageError:
    """The error of outputs that are refused, which a terminal can show."""
    with pytest.raises(StageError) as caught:
        collected(folder, bounds)
    assert what in caught.value.what
    assert caught.value.where == "train"
    assert caught.value.hint
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 2000
    return caught.value


def fill(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "out" / name).write_bytes(data)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def copies(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder / "copy").as_posix(): path.read_bytes() for path in (folder / "copy").rglob("*") if path.is_file()}


def test_regular_files_are_copied_and_hashed(folder: Path) -> None:
    files = {"a": b"", "b/c/d.npy": b"x" * 3_000_000, "b/é ü": b"1", "…/.hidden": b"2", "metrics.json": b"[]"}
    fill(folder, files)
    (folder / "out" / "empty").mkdir()
    assert collected(folder).as_dict() == {name: sha256_bytes(data) for name, data in files.items()}
    assert copies(folder) == files
    assert not (folder / "copy" / "empty").exists()
    assert all((folder / "out" / name).read_bytes() == data for name, data in files.items())


def test_nothing_at_all(folder: Path) -> None:
    assert len(collected(folder)) == 0
    assert (folder / "copy").is_dir()


def test_copies_are_of_the_host_alone(folder: Path) -> None:
    """No mode, owner, time or second name of a file outlives its container."""
    fill(folder, {"run.sh": b"#!/bin/sh\n"})
    (folder / "out" / "run.sh").chmod(0o6777)
    os.utime(folder / "out" / "run.sh", (0, 0))
    collected(folder)
    found = (folder / "copy" / "run.sh").stat()
    assert stat.S_IMODE(found.st_mode) & 0o7133 == 0
    assert found.st_nlink == 1
    assert found.st_mtime > 1000


def test_hard_links_become_files_of_their_own(folder: Path) -> None:
    fill(folder, {"a": b"same"})
    os.link(folder / "out" / "a", folder / "out" / "b")
    os.link(folder / "out" / "a", folder / "elsewhere")
    assert collected(folder).as_dict() == dict.fromkeys("ab", sha256_bytes(b"same"))
    (folder / "elsewhere").write_bytes(b"changed later")
    assert copies(folder) == {"a": b"same", "b": b"same"}


LINKS = ["/etc/passwd", "/etc", "a", ".", "..", "../secret", "nowhere", "/proc/self/mem", "/dev/zero", "link", "x" * 4000]


@pytest.mark.parametrize("target", LINKS, ids=lambda target: target[:20])
@pytest.mark.parametrize("place", ["link", "deep/link", "metrics.json"])
def test_a_link_is_refused_wherever_it_leads(folder: Path, target: str, place: str) -> None:
    fill(folder, {"a": b"1", "deep/b": b"2"})
    (folder / "secret").write_bytes(b"secret")
    (folder / "out" / place).symlink_to(target)
    refused(folder, f"its output {place} is a link or a special file")
    assert b"secret" not in copies(folder).values()


def test_special_files_are_refused_without_being_opened(folder: Path) -> None:
    """A pipe without a writer would wait for ever."""
    os.mkfifo(folder / "out" / "pipe")
    begin = time.monotonic()
    refused(folder, "its output pipe is a link or a special file")
    assert time.monotonic() - begin < 5


def test_a_socket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "out")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
        refused(folder, "its output socket is a link or a special file")


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK], ids=["character", "block"])
def test_a_device(folder: Path, kind: int) -> None:
    try:
        os.mknod(folder / "out" / "device", kind | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices, and only where it may")
    refused(folder, "its output device is a link or a special file")


NAMES = {
    b"a\nb": r"a\nb",
    b"a\rb": r"a\rb",
    b"\x1b[2J": r"\x1b[2J",
    b"a\x00b".replace(b"\x00", b"\x7f"): r"a\x7fb",
    b"a\\b": "a",
    b"\xff": r"\udcff",
    b"\xed\xa0\x80": r"\udced",
    b".git": ".git would be taken for settings of version control",
    b".GIT": ".GIT would be taken for settings of version control",
    b"git~1": "git~1 would be taken for settings of version control",
    b".hg": ".hg would be taken for settings of version control",
}


@pytest.mark.parametrize("name", NAMES, ids=repr)
@pytest.mark.parametrize("make", [os.mkdir, lambda path: os.close(os.open(path, os.O_CREAT))], ids=["folder", "file"])
def test_a_name_that_no_capsule_can_have(folder: Path, name: bytes, make: Callable[[bytes], None]) -> None:
    make(os.fsencode(folder / "out") + b"/" + name)
    refused(folder, NAMES[name])


def test_a_path_that_no_capsule_can_have(folder: Path) -> None:
    fill(folder, {"/".join(["x" * 127] * 4): b"511 bytes"})
    assert len(collected(folder)) == 1
    fill(folder, {"/".join(["x" * 127] * 4) + "xx": b"513 bytes"})
    remove_tree(folder / "copy")
    refused(folder, "is a path of 513 bytes")


def test_the_length_of_a_path_is_that_of_its_bytes(folder: Path) -> None:
    fill(folder, {"/".join(["é" * 100] * 3): b"602 bytes"})
    refused(folder, "is a path of 602 bytes")


def test_folders_nested_thousands_deep(folder: Path) -> None:
    here = os.open(folder / "out", os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    refused(folder, "is nested deeper than 32 folders")
    assert open_files() < 100
    assert remove_tree(folder / "out")


def test_as_deep_as_it_may_be(folder: Path) -> None:
    fill(folder, {"d/" * 32 + "x": b"1"})
    assert len(collected(folder)) == 1
    fill(folder, {"d/" * 33 + "x": b"1"})
    remove_tree(folder / "copy")
    refused(folder, "is nested deeper than 32 folders")


def test_a_file_larger_than_any_disk(folder: Path) -> None:
    """A hole takes no room to make, and would take an hour and a terabyte to copy."""
    with (folder / "out" / "hole").open("wb") as stream:
        stream.truncate(1 << 40)
    begin = time.monotonic()
    refused(folder, "its output hole makes more than 68719476736 bytes of outputs")
    assert time.monotonic() - begin < 5
    assert copies(folder) == {}


def test_holes_take_no_room_in_the_copy(folder: Path) -> None:
    with (folder / "out" / "holes").open("wb") as stream:
        stream.write(b"begin")
        stream.seek(100 << 20)
        stream.write(b"middle")
        stream.truncate(200 << 20)
    (digest,) = collected(folder).as_dict().values()
    copy = folder / "copy" / "holes"
    assert copy.stat().st_size == 200 << 20
    assert copy.stat().st_blocks * 512 < 8 << 20
    content = copy.read_bytes()
    assert sha256_bytes(content) == digest
    assert content.strip(b"\0") == b"begin" + bytes((100 << 20) - 5) + b"middle"


def test_all_bytes_count_together(folder: Path) -> None:
    fill(folder, {"a": b"x" * 600, "b": b"x" * 400})
    assert len(collected(folder, Bounds(bytes=1000))) == 2
    fill(folder, {"c": b"x"})
    remove_tree(folder / "copy")
    refused(folder, "makes more than 1000 bytes of outputs", Bounds(bytes=1000))


@pytest.mark.parametrize("per_folder", [1, 10, 100])
def test_all_files_count_together(folder: Path, per_folder: int) -> None:
    fill(folder, {f"{number // per_folder}/{number}": b"" for number in range(100)})
    assert len(collected(folder, Bounds(files=100))) == 100
    fill(folder, {"one more": b""})
    remove_tree(folder / "copy")
    refused(folder, "is one of more than 100 files", Bounds(files=100))


def test_all_folders_count_together(folder: Path) -> None:
    for number in range(10):
        (folder / "out" / str(number)).mkdir()
    assert len(collected(folder, Bounds(folders=11))) == 0
    (folder / "out" / "more").mkdir()
    remove_tree(folder / "copy")
    refused(folder, "one of more than 11", Bounds(folders=11))


@pytest.mark.slow
def test_a_hundred_thousand_files(folder: Path) -> None:
    here = os.open(folder / "out", os.O_RDONLY)
    for number in range(100_001):
        os.close(os.open(f"{number}", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, "is one of more than 100000 files")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10 < 200


def test_the_folder_itself_swapped_for_a_link(folder: Path) -> None:
    (folder / "out").rmdir()
    for target in ("/etc", "nowhere", "out"):
        (folder / "out").symlink_to(target)
        refused(folder, "its output out is no longer what it was")
        (folder / "out").unlink()
        remove_tree(folder / "copy")
    (folder / "out").write_bytes(b"")
    refused(folder, "its output out is no longer what it was")


SWAPS: dict[str, Callable[[Path], None]] = {
    "a link to a folder": lambda path: path.symlink_to("/etc"),
    "a link to a file": lambda path: path.symlink_to("/etc/passwd"),
    "nothing": lambda path: None,
    "a pipe": os.mkfifo,
    "the other kind": lambda path: path.write_bytes(b"") if path.name == "folder" else path.mkdir(),
}


@pytest.mark.parametrize("name", ["folder", "file"])
@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
def test_something_swapped_between_look_and_touch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, swap: Callable[[Path], None]
) -> None:
    """Nothing runs by then; but were it so, no link would be followed and no pipe waited for."""
    fill(folder, {"folder/x": b"1", "file": b"2"})
    looked = os.stat

    def stat_then_swap(path: str, **options: object) -> os.stat_result:
        found = looked(path, **options)  # type: ignore[arg-type]
        if path == name and options.get("dir_fd") is not None:
            remove_tree(folder / "out" / name)
            swap(folder / "out" / name)
        return found

    monkeypatch.setattr(os, "stat", stat_then_swap)
    before = open_files()
    with pytest.raises(StageError, match="is no longer what it was"):
        collected(folder)
    assert open_files() == before


def as_nobody(act: Callable[[], object]) -> str:
    """What ``act`` raised in a process without privileges, or what it gave."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            os.write(write, repr(act()).encode())
        except BaseException:  # noqa: BLE001 - the child must not go on as a second pytest
            os.write(write, traceback.format_exc()[-4000:].encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        said = stream.read().decode()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def open_folder(folder: Path) -> Path:
    """As ``folder``, where somebody without privileges may write, too."""
    for path in (folder, *folder.parents):
        if path == Path("/tmp") or os.geteuid() != 0:
            break
        if path.stat().st_mode & 0o001 == 0:
            path.chmod(path.stat().st_mode | 0o011)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        os.chown(folder / "out", NOBODY, NOBODY)
    return folder


@pytest.mark.parametrize("mode", [0o000, 0o200, 0o100, 0o400, 0o444])
def test_files_and_folders_without_permissions(open_folder: Path, mode: int) -> None:
    """Their maker takes them away, and the host, who is no root, gets them back."""

    def act() -> list[str]:
        fill(open_folder, {"deep/er/file": b"1", "file": b"2"})
        for name in ("file", "deep/er/file", "deep/er", "deep", "."):
            (open_folder / "out" / name).chmod(mode)
        return sorted(collected(open_folder).as_dict())

    assert as_nobody(act) == "['deep/er/file', 'file']"


def test_a_disk_that_is_full_is_not_the_fault_of_the_outputs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder, {"a": b"1"})

    def full(self: Path, mode: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        collected(folder)


def test_no_descriptor_is_left_open(folder: Path) -> None:
    fill(folder, {f"{number}/{number}": b"1" for number in range(50)})
    (folder / "out" / "5" / "link").symlink_to("x")
    before = open_files()
    refused(folder, "is a link")
    remove_tree(folder / "copy")
    (folder / "out" / "5" / "link").unlink()
    collected(folder)
    assert open_files() == before
