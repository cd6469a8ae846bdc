"""Kills a container whose host process died: a small process beside each container.

The daemon does not know who started a container, and a program inside may ignore the end of its input. So the watchdog waits
on its own standard input, a pipe that only the host process holds: a byte means that the container has ended by itself, end of
file without one that the host process has. It imports nothing before that, so it costs next to nothing.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys

_PROGRAM = f"import sys; sys.stdin.buffer.read(1) or __import__({__name__!r}, fromlist=['kill']).kill(sys.argv[1])"


class Watchdog:
    """Guards ``container`` until ``dismiss``."""

    def __init__(self, container: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, container],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the host process
        )

    def dismiss(self) -> None:
        """The container has ended: nothing is left to guard."""
        self._process.communicate(b".", timeout=30)


def kill(container: str) -> None:
    """End ``container``, unless it has ended meanwhile."""
    from docker.errors import APIError

    from exseos.engines.docker import connect

    with contextlib.suppress(APIError):
        connect(30).kill(container)
