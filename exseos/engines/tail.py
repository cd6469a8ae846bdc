"""Standard error: its end is kept while it flows, and it may neither grow without bounds nor keep the host busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from exseos.engines.watch import amount

TAIL_BYTES = 64 << 10
RATE = 20 << 20
"""Bytes a second that are read at most: a faster writer waits at its full pipe."""
_SMALL = 4 << 10
_REST_S = 0.001


class Tail:
    """Remembers the last ``TAIL_BYTES`` bytes that were fed to it; any thread may read, one feeds.

    ``feed`` takes its time where a writer is too fast; once more than ``limit`` bytes came it tells ``exceeded`` why.
    """

    def __init__(self, limit: int, exceeded: Callable[[str], None]) -> None:
        self._limit, self._exceeded = limit, exceeded
        self._bytes = bytearray()
        self._lock = threading.Lock()
        self._count = 0
        self._credit, self._last = float(RATE), time.monotonic()

    def feed(self, chunk: bytes) -> None:
        """Append ``chunk``, forgetting what is too old."""
        with self._lock:
            self._bytes += chunk
            del self._bytes[:-TAIL_BYTES]
        before, self._count = self._count, self._count + len(chunk)
        if before > self._limit:
            return  # it is being ended: no reason to wait
        if self._count > self._limit:
            self._exceeded(f"more than {amount(self._limit)} of standard error")
            return
        now = time.monotonic()
        self._credit = min(RATE, self._credit + (now - self._last) * RATE) - len(chunk)
        self._last = now
        # Of many small writes one wake-up gathers several.
        time.sleep(max(-self._credit / RATE, _REST_S if len(chunk) < _SMALL else 0))

    def text(self) -> str:
        """What is remembered, as text; bytes that are not UTF-8 are replaced."""
        with self._lock:
            return self._bytes.decode("utf-8", "replace")
