"""The canonical zip: what is written is read back, by this code and by others, and only one sequence of bytes is right."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exseos.archive import ArchiveReader, ArchiveWriter, Member
from exseos.archive.zip_format import central_header, end_records, local_header
from exseos.errors import CapsuleError, HostError, UsageError

CONTENT = {"a.txt": b"alpha\n", "b/empty": b"", "b/large.bin": random.Random(7).randbytes(3_500_000), "é/ü.txt": "Grüße".encode()}


def make(path: Path, content: dict[str, bytes] = CONTENT) -> Path:
    with ArchiveWriter(path) as writer:
        for name in sorted(content, key=str.encode):
            writer.add_bytes(name, content[name])
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("archive") / "sample.zip")


def test_reads_back_what_was_written(archive: Path) -> None:
    with ArchiveReader(archive) as reader:
        assert reader.names == sorted(CONTENT, key=str.encode)
        reader.check_structure()
        for name, data in CONTENT.items():
            assert reader.size(name) == len(data)
            assert reader.read(name) == data
            assert b"".join(reader.chunks(name)) == data
            with reader.open(name) as stream:
                assert stream.read(3) + stream.read() == data


def test_returns_the_digest_of_every_entry(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENT["b/large.bin"])
    expected = hashlib.sha256(CONTENT["b/large.bin"]).hexdigest()
    with ArchiveWriter(tmp_path / "a.zip") as writer:
        assert writer.add_bytes("1", CONTENT["b/large.bin"]) == expected
        assert writer.add_file("2", source) == expected
        pieces = [CONTENT["b/large.bin"][start : start + 300_000] for start in range(0, 3_500_000, 300_000)]
        assert writer.add_stream("3", 3_500_000, pieces) == expected


def test_chunks_may_be_views_of_one_buffer(tmp_path: Path) -> None:
    buffer = bytearray(200_000)

    def chunks() -> Iterator[bytes]:
        for number, size in enumerate([10, 200_000, 100, 100, 150_000, 0, 7]):
            buffer[:size] = bytes([number]) * size
            yield memoryview(buffer)[:size]  # type: ignore[misc]

    expected = b"".join(bytes([number]) * size for number, size in enumerate([10, 200_000, 100, 100, 150_000, 0, 7]))
    with ArchiveWriter(tmp_path / "a.zip") as writer:
        assert writer.add_stream("a", len(expected), chunks()) == hashlib.sha256(expected).hexdigest()
    with ArchiveReader(tmp_path / "a.zip") as reader:
        assert reader.read("a") == expected


def test_same_content_gives_the_same_bytes_however_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = make(tmp_path / "one.zip").read_bytes()
    source = tmp_path / "source"
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    with ArchiveWriter(tmp_path / "elsewhere.zip") as writer:
        for name in sorted(CONTENT, key=str.encode):
            source.write_bytes(CONTENT[name])
            source.chmod(0o600)
            writer.add_file(name, source)
    assert (tmp_path / "elsewhere.zip").read_bytes() == one
    assert hashlib.sha256(one).hexdigest() == "40b480de136e5c415f8638220bb99dc00f003d2e0dff496cfc64982ced767c08"


def test_other_tools_read_it(archive: Path) -> None:
    tested = subprocess.run(["unzip", "-t", str(archive)], capture_output=True, text=True, timeout=60, check=True)
    assert "No errors detected" in tested.stdout
    with zipfile.ZipFile(archive) as other:
        assert {info.filename: other.read(info) for info in other.infolist()} == CONTENT
        assert {info.date_time for info in other.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 for info in other.infolist()} == {0o100644}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abé./_", min_size=1, max_size=6), st.binary(max_size=200), max_size=8))
def test_any_content_is_read_back_or_refused_whole(tmp_path_factory: pytest.TempPathFactory, content: dict[str, bytes]) -> None:
    path = tmp_path_factory.mktemp("any") / "any.zip"
    try:
        make(path, content)
    except CapsuleError:
        assert not list(path.parent.iterdir())
        return
    with ArchiveReader(path) as reader:
        assert {name: reader.read(name) for name in reader.names} == content


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", "a//b", "./a", "a\\b", "a\nb", "", "a/", "C:x", "x" * 1025, "\udc80"])
def test_refuses_to_write_an_unsafe_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(CapsuleError), ArchiveWriter(tmp_path / "a.zip") as writer:
        writer.add_bytes(name, b"")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [("b", "a"), ("a", "a"), ("A", "a"), ("a", "a/b"), ("e\u0301", "\u00e9"), ("STRASSE", "stra\u00dfe")])
def test_refuses_names_out_of_order_or_alike(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(CapsuleError), ArchiveWriter(tmp_path / "a.zip") as writer:
        for name in names:
            writer.add_bytes(name, b"")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [2, 4])
def test_refuses_a_stream_of_another_size(tmp_path: Path, size: int) -> None:
    with pytest.raises(CapsuleError, match="3 came"), ArchiveWriter(tmp_path / "a.zip") as writer:
        writer.add_stream("a", size, [b"abc"])
    assert not list(tmp_path.iterdir())


def test_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    target.write_bytes(b"what was there before")
    with pytest.raises(KeyboardInterrupt), ArchiveWriter(target) as writer:
        writer.add_bytes("a", b"x" * 5_000_000)
        raise KeyboardInterrupt
    assert target.read_bytes() == b"what was there before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("nameless", [True, False])
def test_a_killed_writer_leaves_at_most_a_hidden_file(tmp_path: Path, nameless: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"""
import os, signal
from pathlib import Path
if not {nameless}:
    del os.O_TMPFILE
