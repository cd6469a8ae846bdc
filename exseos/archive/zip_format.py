"""The records of the canonical zip, as pure functions from names, sizes and CRCs to bytes.

Where PKWARE's APPNOTE leaves a choice, this is the one made here: method 0 (stored), names in UTF-8 (flag bit 11),
1980-01-01 00:00, Unix regular file with mode 0644, no data descriptors, no comments, no folders, entries sorted by name
and without gaps, and the 64-bit fields exactly where a 32-bit one would overflow.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from exseos.errors import CapsuleError
from exseos.manifest import check_path

MAX_ENTRIES = 100_000
MAX_DIRECTORY_BYTES = 16 << 20
"""A capsule has up to 20,000 entries, in 3 MB; opening the largest directory allowed takes 3 s and 150 MB."""
MAX_NAME_BYTES = 1024
MAX_UNICODE_BYTES = 4 << 20
"""Bytes of all names together that are not ASCII: comparing them as file systems do takes time."""
_MAX_MARKS = 30
"""Combining marks in a row (Unicode's stream-safe format): to order them takes time with their square."""

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
END64 = struct.Struct("<4sQ2H2I4Q")
LOCATOR64 = struct.Struct("<4sIQI")

CENTRAL_SIGNATURE = b"PK\1\2"
END_SIGNATURE = b"PK\5\6"
END64_SIGNATURE = b"PK\6\6"
CRC_OFFSET = 14
"""Where the CRC stands in a local header: the only field not known before the content is."""

_UTF8 = 0x0800
_STORED = 0
_TIME, _DATE = 0, 0x21
_UNIX = 3
_ATTRIBUTES = 0o100644 << 16
_PLAIN, _ZIP64 = 20, 45
_ZIP64_FIELD = 1
_LIMIT16, _LIMIT32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Member:
    """One entry: its name, the size of its content in bytes, the CRC-32 of it, and where its local header begins."""

    name: str
    size: int
    crc: int
    offset: int

    @property
    def data_offset(self) -> int:
        """Where the content begins."""
        extra = 20 if self.size >= _LIMIT32 else 0
        return self.offset + LOCAL.size + len(self.name.encode()) + extra

    @property
    def end(self) -> int:
        """Where the next local header, or the central directory, begins."""
        return self.data_offset + self.size


def local_header(member: Member) -> bytes:
    """The record in front of the content."""
    name = member.name.encode()
    large = member.size >= _LIMIT32
    extra = struct.pack("<2H2Q", _ZIP64_FIELD, 16, member.size, member.size) if large else b""
    size = _LIMIT32 if large else member.size
    version = _ZIP64 if large else _PLAIN
    fields = (version, _UTF8, _STORED, _TIME, _DATE, member.crc, size, size, len(name), len(extra))
    return LOCAL.pack(b"PK\3\4", *fields) + name + extra


def central_header(member: Member) -> bytes:
    """The record in the central directory."""
    name = member.name.encode()
    wide = [member.size, member.size] if member.size >= _LIMIT32 else []
    if member.offset >= _LIMIT32:
        wide.append(member.offset)
    extra = struct.pack(f"<2H{len(wide)}Q", _ZIP64_FIELD, 8 * len(wide), *wide) if wide else b""
    version = _ZIP64 if wide else _PLAIN
    size, offset = min(member.size, _LIMIT32), min(member.offset, _LIMIT32)
    fields = (_UNIX << 8 | version, version, _UTF8, _STORED, _TIME, _DATE, member.crc, size, size)
    return CENTRAL.pack(CENTRAL_SIGNATURE, *fields, len(name), len(extra), 0, 0, 0, _ATTRIBUTES, offset) + name + extra


def end_records(count: int, directory_size: int, directory_offset: int) -> bytes:
    """What ends the file: with the 64-bit records if, and only if, a number needs them."""
    records = b""
    if count >= _LIMIT16 or directory_size >= _LIMIT32 or directory_offset >= _LIMIT32:
        version = (_UNIX << 8 | _ZIP64, _ZIP64)
        records += END64.pack(END64_SIGNATURE, END64.size - 12, *version, 0, 0, count, count, directory_size, directory_offset)
        records += LOCATOR64.pack(b"PK\6\7", 0, directory_offset + directory_size, 1)
    short = min(count, _LIMIT16)
    sizes = (min(directory_size, _LIMIT32), min(directory_offset, _LIMIT32))
    return records + END.pack(END_SIGNATURE, 0, 0, short, short, *sizes, 0)


def check_name(name: str) -> str:
    """Return ``name`` if an entry may be called so, else raise ``CapsuleError``."""
    check_path(name)
    if name[1:2] == ":":
        raise CapsuleError(f"the entry name {name!r} begins with a drive letter")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise CapsuleError(f"the entry name {name[:60]!r}… is longer than {MAX_NAME_BYTES} bytes")
    return name


def check_names(names: Iterable[str]) -> None:
    """Raise ``CapsuleError`` if two names are, on some file system, one file, or one is a folder of another."""
    names = list(names)
    if sum(len(name.encode()) for name in names if not name.isascii()) > MAX_UNICODE_BYTES:
        raise CapsuleError(f"the entry names that are not ASCII have more than {MAX_UNICODE_BYTES} bytes")
    # With the lowest byte between its parts, what is in a folder follows directly after a file of the folder's name.
    ordered = sorted(((_folded(name).replace("/", "\0").encode(), name) for name in names), key=lambda pair: pair[0])
    for (one, first), (two, second) in pairwise(ordered):
        if one == two:
            raise CapsuleError(f"the entries {first!r} and {second!r} are the same file on some file systems")
        if two.startswith(one) and two[len(one)] == 0:
            raise CapsuleError(f"the entry {first!r} is a file and the folder of {second!r}")


def parse_directory(data: bytes) -> Iterator[Member]:
    """The members of a central directory, as far as its lengths hold; that the rest is canonical is for the caller to see."""
    position = 0
    while position < len(data):
        if len(data) - position < CENTRAL.size:
            raise CapsuleError("the central directory ends in the middle of a record")
        fields = CENTRAL.unpack_from(data, position)
        if fields[0] != CENTRAL_SIGNATURE:
            raise CapsuleError("the central directory has a record of an unknown kind")
        crc, size, offset = fields[7], fields[9], fields[16]
        name_end = position + CENTRAL.size + fields[10]
        end = name_end + fields[11] + fields[12]
        if end > len(data):
            raise CapsuleError("the central directory ends in the middle of a record")
        name = _decoded(data[position + CENTRAL.size : name_end])
        size, offset = _widened(name, data[name_end : name_end + fields[11]], size, offset)
        _check_kind(name, fields)
        yield Member(name, size, crc, offset)
        position = end


def _folded(name: str) -> str:
    if name.isascii():
        return name.lower()
    marks = 0
    for letter in name:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks > _MAX_MARKS:
            raise CapsuleError(f"the entry name {name[:60]!r}… has more than {_MAX_MARKS} combining marks in a row")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _decoded(name: bytes) -> str:
    try:
        return check_name(name.decode())
    except UnicodeDecodeError as error:
        raise CapsuleError(f"the entry name {name!r} is not valid UTF-8") from error


def _widened(name: str, extra: bytes, size: int, offset: int) -> tuple[int, int]:
    wanted = 2 * (size == _LIMIT32) + (offset == _LIMIT32)
    if not wanted:
        return size, offset
    if len(extra) != 4 + 8 * wanted:
        raise CapsuleError("the entry's 64-bit sizes are missing or malformed", where=name)
    numbers = struct.unpack_from(f"<{wanted}Q", extra, 4)
    return numbers[0] if size == _LIMIT32 else size, numbers[-1] if offset == _LIMIT32 else offset


def _check_kind(name: str, fields: tuple[int, ...]) -> None:
    """Say in words what is wrong with the fields that other zip tools vary most."""
    flags, method, attributes = fields[3], fields[4], fields[15]
    kind = attributes >> 16 & 0o170000
    if kind not in (0o100000, 0):
        raise CapsuleError("the entry is not a regular file (a link, folder or device)", where=name)
    if flags & 1:
        raise CapsuleError("the entry is encrypted", where=name)
    if method != _STORED:
        raise CapsuleError(f"the entry is compressed (method {method}); a capsule stores its entries", where=name)
    if flags & 8:
        raise CapsuleError("the entry has a data descriptor", where=name)
