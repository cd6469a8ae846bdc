"""A ``.deb``: an ``ar`` archive (deb(5)) with a compressed tar of files, read in little memory whatever it holds."""

from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from exseos.errors import ExseosError
from exseos.image.bounds import HINT, MAX_PART_BYTES
from exseos.image.tar import CHUNK

_XZ_MEMORY = 256 << 20
"""Bytes that xz may take: what Debian packs needs 65 MiB at most."""
_MAX_HEADER = 1 << 16
"""Bytes of a long name or of pax records, which tarfile reads at once."""
_FREE_BYTES, _MAX_RATIO = 64 << 20, 200
"""What may be unpacked whatever the size of the package, and how many bytes for each of its own: real ones stay below 30."""
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


class SmallHeader(tarfile.TarInfo):
    """A header of a tar whose extended headers are small; no sparse files."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENDED and self.size > _MAX_HEADER:
            raise ValueError(f"a header of {self.size} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE or self.size < 0:
            raise ValueError("a sparse file, or a negative size")
        return super()._proc_member(tar)  # type: ignore[misc, no-any-return]


class _Decompressor(Protocol):
    """What lzma, bz2 and ``_Gzip`` have in common."""

    @property
    def eof(self) -> bool:
        """Nothing more will come."""

    @property
    def unused_data(self) -> bytes:
        """What came after the end."""

    @property
    def needs_input(self) -> bool:
        """More can be had only for more input."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most ``max_length`` bytes."""


class _Gzip:
    """gzip with the methods of lzma's and bz2's decompressors."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Copy:
    """No compression: ``size`` bytes as they are."""

    needs_input, unused_data = True, b""

    def __init__(self, size: int) -> None:
        self._left = size

    @property
    def eof(self) -> bool:
        return self._left <= 0

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        self._left -= len(data)
        return data


@contextmanager
def data_tar(deb: Path, name: str) -> Iterator[BinaryIO]:
    """The decompressed ``data.tar`` in the file ``deb``, to be read once; ``ValueError`` if there is none.

    ``ExseosError`` for the package ``name`` while it is read, if it grows far more than a package does.
    """
    with deb.open("rb") as stream:
        limit = min(MAX_PART_BYTES, _FREE_BYTES + _MAX_RATIO * deb.stat().st_size)
        yield io.BufferedReader(_DataTar(stream, name, limit), CHUNK)


class _DataTar(io.RawIOBase):
    """The content of the member ``data.tar.*``, decompressed as it is read."""

    def __init__(self, stream: BinaryIO, name: str, limit: int) -> None:
        self._stream, self._name, self._limit = stream, name, limit
        self._left, self._decompressor = _find(stream)
        self._done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = b""
        while not chunk and not self._decompressor.eof:
            data = b""
            if self._decompressor.needs_input:
                data = self._stream.read(min(self._left, len(buffer), CHUNK))
                self._left -= len(data)
                if not data:
                    raise EOFError("the compressed data ends too early")
            chunk = self._decompressor.decompress(data, len(buffer))
        if not chunk and (self._left or self._decompressor.unused_data):
            raise ValueError("bytes follow the compressed data")
        self._done += len(chunk)
        if self._done > self._limit:
            raise ExseosError(f"unpacks to more than {self._limit} bytes", where=self._name, hint=HINT)
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _find(stream: BinaryIO) -> tuple[int, _Decompressor]:
    """Size of the member that is the tar, which begins where ``stream`` then is, and what unpacks it."""
    if stream.read(8) != b"!<arch>\n":
        raise ValueError("not an ar archive")
    while len(head := stream.read(60)) == 60:
        name, size = head[:16].decode("ascii").rstrip().removesuffix("/"), int(head[48:58])
        if size < 0:
            raise ValueError("a member of negative size")
        if name == "data.tar":
            return size, _Copy(size)
        if name == "data.tar.xz":
            return size, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        if name == "data.tar.gz":
            return size, _Gzip()
        if name == "data.tar.bz2":
            return size, bz2.BZ2Decompressor()
        if name.startswith("data.tar"):
            raise ValueError(f"unknown compression {name}")
        stream.seek(size + size % 2, io.SEEK_CUR)
    raise ValueError("no data.tar inside")
