"""Layers of an image, kept in the cache as unpacked trees.

``layers/<digest>/`` is a whole tree (it is made elsewhere and renamed); ``keys/<key>.json`` says which layer some inputs gave, and how
large the tar of a layer is. That tar is never stored: ``tar.tree_tar`` makes it from the tree, always the same bytes. A tree is believed
while ``seals/<digest>.json`` fits it; else it is hashed again, and removed if it is not what its name says.
"""

# Plain strings for paths: pathlib is too slow for a hundred thousand files.
# ruff: noqa: PTH101

from __future__ import annotations

import hashlib
import json
import os
import queue
import re
import secrets
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from exseos.digest import canonical_json
from exseos.errors import DigestMismatch, HostError
from exseos.image.seal import Seal, TreeState
from exseos.image.tar import MTIME, tree_tar, walk
from exseos.removal import remove_tree
from exseos.store import host_errors

_DIGEST = re.compile("[0-9a-f]{64}")


class BackgroundHash:
    """SHA-256 that runs beside its caller in a thread of its own (hashlib releases the interpreter's lock)."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._queue: queue.Queue[bytes | memoryview | None] = queue.Queue(4)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (chunk := self._queue.get()) is not None:
            self._hash.update(chunk)

    def update(self, chunk: bytes | memoryview) -> None:
        """Hash ``chunk`` too; its bytes must not change afterwards."""
        self._queue.put(chunk)

    def hexdigest(self) -> str:
        """The digest; ends the thread."""
        self._queue.put(None)
        self._thread.join()
        return self._hash.hexdigest()


def checked(chunks: Iterable[bytes | memoryview], sha256: str, where: str) -> Iterator[bytes | memoryview]:
    """Pass ``chunks`` on; ``DigestMismatch`` at their end if they do not hash to ``sha256``."""
    digest = BackgroundHash()
    try:
        for chunk in chunks:
            digest.update(chunk)
            yield chunk
    finally:
        found = digest.hexdigest()
    if found != sha256:
        raise DigestMismatch(f"the layer hashes to {found}, not to its name", where=where, hint="It was changed: remove it and try again.")


@dataclass(frozen=True)
class Layer:
    """One layer: digest of its uncompressed tar (hex), size of that tar in bytes, tree on disk."""

    sha256: str
    size: int
    tree: Path

    def tar(self) -> Iterator[bytes]:
        """The tar in chunks; ``DigestMismatch`` at the end if the tree in the cache was changed."""
        size = 0
        for chunk in checked(tree_tar(self.tree), self.sha256, str(self.tree)):
            size += len(chunk)
            yield bytes(chunk)
        if size != self.size:
            raise DigestMismatch(f"the layer has {size} bytes, not {self.size}", where=str(self.tree), hint="Remove it and try again.")


class LayerStore:
    """The layers in ``cache``. Processes may share it: whoever is last finds the work done."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._layers = cache / "layers"
        self._keys = cache / "keys"
        for folder in (self._layers, self._keys):
            folder.mkdir(parents=True, exist_ok=True)

    def tree(self, sha256: str) -> Path:
        """Where the tree of layer ``sha256`` is, or would be."""
        return self._layers / sha256

    def find(self, key: str) -> Layer | None:
        """The layer that ``make`` put under ``key``, or the layer whose digest ``key`` is, if it is still here and ``intact``."""
        try:
            known = json.loads((self._keys / f"{key}.json").read_bytes())
            sha256, size = str(known["sha256"]), int(known["size"])
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
            return None
        if not _DIGEST.fullmatch(sha256):
            return None
        layer = Layer(sha256, size, self.tree(sha256))
        return layer if self.intact(layer) else None

    def intact(self, layer: Layer) -> bool:
        """Whether the tree of ``layer`` is here as it was made; one that was changed is removed.

        Costs a walk as long as its seal fits: that proves that nobody wrote to it. Else all of it is hashed again.
        """
        if not layer.tree.is_dir():
            return False
        with host_errors(layer.tree):
            seal, state = self.seal(layer), _state(layer.tree)
            if seal and seal.young and seal.state == state and (seal.sha256, seal.size) == (layer.sha256, layer.size):
                return True
            # The state is older than the hash: what is written meanwhile breaks the seal.
            if state and _as_written(layer.tree) and tree_digest(layer.tree, layer.size) == (layer.sha256, layer.size):
                self._write_seal(layer, state, int(time.time()))
                return True
            with scratch(self.cache) as folder, suppress(FileNotFoundError):
                layer.tree.rename(folder / "damaged")
        return False

    def seal(self, layer: Layer) -> Seal | None:
        """The seal of ``layer``."""
        return Seal.read(self.cache / "seals" / f"{layer.sha256}.json")

    def linked(self, layer: Layer) -> None:
        """Renew the seal of ``layer``, found ``intact`` just now, whose files were given further hard links."""
        seal, state = self.seal(layer), _state(layer.tree)
        if seal and state and seal.state.linked == state.linked:  # else it is hashed again on its next use
            self._write_seal(layer, state, seal.hashed)

    def _write_seal(self, layer: Layer, state: TreeState, hashed: int) -> None:
        Seal(state, hashed, layer.sha256, layer.size).write(self.cache / "seals" / f"{layer.sha256}.json")

    def make(self, key: str, fill: Callable[[Path], None]) -> Layer:
        """The layer of ``key``, made by ``fill`` in an empty folder if it is not known yet."""
        known = self.find(key)
        if known is not None:
            return known
        with scratch(self.cache) as folder:
            tree = folder / "tree"
            tree.mkdir()
            fill(tree)
            settle(tree)
            layer = self.keep(tree, *tree_digest(tree))
            self._note(key, layer)
        return layer

    def keep(self, tree: Path, sha256: str, size: int) -> Layer:
        """Move the finished ``tree`` to its place; if the layer is there already and ``intact``, ``tree`` stays where it is."""
        layer = Layer(sha256, size, self.tree(sha256))
        while not self._moved(tree, layer):
            if self.intact(layer):
                break
        self._note(sha256, layer)
        return layer

    def _moved(self, tree: Path, layer: Layer) -> bool:
        try:
            tree.rename(layer.tree)
        except OSError:
            if not layer.tree.is_dir():
                raise
            return False
        if state := _state(layer.tree):
            self._write_seal(layer, state, int(time.time()))
        return True

    def _note(self, key: str, layer: Layer) -> None:
        half = self._keys / f".{key}.{os.getpid()}.{threading.get_ident()}"
        half.write_bytes(canonical_json({"sha256": layer.sha256, "size": layer.size}))
        half.replace(self._keys / f"{key}.json")


