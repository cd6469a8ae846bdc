"""What an engine is: the thing that runs an image in a sandbox.

The contract, tested by one suite for every engine (``tests/engines/``):

* no network, read-only root, no capabilities, no new privileges, an unprivileged user or the caller's own uid;
* the process sees the image, the mounts it was given, a private ``/tmp``, ``/proc`` and a minimal ``/dev``, nothing else;
* limits on memory, processes, open files and time hold, or ``unenforced()`` names those that do not;
* killing the host process kills the container; nothing is left behind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol


@dataclass(frozen=True)
class Mount:
    """A host folder or file shown inside the container at ``target`` (absolute), read-only unless ``writable``."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Limits:
    """What a container may use at most."""

    memory_bytes: int = 16 << 30
    processes: int = 1024
    open_files: int = 4096
    seconds: float | None = None
    """Wall time of the whole container; None: no limit."""
    tmp_bytes: int = 8 << 30
    """Size of the private /tmp."""


@dataclass(frozen=True)
class Command:
    """What runs in a container: arguments, extra environment on top of the image's, working folder."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"


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
        """The image unpacked in a folder, made on first use; never written to by an engine."""


class Process(Protocol):
    """A running container with pipes."""

    @property
    def stdin(self) -> BinaryIO: ...

    @property
    def stdout(self) -> BinaryIO: ...

    def stderr_tail(self) -> str:
        """The last 64 KiB of standard error."""

    def wait(self, timeout: float | None = None) -> int:
        """Exit code (negative or 128+n for a signal); raises ``TimeoutError``."""

    def kill(self) -> None:
        """End it and all its children now; harmless if it has ended."""

    def reason(self) -> str | None:
        """Why the engine itself ended the container ("out of memory", "time limit"), if it did."""


class Engine(ABC):
    """Runs images. ``name`` is what ``--engine`` takes."""

    name: ClassVar[str]

    @abstractmethod
    def available(self) -> str | None:
        """None if a real container could be started just now, else the reason and the remedy."""

    @abstractmethod
    def version(self) -> str:
        """Name and version for the record, such as ``bubblewrap 0.11.0``."""

    @abstractmethod
    def load(self, image: ImageSource) -> str:
        """Make ``image`` runnable, only if it is not yet; returns the id the engine reports, which equals ``image.id``."""

    @abstractmethod
    def start(self, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> Process:
        """Start ``command`` in a fresh container of a loaded image. Mount sources must exist."""

    @abstractmethod
    def remove(self, image: ImageSource) -> None:
        """Forget a loaded image; harmless if it is not loaded."""

    @abstractmethod
    def unenforced(self) -> tuple[str, ...]:
        """The limits and isolations of the contract that this engine cannot enforce here, in words for the verdict."""
