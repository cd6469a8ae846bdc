"""Reads requests, runs stages, tells how it goes and why it failed. One request at a time, in order."""

from __future__ import annotations

import errno
import importlib
import importlib.metadata
import json
import os
import pkgutil
import platform
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

import exseos
from exseos.errors import ExseosError, HostError, UsageError
from exseos.formats.base import suggestion
from exseos.toolchains.base import Tool
from exseos.worker import determinism, numerics, user_code
from exseos.worker.protocol import MAX_LINE, Failure, Task
from exseos.worker.stages.base import Context, Stage

_HOST_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.EAGAIN}
_HOST_ERRORS |= {errno.ESTALE, errno.ENOTCONN, errno.EREMOTEIO}  # of network file systems
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_LEAST_ROOM = 256 << 10
"""Bytes below which a disk counts as full: what did not fit may have been removed again."""
_LONGEST_TEXT = 40_000


class Server:
    """Serves one host over two streams of JSON lines."""

    def __init__(self, requests: BinaryIO, events: BinaryIO) -> None:
        self._requests = requests
        self._events = events
        self._writing = threading.Lock()

    def serve(self) -> int:
        """Answer requests until ``bye`` or the end of the stream; returns the exit code."""
        while line := self._requests.readline(MAX_LINE + 1):
            try:
                request = json.loads(line)
                number, operation = request["id"], request["op"]
            except (ValueError, TypeError, KeyError):
                self._send(
                    {
                        "id": None,
                        "event": "error",
                        "error": _failure("host", "the request is not a JSON object with 'id' and 'op' on one line"),
                    }
                )
                return 2
            if operation == "bye":
                self._send({"id": number, "event": "done", "result": {}})
                return 0
            self._answer(number, operation, request)
        return 0

    def _answer(self, number: int, operation: str, request: dict[str, Any]) -> None:
        files, output, mounted = Path("/spec"), None, []
        try:
            if operation == "hello":
                result = hello()
            elif operation == "warm":
                result = _warm(str(request.get("stage")))
            elif operation == "run":
                task = Task.model_validate(request.get("task"))
                files, output = Path(task.files), Path(task.output)
                mounted = [*task.inputs.values(), *task.data.values(), task.output]
                result = self._run(number, str(request.get("stage")), task)
            else:
                raise HostError(f"there is no operation {operation!r}", hint="Operations are hello, warm, run and bye.")
        except BaseException as error:  # user code may raise anything, even SystemExit; the host must hear of it
            if isinstance(error, KeyboardInterrupt):
                raise
            self._send({"id": number, "event": "error", "error": explain(error, files, output, mounted)})
        else:
            self._send({"id": number, "event": "done", "result": result})

    def _run(self, number: int, name: str, task: Task) -> dict[str, Any]:
        determinism.check()
        determinism.check_cpu(determinism.read_cpuinfo())
        numerics.activate_on_import()
        stage = find_stage(name)
        output = Path(task.output)
        if not output.is_dir() or any(output.iterdir()):
            raise HostError("the output folder is not an empty folder", where=str(output))
        started = time.monotonic()

        def progress(text: str, done: int | None, total: int | None) -> None:
            self._send({"id": number, "event": "progress", "text": text[:2000], "done": done, "total": total})

        context = Context(
            parameters=task.parameters,
            seed=task.seed,
            inputs={key: Path(value) for key, value in task.inputs.items()},
            data={key: Path(value) for key, value in task.data.items()},
            files=Path(task.files),
            output=output,
            toolchains={key: Tool(Path(value.root), value.version, value.fingerprint) for key, value in task.toolchains.items()},
            progress=progress,
            allow_inexact=task.allow_inexact,
        )
        if task.seconds is not None:
            context.seconds = task.seconds
        with (
            user_code.importable(context.files) if stage.user_code else nullcontext(),
            one_cpu() if task.timing == "one cpu" else nullcontext(),
        ):
            stage.run(context)
        return {"facts": context.facts, "seconds": round(time.monotonic() - started, 3)}

    def _send(self, event: dict[str, Any]) -> None:
        line = json.dumps(event, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        if len(line) > MAX_LINE:
            raise HostError(f"an answer of {len(line)} bytes is longer than the protocol allows ({MAX_LINE})")
        with self._writing:
            self._events.write(line)
            self._events.flush()


@contextmanager
def one_cpu() -> Iterator[None]:
    """Inside, all threads of this process, and programs that they start, share one CPU. Raises ``HostError`` if that is forbidden."""
    allowed = os.sched_getaffinity(0)
    try:
        _pin({max(allowed)})
    except OSError as error:
        raise HostError(
            f"the threads of the worker cannot be held on one CPU: {error}", hint="Leave out the other timing of threads."
        ) from error
    try:
        yield
    finally:
        _pin(allowed)


def _pin(cpus: set[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(int(thread.name), cpus)


def _warm(name: str) -> dict[str, Any]:
    """Load what the stage called ``name`` needs: as it does itself, so that nothing is computed otherwise."""
    determinism.check()
    numerics.activate_on_import()
    for module in find_stage(name).libraries:
        with suppress(ImportError):  # an image may lack what this experiment does not need
            importlib.import_module(module)
    return {}


def stage_names() -> list[str]:
    """The modules beside ``stages/base.py``."""
    package = importlib.import_module("exseos.worker.stages")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name != "base")


def find_stage(name: str) -> Stage:
    """The stage called ``name``, from the file of that name in ``exseos/worker/stages``."""
    if name in stage_names():
        module = importlib.import_module(f"exseos.worker.stages.{name}")
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, Stage) and getattr(found, "name", None) == name:
                return found()
    raise UsageError(f"there is no stage {name!r}", hint=suggestion(name, stage_names()))


def hello() -> dict[str, Any]:
    """What this worker is: versions, CPU and switches. Raises ``HostError`` if it cannot compute as promised."""
    cpuinfo = determinism.read_cpuinfo()
    determinism.check_cpu(cpuinfo)
    determinism.check()
    packages = {str(one.metadata["Name"]).lower().replace("_", "-"): one.version for one in importlib.metadata.distributions()}
    return {
        "exseos": exseos.__version__,
        "python": platform.python_version(),
        "packages": dict(sorted(packages.items())),
        "cpu": {"model": determinism.cpu_model(cpuinfo), "count": os.cpu_count(), "features": sorted(determinism.cpu_features(cpuinfo))},
        "switches": determinism.environment(),
        "stages": stage_names(),
    }


def explain(error: BaseException, files: Path, output: Path | None = None, mounted: Sequence[str] = ()) -> dict[str, Any]:
    """``error`` as a ``Failure``: whether the host or the experiment is to blame, and where.

    ``output`` is the folder written to; ``mounted`` are the paths that the host gave, which the stage must be allowed to use.
    """
    if isinstance(error, ValidationError):
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return _failure("host", f"the task is not as the protocol says: {problems}")
    where, traceback = user_code.blame(error, files)
    if not isinstance(error, HostError) and _no_room(error, output):
        reason = error.what if isinstance(error, ExseosError) else f"{type(error).__name__}: {error}"
        what = f"{os.strerror(errno.ENOSPC)} ({reason[:150]})"
        hint = "Free some disk, or set EXSEOS_STORE to a folder on a larger one, and run again: finished stages are kept."
        return _failure("host", what, where=where, hint=hint)
    if not isinstance(error, HostError) and (denied := _denied(error, mounted)):
        hint = "Let the user that the container runs as read it (`chmod a+r`), and run again: finished stages are kept."
        return _failure("host", denied, where=where, hint=hint)
    kind = "host" if _is_host(error) else "experiment"
    if isinstance(error, ExseosError):
        inside = traceback if where else None
        return _failure(kind, error.what, where=error.where, hint=error.hint, traceback=inside)
    if kind == "host":
        hint = "Free memory or disk, or raise the limits, and run again: finished stages are kept."
        return _failure(kind, f"{type(error).__name__}: {error}", where=where, hint=hint, traceback=traceback)
    ended = isinstance(error, SystemExit)
    what = f"the code ended the program: sys.exit({error.args!r})" if ended else f"{type(error).__name__}: {error}"
    hint = "Mend the function; the traceback shows how it was reached." if where else "The traceback shows where."
    return _failure(kind, what, where=where, hint=hint, traceback=traceback)


def _is_host(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _HOST_ERRORS
    # TensorFlow's out-of-memory error, known by name: importing TensorFlow to compare types would cost seconds.
    return isinstance(error, HostError | MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _no_room(error: BaseException, output: Path | None) -> bool:
    """Whether a full disk is behind ``error``: libraries wrap the reason, and tools and NumPy lose it, so the disk is asked as well."""
    if any(one.errno in _NO_ROOM or os.strerror(errno.ENOSPC) in str(one) for one in _os_errors(error)):
        return True
    if output is None or not output.is_dir():
        return False
    status = os.statvfs(output)
    return status.f_bavail * status.f_frsize < _LEAST_ROOM


def _denied(error: BaseException, mounted: Sequence[str]) -> str:
    """What the host gave and does not let the stage use, behind ``error``; empty if there is no such thing."""
    for one in _os_errors(error):
        place = str(one.filename or one)
        if isinstance(one, PermissionError) and any(path in place for path in mounted):
            return f"{one.strerror or one}: {place}" if one.filename else str(one)
    return ""


def _os_errors(error: BaseException) -> Iterator[OSError]:
    """``error`` and what led to it, as far as the operating system said it: libraries wrap the reason."""
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:  # an error may be its own cause
        seen.add(id(found))
        if isinstance(found, OSError):
            yield found
        found = found.__cause__ or found.__context__


def _failure(kind: Any, what: str, *, where: str | None = None, hint: str | None = None, traceback: str | None = None) -> dict[str, Any]:
    short = traceback[-_LONGEST_TEXT:] if traceback else None
    return Failure(kind=kind, what=what[:_LONGEST_TEXT], where=where, hint=hint, traceback=short).model_dump()
