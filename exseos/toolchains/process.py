"""Running a tool: one child process with a time limit, its output in a log, its failure told with the log's tail."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from exseos.errors import ExseosError, HostError, StageError

SECONDS = 3600.0
"""Time limit of one call of a compiler, of Yosys or of a place-and-route tool."""
TAIL_LINES = 15
_SIGNAL_EXITS = {128 + signal.SIGKILL, 128 + signal.SIGTERM}


def run_tool(
    argv: Sequence[str], cwd: Path, seconds: float, log: Path, *, what: str | None = None, environment: Mapping[str, str] | None = None
) -> None:
    """Run ``argv`` in ``cwd`` until it ends with exit code 0; all it prints goes to ``log``.

    ``what`` names the work for messages ("place and route"); ``environment`` adds to this process's own. The child
    leads a process group of its own, so a time limit ends its children too. Raises ``StageError`` when the tool is
    absent or fails, ``HostError`` when it is killed or exceeds ``seconds``: another machine might not.
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
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise StageError(
                f"{name}: the program {argv[0]!r} is not here",
                where=command,
                hint="The image must hold it: add its Debian package or Python wheel to the environment of the spec.",
            ) from error
        code = _wait(child, seconds)
    if code == 0:
        return
    if code is None:
        raise _failure(
            HostError, f"{name} did not end within {seconds:g} seconds", command, log, "Use a smaller design or a faster machine."
        )
    if code < 0 or code in _SIGNAL_EXITS:
        number = -code if code < 0 else code - 128
        if number in (signal.SIGKILL, signal.SIGTERM):
            raise _failure(HostError, f"{name} was killed (signal {number})", command, log, "Most often the memory ran out.")
        raise _failure(StageError, f"{name} crashed (signal {number})", command, log, None)
    raise _failure(StageError, f"{name} failed with exit code {code}", command, log, None)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last ``lines`` non-empty lines of a log, however large it is; undecodable bytes are replaced."""
    with log.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 200 * lines))
        text = stream.read().decode(errors="replace")
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


def _wait(child: subprocess.Popen[bytes], seconds: float) -> int | None:
    """The exit code, or None after ``seconds``; the child's group is dead on return, whatever happens here."""
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _failure(kind: type[ExseosError], what: str, command: str, log: Path, hint: str | None) -> ExseosError:
    last = tail(log) or "(it printed nothing)"
    return kind(f"{what}; its last words:\n{last}", where=command, hint=hint)
