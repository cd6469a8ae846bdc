"""Lock to image: bring what the lock names, see that it is all that was asked for and nothing else, and assemble it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_version

from exseos import __version__
from exseos.digest import sha256_file
from exseos.errors import DigestMismatch, ExseosError, UsageError
from exseos.fetch import check_file
from exseos.image.assemble import assemble
from exseos.image.image import Image
from exseos.image.wheel import exseos_wheel
from exseos.image.wheel_conflicts import conflicts, hidden
from exseos.image.wheel_contents import WheelContents, read_contents
from exseos.lock import ExseosPin, Lock, WheelPin
from exseos.network import EVERYTHING, Network
from exseos.progress import Progress
from exseos.resolve.closure import authors_packages, closure, environment_problems, own_requirements
from exseos.resolve.wheels import bring_wheels
from exseos.spec.models import Experiment
from exseos.toolchains.designs import toolchains as used_toolchains


class UnsoundLock(UsageError):  # noqa: N818 (says more than an "Error" would)
    """The wheels of a lock are not those that its spec asks for, or one of them would change the worker."""


@dataclass(frozen=True)
class Environment:
    """The image of a lock, and its wheels (name and version) that exseos itself does not need: the author's choice."""

    image: Image
    authors: tuple[str, ...]


def own_wheel(cache: Path) -> tuple[Path, ExseosPin]:
    """The wheel of the running ExSeOS-HLS and its pin."""
    wheel = exseos_wheel(cache)
    return wheel, ExseosPin(version=__version__, filename=wheel.name, sha256=sha256_file(wheel))


def image_of(
    lock: Lock,
    experiment: Experiment,
    wheel: Path,
    cache: Path,
    progress: Progress,
    network: Network = EVERYTHING,
    also: Path | None = None,
) -> Environment:
    """Assemble the image that ``lock`` and the wheel of ExSeOS-HLS at ``wheel`` determine for ``experiment``.

    ``also`` is the wheel of another ExSeOS-HLS that the lock was made for: what it needs may be pinned too. Raises ``HostError``
    naming what is missing if the network may not be used, ``UnsoundLock`` naming every wheel that may not be there.
    """
    if lock.exseos is not None and sha256_file(wheel) != lock.exseos.sha256:
        raise DigestMismatch("the wheel of ExSeOS-HLS is not the one that the lock pins", where=str(wheel))
    wheels = bring_wheels(lock.wheels, python=lock.python, cache=cache, progress=progress, network=network)
    found = [_contents(pin, path) for pin, path in zip(lock.wheels, wheels, strict=True)]
    exseos = read_contents(wheel)
    requires = {one.name: one.requires for one in found}
    tools = [text for tool in used_toolchains(experiment).values() for text in tool.requirements]
    own = [*own_requirements(exseos.requires, lock.python), *tools]
    others = own_requirements(read_contents(also).requires, lock.python) if also is not None else ()
    _refuse(
        [
            *_misnamed(lock.wheels, found),
            *environment_problems(lock, experiment.environment.requirements, own, requires, others),
            *conflicts(found, closure(own, requires, lock.python).names, exseos),
        ]
    )
    image = assemble(lock.packages, wheels, wheel, cache, progress, network)
    _refuse(hidden(found, image.layers[0].tree))
    return Environment(image, tuple(authors_packages(lock, own, requires)))


def _contents(pin: WheelPin, path: Path) -> WheelContents:
    try:
        return read_contents(path)
    except ExseosError as error:
        check_file(path, pin.sha256)  # if it was damaged in the cache, that is the reason
        raise UnsoundLock(f"{pin.filename}: {error.what}", where=error.where, hint=error.hint) from error


def _misnamed(pins: Sequence[WheelPin], found: Sequence[WheelContents]) -> list[str]:
    return [
        f"{pin.filename} says in itself that it is {wheel}"[:300]
        for pin, wheel in zip(pins, found, strict=True)
        if (pin.name, canonicalize_version(pin.version)) != (wheel.name, canonicalize_version(wheel.version))
    ]


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        shown = [*problems[:20], *([f"and {len(problems) - 20} more"] if len(problems) > 20 else [])]
        raise UnsoundLock(
            "the wheels of the lock are not fit to be an environment:\n" + "\n".join(f"  {one}" for one in shown),
            where="environment.requirements",
            hint="Change the requirements so that none of these is needed, and make the lock anew with `exseos lock`.",
        )
