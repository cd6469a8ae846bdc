"""Limits on a whole tree of processes, by Linux control groups: what bubblewrap has not.

Three ways, tried in this order: a group of version 2 beside the caller's own (root, or a delegated tree), groups of version 1
below the caller's own (root), and a scope of the user's systemd. Each is proven by doing it before it is relied on.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from exseos.engines.base import Limits

MOUNT = Path("/sys/fs/cgroup")
_PREFIX = "exseos-"
_counter = itertools.count()


class Cgroup:
    """Folders of one container's control group, made by ``create``."""

    def __init__(self, folders: Mapping[str, Path], oom_file: Path) -> None:
        self._folders = folders
        self._oom_file = oom_file

    def add(self, pid: int) -> None:
        """Move the process ``pid`` into the group; its children follow. Raises ``OSError``."""
        for folder in set(self._folders.values()):
            (folder / "cgroup.procs").write_text(str(pid))

    def oom_kills(self) -> int:
        """How many processes of the group the kernel killed for lack of memory."""
        with contextlib.suppress(OSError):
            for line in self._oom_file.read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        return 0

    def remove(self) -> None:
        """Remove the group once its processes are gone; a group that stays busy is left to the next sweep."""
        for folder in set(self._folders.values()):
            for _ in range(50):
                try:
                    folder.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)


def create(limits: Limits, mount: Path = MOUNT, own: Path = Path("/proc/self/cgroup")) -> Cgroup | None:
    """A new, empty control group with the memory and process limits of ``limits``; ``None`` where that is not permitted."""
    paths = _own_paths(own)
    try:
        if (mount / "cgroup.controllers").exists():
            return _create_v2(limits, mount / paths[""].lstrip("/"), mount)
        return _create_v1(limits, {name: mount / name / paths[name].lstrip("/") for name in ("memory", "pids")})
    except (OSError, KeyError):
        return None


def scope_command(limits: Limits) -> list[str] | None:
    """Prefix that runs a command in a scope of the user's systemd under ``limits``; ``None`` if that does not work here."""
    if shutil.which("systemd-run") is None:
        return None
    prefix = ["systemd-run", "--user", "--scope", "--quiet", "--collect"]
    prefix += ["-p", f"MemoryMax={limits.memory_bytes}", "-p", "MemorySwapMax=0", "-p", f"TasksMax={limits.processes}", "--", "env", "-i"]
    read_back = 'cat "/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/memory.max"'
    try:
        probe = subprocess.run([*prefix, "/bin/sh", "-c", read_back], capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    page = os.sysconf("SC_PAGE_SIZE")
    return prefix if probe.stdout.strip() == str(limits.memory_bytes // page * page) else None


def scope_environment() -> dict[str, str]:
    """What systemd-run needs to reach the user's systemd."""
    return {name: os.environ[name] for name in ("PATH", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS") if name in os.environ}


def _own_paths(own: Path) -> dict[str, str]:
    """Controller name ("" for version 2) → path of the caller's own group."""
    paths = {}
    for line in own.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _create_v2(limits: Limits, own: Path, mount: Path) -> Cgroup | None:
    # A group with processes of its own cannot hand controllers to children, so ours becomes a sibling of the caller's.
    parent = own if own == mount else own.parent
    folder = _make(parent)
    try:
        if not (folder / "memory.max").exists() or not (folder / "pids.max").exists():
            (parent / "cgroup.subtree_control").write_text("+memory +pids")
        _write(folder / "memory.max", limits.memory_bytes)
        if (folder / "memory.swap.max").exists():
            _write(folder / "memory.swap.max", 0)
        _write(folder / "pids.max", limits.processes)
        _check_joinable(folder)
    except OSError:
        folder.rmdir()
        raise
    return Cgroup({"": folder}, folder / "memory.events")


def _create_v1(limits: Limits, parents: Mapping[str, Path]) -> Cgroup:
    folders: dict[str, Path] = {}
    try:
        for name, parent in parents.items():
            folders[name] = _make(parent)
        _write(folders["memory"] / "memory.limit_in_bytes", limits.memory_bytes)
        if (folders["memory"] / "memory.memsw.limit_in_bytes").exists():
            _write(folders["memory"] / "memory.memsw.limit_in_bytes", limits.memory_bytes)
        _write(folders["pids"] / "pids.max", limits.processes)
    except OSError:
        for folder in set(folders.values()):
            folder.rmdir()
        raise
    return Cgroup(folders, folders["memory"] / "memory.oom_control")


def _check_joinable(folder: Path) -> None:
    """Raise ``OSError`` if a process of ours may not be moved into ``folder``: delegation can permit making groups and forbid that."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as probe:
        try:
            _write(folder / "cgroup.procs", probe.pid)
        finally:
            probe.kill()


def _make(parent: Path) -> Path:
    """A fresh folder below ``parent``, after removing those that dead processes left there."""
    for stale in parent.glob(f"{_PREFIX}*"):
        pid = stale.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            with contextlib.suppress(OSError):
                stale.rmdir()
    folder = parent / f"{_PREFIX}{os.getpid()}-{next(_counter)}"
    folder.mkdir()
    return folder


def _write(path: Path, value: int) -> None:
    path.write_text(str(value))
