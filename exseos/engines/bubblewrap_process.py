"""One running bubblewrap sandbox: its pipes, its limits and its end.

A sandbox dies with the *thread* that started it (the kernel's parent-death signal works by thread), so each has a thread of
its own, which starts it, waits for it and cleans up. bwrap is held at ``--block-fd`` until its limits are set, so nothing in
the sandbox ever runs without them. Its options travel through a file descriptor: a command line is readable inside.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import resource
import select
import shlex
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from exseos.engines import seccomp
from exseos.engines.base import UMASK, Limits
from exseos.engines.cgroup import Cgroup
from exseos.engines.tail import Tail
from exseos.engines.watch import OutputWatch
from exseos.errors import HostError

_KEYCTL = {"x86_64": 250, "aarch64": 219}
_JOIN_SESSION_KEYRING = 1


@dataclass(frozen=True)
class Launch:
    """How to start one sandbox."""

    program: Sequence[str]
    """bwrap's path, after a prefix that puts it into a systemd scope, if any."""
    environment: Mapping[str, str]
    """For that prefix alone; the sandbox gets its own."""
    options: Sequence[str]
    argv: Sequence[str]
    filtered: bool
    """Put the filters of system calls on it."""
    rlimits: Mapping[int, int]
    group: Cgroup | None
    limits: Limits
    writable: Sequence[Path]
    """Sources of the writable mounts."""


class BubblewrapProcess:
    """A ``Process``."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._tail = Tail(launch.limits.stderr_bytes, self._exceeded)
        self._reason: str | None = None
        self._code = 1
        self._pidfd = -1
        self._failure: Exception | None = None
        self._started = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._live, name="exseos-sandbox", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise HostError(str(self._failure), where=shlex.join([*launch.program, "…", *launch.argv]))

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
            raise TimeoutError(f"the sandbox still runs after {timeout} s")
        return self._code

    def kill(self) -> None:
        # Killing the namespace's first process ends all the others; bwrap itself then reports and ends.
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def reason(self) -> str | None:
        return self._reason

    def _live(self) -> None:
        """The sandbox's thread, from start to end."""
        watch: OutputWatch | None = None
        try:
            watch = OutputWatch(self._launch.writable, self._launch.limits, self._exceeded)
            popen = self._start()
        except (OSError, ValueError, HostError) as error:
            self._failure = error
            if watch is not None:
                watch.stop()
            if self._launch.group is not None:
                self._launch.group.remove()
            return
        finally:
            self._started.set()
        try:
            popen.wait(self._launch.limits.seconds)
        except subprocess.TimeoutExpired:
            self._exceeded(f"time limit of {self._launch.limits.seconds:g} s")
            popen.wait()
        self._end(popen, watch)

    def _exceeded(self, reason: str) -> None:
        """End the sandbox because of ``reason``, the first one if there are several."""
        with self._lock:
            if self._reason is None:
                self._reason = reason
        self.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        """Start bwrap, put its limits on, let it go on. Raises with what bwrap said if it ended before."""
        _leave_session_keyring()
        options = os.memfd_create("options")
        status, their_status = os.pipe()
        their_block, block = os.pipe()
        try:
            with open(options, "wb", closefd=False) as stream:
                stream.write(b"".join(os.fsencode(option) + b"\0" for option in self._launch.options))
            os.lseek(options, 0, os.SEEK_SET)
            popen = self._popen(options, their_status, their_block)
        finally:
            for descriptor in (options, their_status, their_block):
                os.close(descriptor)
        try:
            self._confine(_first_process(status))
        except BaseException as error:
            popen.kill()
            popen.wait()
            self._reader.join()
            os.close(status)
            raise HostError(self._tail.text().strip() or str(error)) from error
        finally:
            os.close(block)
        self._status = status  # bwrap writes the exit code there: it must stay open until the end
        return popen

    def _popen(self, options: int, status: int, block: int) -> subprocess.Popen[bytes]:
        flags = ["--args", str(options), "--json-status-fd", str(status), "--block-fd", str(block)]
        with seccomp.opened(self._launch.filtered) as filters:
            flags += [part for one in filters for part in ("--add-seccomp-fd", str(one))]
            popen = subprocess.Popen(
                [*self._launch.program, *flags, "--", *self._launch.argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(self._launch.environment),
                cwd="/",
                umask=UMASK,
                extra_groups=[] if _may_leave_groups() else None,
                pass_fds=(options, status, block, *filters),
            )
        assert popen.stdin and popen.stdout and popen.stderr
        self._stdin, self._stdout = cast(BinaryIO, popen.stdin), cast(BinaryIO, popen.stdout)
        self._reader = threading.Thread(target=self._read_stderr, args=(cast(BinaryIO, popen.stderr),), name="exseos-stderr", daemon=True)
        self._reader.start()
        return popen

    def _confine(self, pid: int) -> None:
        """Put the limits on the sandbox's first process, which all others descend from."""
        self._pidfd = os.pidfd_open(pid)
        for kind, value in self._launch.rlimits.items():
            _, hard = resource.prlimit(pid, kind)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.prlimit(pid, kind, (value, value))
        if self._launch.group is not None:
            self._launch.group.add(pid)

    def _read_stderr(self, stream: BinaryIO) -> None:
        with stream:
            while chunk := os.read(stream.fileno(), 1 << 16):
                self._tail.feed(chunk)

    def _end(self, popen: subprocess.Popen[bytes], watch: OutputWatch) -> None:
        # bwrap ends after its sandbox, unless somebody killed it alone: then the first process goes now, and all others before it.
        self.kill()
        gone = select.poll()
        gone.register(self._pidfd, select.POLLIN)
        gone.poll()
        self._reader.join()
        status = os.read(self._status, 4096)
        os.close(self._status)
        self._code = popen.returncode if popen.returncode >= 0 else 128 - popen.returncode
        watch.stop()
        if self._reason is not None:
            self._code = self._code or 128 + signal.SIGKILL  # it ended just before it was ended
        elif popen.returncode > 0 and b"exit-code" not in status:
            self._reason = self._tail.text().strip() or "bwrap failed"
        if (group := self._launch.group) is not None:
            if self._code != 0 and self._reason is None and group.oom_kills():
                self._reason = "out of memory"
            group.remove()
        with self._lock:
            os.close(self._pidfd)
            self._pidfd = -1
        self._ended.set()


def _may_leave_groups() -> bool:
    """Whether the caller may drop its supplementary groups: root, unless a user namespace denies that (user_namespaces(7))."""
    try:
        denied = Path("/proc/self/setgroups").read_text().strip() == "deny"
    except OSError:
        denied = False
    return os.geteuid() == 0 and not denied


def _first_process(status: int) -> int:
    """Pid, as the host sees it, of the sandbox's first process: bwrap reports it as one line of JSON."""
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(status, 4096)
        if not chunk:
            raise HostError("bwrap ended before its sandbox was made")
        line += chunk
    return int(json.loads(line.splitlines()[0])["child-pid"])


def _leave_session_keyring() -> None:
    """Give this thread, and so what it starts, an empty session keyring: keys of the caller's login are no concern of a sandbox."""
    if (number := _KEYCTL.get(platform.machine())) is not None:
        ctypes.CDLL(None).syscall(number, _JOIN_SESSION_KEYRING, None)
