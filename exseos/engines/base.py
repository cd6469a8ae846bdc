"""What an engine is: the thing that runs an image in a sandbox.

The contract, tested by one suite for every engine (``tests/engines/``):

* no network (unless the command asks for the host's), read-only root, no capabilities, no new privileges;
* an unprivileged user or the caller's own uid;
* the process sees the image, the mounts it was given, a private ``/tmp`` and ``/dev/shm``, ``/proc`` and a minimal ``/dev``, nothing else;
* its environment is exactly ``container_environment()``, its umask 022, its host name ``HOSTNAME``;
* files it writes into a writable mount belong to the owner of that mount;
* limits on memory, processes, open files and time hold, or ``unenforced()`` names those that do not;
* killing the host process kills the container; nothing is left behind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol

from exseos.errors import HostError, UsageError
from exseos.progress import Progress, Quiet

HOSTNAME = "exseos"
"""Host name inside every container."""
UMASK = 0o022


@dataclass(frozen=True)
class Mount:
    """A host folder or file (absolute) shown inside the container at ``target`` (absolute), read-only unless ``writable``."""

    source: Path
    target: str
    writable: bool = False

    def __post_init__(self) -> None:
        if not self.source.is_absolute():
            hint = "Make it absolute where it enters: an engine works in another folder than its caller (exseos.paths.absolute)."
            raise UsageError("a mount's source must be an absolute path", where=str(self.source), hint=hint)


@dataclass(frozen=True)
class Limits:
    """What a container may use at most."""

    memory_bytes: int = 16 << 30
    processes: int = 1024
    open_files: int = 4096
    seconds: float | None = None
    """Wall time of the whole container; None: no limit."""
    tmp_bytes: int = 8 << 30
    """Size of the private /tmp, and of /dev/shm."""


@dataclass(frozen=True)
class Command:
    """What runs in a container: arguments, extra environment on top of the image's, working folder."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    host_network: bool = False
    """The caller's network instead of none: for a licence server, and only where the user said so."""


class ImageSource(Protocol):
    """What an engine needs to know of an image; ``exseos.image`` provides it."""

    @property
    def id(self) -> str:
        """``sha256:<hex>``: digest of the OCI config over uncompressed layers."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The image's own environment variables."""

    def archive(self) -> Iterator[bytes]:
        """The image as one tar (OCI layout and docker archive at once), in chunks."""

    def rootfs(self) -> Path:
        """The image unpacked in a folder, made on first use; never written to by an engine. Its ``/tmp`` has mode 1777."""


class Process(Protocol):
    """A running container with pipes. Safe to use from several threads; the thread that started it may end."""

    @property
    def stdin(self) -> BinaryIO:
        """Buffered: flush after each message. Closing it is the end of file inside."""

    @property
    def stdout(self) -> BinaryIO:
        """Must be read: a container whose output nobody reads blocks."""

    def stderr_tail(self) -> str:
        """The last 64 KiB of standard error."""

    def wait(self, timeout: float | None = None) -> int:
        """Exit code (128+n for signal n); raises ``TimeoutError`` after ``timeout`` seconds. All its processes are gone then."""

    def kill(self) -> None:
        """End it and all its children now; harmless if it has ended."""

    def reason(self) -> str | None:
        """Why the engine itself ended the container ("out of memory", "time limit of 5 s"), if it did."""


_QUIET: Progress = Quiet()


class Engine(ABC):
    """Runs images. ``name`` is what ``--engine`` takes; ``rank`` orders the engines, cheapest first."""

    name: ClassVar[str]
    rank: ClassVar[int]

    @abstractmethod
    def available(self) -> str | None:
        """None if a real container could be started just now, else the reason and the remedy. Never raises."""

    @abstractmethod
    def version(self) -> str:
        """Name and version for the record, such as ``bubblewrap 0.11.0``."""

    @abstractmethod
    def load(self, image: ImageSource, progress: Progress = _QUIET) -> str:
        """Make ``image`` runnable, only if it is not yet; returns the id the engine reports, which equals ``image.id``."""

    @abstractmethod
    def start(self, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> Process:
        """Start ``command`` in a fresh container of a loaded image. Mount sources must exist; targets need not exist in the image."""

    @abstractmethod
    def remove(self, image: ImageSource) -> None:
        """Forget a loaded image; harmless if it is not loaded."""

    @abstractmethod
    def unenforced(self) -> tuple[str, ...]:
        """The limits and isolations of the contract that this engine cannot enforce here, in words for the verdict."""


def container_environment(image: ImageSource, command: Command) -> dict[str, str]:
    """The whole environment of a container, the same in every engine: nothing of the host's own enters.

    Podman insists on ``TERM`` and ``container``, Docker on ``HOSTNAME``, ``HOME`` and ``PATH``, so all of them are fixed for all.
    """
    return {
        "container": HOSTNAME,
        "HOME": "/tmp",
        "HOSTNAME": HOSTNAME,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PWD": command.workdir,
        "TERM": "dumb",
        **image.environment,
        **command.environment,
    }


def check_mounts(mounts: Sequence[Mount]) -> None:
    """Raise ``HostError`` for a source that is not there, ``UsageError`` unless each target is a plain absolute path of its own."""
    targets = set()
    for mount in mounts:
        try:
            mount.source.stat()
        except OSError as error:
            what = f"a mount's source cannot be used: {error.strerror}"
            raise HostError(what, where=str(mount.source), hint="Was it moved or unmounted meanwhile?") from error
        parts = mount.target.split("/")
        if parts[0] or len(parts) < 2 or any(part in ("", ".", "..") for part in parts[1:]) or ":" in mount.target:
            raise UsageError("a mount's target must be an absolute path without '.', '..' or ':'", where=mount.target)
        if mount.target in targets:
            raise UsageError("two mounts have the same target", where=mount.target)
        targets.add(mount.target)


def owner_of_writable(mounts: Sequence[Mount]) -> tuple[int, int] | None:
    """Uid and gid that own the writable mounts, ``None`` if there are none.

    A process without capabilities writes only into what its own user owns: mounts of several users are a ``HostError``.
    """
    owners = [(mount, mount.source.stat()) for mount in mounts if mount.writable]
    for mount, status in owners:
        if status.st_uid != owners[0][1].st_uid:
            hint = "Let one user own all folders that a container writes into."
            raise HostError("the writable mounts belong to different users", where=str(mount.source), hint=hint)
    return (owners[0][1].st_uid, owners[0][1].st_gid) if owners else None
