"""``python3 -m exseos.worker``: requests on stdin, events on stdout (``exseos.worker.protocol``).

The two pipes are moved away before anything else is imported: what user code, C code or a child process prints goes to
stderr, and what they read is empty.
"""

import os
import sys


def _take_pipes() -> tuple[int, int]:
    """Private, non-inherited copies of stdin and stdout; then 0 reads nothing and 1 writes to stderr."""
    requests, events = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, events


def main() -> int:
    """Serve until stdin ends or the host says bye."""
    requests, events = _take_pipes()
    from exseos.worker.server import Server

    with os.fdopen(requests, "rb") as incoming, os.fdopen(events, "wb") as outgoing:
        try:
            return Server(incoming, outgoing).serve()
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main())
