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
from typing import Any

from exseos.digest import canonical_json
from exseos.engines.base import Command, Engine, ImageSource, Limits, Mount, Process
from exseos.engines.ownership import adopt
from exseos.errors import ExseosError, HostError, StageError
from exseos.manifest import Manifest
from exseos.progress import Progress
from exseos.store import Store, host_errors
from exseos.study.vendor import Vendor
from exseos.study.warm import MOUNTED, warm_folder
from exseos.worker.determinism import environment
from exseos.worker.protocol import MAX_LINE, Failure, Task
from exseos.worker.warm import environment as warm_environment

_START_SECONDS = 120.0
_SPARE_SECONDS = 120.0


class Session:
    """A worker in a container. Use as a context manager; tasks run one after another.

    ``folder`` (private, empty) holds what the worker sees: ``in`` read-only, ``out`` writable. ``files`` are the user's
    files, ``data`` the data files by source name, ``vendor`` the toolchain that its stages need, if it is mounted.
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
        self.hello: dict[str, Any] = {}
        self.failed_output: Path | None = None
        """What the stage that failed last had written, logs among it."""
        self.ended = False
        """The worker is gone: no further task can run in this session."""

    def __enter__(self) -> Session:
        self._engine.load(self._image, self._progress)
        warm = warm_folder(self._engine, self._image, self._limits, self._store, self._progress)
        for name in ("in", "out"):
            (self._folder / name).mkdir()
        mounts = [Mount(self._folder / "in", "/in"), Mount(self._folder / "out", "/out", writable=True)]
        variables = environment()
        if self._vendor is None:
            mounts += [Mount(self._files, "/spec"), *(Mount(path, f"/data/{name}") for name, path in self._data.items())]
        else:  # no code of the user where a licence and perhaps a network is
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
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            with suppress(OSError):
                self._process.stdin.close()
            if kind is None:
                with suppress(TimeoutError, HostError):  # its work is done, however it ends
                    self._process.wait(10)
            self._end()

    def run(
        self, stage: str, parameters: Mapping[str, Any], seed: int, inputs: Mapping[str, tuple[Path, Manifest]]
    ) -> tuple[Path, dict[str, Any]]:
        """Run a stage of the kind ``stage`` on ``inputs`` (what it calls them → folder and manifest of their outputs).

        Returns the folder that the worker filled (untrusted until hashed) and facts about the run.
        Raises ``StageError`` for the experiment's own failure, ``HostError`` if this machine is the cause.
        """
        output = self._folder / "out" / f"{self._count}-{stage}"
        with host_errors(self._folder):
            shown = {name: self._show(name, folder, manifest) for name, (folder, manifest) in inputs.items()}
            output.mkdir()
            adopt(output)
        task = Task(
            parameters=dict(parameters),
            seed=seed,
            inputs=shown,
            data={} if self._vendor else {name: f"/data/{name}" for name in self._data},
            output=f"/out/{output.name}",
        )
        # What only a vendor's stage needs is left out otherwise: the worker of an older capsule does not know it.
        plain = task.model_dump(mode="json", exclude={"toolchains", "seconds"})
        if self._vendor is not None:
            plain |= {"toolchains": self._vendor.mounted, "seconds": self._seconds_left()}
        try:
            result = self._ask({"op": "run", "stage": stage, "task": plain}, stage)
        except ExseosError:
            self.failed_output = output
            raise
        try:
            facts = dict(result.get("facts", {}))
            canonical_json(facts)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._broken(stage, "the facts about the run are no JSON object") from error
        return output, facts

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
        self._end()
        return StageError(f"the worker broke the protocol: {detail}", where=what, hint="Look for code that writes to the worker's pipes.")

    def _too_late(self) -> None:
        self._late = True
        self._end()

    def _end(self) -> None:
        self.ended = True
        if self._process is not None:
            self._process.kill()

    def _show_progress(self, what: str, event: dict[str, Any]) -> None:
        done, total = event.get("done"), event.get("total")
        if done is None:
            self._progress.step(f"{what}: {_printable(str(event['text']))}")
        else:
            self._progress.advance(f"{what}: {_printable(str(event['text']))}", int(done), None if total is None else int(total), unit="")

    def _failure(self, failure: Failure, what: str) -> StageError | HostError:
        kind = HostError if failure.kind == "host" else StageError
        text = failure.what if failure.traceback is None else f"{failure.what}\n{failure.traceback.rstrip()}"
        where = f"{what}: {_printable(failure.where)}" if failure.where and failure.where != what else what
        return kind(_printable(text), where=where, hint=_printable(failure.hint) if failure.hint else None)

    def _died(self, what: str) -> HostError:
        assert self._process is not None
        try:
            code: int | None = self._process.wait(5)
        except TimeoutError:
            code = None
        except HostError:
            self.ended = True  # the engine itself is gone
            raise
        reason = self._process.reason() or f"exit code {code}"
        self._end()
        tail = "\n".join(f"  | {_printable(line)}" for line in self._process.stderr_tail().splitlines()[-15:])
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


def _printable(text: str) -> str:
    """``text`` of a worker, which may run anybody's code, without what would command a terminal."""
    return "".join(letter if letter in "\n\t" or letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
