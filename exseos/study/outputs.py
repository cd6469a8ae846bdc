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
_ZEROS = bytes(_CHUNK)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEEPEST = 32
_LONGEST_PATH = 512
"""Bytes, so that an entry of a capsule can be called so."""
_SWAPPED = (errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.ENXIO)
"""What opening says of a name that is no longer what it was: a link, no folder, nothing, a socket."""


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
        parent = os.open(source.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            root = self._opened(source.name, _FOLDER, parent, source.name)
        finally:
            os.close(parent)
        self._folder(root, "", target, 0)
        return Manifest.of(self.entries)

    def _folder(self, descriptor: int, path: str, target: Path, depth: int) -> None:
        """Copy one folder, whose descriptor is closed here."""
        try:
            self.folders += 1
            if depth > _DEEPEST or self.folders > self.bounds.folders:
                raise self._refused(path, f"is nested deeper than {_DEEPEST} folders, or one of more than {self.bounds.folders}")
            with os.scandir(descriptor) as found:
                for entry in found:
                    self._entry(descriptor, entry.name, f"{path}/{entry.name}" if path else entry.name, target, depth)
        finally:
            os.close(descriptor)

    def _entry(self, parent: int, name: str, path: str, target: Path, depth: int) -> None:
        if (length := len(os.fsencode(path))) > _LONGEST_PATH:
            raise self._refused(path, f"is a path of {length} bytes")
        try:
            check_path(path)
        except CapsuleError as error:
            raise self._refused(path, f"cannot be kept: {error.what}") from error
        if in_repository(path):
            raise self._refused(path, "would be taken for settings of version control, which name programs to run")
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            self._folder(self._opened(name, _FOLDER, parent, path), path, target, depth + 1)
        elif stat.S_ISREG(mode):
            self._file(self._opened(name, _FILE, parent, path), path, target / path)
        else:
            raise self._refused(path, "is a link or a special file; only regular files and folders are outputs")

    def _file(self, descriptor: int, path: str, copy: Path) -> None:
        """Copy one file, whose descriptor is closed here."""
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            if len(self.entries) >= self.bounds.files:
                raise self._refused(path, f"is one of more than {self.bounds.files} files")
            if self.bytes + os.fstat(descriptor).st_size > self.bounds.bytes:
                raise self._refused(path, f"makes more than {self.bounds.bytes} bytes of outputs")
            copy.parent.mkdir(parents=True, exist_ok=True)
            digest, size = hashlib.sha256(), 0
            with copy.open("xb") as target:
                while chunk := stream.read(_CHUNK):
                    size += len(chunk)
                    if self.bytes + size > self.bounds.bytes:
                        raise self._refused(path, f"makes more than {self.bounds.bytes} bytes of outputs")
                    digest.update(chunk)
                    if chunk == _ZEROS:  # perhaps a hole, which must not take room in the copy
                        target.seek(size)
                    else:
                        target.write(chunk)
                target.truncate(size)
            self.bytes += size
            self.entries.append(Entry(path, digest.hexdigest()))

    def _opened(self, name: str, flags: int, parent: int, path: str) -> int:
        """A descriptor of ``name``, whatever mode its maker left it with; a folder's names can be looked up by it."""
        try:
            try:
                descriptor = os.open(name, flags, dir_fd=parent)
            except PermissionError:
                os.chmod(name, 0o700, dir_fd=parent)
                descriptor = os.open(name, flags, dir_fd=parent)
        except OSError as error:
            if error.errno in _SWAPPED:
                raise self._refused(path, "is no longer what it was") from error
            raise
        try:
            mode = os.fstat(descriptor).st_mode
            if flags & os.O_DIRECTORY and mode & 0o500 != 0o500:
                os.fchmod(descriptor, 0o700)
            elif not flags & os.O_DIRECTORY and not stat.S_ISREG(mode):
                raise self._refused(path, "is no longer what it was")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _refused(self, path: str, what: str) -> StageError:
        return StageError(
            f"its output {visible(path)} {what}", where=self.where, hint="Let the code write plain files of its results alone."
        )
