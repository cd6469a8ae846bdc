"""How much memory and disk a spec's build takes, and whether it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exseos.capsule.doctor.disk import GB, IMAGE, OUTPUTS, existing, free
from exseos.capsule.doctor.findings import Finding
from exseos.capsule.doctor.machine import GIB, usable_memory
from exseos.lock import Lock
from exseos.resolve.toolchains import vendor_toolchains
from exseos.spec.models import Experiment
from exseos.store import default_root

_UNPACKED = 4
"""An unpacked image is about four times as large as the packages and wheels it is made of."""
_VENDOR_DISK = 10 * GB
"""A vendor's project while it runs, with the databases that are not kept."""
_VENDOR_MEMORY = 16 * GIB


def image_files(lock: Lock) -> list[tuple[str, int]]:
    """SHA-256 and size (0: not known) of each Debian package and wheel."""
    return [*((pin.sha256, pin.size) for pin in lock.packages), *((pin.sha256, pin.size) for pin in lock.wheels)]


def in_store(sha256: str, size: int) -> bool:
    """Whether the download of that digest is in the store, whole as far as its size tells."""
    path = default_root() / "cache/downloads" / sha256
    return path.is_file() and (not size or path.stat().st_size == size)


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"


@dataclass(frozen=True)
class Space:
    """What a build takes; ``folder`` is the spec's."""

    experiment: Experiment
    lock: Lock | None
    folder: Path

    @property
    def data(self) -> int:
        """Bytes of the data files, as far as they are known."""
        if self.lock is not None:
            return sum(pin.size for pin in self.lock.data.values())
        paths = [self.folder / Path(source.path).expanduser() for source in self.experiment.data.values() if source.path is not None]
        return sum(path.stat().st_size for path in paths if path.exists())

    @property
    def image(self) -> int:
        """Bytes of the image, unpacked."""
        return _UNPACKED * sum(size for _, size in image_files(self.lock)) if self.lock else IMAGE

    @property
    def downloads(self) -> int:
        """Bytes of packages and wheels that are not in the store yet; without a lock not known, and 0."""
        return sum(size for sha256, size in image_files(self.lock) if not in_store(sha256, size)) if self.lock else 0

    def findings(self) -> Iterator[Finding]:
        """Of disk and memory."""
        vendors = vendor_toolchains(self.experiment)
        store = self.downloads + (self.image if self.downloads or self.lock is None else 0) + 2 * self.data + OUTPUTS
        store += _VENDOR_DISK if vendors else 0
        capsule = self.image + self.data
        here = Path.cwd()
        places = [("the store", default_root(), store), ("this folder, for the capsule", here, capsule)]
        text = f"the store takes about {store / GB:.0f} GB more, a capsule with its image about {capsule / GB:.0f} GB"
        if existing(default_root()).stat().st_dev == here.stat().st_dev:
            places = [("the disk of store and capsule", here, store + capsule)]
        short = [f"{name} has {free(place) / GB:.1f} GB free" for name, place, need in places if free(place) < need]
        if short:
            hint = "Set EXSEOS_STORE or --output to a larger disk; `--without image` gives a capsule of a few MB."
            yield Finding("spec", "disk", "problem", f"{text}; {' and '.join(short)}", hint)
        else:
            yield Finding("spec", "disk", "ok", text)
        memory = usable_memory()
        if vendors and memory < _VENDOR_MEMORY:
            text = f"vendors' tools often take {_VENDOR_MEMORY // GIB} GiB and more, there are {memory / GIB:.0f}"
            yield Finding("spec", "memory", "note", text, "Use a larger machine if a tool is killed.")
