"""Removing a folder whatever a killed or hostile program left in it.

``shutil.rmtree`` recurses, so folders nested a thousand deep stop it, and it gives up at a folder without permissions. Here no folder
is deeper than its grandchildren: what is further down is moved up first. Nothing is reached through a link or by a long path.
"""

# Plain strings for paths, relative to an open folder: pathlib knows no such thing.
# ruff: noqa: PTH101, PTH106, PTH108

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PLACE = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(folder: Path) -> bool:
    """Remove ``folder``, or the file or link of that name; false if something is left that this user may not remove.

    Never fails and never follows a link; memory and open files do not grow with depth. Another file system mounted inside is left.
    """
    try:
        with _opened(os.fspath(folder), None) as top:
            _empty(top)
        os.rmdir(folder)
    except OSError:
        with suppress(OSError):
            os.unlink(folder)  # no folder at all: a file or a link
    return not os.path.lexists(folder)


def _empty(top: int) -> None:
    device, fresh, prefix = os.fstat(top).st_dev, count(), f".removed-{secrets.token_hex(8)}-"
    while True:
        progress = False
        for name in _names(top):
            progress = _remove(top, name, device, (top, prefix, fresh)) or progress
        if not progress:
            return


def _remove(parent: int, name: str, device: int, up: tuple[int, str, Iterator[int]]) -> bool:
    """Remove ``name`` from ``parent``, its folders moved to the folder ``up``; whether anything was done."""
    if _unlinked(parent, name):
        return True
    done = False
    with suppress(OSError), _opened(name, parent) as folder:
        if os.fstat(folder).st_dev != device:
            return False
        for child in _names(folder):
            done = _unlinked(folder, child) or _moved(folder, child, up) or done
    with suppress(OSError):
        os.rmdir(name, dir_fd=parent)
        done = True
    return done


def _unlinked(folder: int, name: str) -> bool:
    """Whether ``name`` was a file, link, pipe, or empty folder, and is gone."""
    try:
        if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            os.rmdir(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)
    except OSError:
        return False
    return True


def _moved(folder: int, name: str, up: tuple[int, str, Iterator[int]]) -> bool:
    top, prefix, fresh = up
    try:
        with _opened(name, folder):
            pass  # a folder can be moved only by who may write to it: opening saw to that
        os.rename(name, f"{prefix}{next(fresh)}", src_dir_fd=folder, dst_dir_fd=top)
    except OSError:
        return False
    return True


def _names(folder: int) -> Iterator[str]:
    with os.scandir(folder) as found:
        for entry in found:
            yield entry.name


@contextmanager
def _opened(name: str, parent: int | None) -> Iterator[int]:
    """The folder ``name``, with all permissions for its owner."""
    place = os.open(name, _PLACE, dir_fd=parent)
    try:
        if os.fstat(place).st_mode & 0o700 != 0o700:
            with suppress(OSError):
                os.chmod(f"/proc/self/fd/{place}", 0o700)  # of this very folder, whatever the name leads to by now
        folder = os.open(".", _FOLDER, dir_fd=place)
    finally:
        os.close(place)
    try:
        yield folder
    finally:
        os.close(folder)
