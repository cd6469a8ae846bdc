"""What is counted, and that counting follows nothing and ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from exseos.engines import watch
from exseos.engines.base import Limits
from exseos.engines.watch import OutputWatch, amount

LIMITS = Limits(output_bytes=1 << 20, output_files=50)


def reasons(*folders: Path, limits: Limits = LIMITS) -> list[str]:
    """What a watch of ``folders`` says that counts once."""
    said: list[str] = []
    OutputWatch(folders, limits, said.append).stop()
    return said


def test_little_is_not_too_much(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/file").write_bytes(bytes(900_000))
    assert reasons(tmp_path) == []
    assert reasons() == []


def test_length_and_room_both_count(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(2 << 20)
    assert reasons(tmp_path) == ["more than 1 MiB of output"]
    with (tmp_path / "sparse").open("wb") as stream:  # room beyond the file's end
        os.posix_fallocate(stream.fileno(), 0, 2 << 20)
        stream.truncate(2 << 20)
    assert reasons(tmp_path) == ["more than 1 MiB of output"]


def test_a_writable_file_counts(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(2 << 20))
    assert reasons(tmp_path / "file") == ["more than 1 MiB of output"]


def test_folders_links_and_pipes_count_as_files(tmp_path: Path) -> None:
    for number in range(17):
        (tmp_path / f"folder{number}").mkdir()
        (tmp_path / f"link{number}").symlink_to("/")
        os.mkfifo(tmp_path / f"pipe{number}")
    assert reasons(tmp_path) == ["more than 50 files of output"]


def test_folders_may_be_64_deep(tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["d"] * 65)
    deep.parent.mkdir(parents=True)
    many = Limits(output_files=1000)
    assert reasons(tmp_path, limits=many) == []
    deep.mkdir()
    assert reasons(tmp_path, limits=many) == ["folders of output more than 64 deep"]


def test_what_cannot_be_counted_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files in it could grow unseen: a program may keep them open after it closed the folder for its owner."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed").chmod(0)
    monkeypatch.chdir(tmp_path)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:  # whom nothing is closed to
            tmp_path.chmod(0o755)
            os.setuid(12345)
        os.write(write, repr(reasons(Path())).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 1000).decode() == "['a folder of output that its owner may not read']"
    os.close(read)
    os.close(write)
    (tmp_path / "closed").chmod(0o755)


def test_a_full_disk_is_told_if_it_was_not_full_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [1 << 40, 5]
    monkeypatch.setattr(watch, "_free", lambda root: free.pop(0))
    assert reasons(tmp_path) == ["less than 256 MiB are left on the disk of the outputs"]
    monkeypatch.setattr(watch, "_free", lambda root: 5)
    assert reasons(tmp_path) == []


def test_it_counts_meanwhile_and_says_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_PAUSE_S", 0.01)
    said: list[str] = []
    watching = OutputWatch([tmp_path], LIMITS, said.append)
    (tmp_path / "file").write_bytes(bytes(2 << 20))
    for _ in range(500):
        if said:
            break
        time.sleep(0.01)
    time.sleep(0.05)
    assert said == ["more than 1 MiB of output"]
    watching.stop()
    assert said == ["more than 1 MiB of output"]


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(bytes(2 << 20))
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    assert reasons(tmp_path) == ["more than 1 MiB of output"]
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    with pytest.raises(FileNotFoundError):
        OutputWatch([tmp_path, tmp_path / "no"], LIMITS, print)
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize(("number", "words"), [(64 << 30, "64 GiB"), (3 << 19, "1.5 MiB"), (2048, "2 KiB"), (7, "7 bytes")])
def test_amounts_in_words(number: int, words: str) -> None:
    assert amount(number) == words
