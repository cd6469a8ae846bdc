"""What a container left in its output folder, copied to where nobody but the host can write.

The folder is hostile: its names, links, pipes, holes and depth are whatever user code made of them. The container has ended
before it is read, so nothing changes any more; each file is reached from the folder by descriptors that follow no link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from exseos.errors import CapsuleError, StageError
from exseos.manifest import Entry, Manifest, check_path
from exseos.records.names import in_repository
from exseos.text import visible

_CHUNK = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEEPEST = 32
_LONGEST_PATH = 512


@dataclass(frozen=True)
class Bounds:
    """What the outputs of one stage may be."""

    bytes: int = 64 << 30
    files: int = 100_000
    folders: int = 20_000


def collect(source: Path, target: Path, bounds: Bounds, where: str) -> Manifest:
    """Copy the regular files below ``source`` into the new folder ``target``; returns their list, hashed on the way.

    Raises ``StageError`` for a link, a special file, an unsafe name, or more than ``bounds``. Empty folders are left behind.
    """
    target.mkdir()
    return _Collection(bounds, where).run(source, target)


class _Collection:
    def __init__(self, bounds: Bounds, where: str) -> None:
        self.bounds, self.where = bounds, where
        self.bytes = self.folders = 0
        self.entries: list[Entry] = []

    def run(self, source: Path, target: Path) -> Manifest:
        try:
            root = os.open(source, _FOLDER)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENOENT):
                raise self._refused(source.name, "is no longer the folder that it was") from error
            raise
        self._folder(root, "", target, 0)
        return Manifest.of(self.entries)

    def _folder(self, descriptor: int, path: str, target: Path, depth: int) -> None:
        """Copy one folder, whose descriptor is closed here."""
        try:
            self.folders += 1
            if depth > _DEEPEST or self.folders > self.bounds.folders:
                raise self._refused(path, f"is nested deeper than {_DEEPEST} folders, or one of more than {self.bounds.folders}")
            with os.scandir(descriptor) as found:
                for number, entry in enumerate(found):
                    if number + len(self.entries) > self.bounds.files:
                        raise self._refused(path, f"and the other folders hold more than {self.bounds.files} files")
                    self._entry(descriptor, entry.name, f"{path}/{entry.name}" if path else entry.name, target, depth)
        finally:
            os.close(descriptor)

    def _entry(self, parent: int, name: str, path: str, target: Path, depth: int) -> None:
        if len(path) > _LONGEST_PATH:
            raise self._refused(path, f"is a path of {len(path)} characters")
        try:
            check_path(path)
        except CapsuleError as error:
            raise self._refused(path, f"cannot be kept: {error.what}") from error
        if in_repository(path):
            raise self._refused(path, "would be taken for settings of version control, which name programs to run")
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            self._folder(_opened(name, _FOLDER, parent), path, target, depth + 1)
        elif stat.S_ISREG(mode):
            self._file(_opened(name, _FILE, parent), path, target / path)
        else:
            raise self._refused(path, "is a link or a special file; only regular files and folders are outputs")

    def _file(self, descriptor: int, path: str, copy: Path) -> None:
        """Copy one file, whose descriptor is closed here."""
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise self._refused(path, "is no regular file")
            if self.bytes + status.st_size > self.bounds.bytes:
                raise self._refused(path, f"makes more than {self.bounds.bytes} bytes of outputs")
            copy.parent.mkdir(parents=True, exist_ok=True)
            digest, size = hashlib.sha256(), 0
            with copy.open("xb") as target:
                while chunk := stream.read(_CHUNK):
                    size += len(chunk)
                    if self.bytes + size > self.bounds.bytes:
                        raise self._refused(path, f"makes more than {self.bounds.bytes} bytes of outputs")
                    digest.update(chunk)
                    target.write(chunk)
            self.bytes += size
            self.entries.append(Entry(path, digest.hexdigest()))

    def _refused(self, path: str, what: str) -> StageError:
        return StageError(
            f"its output {visible(path)} {what}", where=self.where, hint="Let the code write plain files of its results alone."
        )


def _opened(name: str, flags: int, parent: int) -> int:
    """A descriptor of ``name``, whatever mode its maker left it with."""
    try:
        return os.open(name, flags, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, flags, dir_fd=parent)