def tree_digest(tree: Path, limit: int | None = None) -> tuple[str, int]:
    """SHA-256 and size of the tar of ``tree``; ``("", 0)`` for a tree that has none, or one of more than ``limit`` bytes."""
    digest, size = BackgroundHash(), 0
    try:
        for chunk in tree_tar(tree):
            digest.update(chunk)
            size += len(chunk)
            if limit is not None and size > limit:
                return "", 0
    except (HostError, FileNotFoundError, NotADirectoryError, PermissionError):
        if limit is None:
            raise
        return "", 0
    finally:
        found = digest.hexdigest()
    return found, size


def _state(tree: Path) -> TreeState | None:
    """The state of ``tree``, None if it cannot be a tree that was made here."""
    try:
        return TreeState.of(tree)
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
        return None


def _as_written(tree: Path) -> bool:
    """Whether modes and times, which are not all in the tar, are those that every entry gets here."""
    try:
        for entry, path in walk(tree):
            status = os.lstat(path)
            if status.st_mtime_ns != MTIME * 10**9 or (entry.kind != "link" and stat.S_IMODE(status.st_mode) != entry.mode):
                return False
    except (HostError, FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    return True


def settle(tree: Path) -> None:
    """Give folders the time and mode that they have in the tar (files got theirs when they were written)."""
    for entry, path in walk(tree):
        if entry.kind == "folder":
            os.chmod(path, entry.mode)
            os.utime(path, (MTIME, MTIME))


@contextmanager
def scratch(cache: Path) -> Iterator[Path]:
    """A folder for half-made things, removed at the end; those of killed processes of this machine are removed too."""
    host, base = socket.gethostname(), cache / "tmp"
    base.mkdir(parents=True, exist_ok=True)
    for old in base.iterdir():
        owner, _, pid = old.name.rpartition("@")[0].rpartition(".")
        if owner == host and pid.isdigit() and not _alive(int(pid)):
            remove_tree(old)
    folder = base / f"{host}.{os.getpid()}@{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        with host_errors(folder):
            yield folder
    finally:
        remove_tree(folder)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
