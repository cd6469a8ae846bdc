"""Lock to image: bring what the lock names and assemble it."""

from __future__ import annotations

from pathlib import Path

from exseos import __version__
from exseos.digest import sha256_file
from exseos.errors import DigestMismatch
from exseos.image.assemble import assemble
from exseos.image.image import Image
from exseos.image.wheel import exseos_wheel
from exseos.lock import ExseosPin, Lock
from exseos.network import EVERYTHING, Network
from exseos.progress import Progress
from exseos.resolve.wheels import bring_wheels


def own_wheel(cache: Path) -> tuple[Path, ExseosPin]:
    """The wheel of the running ExSeOS-HLS and its pin."""
    wheel = exseos_wheel(cache)
    return wheel, ExseosPin(version=__version__, filename=wheel.name, sha256=sha256_file(wheel))


def image_of(lock: Lock, wheel: Path, cache: Path, progress: Progress, network: Network = EVERYTHING) -> Image:
    """Assemble the image that ``lock`` and the wheel of ExSeOS-HLS at ``wheel`` determine.

    Raises ``HostError`` naming what is missing if the network may not be used.
    """
    if lock.exseos is not None and sha256_file(wheel) != lock.exseos.sha256:
        raise DigestMismatch("the wheel of ExSeOS-HLS is not the one that the lock pins", where=str(wheel))
    wheels = bring_wheels(lock.wheels, python=lock.python, cache=cache, progress=progress, network=network)
    return assemble(lock.packages, wheels, wheel, cache, progress, network)
