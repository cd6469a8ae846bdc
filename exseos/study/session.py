"""The host's end of a worker: a container that stays up, takes tasks and answers in JSON lines."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from exseos.engines.base import Command, Engine, ImageSource, Limits, Mount, Process
from exseos.errors import HostError, StageError
from exseos.manifest import Manifest
from exseos.progress import Progress
from exseos.worker.determinism import environment
from exseos.worker.protocol import MAX_LINE, Failure, Task

_START_SECONDS = 120.0


class Session:
    """A worker in a container. Use as a context manager; tasks run one after another.

    ``folder`` (private, empty) holds what the worker sees: ``in`` read-only, ``out`` writable. ``files`` are the user's
    files, ``data`` the data files by source name.
    """

    def __init__(
        self,
        engine: Engine,
        image: ImageSource,
        *,
        folder: Path,
        files: Path,
        data: Mapping[str, Path],
        limits: Limits,
        progress: Progress,
        extra_environment: Mapping[str, str] | None = None,
    ) -> None:
        self._engine, self._image, self._progress = engine, image, progress
        self._folder, self._files, self._data, self._limits = folder, files, data, limits
        self._environment = {**environment(), **(extra_environment or {})}
        self._process: Process | None = None
        self._count = 0
        self.hello: dict[str, Any] = {}

    def __enter__(self) -> Session:
        for name in ("in", "out"):
            (self._folder / name).mkdir()
        mounts = [
            Mount(self._files, "/spec"),
            Mount(self._folder / "in", "/in"),
            Mount(self._folder / "out", "/out", writable=True),
            *(Mount(path, f"/data/{name}") for name, path in self._data.items()),
        ]
        command = Command(["/usr/bin/python3", "-m", "exseos.worker"], self._environment)
        self._process = self._engine.start(self._image, command, mounts, self._limits)
        try:
            self.hello = self._ask({"op": "hello"}, "the worker's start")
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            with suppress(OSError):
                self._process.stdin.close()
            if kind is None:
                with suppress(TimeoutError):
                    self._process.wait(10)
            self._process.kill()

    def run(
        self, stage: str, parameters: Mapping[str, Any], seed: int, inputs: Mapping[str, tuple[Path, Manifest]]
    ) -> tuple[Path, dict[str, Any]]:
        """Run ``stage`` on ``inputs`` (stage → folder and manifest of its outputs).

        Returns the folder that the worker filled (untrusted until hashed) and facts about the run.
        Raises ``StageError`` for the experiment's own failure, ``HostError`` if this machine is the cause.
        """
        shown = {name: self._show(name, folder, manifest) for name, (folder, manifest) in inputs.items()}
        output = self._folder / "out" / f"{self._count}-{stage}"
        output.mkdir()
        task = Task(
            parameters=dict(parameters),
            seed=seed,
            inputs=shown,
            data={name: f"/data/{name}" for name in self._data},
            output=f"/out/{output.name}",
        )
        result = self._ask({"op": "run", "stage": stage, "task": task.model_dump(mode="json")}, stage)
        return output, result.get("facts", {})

    def _show(self, name: str, folder: Path, manifest: Manifest) -> str:
        """Link (or copy) an earlier stage's outputs to where the worker sees them read-only."""
        target = self._folder / "in" / f"{name}-{manifest.digest[:16]}"
        if not target.exists():
            for entry in manifest:
                path = target / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(folder / entry.path, path)
                except OSError:
                    shutil.copyfile(folder / entry.path, path)
        return f"/in/{target.name}"

    def _ask(self, request: dict[str, Any], what: str) -> dict[str, Any]:
        assert self._process is not None
        self._count += 1
        line = json.dumps({"id": self._count, **request}).encode() + b"\n"
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except OSError as error:
            raise self._died(what) from error
        watchdog = threading.Timer(_START_SECONDS, self._process.kill) if request["op"] == "hello" else None
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
                    self._process.kill()
                    raise StageError("the worker broke the protocol: a line is too long", where=what)
                raise self._died(what)
            try:
                event = json.loads(line)
                kind = event["event"]
                if event["id"] != self._count:
                    continue
                if kind == "progress":
                    self._show_progress(what, event)
                elif kind == "done":
                    return dict(event["result"])
                elif kind == "error":
                    raise self._failure(Failure.model_validate(event["error"]), what)
            except (ValueError, KeyError, TypeError) as error:
                self._process.kill()
                raise StageError("the worker broke the protocol", where=what, hint=f"It said: {line[:200]!r}") from error

    def _show_progress(self, what: str, event: dict[str, Any]) -> None:
        done, total = event.get("done"), event.get("total")
        if done is None:
            self._progress.step(f"{what}: {event['text']}")
        else:
            self._progress.advance(f"{what}: {event['text']}", int(done), None if total is None else int(total), unit="")

    def _failure(self, failure: Failure, what: str) -> StageError | HostError:
        kind = HostError if failure.kind == "host" else StageError
        text = failure.what if failure.traceback is None else f"{failure.what}\n{failure.traceback.rstrip()}"
        return kind(text, where=f"{what}: {failure.where}" if failure.where else what, hint=failure.hint)

    def _died(self, what: str) -> HostError:
        assert self._process is not None
        try:
            code: int | None = self._process.wait(5)
        except TimeoutError:
            code = None
        self._process.kill()
        reason = self._process.reason() or f"exit code {code}"
        tail = "\n".join(f"  | {line}" for line in self._process.stderr_tail().splitlines()[-15:])
        return HostError(
            f"the worker ended in the middle of its work ({reason})" + (f"\n{tail}" if tail else ""),
            where=what,
            hint="Finished stages are kept: run the same command again. If it is short of memory, free some or raise --memory.",
        )
