"""What a verdict rests on: which worker computes, in which image, on whose data; and what of it nobody has checked.

A capsule brings a worker (the wheel of exseos in ``lock/wheels/``), perhaps an image and data. None of the three is believed:

* The worker counts if it is this very version's, or one of a release in ``releases.json``. Any other is replaced by this
  version's own, laid over the image.
* The image is assembled here from the wheels and packages that the lock pins, fetched by name and digest from the reviewer's
  own index and mirror; what a capsule brings is taken only where that cannot be done, and then it is unchecked.
  No wheel of the lock may change the worker or lack a reason to be there; those that exseos itself does not need are named, since
  their code, the author's choice, could run in every stage.
* A data file that the spec says is part of a distribution, or at an address, is compared with that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from exseos import __version__
from exseos.capsule.content import Content
from exseos.capsule.verdict import Judgement, VerdictEntry
from exseos.errors import CapsuleError, DigestMismatch, ExseosError, HostError
from exseos.image.archive import find_image, read_archive
from exseos.image.assemble import with_worker
from exseos.image.image import Image
from exseos.lock import ExseosPin
from exseos.network import Network
from exseos.progress import Progress
from exseos.records.capsule import Capsule
from exseos.records.names import IMAGE, IMAGE_CONFIG, PYLOCK, WHEELS
from exseos.resolve.closure import further_packages
from exseos.resolve.image import UnsoundLock, image_of, own_wheel
from exseos.resolve.index import OtherWheelError
from exseos.resolve.origin import Origin
from exseos.store import Store

_SHOWN = 30
"""Names in a note."""


@dataclass(frozen=True)
class Trust:
    """What the reviewer takes without a check; the verdict repeats it."""

    worker: bool = False
    image: bool = False
    data: bool = False


@dataclass
class Basis:
    """The image that the stages run in, and an entry of the verdict for each ground."""

    image: Image
    entries: list[VerdictEntry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Whose code is in the image besides exseos and what it needs."""


@cache
def known_releases() -> dict[str, str]:
    """SHA-256 of a released wheel of exseos → its version. The wheel of this version is not among them: it is compared itself."""
    plain = json.loads(resources.files("exseos").joinpath("releases.json").read_text(encoding="utf-8"))
    return {str(sha256): str(version) for version, sha256 in plain.items()}


def find_basis(capsule: Capsule, content: Content, folder: Path, trust: Trust, network: Network, store: Store, progress: Progress) -> Basis:
    """The image to replay in. Raises ``CapsuleError`` if the image is not the one that the lock gives, ``HostError`` if there is none."""
    pin = content.lock.exseos
    assert pin is not None  # ``misfit`` refuses a capsule's lock without it
    brought = capsule.extract(f"{WHEELS}{pin.filename}", folder / pin.filename)
    mine, own = own_wheel(store.cache)
    entry, capsules = _worker_entry(pin, own, trust)
    wheel, lock = (brought, content.lock) if capsules else (mine, content.lock.model_copy(update={"exseos": own}))
    notes = _named("Debian packages that are not of this version's base layer", further_packages(lock))
    try:
        made = image_of(lock, content.experiment, wheel, store.cache, progress, network, also=None if capsules else brought)
    except DigestMismatch:
        raise
    except UnsoundLock as error:
        hint = (
            f"Do not trust it. `uvx exseos=={pin.version}` tells whether that release says the same."
            if not capsules
            else "Do not trust it."
        )
        raise CapsuleError(error.what, where=PYLOCK, hint=hint) from error
    except ExseosError as error:
        # Its own worker is not believed to be the one that the lock pins: that one is laid over.
        image = with_worker(_brought(capsule, store, progress, error), wheel, store.cache, progress)
        _compare(image, capsule, capsules=capsules)
        notes.append("the packages in the image that the capsule brings were not looked at: each of them may be the author's own code")
        return Basis(image, [entry, _brought_entry(error, trust)], notes)
    _compare(made.image, capsule, capsules=capsules)
    notes += _named("packages that exseos does not need: the author's choice, and every stage could run their code", made.authors)
    return Basis(
        made.image, [entry, VerdictEntry(kind="basis", name="image", verdict="identical", detail="assembled here from the lock")], notes
    )


