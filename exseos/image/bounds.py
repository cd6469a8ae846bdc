"""How large the parts of an image may be: far above all that is real, and far below what fills a disk or a memory.

TensorFlow's wheel has 13,000 files and 0.9 GB; an image with it and an FPGA tool chain has 27,000 entries and 2 GB.
"""

from __future__ import annotations

import threading

from exseos.errors import ExseosError

MAX_PART_BYTES = 8 << 30
"""Bytes that one wheel or package may unpack to."""
MAX_PART_ENTRIES = 200_000
"""Files and folders of one wheel or package."""
MAX_IMAGE_BYTES = 64 << 30
"""Bytes of all layers together."""
MAX_IMAGE_ENTRIES = 1_000_000
"""Entries of all layers together."""
MAX_LAYERS = 127
"""What docker takes."""
MAX_PATH = 1024
"""Characters of a path."""
MAX_NAME_BYTES = 255
"""What file systems take."""
MAX_DEPTH = 128
"""Folders above a file."""
MAX_TARGET_BYTES = 4095
"""What a symbolic link may lead to."""

HINT = "This package cannot be part of an image; choose another version."


def path_problem(path: str) -> str | None:
    """What is wrong with the relative path of an entry, to follow its name; None if nothing is."""
    if len(path) > MAX_PATH:
        return f"is longer than {MAX_PATH} characters"
    parts = path.split("/")
    if len(parts) > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} folders"
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        return "has an unsafe path"
    try:
        if any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
            return f"has a name of more than {MAX_NAME_BYTES} bytes"
    except UnicodeEncodeError:
        return "is not UTF-8"
    return None


class Allowance:
    """Counts what is written and refuses what is too much; parts share the allowance ``whole`` of the image they are for."""

    def __init__(self, name: str, size: int = MAX_PART_BYTES, entries: int = MAX_PART_ENTRIES, whole: Allowance | None = None) -> None:
        self.name = name
        self._size, self._entries, self._whole = size, entries, whole
        self._lock = threading.Lock()
        self._left = [size, entries]

    def take(self, size: int, entries: int = 0) -> None:
        """Count ``size`` bytes and ``entries`` before they are written; ``ExseosError`` if they are too many."""
        with self._lock:
            self._left[0] -= size
            self._left[1] -= entries
            left = list(self._left)
        if left[0] < 0:
            raise ExseosError(f"unpacks to more than {self._size} bytes", where=self.name, hint=HINT)
        if left[1] < 0:
            raise ExseosError(f"unpacks to more than {self._entries} files and folders", where=self.name, hint=HINT)
        if self._whole is not None:
            self._whole.take(size, entries)
