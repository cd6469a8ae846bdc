"""Workers for a replay: started when they are needed, and again after one died."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from exseos.engines.base import Engine, Limits
from exseos.errors import ExseosError
from exseos.image.image import Image
from exseos.manifest import Manifest
from exseos.progress import Progress
from exseos.store import Store
from exseos.study.plan import StagePlan
from exseos.study.session import Session
from exseos.study.trial import run_stage
from exseos.study.vendor import Vendor


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
            self._sessions[name] = session.__enter__()
        return self._sessions[name]
