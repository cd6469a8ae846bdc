"""Running a tool: one child process with a time limit, its output in a log, its failure told with the log's tail."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from exseos.errors import ExseosError, HostError, StageError

SECONDS = 3600.0
"""Time limit of one call of a compiler, of Yosys or of a place-and-route tool."""
TAIL_LINES = 15
_PROGRESS_SECONDS = 15.0
_SIGNAL_EXITS = {
    128 + one for one in (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)
}
"""How a shell, and so a wrapper script, reports that its program died."""
_OF_THE_HOST = re.compile(
    r"Killed signal terminated program|virtual memory exhausted|out of memory allocating|std::bad_alloc|MemoryError"
    r"|Cannot allocate memory|No space left on device|Disk quota exceeded|Input/output error|Stale file handle"
    r"|Resource temporarily unavailable|Too many open files"
)
"""What compilers and tools print of memory, disks and limits, in the worker's locale, before they end with an ordinary exit code."""


def run_tool(
    argv: Sequence[str],
    cwd: Path,
    seconds: float,
    log: Path,
    *,
    what: str | None = None,
    environment: Mapping[str, str] | None = None,
    inherit: bool = True,
    progress: Callable[[str], None] | None = None,
    too_slow: str = "Use a smaller design or a faster machine.",
) -> None:
    """Run ``argv`` in ``cwd`` until it ends with exit code 0; all it prints goes to ``log``.

    ``what`` names the work for messages ("place and route"); ``environment`` adds to this process's own, or is all there is
    unless ``inherit``; ``progress`` gets the log's last line every few seconds; ``too_slow`` says what to do when the time is up.
    The child leads a process group of its own, so its end, or the time limit, ends its children too. Raises ``StageError`` when the
    tool fails, ``HostError`` when it is absent, killed, out of memory or disk, or exceeds ``seconds``: elsewhere it might not.
    """
    name = what or Path(argv[0]).name
    command = shlex.join(argv)
    with log.open("wb") as stream:
        try:
            child = subprocess.Popen(
                list(argv),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**(os.environ if inherit else {}), **(environment or {})},
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise HostError(
                f"{name}: the program {argv[0]!r} is not here",
                where=command,
                hint="The image must hold it: add its Debian package or Python wheel to the environment of the spec.",
            ) from error
        except OSError as error:
            raise HostError(f"{name}: the program {argv[0]!r} cannot be started: {error.strerror}", where=command) from error
        code = _wait(child, seconds, log, progress)
    if code == 0:
        return
    if code is None:
        raise _failure(HostError, f"{name} did not end within {seconds:g} seconds", command, log, too_slow)
    if code < 0 or code in _SIGNAL_EXITS:
        number = -code if code < 0 else code - 128
        if number in (signal.SIGKILL, signal.SIGTERM):
            raise _failure(HostError, f"{name} was killed (signal {number})", command, log, "Most often the memory ran out.")
        raise _failure(StageError, f"{name} crashed (signal {number})", command, log, None)
    if (told := _OF_THE_HOST.search(tail(log))) is not None:
        raise _failure(HostError, f"{name} failed with exit code {code} ({told[0]})", command, log, "Free some memory or disk.")
    raise _failure(StageError, f"{name} failed with exit code {code}", command, log, None)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last ``lines`` non-empty lines of a log, however large it is; undecodable bytes are replaced."""
    with log.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 200 * lines))
        text = stream.read().decode(errors="replace")
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


def _wait(child: subprocess.Popen[bytes], seconds: float, log: Path, progress: Callable[[str], None] | None) -> int | None:
    """The exit code, or None after ``seconds``; the child's group is dead on return, whatever happens here."""
    end = time.monotonic() + seconds
    told = ""
    try:
        while (left := end - time.monotonic()) > 0:
            with suppress(subprocess.TimeoutExpired):
                return child.wait(left if progress is None else min(left, _PROGRESS_SECONDS))
            if progress is not None and (last := tail(log, 1)) and last != told:
                told = last
                progress(last[:200])
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # what it started and left behind, too
        child.wait()


def _failure(kind: type[ExseosError], what: str, command: str, log: Path, hint: str | None) -> ExseosError:
    last = tail(log) or "(it printed nothing)"
    return kind(f"{what}; its last words:\n{last}", where=command, hint=hint)
