"""What a verdict rests on: which worker computes, in which image, on whose data; and what of it nobody has checked.

A capsule brings a worker (the wheel of exseos in ``lock/wheels/``), perhaps an image and data. None of the three is believed:

* The worker counts if it is this very version's, or one of a release in ``releases.json``. Any other is replaced by this
  version's own, laid over the image.
* The image is assembled here from the wheels and packages that the lock pins, fetched by name and digest from the reviewer's
  own index and mirror; what a capsule brings is taken only where that cannot be done, and then it is unchecked.
* A data file that the spec says is part of a distribution, or at an address, is compared with that.
"""

from __future__ import annotations

import json
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
from exseos.records.names import IMAGE, IMAGE_CONFIG, WHEELS
from exseos.resolve.image import image_of, own_wheel
from exseos.resolve.origin import Origin
from exseos.store import Store


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
    entry = _worker_entry(pin, own, trust)
    capsules = entry.verdict == "trusted" or "laid over" not in entry.detail
    wheel, lock = (brought, content.lock) if capsules else (mine, content.lock.model_copy(update={"exseos": own}))
    try:
        image = image_of(lock, wheel, store.cache, progress, network)
    except DigestMismatch:
        raise
    except ExseosError as error:
        image = _brought(capsule, store, progress, error)
        image = image if capsules else with_worker(image, mine, store.cache, progress)
        return Basis(image, [entry, _unchecked("image", f"it comes with the capsule: {_reason(error)}", trusted=trust.image)])
    if capsules and image.id != content.index.image_id:
        raise CapsuleError(
            f"the lock gives the image {image.id}, the capsule names {content.index.image_id}",
            where=IMAGE_CONFIG,
            hint="The capsule was forged, or another version of exseos assembled its image.",
        )
    return Basis(image, [entry, VerdictEntry(kind="basis", name="image", verdict="identical", detail="assembled here from the lock")])


def _worker_entry(pin: ExseosPin, own: ExseosPin, trust: Trust) -> VerdictEntry:
    name = f"worker exseos {pin.version}"
    verdict: Judgement = "identical"
    if pin.sha256 == own.sha256:
        detail = "this version's own"
    elif pin.sha256 in known_releases():
        detail = f"the released exseos {known_releases()[pin.sha256]}"
    elif trust.worker:
        verdict, detail = "trusted", "no known release: taken as --trust-worker says"
    else:
        detail = (
            f"no known release: this version's own, {__version__}, is laid over the image instead; "
            f"`uvx exseos=={pin.version}` replays with a released one"
        )
    return VerdictEntry(kind="basis", name=name, verdict=verdict, detail=detail)


def _unchecked(name: str, reason: str, *, trusted: bool) -> VerdictEntry:
    flag = f"--trust-{name.split()[0]}"
    detail = f"{reason}; {f'taken as {flag} says' if trusted else f'not checked ({flag} takes it)'}"
    return VerdictEntry(kind="basis", name=name, verdict="trusted" if trusted else "not checkable here", detail=detail)


def _brought(capsule: Capsule, store: Store, progress: Progress, error: ExseosError) -> Image:
    """The image that the capsule brings, or that is in the cache from another that did."""
    config = capsule.text(IMAGE_CONFIG)
    cached = find_image(config, store.cache)
    if cached is not None:
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


def _reason(error: ExseosError) -> str:
    return f"it cannot be assembled from the lock here ({error.what.splitlines()[0]})"


def data_entry(name: str, origin: Origin, *, trusted: bool) -> VerdictEntry | None:
    """The entry on where the data of the source ``name`` come from; None for the author's own file, which nothing outside vouches for."""
    if origin.state == "own":
        return None
    if origin.state == "not checked":
        return _unchecked(f"data {name}", origin.reason, trusted=trusted)
    verdict: Judgement = "identical" if origin.state == "checked" else "different"
    return VerdictEntry(kind="basis", name=f"data {name}", verdict=verdict, detail=origin.reason)
