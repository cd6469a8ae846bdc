"""Whose the outputs are, where root starts a container as somebody else: lent for as long as it runs, then taken back."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from exseos.engines.base import Mount
from exseos.engines.watch import walk
from exseos.errors import HostError, StageError


class Loan:
    """Writable ``folders`` (or files) of the caller, root, that a container's user owns from now until ``take_back``.

    What a folder holds already stays as it is: it may be linked from elsewhere.
    """

    def __init__(self, folders: Sequence[Path], uid: int, gid: int) -> None:
        self._uid = uid
        self._folders = []
        try:
            for folder in folders:
                status = folder.stat()
                os.chown(folder, uid, gid)
                self._folders.append((folder, status))
        except OSError as error:
            self.take_back()
            what = f"cannot give it to user {uid}, whom the container runs as: {error.strerror}"
            raise HostError(what, where=str(folder), hint="Let EXSEOS_STORE be on a disk where root may do that.") from error

    def take_back(self) -> None:
        """Make everything in them that is the container's user's the caller's. All its processes must be gone."""
        for folder, status in self._folders:
            with contextlib.suppress(OSError, StageError):  # the watch has told why the outputs are no good
                os.chown(folder, status.st_uid, status.st_gid)
                if stat.S_ISDIR(status.st_mode):
                    self._take_content(folder, status.st_uid, status.st_gid)
        self._folders = []

    def _take_content(self, folder: Path, uid: int, gid: int) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.closing(walk(descriptor)) as found:
                for parent, name, entry in found:
                    if entry.st_uid == self._uid:
                        os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(descriptor)


def check_readable(mounts: Sequence[Mount], uid: int) -> None:
    """Raise ``HostError`` for a read-only mount that the container's user ``uid`` may not even open."""
    for mount in mounts:
        status = mount.source.stat()
        needed = 0o5 if stat.S_ISDIR(status.st_mode) else 0o4
        if not mount.writable and status.st_uid != uid and status.st_mode & needed != needed:
            what = f"may not be read by user {uid}, whom docker's containers run as when root calls"
            raise HostError(what, where=str(mount.source), hint="Let others read it (`chmod -R o+rX`), or run as its owner.")
