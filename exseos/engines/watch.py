"""Watches what a container writes into its writable mounts, and ends it when that is too much.

The kernel limits a single file (RLIMIT_FSIZE), nothing a folder: so a thread adds up. What it looks at is hostile and changes
meanwhile: folders are opened by descriptor and never through a link, nothing else is opened at all, and a count ends at the limit.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from exseos.engines.base import Limits
from exseos.errors import StageError

DEPTH = 64
"""Folders within each other: each costs two descriptors while they are counted."""
SPARE_BYTES = 256 << 20
"""What must stay free on the disk of the outputs: a file that was deleted and is still written to shows nowhere else."""
_PAUSE_S = 1.0
_SHARE = 4
"""A count may take a fifth of the time: the pause after it is this many times as long, but no longer than ``_LONGEST_S``."""
_LONGEST_S = 10.0
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PASSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Errors of a folder that is no longer there, or no longer a folder."""


class OutputWatch:
    """Watches ``folders`` from its making to ``stop``; calls ``exceeded`` with the reason, at most once."""

    def __init__(self, folders: Sequence[Path], limits: Limits, exceeded: Callable[[str], None]) -> None:
        self._limits, self._exceeded = limits, exceeded
        self._stop = threading.Event()
        self._told = False
        self._roots: list[int] = []
        try:
            for folder in folders:
                self._roots.append(os.open(folder, os.O_PATH | os.O_CLOEXEC))
            self._roomy = [root for root in self._roots if (_free(root) or 0) > SPARE_BYTES]
        except BaseException:
            self._close()
            raise
        self._thread = threading.Thread(target=self._watch, name="exseos-output-watch", daemon=True)
        if self._roots:
            self._thread.start()

    def stop(self) -> None:
        """Count a last time, now that nothing is written any more, and end."""
        self._stop.set()
        if self._roots:
            self._thread.join()
            self._look()
        self._close()

    def _watch(self) -> None:
        pause = _PAUSE_S
        while not self._stop.wait(pause):
            began = time.monotonic()
            self._look()
            pause = min(max(_PAUSE_S, _SHARE * (time.monotonic() - began)), _LONGEST_S)

    def _look(self) -> None:
        if not self._told and (reason := self._excess()) is not None:
            self._told = True
            self._exceeded(reason)

    def _excess(self) -> str | None:
        """What there is too much of, if anything."""
        total_bytes = total_files = 0
        try:
            for size in self._sizes():
                total_bytes += size
                total_files += 1
                if total_bytes > self._limits.output_bytes:
                    return f"more than {amount(self._limits.output_bytes)} of output"
                if total_files > self._limits.output_files:
                    return f"more than {self._limits.output_files:,} files of output"
        except StageError as excess:
            return excess.what
        except OSError:  # of this host: it has no descriptor left, or the disk fails; the next count may be luckier
            return None
        if any((free := _free(root)) is not None and free < SPARE_BYTES for root in self._roomy):
            return f"less than {amount(SPARE_BYTES)} are left on the disk of the outputs"
        return None

    def _sizes(self) -> Iterator[int]:
        """The size of each entry: its length, or what it takes on disk if that is more."""
        for root in self._roots:
            status = os.fstat(root)
            if not stat.S_ISDIR(status.st_mode):
                yield _size(status)
                continue
            with contextlib.closing(walk(root)) as found:
                yield from (_size(status) for _, _, status in found)

    def _close(self) -> None:
        for root in self._roots:
            os.close(root)
        self._roots = []


def walk(parent: int, name: str = ".", depth: int = 0) -> Generator[tuple[int, str, os.stat_result], None, None]:
    """Everything below the folder ``name`` of the open folder ``parent``: its open folder, its name there and its status.

    A folder's content comes before the folder itself. No link is followed. Raises ``StageError`` for what cannot be walked.
    """
    if depth > DEPTH:
        raise StageError(f"folders of output more than {DEPTH} deep")
    try:
        folder = os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno in _PASSING:
            return
        if error.errno == errno.EACCES:
            raise StageError("a folder of output that its owner may not read") from error
        raise
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError as error:
                    if error.errno in _PASSING:
                        continue
                    raise
                if stat.S_ISDIR(status.st_mode):
                    yield from walk(folder, entry.name, depth + 1)
                yield folder, entry.name, status
    finally:
        os.close(folder)


def _size(status: os.stat_result) -> int:
    return max(status.st_size, status.st_blocks * 512)


def _free(root: int) -> int | None:
    """Bytes that are free on the disk of ``root``; None where it does not tell."""
    with contextlib.suppress(OSError):
        status = os.fstatvfs(root)
        if status.f_blocks:
            return status.f_bavail * status.f_frsize
    return None


def amount(number: int) -> str:
    """Bytes in words, such as ``64 GiB``."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= factor:
            return f"{number / factor:g} {unit}"
    return f"{number} bytes"
