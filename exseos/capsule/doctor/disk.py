"""Where files go: the store, its file system, and the folder for temporary files."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exseos.capsule.doctor.findings import Check, Finding
from exseos.store import default_root

GB = 10**9
IMAGE = 3 * GB
"""Bytes of the store: downloads 0.5 GB, the image unpacked 2 GB, what is compiled for it."""
OUTPUTS = GB
_INODES = 80_000
NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|lustre|gpfs|beegfs\w*|ceph|afs|9p|panfs|pvfs2|orangefs|glusterfs|fuse\.(?!overlay|bindfs).*|wekafs"
)
_MEMORY = ("tmpfs", "ramfs")
_QUOTA = re.compile(r"(?:usr|user|u|grp|group|g|prj|project|p)?(?:j?quota)(?:=.*)?")


@dataclass(frozen=True)
class FileSystem:
    """What holds a folder: type and mount options."""

    kind: str
    options: tuple[str, ...] = ()

    @property
    def network(self) -> bool:
        """Whether other machines serve it."""
        return NETWORK.fullmatch(self.kind) is not None

    @property
    def quota(self) -> bool:
        """Whether it is mounted with quotas."""
        return any(_QUOTA.fullmatch(option) for option in self.options)


def checks() -> list[Check]:
    """Of the store and of temporary files."""
    return [Check("machine", "store", store, "problem"), Check("machine", "temporary files", temporary_files)]


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> FileSystem:
    """The file system that ``folder`` is on, by the mount nearest above it; the last one mounted there counts."""
    folder, best, found = folder.resolve(), -1, FileSystem("unknown")
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        _, place, kind, options, *_ = line.split(" ")
        at = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), place))
        if folder.is_relative_to(at) and len(at.parts) >= best:
            best, found = len(at.parts), FileSystem(kind, tuple(options.split(",")))
    return found


def existing(folder: Path) -> Path:
    """``folder``, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def free(folder: Path) -> int:
    """Bytes that this user may still write where ``folder`` is or would be."""
    status = os.statvfs(existing(folder))
    return status.f_bavail * status.f_frsize


def has_image(root: Path) -> bool:
    """Whether the store at ``root`` holds an image's layers already."""
    return any((root / "cache/layers").glob("*"))


def store() -> Iterator[Finding]:
    """Room, kind of file system, and whether it can be written."""
    root = default_root()
    there = existing(root)
    system, room, status = file_system(there), free(root), os.statvfs(there)
    stages = sum(1 for _ in (root / "stages").glob("*"))
    text = f"{root}: {room / GB:.1f} GB free, {system.kind}"
    text += " with quotas" if system.quota else ""
    text += f"; {stages} finished stage{'s' * (stages != 1)} kept" if stages else ""
    elsewhere = "Set EXSEOS_STORE to a folder on a larger local disk."
    need = OUTPUTS if has_image(root) else IMAGE + OUTPUTS
    if not there.is_dir():
        yield Finding("machine", "store", "problem", f"{root}: {there} is a file", "Move it, or set EXSEOS_STORE.")
    elif not os.access(there, os.W_OK | os.X_OK):
        hint = "Set EXSEOS_STORE to a folder that you may write to."
        yield Finding("machine", "store", "problem", f"{root}: {there} cannot be written", hint)
    elif room < need:
        yield Finding("machine", "store", "problem", f"{text}; a build needs about {need / GB:.0f} GB", elsewhere)
    elif status.f_files > 0 and status.f_favail < _INODES:
        yield Finding("machine", "store", "problem", f"{text}; {status.f_favail} files may be made, an image has {_INODES}", elsewhere)
    elif system.kind in _MEMORY:
        yield Finding("machine", "store", "note", f"{text}: in memory, gone at the next start", elsewhere)
    elif system.network or system.quota:
        text += ": a quota may leave you less, and many small files are slow" if system.network else ": yours may leave you less"
        yield Finding("machine", "store", "note", text, f"Ask `quota -s`. {elsewhere}")
    else:
        yield Finding("machine", "store", "ok", text)


def temporary_files() -> Iterator[Finding]:
    """Whether programs may start from there: one engine tries itself so."""
    wanted = os.environ.get("TMPDIR")
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError:
        yield Finding("machine", "temporary files", "problem", "no folder for them can be written", "Set TMPDIR to one that can.")
        return
    status = os.statvfs(folder)
    text = f"{folder}: {status.f_bavail * status.f_frsize / GB:.1f} GB free, {file_system(folder).kind}"
    if wanted and Path(wanted).absolute() != folder:
        yield Finding("machine", "temporary files", "note", f"{text}; TMPDIR cannot be written, so it is not used", "Set TMPDIR anew.")
    elif status.f_flag & os.ST_NOEXEC:
        text += ", mounted noexec: no program starts from there"
        yield Finding("machine", "temporary files", "note", text, "Set TMPDIR to a folder that is not mounted noexec, if an engine fails.")
    else:
        yield Finding("machine", "temporary files", "ok", text)
