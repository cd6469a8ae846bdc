"""What an engine is: the thing that runs an image in a sandbox.

The contract, tested by one suite for every engine (``tests/engines/``):

* no network (unless the command asks for the host's), read-only root, no capabilities, no new privileges;
* system calls that computing does not need are refused, such as new namespaces, mounts and keys: by our own filters with bubblewrap
  (``exseos.engines.seccomp``), which refuse tracing too, and by the daemon's with Docker, where a container may trace itself alone;
* an unprivileged user: inside its uid is never 0 (but with rootless Docker, where 0 is the caller). Outside it is the caller, or with
  Docker called by root, ``NOBODY`` or the owner of what is written; with bubblewrap called by root it is root without capabilities;
* the process sees the image, the mounts it was given, a private ``/tmp`` and ``/dev/shm``, ``/proc`` and a minimal ``/dev``, nothing else;
* its environment is exactly ``container_environment()``, its umask 022, its host name ``HOSTNAME``;
* nothing of the image's own configuration counts, no link of the image is followed to a mount's target, and no string holds a NUL
  or a newline on its way to the sandbox;
* once it has ended, files it wrote into a writable mount belong to the owner of that mount (while it runs: to the user it runs as);
* limits on memory, processes, open files, output and time hold, or ``unenforced()`` names those that do not;
* when ``wait`` returns all its processes are gone; killing the host process kills the container; nothing is left behind.
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
NOBODY = 65534
"""Uid and gid of a container where the caller is root and the engine can choose."""
FILE_SPARE = 1 << 20
"""How much a single file may grow beyond ``output_bytes``, so that the watcher sees the excess and says so."""


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
    output_bytes: int = 64 << 30
    """All writable mounts together, counted about once a second; and each single file, wherever it is."""
    output_files: int = 500_000
    """Files, folders and links in all writable mounts together."""
    stderr_bytes: int = 256 << 20
    """Standard error as a whole."""


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
        """The environment of every container of it: ours (``Dockerfile.base``), not what a capsule's image asks for."""

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
        """Why the engine itself ended the container ("out of memory", "more than 64 GiB of output"), if it did."""


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