def _compare(image: Image, capsule: Capsule, *, capsules: bool) -> None:
    """Raise ``CapsuleError`` if an image with the ``capsules`` own worker is not the one that it names."""
    if capsules and image.id != capsule.index.image_id:
        raise CapsuleError(
            f"the lock gives the image {image.id}, the capsule names {capsule.index.image_id}",
            where=IMAGE_CONFIG,
            hint="The capsule was forged, or another version of exseos assembled its image.",
        )


def _named(what: str, names: Sequence[str]) -> list[str]:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{what}: {', '.join(names[:_SHOWN])}{more}"] if names else []


def _worker_entry(pin: ExseosPin, own: ExseosPin, trust: Trust) -> tuple[VerdictEntry, bool]:
    """The entry, and whether the capsule's worker computes."""
    name = f"worker exseos {pin.version}"
    verdict: Judgement = "identical"
    capsules = True
    if pin.sha256 == own.sha256:
        name, detail = f"worker exseos {own.version}", "this version's own"
    elif pin.sha256 in known_releases():
        name, detail = f"worker exseos {known_releases()[pin.sha256]}", "a released exseos"
    elif trust.worker:
        verdict, detail = "trusted", "no known release: taken as --trust-worker says"
    else:
        capsules = False
        detail = (
            f"no known release: this version's own, {__version__}, is laid over the image instead; "
            f"`uvx exseos=={pin.version}` replays with a released one"
        )
    return VerdictEntry(kind="basis", name=name, verdict=verdict, detail=detail), capsules


def _brought_entry(error: ExseosError, trust: Trust) -> VerdictEntry:
    """Of an image that comes with the capsule, since ``error`` kept it from being assembled."""
    reason = f"it comes with the capsule: it cannot be assembled from the lock here ({error.what.splitlines()[0]})"
    if isinstance(error, OtherWheelError) and not trust.image:  # not a failure: the lock pins what is not that package
        return VerdictEntry(kind="basis", name="image", verdict="different", detail=reason)
    return _unchecked("image", reason, trusted=trust.image)


def _unchecked(name: str, reason: str, *, trusted: bool) -> VerdictEntry:
    flag = f"--trust-{name.split()[0]}"
    detail = f"{reason}; {f'taken as {flag} says' if trusted else f'not checked ({flag} takes it)'}"
    return VerdictEntry(kind="basis", name=name, verdict="trusted" if trusted else "not checkable here", detail=detail)


def _brought(capsule: Capsule, store: Store, progress: Progress, error: ExseosError) -> Image:
    """The image that the capsule brings, or that is in the cache from another that did."""
    config = capsule.text(IMAGE_CONFIG)
    cached = find_image(config, store.cache)
    if cached is not None and cached.id == capsule.index.image_id:
        return cached
    if IMAGE not in capsule:
        raise HostError(
            f"the image is not in the capsule and cannot be assembled here: {error.what}",
            where=error.where,
            hint="Replay where the package registries can be reached, or ask the authors for the capsule with its image.",
        ) from error
    progress.step("the image cannot be assembled from the lock here: unpacking the capsule's")
    with capsule.reader.open(IMAGE) as stream:
        image = read_archive(stream, store.cache)
    if image.id != capsule.index.image_id:
        raise CapsuleError(f"the image in it is {image.id}, and the index has {capsule.index.image_id}", where=IMAGE)
    return image


def data_entry(name: str, origin: Origin, *, trusted: bool) -> VerdictEntry | None:
    """The entry on where the data of the source ``name`` come from; None for the author's own file, which nothing outside vouches for."""
    if origin.state == "own":
        return None
    if origin.state == "not checked":
        return _unchecked(f"data {name}", origin.reason, trusted=trusted)
    verdict: Judgement = "identical" if origin.state == "checked" else "different"
    return VerdictEntry(kind="basis", name=f"data {name}", verdict=verdict, detail=origin.reason)
