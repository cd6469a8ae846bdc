"""Read an archive without trusting it: whatever is not the canonical form of its entries is refused.

Opening reads the end records and the central directory only, so that it works over a slow seekable file. Local headers are
compared when their entry is read, CRCs while it is.
"""

from __future__ import annotations

import io
import os
import stat
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from exseos.archive.zip_format import (
    END,
    END64,
    END64_SIGNATURE,
    END_SIGNATURE,
    LOCATOR64,
    MAX_DIRECTORY_BYTES,
    MAX_ENTRIES,
    Member,
    central_header,
    check_names,
    end_records,
    local_header,
    parse_directory,
)
from exseos.errors import CapsuleError, HostError, UsageError

BLOCK_BYTES = 1 << 20
_TAIL_BYTES = 64 << 10


class ArchiveReader:
    """The entries of an archive, a path or a seekable binary file object (which stays open when the reader closes).

    Raises ``CapsuleError`` for anything that ``ArchiveWriter`` would not have written, ``UsageError`` if there is no such file.
    """

    def __init__(self, source: Path | str | BinaryIO) -> None:
        self.where = str(source) if isinstance(source, Path | str) else str(getattr(source, "name", "archive"))
        self._file, self._owned = _opened(source)
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        try:
            self.file_size = self._file.seek(0, io.SEEK_END)
            self._tail = self._read_at(max(0, self.file_size - _TAIL_BYTES), min(self.file_size, _TAIL_BYTES))
            self.members: Sequence[Member] = self._directory()
        except BaseException:
            self.close()
            raise
        self._by_name = {member.name: member for member in self.members}

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file if this reader opened it."""
        if self._pool is not None:
            self._pool.shutdown()
        if self._owned:
            self._file.close()

    @property
    def names(self) -> list[str]:
        """All entries, sorted by the UTF-8 bytes of their names."""
        return [member.name for member in self.members]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def size(self, name: str) -> int:
        """Bytes of the entry's content."""
        return self._member(name).size

    def read(self, name: str, limit: int = 64 << 20) -> bytes:
        """The whole content of an entry of at most ``limit`` bytes."""
        size = self.size(name)
        if size > limit:
            raise CapsuleError(f"the entry has {size} bytes, and at most {limit} are expected", where=name)
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content in blocks of at most 1 MiB; the next block is read and its CRC taken while this one is in use.

        Raises ``CapsuleError`` before the first block if the local header is not canonical, after the last if the CRC is wrong.
        """
        member = self._member(name)
        header = local_header(member)
        start, end = member.offset, member.end
        block, crc = self._block(start, min(end, start + BLOCK_BYTES), len(header), 0)
        if block[: len(header)] != header:
            raise CapsuleError("the entry's local header is not the canonical one", where=name)
        block, start = block[len(header) :], min(end, start + BLOCK_BYTES)
        while start < end:
            stop = min(end, start + BLOCK_BYTES)
            pending = self._threads().submit(self._block, start, stop, 0, crc)
            yield block
            (block, crc), start = pending.result(), stop
        yield block
        if crc != member.crc:
            raise CapsuleError("the entry's content does not have its CRC-32", where=name)

    def open(self, name: str) -> BinaryIO:
        """The content as a stream to be read once, front to back; reading to the end checks the CRC."""
        return io.BufferedReader(ChunkStream(self.chunks(name)), BLOCK_BYTES)

    def check_structure(self) -> None:
        """Compare every local header with the central directory; raises ``CapsuleError`` at the first that differs."""
        for member in self.members:
            header = local_header(member)
            if self._read_at(member.offset, len(header)) != header:
                raise CapsuleError("the entry's local header is not the canonical one", where=member.name)

    def _member(self, name: str) -> Member:
        if name not in self._by_name:
            raise CapsuleError("there is no such entry", where=name)
        return self._by_name[name]

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "archive-reader")
        return self._pool

    def _block(self, start: int, stop: int, header: int, crc: int) -> tuple[bytes, int]:
        block = self._read_at(start, stop - start)
        return block, zlib.crc32(memoryview(block)[header:], crc)

    def _read_at(self, offset: int, size: int) -> bytes:
        parts = []
        try:
            with self._lock:
                self._file.seek(offset)
                while size and (part := self._file.read(size)):
                    parts.append(part)
                    size -= len(part)
        except OSError as error:
            raise HostError(f"cannot read the archive: {error.strerror or error}", where=self.where) from error
        if size:
            raise CapsuleError("the file ends too early", where=self.where, hint="Was it copied or downloaded in full?")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _directory(self) -> list[Member]:
        """The members, after the end records and the directory were written again and found equal."""
        count, size, offset = self._end()
        if count > MAX_ENTRIES or size > MAX_DIRECTORY_BYTES:
            raise CapsuleError(f"the archive declares {count} entries and a directory of {size} bytes: too many", where=self.where)
        records = end_records(count, size, offset)
        if offset + size + len(records) != self.file_size:
            raise CapsuleError(
                f"the file has {self.file_size} bytes, and its end record tells of {offset + size + len(records)}",
                where=self.where,
                hint="It was cut, or bytes were added in front or behind.",
            )
        if self._tail[-len(records) :] != records:
            raise CapsuleError("the end records are not the canonical ones", where=self.where)
        in_tail = offset - (self.file_size - len(self._tail))
        directory = self._tail[in_tail : in_tail + size] if in_tail >= 0 else self._read_at(offset, size)
        members = list(parse_directory(directory))
        if len(members) != count:
            raise CapsuleError(f"the directory has {len(members)} records, and {count} are declared", where=self.where)
        _check_order(members, offset)
        _check_canonical(members, directory)
        return members

    def _end(self) -> tuple[int, int, int]:
        """Number of entries, size and offset of the central directory, as declared."""
        tail = self._tail
        if len(tail) < END.size or tail[-END.size :][:4] != END_SIGNATURE:
            hint = "Bytes were added behind its end." if END_SIGNATURE in tail else "It is cut short or something else."
            raise CapsuleError("this is not a capsule file: it does not end as one", where=self.where, hint=hint)
        fields = END.unpack(tail[-END.size :])
        count, size, offset = fields[4], fields[5], fields[6]
        start = len(tail) - END.size - LOCATOR64.size - END64.size
        if start >= 0 and tail[start : start + 4] == END64_SIGNATURE:
            fields = END64.unpack_from(tail, start)
            count, size, offset = fields[7], fields[8], fields[9]
        return count, size, offset


class ChunkStream(io.RawIOBase):
    """Chunks as a raw stream, to be read once: ``read`` may give fewer bytes than asked for, and then gives a whole chunk uncopied."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """At most ``size`` bytes; nothing at the end. Without ``size``: all the rest."""
        if size is None or size < 0:
            return self.readall()
        if not self._rest:
            chunk = self._next()
            if len(chunk) <= size:
                return chunk
            self._rest = memoryview(chunk)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` as far as the chunk at hand goes."""
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def _next(self) -> bytes:
        """The next chunk that is not empty; empty at the end."""
        return next((chunk for chunk in self._chunks if chunk), b"")


