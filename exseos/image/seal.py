"""Seals: what a tree of the cache looked like when it was last known to be right.

A seal is one digest over every entry's path, kind, mode, size, times and inode number. No program can set a time of change
(``st_ctime``), so whoever writes to the tree breaks its seal, even if sizes and times of modification are put back. See
``docs/decisions/0012-caches-are-sealed.md``.
"""

# Plain strings for paths: pathlib is too slow for a hundred thousand files.
# ruff: noqa: PTH115

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exseos.digest import canonical_json

MAX_AGE = 30 * 24 * 3600
"""Seconds for which a seal is believed: a disk that changes bytes by itself changes no time."""
MAX_ENTRIES = 2_000_000
"""Entries of a tree that can be sealed."""


@dataclass(frozen=True)
class TreeState:
    """Two digests of all that the file system tells of a tree.

    ``whole`` has everything. ``linked`` leaves out the times of change and link counts of what is no folder: a further hard link,
    or the removal of one, changes them.
    """

    whole: str
    linked: str

    @staticmethod
    def of(tree: Path) -> TreeState:
        """The state of ``tree`` now; raises ``OSError`` if it cannot be read, ``ValueError`` if it is too large to be ours."""
        whole, linked = hashlib.sha256(), hashlib.sha256()
        for number, (path, status, target) in enumerate(_entries(os.fspath(tree))):
            if number >= MAX_ENTRIES:
                raise ValueError(f"more than {MAX_ENTRIES} entries")
            times = b"%d %d" % (status.st_ctime_ns, status.st_nlink)
            same = b"%s\0%s\0%o %d %d %d\n" % (path, target, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino)
            whole.update(times + same)
            linked.update(times + same if stat.S_ISDIR(status.st_mode) else same)
        return TreeState(whole.hexdigest(), linked.hexdigest())


def _entries(root: str) -> Iterator[tuple[bytes, os.stat_result, bytes]]:
    """Each entry's relative path, status and, for a link, its target; the root first, in an order of names alone."""
    yield b"", os.lstat(root), b""
    folders = [(root, b"")]
    while folders:
        folder, prefix = folders.pop()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path, status = prefix + os.fsencode(entry.name), entry.stat(follow_symlinks=False)
            yield path, status, os.fsencode(os.readlink(entry.path)) if stat.S_ISLNK(status.st_mode) else b""
            if stat.S_ISDIR(status.st_mode):
                folders.append((entry.path, path + b"/"))


@dataclass(frozen=True)
class Seal:
    """A tree's state and since when (seconds of the Unix time) its content is known; ``base`` names what it was made of."""

    state: TreeState
    hashed: int
    sha256: str = ""
    size: int = 0
    base: tuple[str, ...] = ()

    @property
    def young(self) -> bool:
        """Whether the content was read not too long ago."""
        return 0 <= time.time() - self.hashed <= MAX_AGE

    @staticmethod
    def read(path: Path) -> Seal | None:
        """The seal in the file ``path``; None if there is none that can be read."""
        try:
            found = json.loads(path.read_bytes())
            state = TreeState(str(found["whole"]), str(found["linked"]))
            return Seal(state, int(found["hashed"]), str(found["sha256"]), int(found["size"]), tuple(map(str, found["base"])))
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
            return None

    def write(self, path: Path) -> None:
        """Keep this seal in the file ``path``, which appears whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        state = {"whole": self.state.whole, "linked": self.state.linked}
        known = {"hashed": self.hashed, "sha256": self.sha256, "size": self.size, "base": list(self.base)}
        half.write_bytes(canonical_json(state | known))
        half.replace(path)
