"""The index of an image's archive, read without making the archive."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator

from exseos.engines.base import ImageSource
from exseos.errors import HostError


def manifest_digest(image: ImageSource) -> str:
    """``sha256:`` and the digest of the image's manifest, by which a containerd image store knows it.

    Only the beginning of the archive is made for it, up to ``index.json``. Raises ``HostError`` if there is none.
    """
    chunks = image.archive()
    with tarfile.open(fileobj=_ChunkReader(chunks), mode="r|", bufsize=512) as archive:
        for member in archive:
            if member.name == "index.json" and (content := archive.extractfile(member)) is not None:
                return str(json.load(content)["manifests"][0]["digest"])
    raise HostError("the image's archive is no OCI layout: it has no index.json", where=image.id)


class _ChunkReader(io.RawIOBase):
    """Chunks of bytes as a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken
