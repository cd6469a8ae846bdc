"""The end of a stream, kept while it flows."""

from __future__ import annotations

import threading

TAIL_BYTES = 64 << 10


class Tail:
    """Remembers the last ``TAIL_BYTES`` bytes that were fed to it; any thread may feed and read."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._lock = threading.Lock()

    def feed(self, chunk: bytes) -> None:
        """Append ``chunk``, forgetting what is too old."""
        with self._lock:
            self._bytes += chunk
            del self._bytes[:-TAIL_BYTES]

    def text(self) -> str:
        """What is remembered, as text; bytes that are not UTF-8 are replaced."""
        with self._lock:
            return self._bytes.decode("utf-8", "replace")
