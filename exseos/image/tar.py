"""The one tar that a tree of files has.

Uncompressed POSIX tar (ustar, with a pax header only where a name, a link or a size does not fit). Entries come
folder by folder in the byte order of their names, each folder before its content. Owner 0, time ``MTIME``, mode
0755 for folders and executables, 0644 for other files, 0777 for symbolic links, 1777 for ``STICKY``. Nothing else of
the file system shows, so equal trees have equal tars on every machine. ``read_entries`` accepts this form alone.

Format: IEEE Std 1003.1, ``pax``.
"""

# Plain strings for paths: pathlib is too slow for a hundred thousand files.
# ruff: noqa: PTH115

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from exseos.errors import CapsuleError, HostError

BLOCK = 512
CHUNK = 1 << 20
MTIME = 946_684_800
"""2000-01-01T00:00:00Z, in seconds: the time of every file of an image."""
STICKY = frozenset({"tmp", "var/tmp"})
"""Folders that anyone may write to."""
END = bytes(2 * BLOCK)

_TYPES = {"file": b"0", "link": b"2", "folder": b"5"}
_KINDS: dict[bytes, Literal["file", "link", "folder"]] = {b"0": "file", b"2": "link", b"5": "folder"}
_MAX_SIZE = 0o77777777777
_MAX_PAX = 1 << 16


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One entry: relative POSIX path, kind, size in bytes (files), executable bit (files), target (links)."""

    path: str
    kind: Literal["file", "link", "folder"]
    size: int = 0
    executable: bool = False
    target: str = ""

    @property
    def mode(self) -> int:
        """Permission bits."""
        if self.kind == "link":
            return 0o777
        if self.kind == "folder":
            return 0o1777 if self.path in STICKY else 0o755
        return 0o755 if self.executable else 0o644


def _block(name: bytes, mode: int, size: int, kind: bytes, target: bytes) -> bytes:
    head = bytearray(BLOCK)
    head[0 : len(name)] = name
    head[100:124] = b"%07o\0" % mode + b"0000000\0" * 2
    head[124:148] = b"%011o\0%011o\0" % (size, MTIME)
    head[148:157] = b" " * 8 + kind
    head[157 : 157 + len(target)] = target
    head[257:265] = b"ustar\x0000"
    head[329:345] = b"0000000\0" * 2
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def _record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body) + 1
    while length != len(body) + len(str(length)):
        length = len(body) + len(str(length))
    return str(length).encode() + body


def _short(text: str) -> bytes | None:
    """``text`` for a field of 100 bytes, None if it needs a pax record."""
    return text.encode() if len(text) <= 100 and text.isascii() else None


def padding(size: int) -> bytes:
    """The zero bytes after ``size`` bytes of content."""
    return bytes(-size % BLOCK)


def header(entry: TarEntry) -> bytes:
    """The header blocks of ``entry``: a function of it alone."""
    name = entry.path + "/" if entry.kind == "folder" else entry.path
    records = b""
    path, target, size = _short(name), _short(entry.target), entry.size
    if path is None:
        records, path = records + _record("path", name), name.encode("ascii", "replace")[:100]
    if target is None:
        records, target = records + _record("linkpath", entry.target), entry.target.encode("ascii", "replace")[:100]
    if size > _MAX_SIZE:
        records, size = records + _record("size", str(size)), 0
    block = _block(path, entry.mode, size, _TYPES[entry.kind], target)
    if not records:
        return block
    return _block(b"PaxHeader", 0o644, len(records), b"x", b"") + records + padding(len(records)) + block


def walk(tree: Path) -> Iterator[tuple[TarEntry, str]]:
    """Every entry of ``tree`` in the tar's order, with its path on disk; ``HostError`` for devices and names not in UTF-8."""
    stack = [_listing(os.fspath(tree), "")]
    while stack:
        for entry, path in stack[-1]:
            yield entry, path
            if entry.kind == "folder":
                stack.append(_listing(path, entry.path + "/"))
                break
        else:
            stack.pop()


def _listing(folder: str, prefix: str) -> Iterator[tuple[TarEntry, str]]:
    try:
        with os.scandir(folder) as found:
            ordered = sorted(found, key=lambda item: item.name.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise HostError(f"a file name is not UTF-8: {error.object!r}", where=folder) from error
    for item in ordered:
        if item.is_symlink():
            yield TarEntry(prefix + item.name, "link", target=os.readlink(item.path)), item.path
        elif item.is_dir():
            yield TarEntry(prefix + item.name, "folder"), item.path
        elif item.is_file():
            status = item.stat()
            yield TarEntry(prefix + item.name, "file", status.st_size, bool(status.st_mode & stat.S_IXUSR)), item.path
        else:
            raise HostError("neither file, folder nor link", where=item.path)


def tree_tar(tree: Path) -> Iterator[bytes]:
    """The tar of ``tree`` in chunks of about a MiB."""
    buffer = bytearray()
    for entry, path in walk(tree):
        buffer += header(entry)
        if entry.kind == "file":
            for chunk in _content(path, entry.size):
                buffer += chunk
                if len(buffer) >= CHUNK:
                    yield bytes(buffer)
                    buffer.clear()
            buffer += padding(entry.size)
    yield bytes(buffer + END)


def _content(path: str, size: int) -> Iterator[bytes]:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        while size:
            chunk = os.read(handle, min(size, CHUNK))
            if not chunk:
                raise HostError("the file shrank while it was read", where=path)
            size -= len(chunk)
            yield chunk
    finally:
        os.close(handle)


class Cursor:
    """Reads exact amounts from a series of chunks; ``CapsuleError`` where they end too early."""

    def __init__(self, chunks: Iterable[bytes | memoryview], where: str) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self.where = where

    def spans(self, size: int) -> Iterator[memoryview]:
        """The next ``size`` bytes, in pieces."""
        while size:
            if not self._rest:
                chunk = next(self._chunks, None)
                if chunk is None:
                    raise CapsuleError("the tar ends too early", where=self.where, hint="The file was cut: fetch it again.")
                self._rest = memoryview(chunk)
                continue
            piece, self._rest = self._rest[:size], self._rest[size:]
            size -= len(piece)
            yield piece

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        if len(self._rest) >= size:
            piece, self._rest = self._rest[:size], self._rest[size:]
            return bytes(piece)
        return b"".join(self.spans(size))

    def zeros(self, size: int) -> None:
        """Pass over ``size`` bytes that must be 0."""
        if self.take(size) != bytes(size):
            raise CapsuleError("padding of the tar is not zero", where=self.where)

    def end(self) -> None:
        """Nothing may follow."""
        if self._rest or any(len(chunk) for chunk in self._chunks):
            raise CapsuleError("bytes follow the end of the tar", where=self.where)


def read_header(cursor: Cursor) -> TarEntry | None:
    """The next entry, None at the end mark; ``CapsuleError`` unless its bytes are what ``header`` writes."""
    raw = cursor.take(BLOCK)
    if not any(raw):
        cursor.zeros(BLOCK)
        return None
    records: dict[str, str] = {}
    try:
        main = raw
        if raw[156:157] == b"x":
            size = int(raw[124:135], 8)
            if not 0 < size <= _MAX_PAX:
                raise ValueError(f"a pax header of {size} bytes")
            text = cursor.take(size + len(padding(size)))
            records = _parse_records(text[:size])
            main = cursor.take(BLOCK)
            raw += text + main
        entry = _parse_block(main, records)
    except (ValueError, KeyError) as error:
        raise CapsuleError(f"not a header of a canonical tar ({error})", where=cursor.where) from error
    if header(entry) != raw:
        raise CapsuleError(f"the header of {entry.path!r} is not in canonical form", where=cursor.where)
    return entry


def _parse_records(text: bytes) -> dict[str, str]:
    records = {}
    while text:
        number, _, _ = text.partition(b" ")
        line, text = text[: int(number)], text[int(number) :]
        key, _, value = line[len(number) + 1 : -1].decode().partition("=")
        records[key] = value
        if not line:
            raise ValueError("empty pax record")
    return records


def _parse_block(block: bytes, records: dict[str, str]) -> TarEntry:
    kind = _KINDS[block[156:157]]
    name = records.get("path", block[0:100].rstrip(b"\0").decode("ascii"))
    target = records.get("linkpath", block[157:257].rstrip(b"\0").decode("ascii"))
    size = int(records.get("size", block[124:135].decode("ascii")), 10 if "size" in records else 8)
    if size < 0 or (size and kind != "file") or (kind == "link") != bool(target):
        raise ValueError(f"a {kind} of {size} bytes with target {target!r}")
    executable = kind == "file" and block[100:107] == b"0000755"
    return TarEntry(name.removesuffix("/") if kind == "folder" else name, kind, size, executable, target)
