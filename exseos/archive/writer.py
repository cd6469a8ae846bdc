"""Write an archive in one pass and constant memory; it appears under its name whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from exseos.archive.zip_format import (
    CRC_OFFSET,
    MAX_DIRECTORY_BYTES,
    MAX_ENTRIES,
    Member,
    central_header,
    check_name,
    check_names,
    end_records,
    local_header,
)
from exseos.errors import CapsuleError, HostError, UsageError

BLOCK_BYTES = 1 << 20
_WORTH_A_THREAD = 128 << 10


class ArchiveWriter:
    """A context manager that fills ``path``. Entries must come sorted by the UTF-8 bytes of their names.

    Each ``add_`` method returns the SHA-256 of the entry's content. Leaving the context finishes the file, syncs it and
    renames it into place; leaving it by an exception removes what was written. Raises ``CapsuleError`` for a name or an order
    that an archive cannot have, ``HostError`` when the disk does not take the bytes.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._partial = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.partial")
        self._members: list[Member] = []
        self._position = 0
        self._nameless = False
        self._file: BinaryIO
        self._pool: ThreadPoolExecutor

    def __enter__(self) -> ArchiveWriter:
        if self.path.is_dir():
            raise UsageError("the archive cannot take the place of a folder", where=str(self.path))
        with self._writing():
            self._file = os.fdopen(self._create(), "wb", buffering=BLOCK_BYTES)
        self._pool = ThreadPoolExecutor(1, "archive-writer")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._pool.shutdown()
            # Closing flushes, which fails again on a full disk: the error that counts is already on its way.
            with suppress(OSError):
                self._file.close()
            self._partial.unlink(missing_ok=True)

    def add_bytes(self, name: str, data: bytes) -> str:
        """Add ``data`` as the entry ``name``."""
        return self.add_stream(name, len(data), (data,))

    def add_file(self, name: str, path: Path) -> str:
        """Add the content of the file at ``path``, which must not change meanwhile."""
        try:
            with path.open("rb", buffering=0) as stream:
                size = os.fstat(stream.fileno()).st_size
                return self.add_stream(name, size, iter(lambda: stream.read(BLOCK_BYTES), b""))
        except OSError as error:
            raise HostError(f"cannot read the file for the entry {name}: {error.strerror}", where=str(path)) from error

    def add_stream(self, name: str, size: int, chunks: Iterable[bytes]) -> str:
        """Add the bytes of ``chunks``, which must be ``size`` in all."""
        check_name(name)
        if self._members and name.encode() <= self._members[-1].name.encode():
            raise CapsuleError(f"the entry {name!r} comes after {self._members[-1].name!r}: entries are unique and sorted")
        if len(self._members) >= MAX_ENTRIES:
            raise CapsuleError(f"an archive holds at most {MAX_ENTRIES} entries", where=str(self.path))
        member = Member(name, size, 0, self._position)
        with self._writing():
            self._file.write(local_header(member))
        digest, crc, written = self._copy(chunks)
        if written != size:
            raise CapsuleError(f"the entry {name!r} was to have {size} bytes, and {written} came", hint="Did the file change?")
        self._members.append(Member(name, size, crc, self._position))
        with self._writing():
            self._file.seek(member.offset + CRC_OFFSET)
            self._file.write(crc.to_bytes(4, "little"))
            self._file.seek(member.end)
        self._position = member.end
        return digest

    def _copy(self, chunks: Iterable[bytes]) -> tuple[str, int, int]:
        """Write ``chunks``: SHA-256 in this thread, CRC and disk in another, since both let the other run."""
        digest, crc, written = hashlib.sha256(), 0, 0
        for chunk in _gathered(chunks):
            if len(chunk) < _WORTH_A_THREAD:
                crc = self._write(chunk, crc)
                digest.update(chunk)
            else:
                pending = self._pool.submit(self._write, chunk, crc)
                digest.update(chunk)
                crc = pending.result()
            written += len(chunk)
        return digest.hexdigest(), crc, written

    def _write(self, chunk: bytes, crc: int) -> int:
        with self._writing():
            self._file.write(chunk)
        return zlib.crc32(chunk, crc)

    def _finish(self) -> None:
        check_names(member.name for member in self._members)
        directory = b"".join(central_header(member) for member in self._members)
        if len(directory) > MAX_DIRECTORY_BYTES:
            raise CapsuleError("the entry names are too long in all", where=str(self.path))
        with self._writing():
            self._file.write(directory)
            self._file.write(end_records(len(self._members), len(directory), self._position))
            self._file.flush()
            os.fsync(self._file.fileno())
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                if self._nameless:
                    # With a folder's descriptor, for only then does Python let the kernel follow the link in /proc to the file itself.
                    os.link(f"/proc/self/fd/{self._file.fileno()}", self._partial.name, dst_dir_fd=folder)
                self._partial.replace(self.path)
                os.fsync(folder)
            finally:
                os.close(folder)

    def _create(self) -> int:
        """A file without a name where the system has that, so that even a killed process leaves nothing; else one with another name."""
        flags = os.O_RDWR | os.O_CLOEXEC
        if hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir():
            with suppress(OSError):  # not every file system can; the named file tells of any other trouble
                descriptor = os.open(self.path.parent, flags | os.O_TMPFILE, 0o666)
                self._nameless = True
                return descriptor
        return os.open(self._partial, flags | os.O_CREAT | os.O_EXCL, 0o666)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn the system's refusal to write into an error that says what to do."""
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            hint = "Free space there or choose another place; nothing was left behind." if full else None
            raise HostError(f"cannot write the archive: {error.strerror}", where=str(self.path), hint=hint) from error


def _gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Small chunks put together, so that they are worth a thread; copied, since a chunk may be a view of a buffer used again."""
    parts = bytearray()
    for chunk in chunks:
        if parts and (len(chunk) >= _WORTH_A_THREAD or len(parts) >= BLOCK_BYTES):
            yield bytes(parts)
            parts.clear()
        if len(chunk) >= _WORTH_A_THREAD:
            yield chunk
        else:
            parts += chunk
    if parts:
        yield bytes(parts)
