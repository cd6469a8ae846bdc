"""Running other programs: a time limit, captured output, and an error that quotes the command."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from exseos.errors import HostError


def run(
    command: Sequence[str],
    *,
    seconds: float,
    folder: Path,
    text: str = "",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` in ``folder`` with ``text`` on standard input; the caller looks at the exit code.

    Raises ``HostError`` if it cannot be started or takes longer than ``seconds``.
    """
    try:
        return subprocess.run(
            command,
            cwd=folder,
            input=text,
            env=environment,
            timeout=seconds,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise HostError(f"the program {command[0]!r} was not found", hint="Install it, or repair this installation.") from error
    except OSError as error:
        raise HostError(f"cannot be started ({error.strerror}): {shlex.join(command)}", where=str(folder)) from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"no answer within {seconds:g} s from: {shlex.join(command)}", hint="Check the network and try again.") from error
