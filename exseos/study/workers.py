"""A fresh container for each stage, and its outputs once that container has ended."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from exseos.engines.base import Engine, ImageSource, Limits
from exseos.errors import ExseosError, HostError, StageError
from exseos.manifest import Manifest
from exseos.progress import Progress
from exseos.removal import remove_tree
from exseos.store import Store, host_errors, plain_modes
from exseos.study.outputs import Bounds, collect
from exseos.study.plan import StagePlan
from exseos.study.session import Session
from exseos.study.vendor import Vendor

Inputs = Mapping[str, tuple[Path, Manifest]]
"""Earlier stage → folder and list of its outputs."""


@dataclass(frozen=True)
class Outcome:
    """What a stage gave: a folder of the host's own, the list of what is in it, and facts about the run."""

    folder: Path
    manifest: Manifest
    facts: Mapping[str, Any]


@dataclass
class Workers:
    """Runs stages, each in a container of its own. A context manager.

    Only a stage that is declared to run the author's code sees ``files`` and, of ``data``, the sources that it reads. While one
    stage runs, the container of the next is started and loads its libraries, so that a fresh one costs next to no time.
    """

    engine: Engine
    image: ImageSource
    files: Path
    data: Mapping[str, Path]
    limits: Limits
    folder: Path
    """Private and on the store's file system."""
    store: Store
    progress: Progress
    vendors: Mapping[str, Vendor] = field(default_factory=dict)
    """Toolchains that are mounted, by name."""
    allow_inexact: bool = False
    timing: Literal["one cpu"] | None = None

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._ahead: tuple[str, Future[Session]] | None = None
        self._starter = ThreadPoolExecutor(1, "exseos-worker")
        self._deadline = None if self.limits.seconds is None else time.monotonic() + self.limits.seconds
        self.failed: Path | None = None
        """What the stage that failed last had written, logs among it: hostile."""

    def __enter__(self) -> Workers:
        self.folder.mkdir(exist_ok=True)
        plain_modes(self.files)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(ExseosError, OSError):  # an engine that is gone by now takes no result with it
            self._drop_ahead()
        self._starter.shutdown()

    def run(self, stage: StagePlan, seed: int, inputs: Inputs, then: StagePlan | None = None) -> Outcome:
        """Run one stage on those of ``inputs`` that it reads; ``then`` is the one that will run next.

        Raises ``StageError`` for the experiment's own failure, ``HostError`` if this machine is the cause.
        """
        begin = time.monotonic()
        session = self._session(stage)
        try:
            if then is not None and then.toolchain not in self.vendors:
                self._ahead = then.name, self._starter.submit(self._start, then, warm=True)
            own = {name: inputs[given] for name, given in stage.inputs.items()}
            options: dict[str, Any] = {"allow_inexact": self.allow_inexact, "timing": self.timing}
            facts = session.run(stage.kind, stage.parameters, seed, own, **options)
        except BaseException:
            session.close(patience=0)
            self.failed = session.output
            raise
        session.close()
        target = self.folder / f"outputs-{next(self._numbers)}"
        try:
            with host_errors(self.folder):
                manifest = collect(session.output, target, Bounds(), stage.name)
        finally:
            remove_tree(session.output.parent)
        return Outcome(target, manifest, {**facts, "seconds": round(time.monotonic() - begin, 3)})

    def _session(self, stage: StagePlan) -> Session:
        """The container that was started ahead for ``stage`` if it still runs, else a new one."""
        if self._ahead is not None:
            (name, future), self._ahead = self._ahead, None
            with suppress(ExseosError, OSError):  # it is tried once more, and then its failure counts
                session = future.result()
                if name == stage.name and session.alive:
                    return session
                session.close(patience=0)
        return self._start(stage)

    def _drop_ahead(self) -> None:
        if self._ahead is not None:
            future, self._ahead = self._ahead[1], None
            future.result().close(patience=0)

    def _start(self, stage: StagePlan, *, warm: bool = False) -> Session:
        folder = self.folder / f"worker-{next(self._numbers)}"
        folder.mkdir()
        user_code = stage.declared.user_code
        session = Session(
            self.engine,
            self.image,
            folder=folder,
            files=self.files if user_code else None,
            data={name: self.data[name] for name in stage.data},
            limits=self._limits(),
            store=self.store,
            progress=self.progress,
            vendor=self.vendors.get(stage.toolchain or ""),
        )
        with _of_this_host():
            session.__enter__()
        if warm:
            try:
                session.warm(stage.kind)
            except BaseException:
                session.close(patience=0)
                raise
        return session

    def _limits(self) -> Limits:
        """All containers share the time that was given."""
        if self._deadline is None:
            return self.limits
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise HostError("the time is up", hint="Finished stages are kept; give more with --hours.")
        return replace(self.limits, seconds=round(left, 3))


@contextmanager
def _of_this_host() -> Iterator[None]:
    """Whatever keeps a worker from starting is of this host, unless the worker itself speaks wrongly."""
    try:
        yield
    except (HostError, StageError):
        raise
    except ExseosError as error:
        raise HostError(f"a worker cannot be started here: {error.what}", where=error.where, hint=error.hint) from error
