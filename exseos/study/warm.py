"""Compiling once per image and CPU what every worker would compile again: see ``exseos.worker.warm``."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from exseos.digest import sha256_json
from exseos.engines.base import Command, Engine, ImageSource, Limits, Mount
from exseos.image.layer import scratch, tree_digest
from exseos.image.seal import Seal, TreeState
from exseos.progress import Progress
from exseos.store import Store, host_errors
from exseos.worker.determinism import cpu_features, environment, read_cpuinfo
from exseos.worker.warm import environment as warm_environment

MOUNTED = "/warm"
_SECONDS = 300.0
_MAX_BYTES = 2 << 30
_TREE, _SEAL = "tree", "seal.json"


def warm_folder(engine: Engine, image: ImageSource, limits: Limits, store: Store, progress: Progress) -> Path | None:
    """The folder to mount at ``MOUNTED``, filled by a container of its own if it is not there; None if that failed.

    Depends on the image and the CPU only: no user code has run in that container. What was changed since is removed and made again.
    """
    key = sha256_json({"image": image.id, "cpu": sorted(cpu_features(read_cpuinfo()))})
    final = store.cache / "warm" / key
    with host_errors(store.root), scratch(store.cache) as folder:
        if _intact(final):
            return final / _TREE
        with suppress(FileNotFoundError):
            final.rename(folder / "damaged")
        progress.step("first use of this image on this CPU: compiling bytecode and tools")
        whole = folder / "whole"
        out = whole / _TREE
        out.mkdir(parents=True)
        variables = {**environment(), **warm_environment(MOUNTED), "PYTHONDONTWRITEBYTECODE": ""}
        command = Command(["/usr/bin/python3", "-m", "exseos.worker.warm", MOUNTED], variables)
        process = engine.start(image, command, [Mount(out, MOUNTED, writable=True)], limits)
        try:
            process.stdin.close()
            code = process.wait(_SECONDS)
        except TimeoutError:
            code = -1
        finally:
            process.kill()
        if code != 0:
            progress.step(f"that failed (exit code {code}); workers will start more slowly")
            return None
        if not _sealed(whole):
            progress.step("that left what cannot be kept; workers will start more slowly")
            return None
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            whole.rename(final)
        except OSError:
            if not _intact(final):  # else another build was faster
                raise
    return final / _TREE


def _sealed(whole: Path) -> bool:
    """Record what the container left; false if that is no tree of files, folders and links of at most ``_MAX_BYTES``."""
    try:
        state = TreeState.of(whole / _TREE)
    except (OSError, ValueError):
        return False
    sha256, size = tree_digest(whole / _TREE, _MAX_BYTES)
    if not sha256:
        return False
    Seal(state, int(time.time()), sha256, size).write(whole / _SEAL)
    return True


def _intact(final: Path) -> bool:
    """Whether the folder is as it was made: nobody wrote there, or all of it hashes to the same (it was copied, or is old)."""
    seal = Seal.read(final / _SEAL)
    if seal is None:
        return False
    try:
        state = TreeState.of(final / _TREE)
    except (OSError, ValueError):
        return False
    if state != seal.state or not seal.young:
        if tree_digest(final / _TREE, seal.size) != (seal.sha256, seal.size):
            return False
        Seal(state, int(time.time()), seal.sha256, seal.size).write(final / _SEAL)
    return True
