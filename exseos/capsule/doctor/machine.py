"""The machine itself: processor, memory, limits of this shell, user namespaces."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Iterator
from pathlib import Path

from exseos import __version__
from exseos.capsule.doctor.findings import Check, Finding
from exseos.engines.base import Limits
from exseos.errors import HostError
from exseos.worker.determinism import check_cpu, cpu_model, read_cpuinfo

GIB = 2**30
LEAST_MEMORY = 2 * GIB
"""Training takes about 0.6 GB, compiling a C simulation as much again."""
SMALL_MEMORY = 8 * GIB
_ADDRESSES = 10 * GIB
"""Address space: nextpnr reserves 9 GB of it, TensorFlow 2 GB."""
_FILE = 4 * GIB
"""A capsule with its image is a file of 2 GB and more; the largest file inside is one of 1 GB."""
_FILES = 512
_SETTINGS = ("user.max_user_namespaces", "kernel.unprivileged_userns_clone", "kernel.apparmor_restrict_unprivileged_userns")
_FORBIDS = {"user.max_user_namespaces": "0", "kernel.unprivileged_userns_clone": "0", "kernel.apparmor_restrict_unprivileged_userns": "1"}


def checks(root: Path = Path("/")) -> list[Check]:
    """Of this machine; ``root`` is where ``proc`` and ``sys`` are."""
    return [
        Check("machine", "exseos", versions),
        Check("machine", "processor", processor, "problem"),
        Check("machine", "memory", lambda: memory(root)),
        Check("machine", "limits", limits),
        Check("machine", "user namespaces", lambda: user_namespaces(root)),
    ]


def versions() -> Iterator[Finding]:
    """ExSeOS-HLS, Python, system."""
    text = f"exseos {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()} on {platform.machine()}"
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        yield Finding("machine", "exseos", "ok", text)
    else:
        yield Finding("machine", "exseos", "note", f"{text}: not verified there", "Use Linux on x86-64 if something fails.")


def processor() -> Iterator[Finding]:
    """AVX2 and FMA, without which nothing trains."""
    text = read_cpuinfo()
    try:
        check_cpu(text)
    except HostError as error:
        yield Finding("machine", "processor", "problem", error.what, error.hint or "")
    else:
        cores = len(os.sched_getaffinity(0))
        yield Finding("machine", "processor", "ok", f"{cpu_model(text)}, {cores} core{'s' * (cores > 1)}, AVX2 and FMA")


def memory(root: Path = Path("/")) -> Iterator[Finding]:
    """What there is, or the control group's limit if that is lower."""
    total, free = _meminfo(root, "MemTotal"), _meminfo(root, "MemAvailable")
    usable = usable_memory(root)
    lower = usable < total
    text = f"{total / GIB:.1f} GiB, {free / GIB:.1f} free"
    text += f"; this control group may use {usable / GIB:.1f} GiB" if lower else ""
    hint = "Ask the scheduler or the container for more." if lower else "Use a larger machine."
    if usable < LEAST_MEMORY:
        yield Finding("machine", "memory", "problem", f"{text}: a build needs {LEAST_MEMORY / GIB:.0f} GiB", hint)
    elif usable < SMALL_MEMORY:
        yield Finding("machine", "memory", "note", f"{text}: little for large designs", hint)
    else:
        default = Limits().memory_bytes
        beyond = f"; a container may use {default / GIB:.0f} GiB, more than that: see --memory" if usable < default else ""
        yield Finding("machine", "memory", "ok", text + beyond)


def usable_memory(root: Path = Path("/")) -> int:
    """Bytes: the machine's memory, or what the control group may use of it."""
    return min(filter(None, (_meminfo(root, "MemTotal"), group_limit(root))))


def _meminfo(root: Path, name: str) -> int:
    text = (root / "proc/meminfo").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{name}:"))


def group_limit(root: Path = Path("/")) -> int | None:
    """The lowest memory limit (bytes) of this process's control group and those above it, versions 1 and 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    own = {controller: path for line in lines for _, controllers, path in [line.split(":", 2)] for controller in controllers.split(",")}
    found = []
    for controller, mount, name in (("", "sys/fs/cgroup", "memory.max"), ("memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        if controller in own:
            inside = Path(own[controller].lstrip("/"))
            for folder in (inside, *inside.parents):
                try:
                    text = (root / mount / folder / name).read_text().strip()
                except OSError:
                    continue
                found += [int(text)] if text.isdigit() else []
    return min(found, default=None)


def limits() -> Iterator[Finding]:
    """``ulimit`` settings that are in the way of a build."""
    good = True
    for kind, letter, least, what in (
        (resource.RLIMIT_AS, "v", _ADDRESSES, "programs in the image reserve more addresses than they use: nextpnr 9 GB"),
        (resource.RLIMIT_FSIZE, "f", _FILE, "a capsule with its image is a file of more than 2 GB"),
        (resource.RLIMIT_NOFILE, "n", _FILES, "files are unpacked and containers watched in parallel"),
    ):
        soft, hard = resource.getrlimit(kind)
        if soft == resource.RLIM_INFINITY or soft >= least:
            continue
        unit = 1 if letter == "n" else 1024
        may_raise = hard == resource.RLIM_INFINITY or hard >= least
        hint = f"Raise it: `ulimit -{letter} {'unlimited' if hard == resource.RLIM_INFINITY else hard // unit}`."
        text = f"`ulimit -{letter}` is {soft // unit}, too little: {what}"
        yield Finding("machine", "limits", "problem", text, hint if may_raise else "Ask the administrator to raise the hard limit.")
        good = False
    if good:
        yield Finding("machine", "limits", "ok", "none in the way (ulimit -v, -f, -n)")


def user_namespaces(root: Path = Path("/")) -> Iterator[Finding]:
    """What the kernel's settings say; whether a sandbox starts is the engine's to say."""
    found = {}
    for name in _SETTINGS:
        try:
            found[name] = (root / "proc/sys" / name.replace(".", "/")).read_text().strip()
        except OSError:
            continue
    forbidding = [name for name, value in found.items() if value == _FORBIDS[name]]
    text = ", ".join(f"{name} = {value}" for name, value in found.items()) or "no setting limits them"
    if forbidding:
        yield Finding("machine", "user namespaces", "note", f"restricted: {text}", "See what bubblewrap says, among the engines.")
    else:
        yield Finding("machine", "user namespaces", "ok", f"allowed: {text}")
