"""Compiling once per image and CPU what every worker would compile again: see ``exseos.worker.warm``."""

from __future__ import annotations

from pathlib import Path

from exseos.digest import sha256_json
from exseos.engines.base import Command, Engine, ImageSource, Limits, Mount
from exseos.image.layer import scratch
from exseos.progress import Progress
from exseos.store import Store, host_errors
from exseos.worker.determinism import cpu_features, environment, read_cpuinfo
from exseos.worker.warm import environment as warm_environment

MOUNTED = "/warm"
_SECONDS = 300.0


def warm_folder(engine: Engine, image: ImageSource, limits: Limits, store: Store, progress: Progress) -> Path | None:
    """The folder to mount at ``MOUNTED``, filled by a container of its own if it is not there; None if that failed.

    Depends on the image and the CPU only: no user code has run in that container.
    """
    key = sha256_json({"image": image.id, "cpu": sorted(cpu_features(read_cpuinfo()))})
    final = store.cache / "warm" / key
    if final.is_dir():
        return final
    progress.step("first use of this image on this CPU: compiling bytecode and tools")
    with host_errors(store.root), scratch(store.cache) as folder:
        out = folder / "warm"
        out.mkdir()
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
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            out.rename(final)
        except OSError:
            if not final.is_dir():  # else another build was faster
                raise
    return final
