"""One running Docker container: its pipes, its time limit and its end.

Standard output and error come as one stream of frames ``type, 0, 0, 0, length (32 bits, big-endian), bytes`` (Docker Engine API,
"attach"); a thread takes them apart. The exit code is asked for before the container starts, because it removes itself at its end.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from exseos.engines.base import Limits
from exseos.engines.docker_watchdog import Watchdog
from exseos.engines.ownership import Loan
from exseos.engines.tail import Tail
from exseos.engines.watch import OutputWatch
from exseos.errors import HostError

if TYPE_CHECKING:
    from docker import APIClient

_STDERR = 2
_KILLED = 137
_REMOVAL_S = 30
_INIT_PROGRAMS = ("[FATAL tini", "ERROR (catatonit")
"""How the first process of Docker's and Podman's containers begins its own errors."""


class DockerProcess:
    """A ``Process``: starts the created container ``container``, whose command is ``program``, and follows it to its end.

    ``writable`` are the sources of its writable mounts, on ``loan`` to its user.
    """

    def __init__(self, api: APIClient, container: str, program: str, limits: Limits, writable: Sequence[Path], loan: Loan) -> None:
        self._api = api
        self._container = container
        self._program = program
        self._seconds = limits.seconds
        self._loan = loan
        self._tail = Tail(limits.stderr_bytes, self._exceeded)
        self._reason: str | None = None
        self._failure: HostError | None = None
        self._code = 1
        self._killed = False
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._since = int(time.time()) - 1
        self._watch = OutputWatch(writable, limits, self._exceeded)
        try:
            self._start()
        except BaseException:
            self._watch.stop()
            with contextlib.suppress(Exception):  # whatever else fails, the first failure is the one to tell
                api.remove_container(container, force=True)
            raise

    @property
    def stdin(self) -> BinaryIO:
        return self._stdin

    @property
    def stdout(self) -> BinaryIO:
        return self._stdout

    def stderr_tail(self) -> str:
        return self._tail.text()

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended.wait(timeout):
            raise TimeoutError(f"the container still runs after {timeout} s")
        if self._failure is not None:
            raise self._failure
        return self._code

    def kill(self) -> None:
        from docker.errors import APIError
        from requests.exceptions import RequestException

        self._killed = True
        if not self._ended.is_set():
            with contextlib.suppress(APIError, RequestException):  # it has ended meanwhile, or the daemon has
                self._api.kill(self._container)

    def reason(self) -> str | None:
        return self._reason

    def _start(self) -> None:
        attached = self._api.attach_socket(self._container, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        self._attached = attached  # owns the connection
        self._socket: socket.socket = getattr(attached, "_sock", attached)
        self._socket.settimeout(None)
        self._stdin = cast(BinaryIO, io.BufferedWriter(_SocketWriter(self._socket)))
        read, write = os.pipe()
        self._stdout = cast(BinaryIO, os.fdopen(read, "rb"))
        self._demultiplexer = threading.Thread(target=self._demultiplex, args=(write,), name="exseos-docker-output", daemon=True)
        url = f"{self._api.base_url}/v{self._api.api_version}/containers/{self._container}/wait"
        exit_answer = self._api.post(url, params={"condition": "next-exit"}, stream=True, timeout=None)
        exit_answer.raise_for_status()
        self._watchdog = Watchdog(self._container)
        try:
            self._api.start(self._container)
        except BaseException:
            self._watchdog.dismiss()
            raise
        self._demultiplexer.start()
        threading.Thread(target=self._follow, args=(exit_answer,), name="exseos-docker-wait", daemon=True).start()
        if self._seconds is not None:
            threading.Thread(target=self._guard, args=(self._seconds,), name="exseos-docker-time", daemon=True).start()

    def _guard(self, seconds: float) -> None:
        """End the container when its time is up."""
        if not self._ended.wait(seconds):
            self._exceeded(f"time limit of {seconds:g} s")

    def _exceeded(self, reason: str) -> None:
        """End the container because of ``reason``, the first one if there are several."""
        with self._lock:
            if self._reason is None:
                self._reason = reason
        # The daemon answers only when the output has been read to its end, which the caller of this may be doing.
        threading.Thread(target=self.kill, name="exseos-docker-kill", daemon=True).start()

    def _demultiplex(self, write: int) -> None:
        """Copy the frames of standard output into the pipe ``write``, of standard error into the tail, until the stream ends."""
        listening = True
        with contextlib.suppress(OSError), os.fdopen(write, "wb", buffering=0) as stdout:
            while header := _receive(self._socket, 8):
                kind, length = struct.unpack(">BxxxI", header)
                while length > 0:
                    chunk = self._socket.recv(min(length, 1 << 16))
                    if not chunk:
                        return
                    length -= len(chunk)
                    if kind == _STDERR:
                        self._tail.feed(chunk)
                    elif listening:
                        listening = _write_all(stdout, chunk)

    def _follow(self, exit_answer: Any) -> None:
        """Wait for the end of the container, then find out its cause."""
        from docker.errors import APIError
        from requests.exceptions import RequestException

        try:
            self._code = int(json.loads(exit_answer.content)["StatusCode"])
            if self._code != 0 and self._reason is None and not self._killed:
                self._demultiplexer.join()
                self._reason = self._cause()
        except (RequestException, OSError, ValueError, KeyError) as error:
            self._failure = HostError(f"lost the container: {error}", hint="Did the Docker daemon stop?")
        self._demultiplexer.join(None if self._failure is None else 0)
        self._watchdog.dismiss()
        with contextlib.suppress(APIError, RequestException):  # gone already, or the daemon is
            self._api.wait(self._container, timeout=_REMOVAL_S, condition="removed")
        self._watch.stop()
        if self._reason is not None:
            self._code = self._code or _KILLED  # it ended just before it was ended
        self._loan.take_back()
        self._ended.set()

    def _cause(self) -> str | None:
        """Why the container ended with a bad exit code: out of memory, if its events or, for want of them, its exit code say so."""
        if self._tail.text().startswith(_INIT_PROGRAMS):
            return f"cannot run {self._program}: {self._tail.text().strip()}"
        filters = {"container": [self._container], "event": ["oom"]}
        now = f"{time.time():.6f}"  # of the past only: a later time would be waited for
        with contextlib.suppress(ValueError):
            for _ in self._api.events(self._since, now, filters, decode=True):  # type: ignore[call-overload]
                return "out of memory"
        return "out of memory, or killed from outside" if self._code == _KILLED else None


class _SocketWriter(io.RawIOBase):
    """The sending half of a socket; closing it is the end of file for the other side."""

    def __init__(self, target: socket.socket) -> None:
        super().__init__()
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._target.send(data)

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(OSError):  # the other side may have gone first
                self._target.shutdown(socket.SHUT_WR)
        super().close()


def _receive(source: socket.socket, size: int) -> bytes:
    """Exactly ``size`` bytes, or none at the end of the stream."""
    received = b""
    while len(received) < size:
        chunk = source.recv(size - len(received))
        if not chunk:
            return b""
        received += chunk
    return received


def _write_all(stream: Any, chunk: bytes) -> bool:
    """Write ``chunk`` to a raw stream; false if nobody reads it any more."""
    view = memoryview(chunk)
    try:
        while view:
            view = view[stream.write(view) :]
    except BrokenPipeError:
        return False
    return True
