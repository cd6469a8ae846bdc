"""Downloads: parallel, resumed, checked, and kept by their SHA-256.

A finished file is ``downloads/<sha256>`` in the cache. A part is ``<sha256>.<host>.<pid>.part``: each process writes its own, and takes
over what a dead one left, so there are no lock files and two processes at once only do some work twice.

The name of a file in the cache tells what it is, not where it came from. For that there is ``origins/``: an empty file for each
SHA-256 and what an index or mirror has it as. Else the data of one capsule would pass for a package of another.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from exseos.digest import sha256_file, sha256_json
from exseos.errors import DigestMismatch, HostError
from exseos.network import EVERYTHING, Network
from exseos.progress import Progress
from exseos.transfer import CHUNK, BrokenError, open_session, read_address

if TYPE_CHECKING:
    import requests

THREADS = 8
TRIES = 4
"""Attempts per address, each going on where the last one stopped."""
MAX_BYTES = 64 << 30
"""Of a file whose size nobody told."""


@dataclass(frozen=True)
class Download:
    """One file: addresses to try in order (http, https or file), SHA-256, size in bytes if known, name for messages."""

    urls: tuple[str, ...]
    sha256: str
    size: int | None
    name: str
    origin: str = ""
    """What an index or mirror must have it as ("wheel FILE"): a file in the cache that came as something else does not count."""
    named: bool = False
    """Whether the experiment itself names the addresses."""


@dataclass
class _Meter:
    """Adds up the bytes of all threads for ``progress``."""

    progress: Progress
    total: int | None
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def add(self, count: int) -> None:
        if self.stop.is_set():
            raise BrokenError("another download failed", final=True)
        with self.lock:
            self.done += count
            self.progress.advance("download", self.done, self.total)


def vouch(cache: Path, sha256: str, origin: str) -> None:
    """Keep that an index or mirror has the file of this SHA-256 as ``origin``."""
    record = _record(cache, sha256, origin)
    with _disk_errors(record):
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch()


def vouched(cache: Path, sha256: str, origin: str) -> bool:
    """Whether an index or mirror was seen to have the file of this SHA-256 as ``origin``."""
    return _record(cache, sha256, origin).exists()


def _record(cache: Path, sha256: str, origin: str) -> Path:
    return cache / "origins" / sha256_json([sha256, origin])


def fetch(downloads: Sequence[Download], cache: Path, progress: Progress, network: Network = EVERYTHING) -> list[Path]:
    """The files of ``downloads``, in their order, from the cache or the network.

    Raises ``DigestMismatch`` if every address gave other bytes, ``HostError`` for network and disk, and for what is missing and
    may not be fetched.
    """
    folder = cache / "downloads"
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lacking = list(dict.fromkeys(item for item in downloads if not _have(cache, item)))
    if lacking:
        check_allowed(lacking, network)
        _check_room(lacking, folder)
        missing: dict[str, list[Download]] = {}
        for item in lacking:
            missing.setdefault(item.sha256, []).append(item)
        sizes = [item.size for item in lacking]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        meter = _Meter(progress, total)
        with ThreadPoolExecutor(min(THREADS, len(missing))) as pool:
            # The largest first: the last to end is then a small one.
            ordered = sorted(missing.values(), key=lambda same: -(same[0].size or 0))
            jobs = [pool.submit(_fetch_each, same, cache, meter, network) for same in ordered]
            try:
                for job in jobs:
                    job.result()
            finally:
                meter.stop.set()
                wait(jobs)
        if total is None:
            progress.advance("download", meter.done, meter.done)
    return [folder / item.sha256 for item in downloads]


def check_allowed(missing: Sequence[Download], network: Network) -> None:
    """Raise ``HostError`` naming what is ``missing`` and may not be fetched."""
    stopped = [item.name for item in missing if network.offline or (item.named and not network.fetch)]
    if not stopped:
        return
    names = ", ".join(stopped[:5]) + (f" and {len(stopped) - 5} more" if len(stopped) > 5 else "")
    if network.offline:
        raise HostError(f"not in the cache, and nothing is fetched offline: {names}", hint="Run it without --offline.")
    raise HostError(f"not in the cache, and a capsule's addresses are fetched only if asked: {names}", hint="Allow it with --fetch.")


def _check_room(missing: Iterable[Download], folder: Path) -> None:
    """A capsule may promise a file of any size: it must not fill the disk before it shows to be another."""
    needed = sum(item.size or 0 for item in missing if item.named)
    with _disk_errors(folder):
        free = shutil.disk_usage(folder).free
    if needed > free:
        hint = "Free some space, or set EXSEOS_STORE to a folder that has room."
        raise HostError(f"{needed} bytes are to be fetched, {free} are free", where=str(folder), hint=hint)


def fetch_bytes(urls: Sequence[str], limit: int = 1 << 20, network: Network = EVERYTHING) -> bytes:
    """A small file whose digest is not known beforehand, at most ``limit`` bytes, from the first address that has it."""
    if network.offline:
        raise HostError("nothing is fetched offline", where=urls[0] if urls else None, hint="Run it without --offline.")
    problems = []
    with open_session() as session:
        for url in urls:
            try:
                data = b""
                for chunk in read_address(session, url, 0, None):
                    data += chunk
                    if len(data) > limit:
                        raise BrokenError(f"more than {limit} bytes")
                return data
            except BrokenError as error:
                problems.append(f"{url}: {error}")
    raise _unreachable(problems, urls[0] if urls else "download")


def check_file(path: Path, sha256: str) -> None:
    """``DigestMismatch`` if ``path`` is not what ``sha256`` says; a download is then removed, so that the next run fetches it again."""
    with _disk_errors(path):
        found = sha256_file(path)
        if found == sha256:
            return
        cached = path.name == sha256
        if cached:
            path.unlink(missing_ok=True)
    raise DigestMismatch(
        f"the file was changed since it came: its SHA-256 is {found}, not {sha256}",
        where=str(path),
        hint="It is removed. Run the same command again: it is then fetched anew." if cached else "Bring the right file.",
    )


def _fetch_each(same: Sequence[Download], cache: Path, meter: _Meter, network: Network) -> None:
    """One file under each of its origins: whoever has it as one thing need not have it as another."""
    for item in same:
        _fetch_one(item, cache, meter, network)


def _fetch_one(item: Download, cache: Path, meter: _Meter, network: Network) -> None:
    folder = cache / "downloads"
    final, part = folder / item.sha256, folder / f"{item.sha256}.{_me()}.part"
    problems: list[str] = []
    mismatch = False
    outside = item.named and not network.private
    with open_session(outside) as session, _disk_errors(part):
        _adopt(part, item.sha256)
        for url in item.urls:
            for attempt in range(TRIES):
                try:
                    if outside and urlsplit(url).scheme == "file":
                        raise BrokenError("files of this machine are not fetched for a capsule", final=True)
                    _attempt(session, url, item, part, meter)
                    part.chmod(0o644)  # a container may run as another user
                    part.replace(final)
                    if item.origin:
                        vouch(cache, item.sha256, item.origin)
                    return
                except BrokenError as error:
                    problems.append(f"{url}: {error}")
                    mismatch = mismatch or error.mismatch
                    if error.final or meter.stop.is_set():
                        break
                time.sleep(0.5 * 2**attempt)
    meter.stop.set()
    if mismatch:
        part.unlink(missing_ok=True)
        raise DigestMismatch(problems[-1], where=item.name, hint="A mirror or proxy gives other bytes than the lock promises; try another.")
    raise _unreachable(problems, item.name)


def _attempt(session: requests.Session, url: str, item: Download, part: Path, meter: _Meter) -> None:
    digest = hashlib.sha256()
    with part.open("ab+") as stream:
        stream.seek(0)
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
        start = stream.tell()
        if item.size is not None and start > item.size:
            _restart(stream)
            start, digest = 0, hashlib.sha256()
        meter.add(start)
        count = start
        try:
            for chunk in read_address(session, url, start, item.size):
                stream.write(chunk)
                digest.update(chunk)
                count += len(chunk)
                meter.add(len(chunk))
                if count > (limit := MAX_BYTES if item.size is None else item.size):
                    _restart(stream)
                    raise BrokenError(f"more than the {limit} bytes expected", final=True, mismatch=True)
            if item.size is not None and count < item.size:
                # A whole answer that is too short: a connection that was cut off looks otherwise, as a rule.
                raise BrokenError(f"ended after {count} of {item.size} bytes", mismatch=True)
            if digest.hexdigest() != item.sha256:
                _restart(stream)
                # What an earlier run left may be the damaged part: one more time from the beginning.
                raise BrokenError(f"SHA-256 is {digest.hexdigest()}, expected {item.sha256}", final=start == 0, mismatch=True)
        except BrokenError:
            with meter.lock:
                meter.done -= count
            raise


def _restart(stream: IO[bytes]) -> None:
    stream.seek(0)
    stream.truncate()


def _have(cache: Path, item: Download) -> bool:
    """A file of that name was checked when it got it; its size shows a disk that cut it later."""
    try:
        status = (cache / "downloads" / item.sha256).stat()
    except FileNotFoundError:
        return False
    return item.size in (None, status.st_size) and (not item.origin or vouched(cache, item.sha256, item.origin))


def _me() -> str:
    return f"{socket.gethostname().replace('.', '-')}.{os.getpid()}"


def _adopt(part: Path, sha256: str) -> None:
    """Take over the part that a process of this machine left when it died."""
    host = _me().split(".", 1)[0]
    for old in part.parent.glob(f"{sha256}.{host}.*.part"):
        pid = old.name.split(".")[2]
        if pid.isdigit() and int(pid) != os.getpid() and not _alive(int(pid)):
            try:
                old.rename(part)
            except FileNotFoundError:  # another process was faster
                continue
            return


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _disk_errors(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise HostError(
            f"cannot write a download: {error.strerror or error}",
            where=str(error.filename or where),
            hint=("Free some space, or set" if full else "Set") + " EXSEOS_STORE to a folder that has room and may be written to.",
        ) from error


def _unreachable(problems: Sequence[str], name: str) -> HostError:
    lines = "\n".join(dict.fromkeys(problems)) or "no address is known for it"
    return HostError(
        f"cannot be downloaded\n{lines}", where=name, hint="Check the network and the proxy settings, then run it again: parts are kept."
    )