def _opened(source: Path | str | BinaryIO) -> tuple[BinaryIO, bool]:
    if not isinstance(source, Path | str):
        return source, False
    return open_file(Path(source)), True


def open_file(path: Path) -> BinaryIO:
    """The file at ``path`` that a user named as a capsule, unbuffered; ``UsageError`` at once if it is no regular file.

    A pipe would wait for its writer, and a device may do anything.
    """
    try:
        # Before it is opened as well: opening a device can have effects.
        if stat.S_ISREG(path.stat().st_mode):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return os.fdopen(descriptor, "rb", buffering=0)
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot open the capsule file: {reason}", where=str(path)) from error
    raise UsageError("the capsule is no regular file", where=str(path), hint="Name a file: no folder, pipe or device.")


def _check_order(members: Sequence[Member], directory_offset: int) -> None:
    """Sorted and unique names, no gaps, no overlaps, nothing in front of the first and behind the last entry."""
    position, previous = 0, None
    for member in members:
        name = member.name.encode()
        if previous is not None and name <= previous:
            raise CapsuleError("the entry is there twice" if name == previous else "the entries are not sorted", where=member.name)
        if member.offset != position:
            raise CapsuleError(f"the entry begins at byte {member.offset}, and {position} is next: a gap or overlap", where=member.name)
        previous, position = name, member.end
        if position > directory_offset:
            raise CapsuleError("the entry declares more bytes than the file has", where=member.name)
    if position != directory_offset:
        raise CapsuleError(f"{directory_offset - position} bytes stand between the last entry and the directory")
    check_names(member.name for member in members)


def _check_canonical(members: Sequence[Member], directory: bytes) -> None:
    position = 0
    for member in members:
        record = central_header(member)
        if directory[position : position + len(record)] != record:
            raise CapsuleError("the entry's record in the central directory is not the canonical one", where=member.name)
        position += len(record)
