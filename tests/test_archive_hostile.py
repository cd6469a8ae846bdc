"""Files made to harm or mislead: each is refused on opening, or on reading the entry that is wrong."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exseos.archive import ArchiveReader, ArchiveWriter, Member
from exseos.archive.zip_format import CENTRAL, END, central_header, end_records, local_header
from exseos.errors import CapsuleError

CONTENT = {"a": b"alpha", "b/c": b"gamma", "d": b""}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "good.zip"
    with ArchiveWriter(path) as writer:
        for name, data in CONTENT.items():
            writer.add_bytes(name, data)
    return path.read_bytes()


def read_all(data: bytes) -> dict[str, bytes]:
    with ArchiveReader(io.BytesIO(data)) as reader:
        reader.check_structure()
        return {name: reader.read(name) for name in reader.names}


def raw(*members: tuple[bytes, bytes], sizes: tuple[int, ...] = ()) -> bytes:
    """A zip as this format has it, but with any names, and any declared sizes."""
    import zlib

    body, directory = b"", b""
    for number, (name, data) in enumerate(members):
        stand_in = Member("x" * len(name), sizes[number] if sizes else len(data), zlib.crc32(data), len(body))
        directory += central_header(stand_in).replace(b"x" * len(name), name)
        body += local_header(stand_in).replace(b"x" * len(name), name) + data
    return body + directory + end_records(len(members), len(directory), len(body))


def by_zipfile(fill: Callable[[zipfile.ZipFile], None]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        fill(archive)
    return buffer.getvalue()


def entry(name: str, mode: int = 0o100644, **changes: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    for key, value in changes.items():
        setattr(info, key, value)
    return info


def test_the_good_one_is_read(good: bytes) -> None:
    assert read_all(good) == CONTENT
    assert raw((b"a", b"alpha"), (b"b/c", b"gamma"), (b"d", b"")) == good


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"../up", "unsafe file name"),
        (b"a/../../up", "unsafe file name"),
        (b"/etc/passwd", "unsafe file name"),
        (b"..\\up", "unsafe file name"),
        (b"C:up", "drive letter"),
        (b"folder/", "unsafe file name"),
        (b"a\0b", "unsafe file name"),
        (b"new\nline", "unsafe file name"),
        (b"\xff\xfe", "not valid UTF-8"),
        (b"", "unsafe file name"),
    ],
)
def test_names(name: bytes, reason: str) -> None:
    with pytest.raises(CapsuleError, match=reason):
        read_all(raw((name, b"x")))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ((b"a", b"a"), "twice"),
        ((b"b", b"a"), "not sorted"),
        ((b"A", b"a"), "same file"),
        (("e\u0301".encode(), "\u00e9".encode()), "same file"),
        ((b"a", b"a/b"), "folder of"),
        ((b"A/b", b"a"), "folder of"),
    ],
)
def test_names_that_collide(names: tuple[bytes, bytes], reason: str) -> None:
    with pytest.raises(CapsuleError, match=reason):
        read_all(raw((names[0], b"x"), (names[1], b"x")))


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (lambda z: z.writestr(entry("link", stat.S_IFLNK | 0o777), "/etc/passwd"), "not a regular file"),
        (lambda z: z.writestr(entry("device", stat.S_IFCHR | 0o666), ""), "not a regular file"),
        (lambda z: z.mkdir("folder"), "unsafe file name"),
        (lambda z: z.writestr("a", b"x" * 1000, zipfile.ZIP_DEFLATED), "compressed"),
        (lambda z: z.writestr("a", b"x"), "not the canonical one"),
        (lambda z: z.writestr(entry("a", 0o104755), b"x"), "not the canonical one"),
        (lambda z: setattr(z, "comment", b"hello"), "does not end as one"),
        (lambda z: z.writestr(entry("a", flag_bits=1), b"x"), r"encrypted|canonical"),
        (lambda z: z.writestr(entry("a", extra=struct.pack("<HH4s", 0x7075, 4, b"junk")), b"x"), "8 bytes stand between"),  # type: ignore[arg-type]
    ],
)
def test_what_other_tools_write(fill: Callable[[zipfile.ZipFile], None], reason: str) -> None:
    with pytest.raises(CapsuleError, match=reason):
        read_all(by_zipfile(fill))


@pytest.mark.parametrize("junk", [b"x", b"PK\3\4", b"\0" * 100])
def test_bytes_in_front_or_behind_or_between(good: bytes, junk: bytes) -> None:
    directory = good.index(b"PK\1\2")
    for data in (junk + good, good + junk, good[:directory] + junk + good[directory:], good[:-22] + junk + good[-22:]):
        with pytest.raises(CapsuleError):
            read_all(data)


def test_a_zip_within_the_comment_or_behind_is_not_taken(good: bytes) -> None:
    with pytest.raises(CapsuleError, match="in front or behind"):
        read_all(good + good)


def test_truncation_at_every_length(good: bytes) -> None:
    for length in range(len(good)):
        with pytest.raises(CapsuleError):
            read_all(good[:length])


def test_every_flipped_bit(good: bytes) -> None:
    for position in range(len(good)):
        for bit in range(8):
            data = bytearray(good)
            data[position] ^= 1 << bit
            with pytest.raises(CapsuleError):
                read_all(bytes(data))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.binary(max_size=40))
def test_any_replaced_part(good: bytes, start: int, stop: int, other: bytes) -> None:
    start, stop = sorted((start % (len(good) + 1), stop % (len(good) + 1)))
    data = good[:start] + other + good[stop:]
    if data != good:
        with pytest.raises(CapsuleError):
            read_all(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_other_file(data: bytes) -> None:
    with pytest.raises(CapsuleError):
        read_all(data)


def test_declared_sizes_beyond_the_file() -> None:
    for size in (6, 1 << 20, (1 << 32) - 2, 1 << 32, (1 << 63) - 1):
        with pytest.raises(CapsuleError, match="more bytes than the file has"):
            read_all(raw((b"a", b"alpha"), sizes=(size,)))


def test_overlapping_entries(good: bytes) -> None:
    """Two records of the directory for one stretch of the file: how small zips unpack to petabytes."""
    first = Member("a", 5, 0, 0)
    body = local_header(first) + b"alpha"
    directory = central_header(first) + central_header(Member("b", 5, 0, 0))
    with pytest.raises(CapsuleError, match="gap or overlap"):
        read_all(body + directory + end_records(2, len(directory), len(body)))


def test_too_many_entries_are_refused_before_they_are_read() -> None:
    data = end_records(1_000_000, 46_000_000, 0)
    with pytest.raises(CapsuleError, match="too many"):
        read_all(data)
    with pytest.raises(CapsuleError, match="too many"):
        read_all(end_records(2, 1 << 62, 0))


def test_a_64_bit_record_that_lies(good: bytes) -> None:
    """64-bit end records where none are needed, with the same and with other numbers."""
    fields = END.unpack(good[-END.size :])
    count, size, offset = fields[4], fields[5], fields[6]
    needless = end_records(70_000, size, offset)[: -END.size].replace(struct.pack("<Q", 70_000), struct.pack("<Q", count))
    for data in (
        good[: -END.size] + needless + good[-END.size :],
        good[: -END.size] + needless + end_records(70_000, size, offset)[-END.size :],
    ):
        with pytest.raises(CapsuleError):
            read_all(data)


def test_64_bit_sizes_that_are_not_needed() -> None:
    member = Member("a", 5, 0x6C3DF1E5, 0)
    record = bytearray(central_header(member))
    struct.pack_into("<H", record, 30, 20)
    struct.pack_into("<2I", record, 20, 0xFFFFFFFF, 0xFFFFFFFF)
    directory = bytes(record) + struct.pack("<2H2Q", 1, 16, 5, 5)
    body = local_header(member) + b"alpha"
    with pytest.raises(CapsuleError, match="not the canonical one"):
        read_all(body + directory + end_records(1, len(directory), len(body)))


def test_a_directory_of_other_lengths(good: bytes) -> None:
    start = good.index(b"PK\1\2")
    for offset in (28, 30, 32):
        data = bytearray(good)
        struct.pack_into("<H", data, start + offset, 60_000)
        with pytest.raises(CapsuleError, match=r"middle of a record|64-bit|canonical"):
            read_all(bytes(data))
    assert CENTRAL.size == 46


def test_only_the_wrong_entry_is_refused_on_reading(good: bytes, tmp_path: Path) -> None:
    data = good.replace(b"gamma", b"gamme")
    path = tmp_path / "wrong.zip"
    path.write_bytes(data)
    with ArchiveReader(path) as reader:
        assert reader.read("a") == b"alpha"
        with pytest.raises(CapsuleError, match=r"b/c: the entry's content does not have its CRC-32"):
            reader.read("b/c")
        with pytest.raises(CapsuleError, match="no such entry"):
            reader.read("e")
