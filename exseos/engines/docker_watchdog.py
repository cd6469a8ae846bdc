"""Kills a container whose host process died: ``python -m exseos.engines.docker_watchdog CONTAINER``, started with each container.

The daemon does not know who started a container, and a program inside may ignore the end of its input. So this small process
waits on its own standard input, a pipe that only the host process holds: a byte means that the container has ended by itself,
end of file without one that the host process has.
"""

from __future__ import annotations

import subprocess
import sys


class Watchdog:
    """Guards ``container`` until ``dismiss``."""

    def __init__(self, container: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, container],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the host process
        )

    def dismiss(self) -> None:
        """The container has ended: nothing is left to guard."""
        self._process.communicate(b".", timeout=30)


def watch(container: str) -> None:
    """Wait for the host process to dismiss us or to die; then kill ``container``."""
    if not sys.stdin.buffer.read(1):
        from docker.errors import APIError

        from exseos.engines.docker import connect

        try:
            connect(30).kill(container)
        except APIError:
            return  # it has ended meanwhile


if __name__ == "__main__":
    watch(sys.argv[1])
