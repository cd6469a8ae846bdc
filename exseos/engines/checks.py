"""What an engine refuses before anything starts: strings, mounts and images that could lead out of a sandbox."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from exseos.engines.base import Command, ImageSource, Mount, container_environment
from exseos.errors import CapsuleError, HostError, UsageError

_UNFIT = re.compile(r"[\0\n]")


def check_text(what: str, *texts: str | Path) -> None:
    """Raise ``UsageError`` for a NUL or a newline: options travel NUL-separated, and many a file has one entry a line."""
    for text in map(str, texts):
        if _UNFIT.search(text):
            raise UsageError(f"{what} must not hold NUL or a newline: {text[:200]!r}")


def check_start(image: ImageSource, command: Command, mounts: Sequence[Mount]) -> None:
    """Raise ``UsageError`` or ``HostError`` for anything that no engine may start with."""
    if not command.argv:
        raise UsageError("there is nothing to run")
    check_text("an argument", *command.argv)
    check_text("the working folder", command.workdir)
    if not command.workdir.startswith("/"):
        raise UsageError("the working folder must be absolute", where=command.workdir)
    for name, value in container_environment(image, command).items():
        check_text("an environment variable", name, value)
        if not name or "=" in name:
            raise UsageError(f"no name of an environment variable: {name!r}")
    check_mounts(mounts)


def check_mounts(mounts: Sequence[Mount]) -> None:
    """Raise ``HostError`` for a source that is not there, ``UsageError`` unless each target is a plain absolute path of its own."""
    targets: dict[str, Mount] = {}
    for mount in mounts:
        check_text("a mount", mount.source, mount.target)
        try:
            mount.source.stat()
        except OSError as error:
            what = f"a mount's source cannot be used: {error.strerror}"
            raise HostError(what, where=str(mount.source), hint="Was it moved or unmounted meanwhile?") from error
        parts = mount.target.split("/")
        if parts[0] or len(parts) < 2 or any(part in ("", ".", "..") for part in parts[1:]) or ":" in mount.target:
            raise UsageError("a mount's target must be an absolute path without '.', '..' or ':'", where=mount.target)
        if parts[1] in ("dev", "proc", "sys"):
            raise UsageError("nothing can be mounted on the kernel's own folders", where=mount.target)
        if mount.target in targets:
            raise UsageError("two mounts have the same target", where=mount.target)
        targets[mount.target] = mount
    for mount in mounts:
        for parent in map(str, PurePosixPath(mount.target).parents):
            if parent in targets and targets[parent].writable:  # what a container wrote would be on the way
                raise UsageError(f"nothing can be mounted inside {parent}, which is writable", where=mount.target)
            if parent in targets and not _place(targets[parent].source, mount.target[len(parent) :], mount):
                raise UsageError(f"the mount at {parent} has no such entry to mount upon", where=mount.target)


def check_root(root: Path, mounts: Sequence[Mount]) -> None:
    """Raise ``CapsuleError`` if a link or a file of the image in ``root`` stands in the way of a mount.

    A link would be followed on the host, by a program that still has the host's files before it.
    """
    for mount in mounts:
        if not mount.target.startswith("/tmp/"):  # that one is new and empty
            _place(root, mount.target, mount)


def _place(root: Path, target: str, mount: Mount) -> bool:
    """Whether ``root`` has an entry at ``target`` that fits ``mount``; ``CapsuleError`` for one that does not. No link is followed."""
    parts = target.strip("/").split("/")
    for number in range(1, len(parts) + 1):
        path = "/".join(parts[:number])
        try:
            mode = (root / path).lstat().st_mode
        except FileNotFoundError:
            return False
        folder = number < len(parts) or mount.source.is_dir()
        if stat.S_ISLNK(mode) or stat.S_ISDIR(mode) != folder:
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "a file" if folder else "a folder"
            hint = "No image made by exseos has it there, unless you mount elsewhere than usual: do not trust it."
            raise CapsuleError(f"{kind} is in the way of the mount at {mount.target}", where=str(root / path), hint=hint)
    return True
