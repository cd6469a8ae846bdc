"""Workers for a replay: started when they are needed, and again after one died."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from exseos.engines.base import Engine, Limits
from exseos.errors import ExseosError, HostError, StageError
from exseos.image.image import Image
from exseos.manifest import Manifest
from exseos.progress import Progress
from exseos.store import Store
from exseos.study.plan import StagePlan
from exseos.study.session import Session
from exseos.study.trial import run_stage
from exseos.study.vendor import Vendor


@contextmanager
def this_host(doing: str) -> Iterator[None]:
    """Turn what only this machine can be blamed for into a ``HostError``: it says nothing of the capsule."""
    try:
        yield
    except OSError as error:
        place = str(error.filename) if error.filename else None
        raise HostError(f"{doing}: {error.strerror or error}", where=place, hint="Mend that and replay again.") from error
    except MemoryError as error:
        raise HostError(f"{doing}: out of memory", hint="Free some memory and replay again.") from error


class Sessions:
    """One worker for what runs in the image alone, one for each toolchain that is mounted; ``data`` may hold why a source is not here."""

    def __init__(
        self,
        engine: Engine,
        image: Image,
        files: Path,
        data: Mapping[str, Path | str],
        limits: Limits,
        folder: Path,
        store: Store,
        progress: Progress,
        vendors: Mapping[str, Vendor] | None = None,
    ) -> None:
        self._store = store
        self.vendors = vendors or {}
        self._engine, self._image, self._files, self._limits = engine, image, files, limits
        self.data, self._folder, self._progress = data, folder, progress
        self._sessions: dict[str, Session] = {}
        self._count = 0

    def __enter__(self) -> Sessions:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for name in list(self._sessions):
            self._close(name, kind, error, trace)

    def run(self, stage: StagePlan, seed: int, inputs: Mapping[str, tuple[Path, Manifest]]) -> tuple[Path, dict[str, Any]]:
        """Run one stage, a recorded one in a worker that has its toolchain; raises ``ExseosError``."""
        name = "" if stage.exact else stage.toolchain or ""
        try:
            return run_stage(self._current(name), stage, seed, inputs)
        except ExseosError as error:
            if name not in self._sessions or self._sessions[name].ended:
                self._close(name, type(error), error, error.__traceback__)
            raise

    def _close(self, name: str, kind: Any, error: BaseException | None, trace: TracebackType | None) -> None:
        if (session := self._sessions.pop(name, None)) is not None:
            with suppress(HostError, OSError):  # an engine that is gone by now takes no verdict with it
                session.__exit__(kind, error, trace)

    def _current(self, name: str) -> Session:
        if name not in self._sessions:
            self._count += 1
            folder = self._folder / f"session-{self._count}"
            folder.mkdir()
            data = {source: path for source, path in self.data.items() if isinstance(path, Path)}
            session = Session(
                self._engine,
                self._image,
                folder=folder,
                files=self._files,
                data=data,
                limits=self._limits,
                store=self._store,
                progress=self._progress,
                vendor=self.vendors[name] if name else None,
            )
            self._sessions[name] = _started(session)
        return self._sessions[name]


def _started(session: Session) -> Session:
    """Start its worker. Whatever keeps it from starting is of this host, unless the worker itself speaks wrongly."""
    try:
        return session.__enter__()
    except (HostError, StageError):
        raise
    except ExseosError as error:
        raise HostError(f"a worker cannot be started here: {error.what}", where=error.where, hint=error.hint) from error
