"""The store: finished stages under their keys, and the cache of downloads, layers and root file systems.

A folder, ``$EXSEOS_STORE`` or ``$XDG_CACHE_HOME/exseos``. A stage is put in whole by one rename, so a half-written one is never
found. No locks and no database: two builds at once do the same work twice at worst, which also holds on network file systems.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from exseos.digest import canonical_json, sha256_bytes
from exseos.errors import CapsuleError, HostError
from exseos.manifest import Manifest, tree_files
from exseos.paths import absolute
from exseos.removal import remove_tree

_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.EINTR)
"""Errors that say nothing about a stage on disk."""


@dataclass(frozen=True)
class Finished:
    """A stage that ended well: its outputs' manifest, the folder that holds them, and facts about that run."""

    key: str
    manifest: Manifest
    folder: Path
    facts: dict[str, Any]


class Store:
    """Stages by key, and a cache folder for the rest."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = absolute(root or default_root())
        with host_errors(self.root):
            for folder in ("stages", "scratch", "cache"):
                (self.root / folder).mkdir(parents=True, exist_ok=True)
        self._clear_scratch()

    @property
    def cache(self) -> Path:
        """Where downloads, layers and root file systems are kept: everything here can be made again."""
        return self.root / "cache"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private folder on the store's own file system, removed at the end."""
        with host_errors(self.root):
            folder = Path(tempfile.mkdtemp(dir=self.root / "scratch", prefix=f"{_processes()}.{os.getpid()}."))
        try:
            yield folder
        finally:
            remove_tree(folder)

    def find(self, key: str) -> Finished | None:
        """The finished stage of ``key``, its outputs hashed again; a damaged one is removed and not found."""
        folder = self.root / "stages" / key
        if not folder.exists():
            return None
        try:
            record = json.loads((folder / "record.json").read_bytes())
            manifest = Manifest.parse((folder / "manifest.txt").read_bytes().decode(), str(folder))
            facts = dict(record["facts"])
            whole = record["key"] == key and Manifest.of_tree(folder / "outputs") == manifest
        except (ValueError, TypeError, KeyError, RecursionError, CapsuleError):
            whole = False
        except OSError as error:
            if error.errno in _PASSING:
                with host_errors(folder):
                    raise
            whole = False
        if not whole:
            self._discard(folder)
            return None
        return Finished(key, manifest, folder / "outputs", facts)

    def put(self, key: str, outputs: Path, facts: dict[str, Any]) -> Finished:
        """Move the tree ``outputs`` (same file system, see ``scratch``) into the store under ``key``.

        If another process was faster, its result is the one that counts, and is returned.
        """
        target = self.root / "stages" / key
        with host_errors(self.root), self.scratch() as scratch:
            whole = scratch / "stage"
            whole.mkdir()
            outputs.rename(whole / "outputs")
            _check_outputs(whole / "outputs")
            plain_modes(whole / "outputs")
            manifest = Manifest.of_tree(whole / "outputs")
            (whole / "manifest.txt").write_bytes(manifest.text.encode())
            (whole / "record.json").write_bytes(canonical_json({"key": key, "facts": facts}))
            _sync(whole)
            while not _moved(whole, target):
                if found := self.find(key):
                    return found
            _flush(target.parent)
        return Finished(key, manifest, target / "outputs", facts)

    def _clear_scratch(self) -> None:
        """Remove what processes that were killed left, if this is where their number means something."""
        for folder in (self.root / "scratch").glob(f"{_processes()}.*"):
            owner = folder.name.split(".")[1]
            if owner.isdigit() and int(owner) != os.getpid() and not Path("/proc", owner).exists():
                remove_tree(folder)

    def _discard(self, folder: Path) -> None:
        with self.scratch() as scratch, suppress(FileNotFoundError):
            folder.rename(scratch / "damaged")


def default_root() -> Path:
    """``$EXSEOS_STORE``, else ``exseos`` in ``$XDG_CACHE_HOME`` or ``~/.cache``; a ``HostError`` if there is no home.

    A relative ``XDG_CACHE_HOME`` does not count, as its specification demands.
    """
    if value := os.environ.get("EXSEOS_STORE"):
        return absolute(value)
    base = os.environ.get("XDG_CACHE_HOME", "")
    if Path(base).is_absolute():
        return Path(base) / "exseos"
    try:
        return absolute(Path.home() / ".cache" / "exseos")
    except RuntimeError as error:
        raise HostError(
            "there is no home folder to keep the store in", hint="Set EXSEOS_STORE to a folder that you may write to."
        ) from error


@contextmanager
def host_errors(where: Path) -> Iterator[None]:
    """Turn an ``OSError`` below into a ``HostError`` that says what to do."""
    try:
        yield
    except OSError as error:
        hint = {
            errno.ENOSPC: "The disk is full: free some space, or set EXSEOS_STORE to a folder on a larger disk; finished stages are kept.",
            errno.EDQUOT: "Your quota is used up: set EXSEOS_STORE to a folder elsewhere; finished stages are kept.",
            errno.EACCES: "Set EXSEOS_STORE to a folder that you may write to.",
            errno.EPERM: "Set EXSEOS_STORE to a folder that you may write to.",
            errno.EFBIG: "A limit on the size of files (ulimit -f) is in the way: raise it; finished stages are kept.",
            errno.EEXIST: "A file is in the way: move it, or set EXSEOS_STORE to another folder.",
            errno.ENOTDIR: "A file is in the way: move it, or set EXSEOS_STORE to another folder.",
            errno.EROFS: "Set EXSEOS_STORE to a folder that you may write to.",
        }.get(error.errno or 0)
        raise HostError(f"cannot use the store: {error.strerror or error}", where=str(error.filename or where), hint=hint) from error


@cache
def _processes() -> str:
    """A name for the set of processes that this one can see: those of one start of one machine, and of one container there.

    A store may be shared by machines and containers, where the same process number means another process.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        return sha256_bytes(boot + str(Path("/proc/self/ns/pid").readlink()).encode())[:16]
    except OSError:
        return uuid.uuid4().hex[:16]


def _check_outputs(outputs: Path) -> None:
    """Refuse links, special files and what is nested too deep to be an output."""
    try:
        tree_files(outputs)
    except RecursionError as error:
        raise CapsuleError("the outputs are nested too deep", where=str(outputs)) from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise CapsuleError("the outputs have paths that are too long", where=str(outputs)) from error


def plain_modes(folder: Path) -> None:
    """Let everybody read ``folder`` and what is in it, whatever the umask: a container may run as another user."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _moved(whole: Path, target: Path) -> bool:
    """Rename ``whole`` to ``target``; false if something is there already."""
    try:
        whole.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            return False
        raise
    return True


def _sync(folder: Path) -> None:
    """Flush files and folders below ``folder`` to disk, so that a rename that survives a crash names whole content."""
    for path in [*folder.rglob("*"), folder]:
        _flush(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot flush a folder
            raise
    finally:
        os.close(descriptor)
