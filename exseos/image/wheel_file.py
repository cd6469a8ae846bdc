"""A wheel as a zip that somebody else made: bounded before it is read, and every way to be broken is one error."""

from __future__ import annotations

import configparser
import csv
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from installer.exceptions import InstallerError
from installer.records import InvalidRecordEntry

from exseos.errors import ExseosError
from exseos.image.bounds import HINT, MAX_PART_BYTES, MAX_PART_ENTRIES, path_problem
from exseos.image.tar import CHUNK

_MAX_DIRECTORY = 64 << 20
_RECORD = b"PK\1\2"
_FORBIDDEN = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,  # an encrypted member, and too deep a recursion
    TypeError,
    ValueError,
    configparser.Error,
    csv.Error,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    InstallerError,
    InvalidRecordEntry,
)
"""What zipfile, installer and what they use raise for a file that is not what it should be."""


@contextmanager
def wheel_errors(where: str, action: str = "installed") -> Iterator[None]:
    """Turn whatever a broken wheel causes into an ``ExseosError`` that it cannot be ``action``."""
    try:
        yield
    except _FORBIDDEN as error:
        text = str(error).strip() or type(error).__name__
        raise ExseosError(f"the wheel cannot be {action}: {text[:500]}", where=where, hint="Choose another version of it.") from error


@contextmanager
def open_wheel(path: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel at ``path``; ``ExseosError`` if it is none, or declares more than a wheel may have (see ``bounds``)."""
    with _BoundedFile(path) as stream:
        try:
            archive = zipfile.ZipFile(stream)
            stream.opening = False
        except _FORBIDDEN as error:
            raise ExseosError(f"not a wheel: {str(error)[:500]}", where=str(path), hint="Remove the file and fetch it again.") from error
        with archive:
            _check_members(archive, str(path))
            yield archive


def _check_members(archive: zipfile.ZipFile, where: str) -> None:
    size = 0
    for member in archive.infolist():
        if problem := path_problem(member.filename.removesuffix("/")):
            raise ExseosError(f"{member.filename[:200]!r} {problem}", where=where, hint=HINT)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # The others are unpacked without any bound on memory, and no wheel has them.
            raise ExseosError(f"{member.filename!r} is compressed as wheels are not", where=where, hint=HINT)
        if "/" not in member.filename and member.filename.endswith(".data"):
            # installer would look for the folder in it for ever.
            raise ExseosError(f"{member.filename!r} is a file, and the name of a folder", where=where, hint=HINT)
        size += member.file_size
    if size > MAX_PART_BYTES:
        raise ExseosError(f"the wheel declares {size} bytes, and at most {MAX_PART_BYTES} are unpacked", where=where, hint=HINT)


class _BoundedFile(io.BufferedReader):
    """A file whose zip directory is refused before all of its records become objects, however zipfile finds it."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path), CHUNK)
        self.opening = True
        self._size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file, but no more than a directory may have."""
        if not self.opening:
            return super().read(size)
        rest = max(0, self._size - self.tell())
        size = rest if size is None or size < 0 else min(size, rest)
        if size > _MAX_DIRECTORY:
            raise ExseosError(f"the wheel declares a directory of {size} bytes", where=str(self.name), hint=HINT)
        data = super().read(size)
        if self.opening and data.count(_RECORD) > MAX_PART_ENTRIES:
            raise ExseosError(f"the wheel has more than {MAX_PART_ENTRIES} files", where=str(self.name), hint=HINT)
        return data
