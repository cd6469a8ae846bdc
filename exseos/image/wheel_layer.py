"""Layers of Python wheels, unpacked by ``installer`` below ``/opt/exseos``: no bytecode, no pip, no environment.

Scripts start ``/usr/bin/python3``, whatever Python assembles the image. Where two wheels bring the same file the later wins, in the
order of their names and versions.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from installer import install
from installer.destinations import WheelDestination
from installer.exceptions import InstallerError
from installer.records import Hash, RecordEntry, parse_record_file
from installer.scripts import Script
from installer.sources import WheelFile, WheelSource
from installer.utils import Scheme, construct_record_file, fix_shebang

from exseos.errors import ExseosError
from exseos.image.parts import PartTree, fill
from exseos.image.tar import CHUNK
from exseos.progress import Progress

if TYPE_CHECKING:
    from installer.scripts import ScriptSection

PREFIX = "opt/exseos"
SITE_PACKAGES = f"{PREFIX}/lib/python3.11/site-packages"
INTERPRETER = "/usr/bin/python3"
_SCHEMES = {
    "purelib": SITE_PACKAGES,
    "platlib": SITE_PACKAGES,
    "scripts": f"{PREFIX}/bin",
    "data": PREFIX,
    "headers": f"{PREFIX}/include",
}
_WHEEL = re.compile(r"(?P<name>[^/]+)-(?P<version>[^/-]+)\.dist-info/WHEEL")


def fill_wheels(tree: Path, wheels: Sequence[Path], progress: Progress) -> None:
    """Install ``wheels`` into the empty folder ``tree``."""
    named = sorted((wheel_identity(path), path) for path in wheels)
    parts: list[tuple[str, Callable[[Path], None]]] = [(f"{name} {version}", partial(_install, path)) for (name, version), path in named]
    fill(tree, parts, progress, f"install {parts[0][0]}" if len(parts) == 1 else "install wheels")


def wheel_identity(path: Path) -> tuple[str, str]:
    """Name and version of a wheel as its content says, whatever the file is called."""
    with _opened(path) as archive:
        return _identity(archive)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ExseosError(f"not a wheel: {error}", where=str(path), hint="Remove the file and fetch it again.") from error


def _identity(archive: zipfile.ZipFile) -> tuple[str, str]:
    found = [match for name in archive.namelist() if (match := _WHEEL.fullmatch(name))]
    if len(found) != 1:
        raise ExseosError("not a wheel: it has no .dist-info folder, or several", where=str(archive.filename))
    return found[0]["name"], found[0]["version"]


class _Wheel(WheelFile):
    """A wheel named by its content: in the cache its file is named by a digest."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._zipfile = archive
        WheelSource.__init__(self, *_identity(archive))

    def records(self) -> dict[str, RecordEntry]:
        """Member of the archive → its line of RECORD, where that gives size and digest."""
        lines = parse_record_file(self.read_dist_info("RECORD").splitlines())
        entries = [RecordEntry.from_elements(*line) for line in lines]
        return {entry.path: entry for entry in entries if entry.hash_ is not None and entry.size is not None}


def _install(path: Path, root: Path) -> None:
    with _opened(path) as archive:
        wheel = _Wheel(archive)
        name = f"{wheel.distribution} {wheel.version}"
        try:
            install(wheel, _TreeDestination(PartTree(root, name), wheel.records()), {"INSTALLER": b"exseos\n"})
        except (InstallerError, zipfile.BadZipFile, ValueError, KeyError, AssertionError) as error:
            raise ExseosError(f"the wheel cannot be installed: {error}", where=name, hint="Choose another version of it.") from error


class _TreeDestination(WheelDestination):
    """Writes a wheel's files into a ``PartTree``.

    ``records`` saves hashing again what the wheel has a digest of: the wheel as a whole was checked, and the zip has checksums.
    """

    def __init__(self, part: PartTree, records: Mapping[str, RecordEntry]) -> None:
        self._part = part
        self._records = records

    def write_script(self, name: str, module: str, attr: str, section: ScriptSection) -> RecordEntry:
        file, data = Script(name, module, attr, section).generate(INTERPRETER, "posix")
        return self._write("scripts", file, [data], executable=True)

    def write_file(self, scheme: Scheme, path: object, stream: BinaryIO, is_executable: bool) -> RecordEntry:
        name = str(path)
        if scheme == "scripts":
            with fix_shebang(stream, INTERPRETER) as fixed:
                return self._write(scheme, name, _chunks(fixed), executable=True)
        known = self._records.get(getattr(stream, "name", ""))
        if known is None:
            return self._write(scheme, name, _chunks(stream), is_executable)
        self._part.file(f"{_SCHEMES[scheme]}/{name}", _chunks(stream), is_executable)
        return RecordEntry(name, known.hash_, known.size)

    def finalize_installation(self, scheme: Scheme, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]) -> None:
        def prefix(other: Scheme) -> str | None:
            return None if other == scheme else posixpath.relpath(_SCHEMES[other], _SCHEMES[scheme]) + "/"

        with construct_record_file(records, prefix) as stream:
            self._write(scheme, record_file_path, _chunks(stream), executable=False)

    def _write(self, scheme: str, path: str, chunks: Iterable[bytes], executable: bool) -> RecordEntry:
        digest, size = hashlib.sha256(), 0

        def hashed() -> Iterator[bytes]:
            nonlocal size
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                yield chunk

        self._part.file(f"{_SCHEMES[scheme]}/{path}", hashed(), executable)
        return RecordEntry(path, Hash("sha256", _base64(digest.digest())), size)


def _base64(digest: bytes) -> str:
    """As a RECORD writes a digest."""

    return urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(partial(stream.read, CHUNK), b"")