from exseos.archive import ArchiveWriter
with ArchiveWriter(Path({str(tmp_path / "a.zip")!r})) as writer:
    writer.add_bytes("a", bytes(3 << 20))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == -9
    left = [path.name for path in tmp_path.iterdir()]
    assert [name for name in left if not (name.startswith(".a.zip.") and name.endswith(".partial"))] == []
    assert len(left) <= 1
    make(tmp_path / "a.zip")
    monkeypatch.delattr("os.O_TMPFILE")
    make(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert (tmp_path / "a.zip").stat().st_mode == (tmp_path / "b.zip").stat().st_mode


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="place of a folder"), ArchiveWriter(tmp_path):
        pass


def test_a_full_disk_is_said_and_nothing_stays(tmp_path: Path) -> None:
    code = f"""
import resource
from pathlib import Path
from exseos.archive import ArchiveWriter
from exseos.errors import HostError
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    with ArchiveWriter(Path({str(tmp_path / "a.zip")!r})) as writer:
        writer.add_bytes("a", bytes(3 << 20))
except HostError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "a.zip: cannot write the archive" in done.stdout
    assert "Free space" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_and_a_missing_source_are_said(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot write the archive"), ArchiveWriter(tmp_path / "none" / "a.zip"):
        pass
    with pytest.raises(HostError, match="cannot read the file for the entry a"), ArchiveWriter(tmp_path / "a.zip") as writer:
        writer.add_file("a", tmp_path / "missing")
    with pytest.raises(UsageError, match="cannot open"):
        ArchiveReader(tmp_path / "a.zip")


def test_read_has_a_limit(archive: Path) -> None:
    with ArchiveReader(archive) as reader, pytest.raises(CapsuleError, match="at most 1000"):
        reader.read("b/large.bin", 1000)


def test_many_entries_use_the_64_bit_end_record(tmp_path: Path) -> None:
    path = make(tmp_path / "many.zip", {f"{number:05}": b"" for number in range(66_000)})
    with ArchiveReader(path) as reader, zipfile.ZipFile(path) as other:
        assert reader.names == other.namelist()
    assert b"PK\x06\x06" in path.read_bytes()[-98:]


def test_large_entries_use_64_bit_fields_that_other_tools_read(tmp_path: Path) -> None:
    """The content is a hole in a sparse file, so that this takes no time."""
    path = tmp_path / "large.zip"
    large = Member("large", (1 << 32) + 5, 0, 0)
    small = Member("small", 5, 0x3610A686, large.end)
    directory = central_header(large) + central_header(small)
    with path.open("wb") as stream:
        stream.write(local_header(large))
        stream.seek(large.end)
        stream.write(local_header(small) + b"hello" + directory + end_records(2, len(directory), small.end))
    with ArchiveReader(path) as reader, zipfile.ZipFile(path) as other:
        reader.check_structure()
        assert list(reader.members) == [large, small]
        assert reader.read("small") == other.read("small") == b"hello"
        assert [info.file_size for info in other.infolist()] == [large.size, 5]
        assert [info.header_offset for info in other.infolist()] == [0, small.offset]
    listing = subprocess.run(["unzip", "-l", str(path)], capture_output=True, text=True, timeout=60, check=True)
    assert str(large.size) in listing.stdout
    subprocess.run(["unzip", "-tq", str(path), "small"], capture_output=True, timeout=60, check=True)


def test_memory_does_not_grow_with_the_content(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as stream:
        stream.truncate(300 << 20)
    code = f"""
import resource
from pathlib import Path
from exseos.archive import ArchiveReader, ArchiveWriter
folder = Path({str(tmp_path)!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with ArchiveWriter(folder / "a.zip") as writer:
    writer.add_file("large", folder / "source")
with ArchiveReader(folder / "a.zip") as reader:
    assert sum(len(block) for block in reader.chunks("large")) == 300 << 20
    with reader.open("large") as stream:
        while stream.read(1 << 20):
            pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) < 30


def test_opening_reads_little(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zip", {"a": b"small", "z": bytes(20_000_000)})
    source = Counting(path.read_bytes())
    with ArchiveReader(source) as reader:
        assert source.counted <= 64 << 10
        reader.read("a")
    assert source.counted <= (64 << 10) + 100
    assert not source.closed


class Counting(io.BytesIO):
    """A file that counts the bytes read from it."""

    counted = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.counted += len(data)
        return data
