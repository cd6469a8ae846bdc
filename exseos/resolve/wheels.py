"""Bringing pinned wheels: by name and SHA-256, from the package index of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exseos.fetch import Download, check_allowed, fetch, vouch, vouched
from exseos.lock import WheelPin
from exseos.network import EVERYTHING, Network
from exseos.progress import Progress
from exseos.resolve.index import FoundWheel, locate


def bring_wheels(wheels: Sequence[WheelPin], *, python: str, cache: Path, progress: Progress, network: Network = EVERYTHING) -> list[Path]:
    """Local files of the pinned wheels, from the cache or the package index, in the order of ``wheels``.

    The index is asked for each that it was not yet seen to have under its name, even if the cache has a file of that SHA-256.
    Raises ``HostError`` naming what is missing if the network may not be used.
    """
    absent = [pin for pin in wheels if not (_have(cache / "downloads" / pin.sha256, pin.size) and vouched(cache, pin.sha256, origin(pin)))]
    check_allowed([wheel_download(pin, "") for pin in absent], network)
    urls = {}
    for found in locate(absent, python=python, network=network):
        vouch(cache, found.pin.sha256, origin(found.pin))
        urls[found.pin] = found.url
    return fetch([wheel_download(pin, urls.get(pin)) for pin in wheels], cache, progress, network)


def bring_found(found: FoundWheel, cache: Path, progress: Progress, network: Network = EVERYTHING) -> Path:
    """The local file of a wheel that the index was just found to have."""
    vouch(cache, found.pin.sha256, origin(found.pin))
    (path,) = fetch([wheel_download(found.pin, found.url)], cache, progress, network)
    return path


def wheel_download(pin: WheelPin, url: str | None) -> Download:
    """The download of a wheel; without an address it must be in the cache."""
    urls = () if url is None else (url,)
    return Download(urls=urls, sha256=pin.sha256, size=pin.size or None, name=pin.filename, origin=origin(pin))


def origin(pin: WheelPin) -> str:
    """What the index must have the file as."""
    return f"wheel {pin.filename}"


def _have(path: Path, size: int) -> bool:
    """A file of that name was checked when it came; another size shows a disk that cut it later. 0: not known."""
    return path.is_file() and (not size or path.stat().st_size == size)
