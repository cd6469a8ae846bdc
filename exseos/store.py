"""The store: finished stages under their keys, and the cache of downloads, layers and root file systems.

A folder, ``$EXSEOS_STORE`` or ``$XDG_CACHE_HOME/exseos``. A stage is put in whole by one rename, so a half-written one is never
found. No locks and no database: two builds at once do the same work twice at worst, which also holds on network file systems.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exseos.digest import canonical_json
from exseos.errors import HostError
from exseos.manifest import Manifest, tree_files


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
        self.root = root or default_root()
        with host_errors(self.root):
            for folder in ("stages", "scratch", "cache"):
                (self.root / folder).mkdir(parents=True, exist_ok=True)

    @property
    def cache(self) -> Path:
        """Where downloads, layers and root file systems are kept: everything here can be made again."""
        return self.root / "cache"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private folder on the store's own file system, removed at the end."""
        with host_errors(self.root):
            folder = Path(tempfile.mkdtemp(dir=self.root / "scratch"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def find(self, key: str) -> Finished | None:
        """The finished stage of ``key``, its outputs hashed again; a damaged one is removed and not found."""
        folder = self.root / "stages" / key
        try:
            record = json.loads((folder / "record.json").read_bytes())
            manifest = Manifest.parse((folder / "manifest.txt").read_text(), str(folder))
        except FileNotFoundError:
            return None
        if Manifest.of_tree(folder / "outputs") != manifest:
            self._discard(folder)
            return None
        return Finished(key, manifest, folder / "outputs", record["facts"])

    def put(self, key: str, outputs: Path, facts: dict[str, Any]) -> Finished:
        """Move the tree ``outputs`` (same file system, see ``scratch``) into the store under ``key``."""
        target = self.root / "stages" / key
        with host_errors(self.root), self.scratch() as scratch:
            whole = scratch / "stage"
            whole.mkdir()
            outputs.rename(whole / "outputs")
            tree_files(whole / "outputs")
            _own_modes(whole / "outputs")
            manifest = Manifest.of_tree(whole / "outputs")
            (whole / "manifest.txt").write_text(manifest.text)
            (whole / "record.json").write_bytes(canonical_json({"key": key, "facts": facts}))
            _sync(whole)
            try:
                whole.rename(target)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
        return Finished(key, manifest, target / "outputs", facts)

    def _discard(self, folder: Path) -> None:
        with self.scratch() as scratch:
            folder.rename(scratch / "damaged")


def default_root() -> Path:
    """``$EXSEOS_STORE``, else ``exseos`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if value := os.environ.get("EXSEOS_STORE"):
        return Path(value).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "exseos"


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
            errno.EROFS: "Set EXSEOS_STORE to a folder that you may write to.",
        }.get(error.errno or 0)
        raise HostError(f"cannot use the store: {error.strerror or error}", where=str(error.filename or where), hint=hint) from error


def _own_modes(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _sync(folder: Path) -> None:
    """Flush files and folders below ``folder`` to disk, so that a rename that survives a crash names whole content."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
