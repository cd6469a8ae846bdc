"""The host's end of a worker: a container that stays up, takes tasks and answers in JSON lines."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from exseos.digest import canonical_json
from exseos.engines.base import Command, Engine, ImageSource, Limits, Mount, Process
from exseos.errors import HostError, StageError
from exseos.manifest import Manifest
from exseos.progress import Progress
from exseos.store import Store, host_errors, plain_modes
from exseos.study.vendor import Vendor
from exseos.study.warm import MOUNTED, warm_folder
from exseos.text import visible
from exseos.worker.determinism import environment
from exseos.worker.protocol import MAX_LINE, Failure, Task
from exseos.worker.warm import environment as warm_environment

_START_SECONDS = 120.0
_SPARE_SECONDS = 120.0
_EXCESS = "more than"
"""How an engine begins to say that a container wrote too much."""
_END_SECONDS = 30.0
_MOST_PROGRESS = 200
_MOST_SAID = 20_000
_MOST_STEPS, _MOST_BARS = 1000, 20
"""Lines of one stage that are shown, and things of it whose progress is: a worker may talk without end."""


class Session:
    """A worker in a container, for one stage: a fresh one sees nothing of what earlier stages left behind.

    A context manager; ``folder`` (private, empty) holds what the worker sees: ``in`` read-only, ``out`` writable. ``files`` are
    the author's files and ``data`` the data files by source name: both only for a stage that runs the author's code. ``vendor``
    is the toolchain that the stage needs, if it is mounted.
    """

    def __init__(
        self,
        engine: Engine,
        image: ImageSource,
        *,
        folder: Path,
        files: Path | None,
        data: Mapping[str, Path],
        limits: Limits,
        store: Store,
        progress: Progress,
        vendor: Vendor | None = None,
    ) -> None:
        self._vendor = vendor
        self._engine, self._image, self._progress = engine, image, progress
        self._folder, self._files, self._data, self._limits = folder, files, data, limits
        self._store = store
        self._process: Process | None = None
        self._count = 0
        self._late = False
        self._begun = time.monotonic()
        self._steps = 0
        self._bars: set[str] = set()
        self.hello: dict[str, Any] = {}
        self.ended = False
        """The worker is gone."""

    @property
    def output(self) -> Path:
        """What the worker writes into: hostile, and to be read by ``collect`` alone, once the worker has ended."""
        return self._folder / "out"

    @property
    def alive(self) -> bool:
        """Whether the worker runs, as far as its engine knows by now."""
        if self._process is None or self.ended:
            return False
        try:
            self._process.wait(0)
        except TimeoutError:
            return True
        except HostError:  # the engine itself is gone
            return False
        return False

    def __enter__(self) -> Session:
        self._engine.load(self._image, self._progress)
        warm = warm_folder(self._engine, self._image, self._limits, self._store, self._progress)
        for name in ("in", "out"):
            (self._folder / name).mkdir()
            (self._folder / name).chmod(0o755)
        mounts = [Mount(self._folder / "in", "/in"), Mount(self.output, "/out", writable=True)]
        variables = environment()
        if self._files is not None:
            mounts += [Mount(self._files, "/spec"), *(Mount(path, f"/data/{name}") for name, path in self._data.items())]
        if self._vendor is not None:  # no code of the author where a licence and perhaps a network is
            assert self._files is None
            mounts += self._vendor.mounts()
            variables |= self._vendor.variables
        if warm is not None:
            mounts.append(Mount(warm, MOUNTED))
            variables |= warm_environment(MOUNTED)
        network = self._vendor is not None and self._vendor.host_network
        command = Command(["/usr/bin/python3", "-m", "exseos.worker"], variables, host_network=network)
        limits = self._limits
        if self._vendor is not None and limits.seconds is not None:
            # The tool is ended first, by the worker, so that its log can be told.
            limits = replace(limits, seconds=limits.seconds + _SPARE_SECONDS)
        self._process = self._engine.start(self._image, command, mounts, limits)
        self._begun = time.monotonic()
        try:
            self.hello = self._ask({"op": "hello"}, "the worker's start")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(patience=0 if kind else 10.0)

    def close(self, patience: float = 10.0) -> None:
        """End the worker: let it end by itself for ``patience`` seconds, then kill it. After this nothing of it runs."""
        if self._process is None:
            return
        with suppress(OSError):
            self._process.stdin.close()
        if patience and not self.ended:
            with suppress(TimeoutError, HostError):  # its work is done, however it ends
                self._process.wait(patience)
        self.end()
        try:
            self._process.wait(_END_SECONDS)
        except TimeoutError as error:
            raise HostError("the container cannot be ended", hint="Look at the engine, and end it by hand.") from error

    def warm(self, stage: str) -> None:
        """Let the worker load what a stage of this kind needs, before its inputs are there."""
        self._ask({"op": "warm", "stage": stage}, stage)

    def run(
        self,
        stage: str,
        parameters: Mapping[str, Any],
        seed: int,
        inputs: Mapping[str, tuple[Path, Manifest]],
        *,
        allow_inexact: bool = False,
        timing: Literal["one cpu"] | None = None,
    ) -> dict[str, Any]:
        """Run a stage of the kind ``stage`` on ``inputs`` (what it calls them → folder and manifest of their outputs).

        Returns facts about the run; its outputs are in ``output``. Raises ``StageError`` for the experiment's own failure,
        ``HostError`` if this machine is the cause.
        """
        with host_errors(self._folder):
            shown = {name: self._show(name, folder, manifest) for name, (folder, manifest) in inputs.items()}
        task = Task(
            parameters=dict(parameters),
            seed=seed,
            inputs=shown,
            data={name: f"/data/{name}" for name in self._data} if self._files is not None else {},
            toolchains={} if self._vendor is None else self._vendor.mounted,
            seconds=None if self._vendor is None else self._seconds_left(),
            allow_inexact=allow_inexact,
            timing=timing,
            output="/out",
        )
        result = self._ask({"op": "run", "stage": stage, "task": task.model_dump(mode="json")}, stage)
        try:
            facts = dict(result.get("facts", {}))
            canonical_json(facts)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._broken(stage, "the facts about the run are no JSON object") from error
        return facts

    def _seconds_left(self) -> float | None:
        """What the tools of a stage may still take of the time that all stages of this worker have together."""
        return None if self._limits.seconds is None else max(1.0, self._limits.seconds - (time.monotonic() - self._begun))

    def _show(self, name: str, folder: Path, manifest: Manifest) -> str:
        """Link (or copy) an earlier stage's outputs to where the worker sees them read-only."""
        target = self._folder / "in" / f"{name}-{manifest.digest[:16]}"
        if not target.exists():
            half = target.with_name(f".{target.name}")
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir()
            for entry in manifest:
                path = half / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(folder / entry.path, path)
                except OSError:
                    shutil.copyfile(folder / entry.path, path)
            plain_modes(half)
            half.rename(target)
        return f"/in/{target.name}"

    def _ask(self, request: dict[str, Any], what: str) -> dict[str, Any]:
        assert self._process is not None
        if self.ended:
            raise self._died(what)
        self._count += 1
        line = json.dumps({"id": self._count, **request}).encode() + b"\n"
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except OSError as error:
            raise self._died(what) from error
        watchdog = threading.Timer(_START_SECONDS, self._too_late) if request["op"] == "hello" else None
        if watchdog:
            watchdog.start()
        try:
            return self._answer(what)
        finally:
            if watchdog:
                watchdog.cancel()

    def _answer(self, what: str) -> dict[str, Any]:
        assert self._process is not None
        while True:
            line = self._process.stdout.readline(MAX_LINE + 1)
            if not line.endswith(b"\n"):
                if len(line) > MAX_LINE:
                    raise self._broken(what, f"a line is longer than {MAX_LINE} bytes")
                raise self._died(what)
            try:
                event = json.loads(line, parse_constant=_no_constant)
                number, kind = event["id"], event["event"]
                if kind == "progress":
                    if number == self._count:  # what an earlier task still had to say is of no interest
                        self._show_progress(what, event)
                    continue
                answer = dict(event["result"]) if kind == "done" else Failure.model_validate(event["error"])
                if kind not in ("done", "error") or number not in (self._count, None):
                    raise ValueError("an answer to nothing that was asked")
            except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
                raise self._broken(what, f"it said {line[:200]!r}") from error
            if isinstance(answer, Failure):
                raise self._failure(answer, what)
            return answer

    def _broken(self, what: str, detail: str) -> StageError:
        self.end()
        return StageError(f"the worker broke the protocol: {detail}", where=what, hint="Look for code that writes to the worker's pipes.")

    def _too_late(self) -> None:
        self._late = True
        self.end()

    def end(self) -> None:
        """Kill the worker now."""
        self.ended = True
        if self._process is not None:
            self._process.kill()

    def _show_progress(self, what: str, event: dict[str, Any]) -> None:
        done, total = event.get("done"), event.get("total")
        text = f"{what}: {visible(event['text'], limit=_MOST_PROGRESS)}"
        if done is None:
            self._steps += 1
            if self._steps <= _MOST_STEPS:
                self._progress.step(text if self._steps < _MOST_STEPS else f"{what}: further lines are not shown")
        elif text in self._bars or len(self._bars) < _MOST_BARS:
            self._bars.add(text)
            self._progress.advance(text, _count(done), None if total is None else _count(total), unit="")

    def _failure(self, failure: Failure, what: str) -> StageError | HostError:
        kind = HostError if failure.kind == "host" else StageError
        text = failure.what if failure.traceback is None else f"{failure.what}\n{failure.traceback.rstrip()}"
        where = f"{what}: {visible(failure.where)}" if failure.where and failure.where != what else what
        hint = visible(failure.hint, lines=True) if failure.hint else None
        return kind(visible(text, lines=True, limit=_MOST_SAID), where=where, hint=hint)

    def _died(self, what: str) -> HostError | StageError:
        assert self._process is not None
        try:
            code: int | None = self._process.wait(5)
        except TimeoutError:
            code = None
        except HostError:
            self.ended = True  # the engine itself is gone
            raise
        reason = self._process.reason() or f"exit code {code}"
        self.end()
        tail = "\n".join(f"  | {visible(line, escaped=True)}" for line in self._process.stderr_tail().splitlines()[-15:])
        if reason.startswith(_EXCESS):
            return StageError(
                f"the stage was ended: {reason}" + (f"\n{tail}" if tail else ""),
                where=what,
                hint="Let the code write less; docs/engines.md has the limits.",
            )
        if self._late:
            return HostError(
                f"the worker did not answer within {_START_SECONDS:g} s" + (f"\n{tail}" if tail else ""),
                where=what,
                hint="Run the same command again when this machine is less busy.",
            )
        return HostError(
            f"the worker ended in the middle of its work ({reason})" + (f"\n{tail}" if tail else ""),
            where=what,
            hint="Finished stages are kept: run the same command again. If it is short of memory, free some or raise --memory.",
        )


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _count(value: Any) -> int:
    """A number of units, as far as a display can take it."""
    return min(max(0, int(value)), 2**53)
