"""Layers of Python wheels, unpacked by ``installer`` below ``/opt/exseos``: no bytecode, no pip, no environment.

Scripts start ``/usr/bin/python3``, whatever Python assembles the image. Where two wheels bring the same file the later wins, in the
order of their names and versions.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import warnings
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from installer import install
from installer.destinations import WheelDestination
from installer.records import Hash, RecordEntry, parse_record_file
from installer.scripts import Script
from installer.sources import WheelFile, WheelSource
from installer.utils import Scheme, construct_record_file, fix_shebang

from exseos.errors import ExseosError
from exseos.image.bounds import MAX_PART_ENTRIES, Allowance
from exseos.image.parts import PartTree, fill
from exseos.image.tar import CHUNK
from exseos.image.wheel_file import open_wheel, wheel_errors
from exseos.progress import Progress

if TYPE_CHECKING:
    from installer.scripts import ScriptSection

PREFIX = "opt/exseos"
SITE_PACKAGES = f"{PREFIX}/lib/python3.11/site-packages"
INTERPRETER = "/usr/bin/python3"
SCHEMES = {
    "purelib": SITE_PACKAGES,
    "platlib": SITE_PACKAGES,
    "scripts": f"{PREFIX}/bin",
    "data": PREFIX,
    "headers": f"{PREFIX}/include",
}
"""Where the image has what a wheel brings under each name."""
_MAX_TEXT = {"RECORD": 32 << 20, "WHEEL": 64 << 10, "entry_points.txt": 256 << 10}
"""Bytes of the files that describe a wheel; of any other nothing is read."""
_MAX_LINE = {"WHEEL": 500, "entry_points.txt": 500}
"""Characters of a line, where a parser's time grows with their square."""
_MAX_SCRIPT = 16 << 20
"""Bytes of a script whose first line is changed: that is done in memory."""
_WHEEL = re.compile(r"(?P<name>[^/]+)-(?P<version>[^/-]+)\.dist-info/WHEEL")


def fill_wheels(tree: Path, wheels: Sequence[Path], progress: Progress) -> None:
    """Install ``wheels`` into the empty folder ``tree``."""
    named = sorted((wheel_identity(path), path) for path in wheels)
    parts: list[tuple[str, Callable[[Path, Allowance], None]]] = [
        (f"{name} {version}", partial(_install, path)) for (name, version), path in named
    ]
    fill(tree, parts, progress, f"install {parts[0][0]}" if len(parts) == 1 else "install wheels")


def wheel_identity(path: Path) -> tuple[str, str]:
    """Name and version of a wheel as its content says, whatever the file is called."""
    with open_wheel(path) as archive:
        return _identity(archive)


def _identity(archive: zipfile.ZipFile) -> tuple[str, str]:
    found = [match for name in archive.namelist() if (match := _WHEEL.fullmatch(name))]
    if len(found) != 1:
        raise ExseosError("not a wheel: it has no .dist-info folder, or several", where=str(archive.filename))
    return found[0]["name"], found[0]["version"]


class NamedWheel(WheelFile):
    """A wheel named by its content: in the cache its file is named by a digest."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._zipfile = archive
        WheelSource.__init__(self, *_identity(archive))

    def read_dist_info(self, filename: str) -> str:
        """Text of a file that describes the wheel; ``ValueError`` if it is larger than any real one."""
        size = self._zipfile.getinfo(f"{self.dist_info_dir}/{filename}").file_size
        if size > _MAX_TEXT[filename]:
            raise ValueError(f"its {filename} has {size} bytes, and at most {_MAX_TEXT[filename]} are read")
        text = super().read_dist_info(filename)
        if sum(map(text.count, "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")) > 2 * MAX_PART_ENTRIES:
            raise ValueError(f"its {filename} has more lines than a wheel has files")
        if any(len(line) > _MAX_LINE.get(filename, size) for line in text.splitlines()):
            raise ValueError(f"its {filename} has a line of more than {_MAX_LINE[filename]} characters")
        if filename == "entry_points.txt" and "%" in text:
            raise ValueError("its entry_points.txt has a %, which would be replaced")
        return text

    def records(self) -> dict[str, RecordEntry]:
        """Member of the archive → its line of RECORD, where that gives size and digest."""
        lines = parse_record_file(self.read_dist_info("RECORD").splitlines())
        entries = [RecordEntry.from_elements(*line) for line in lines]
        return {entry.path: entry for entry in entries if entry.hash_ is not None and entry.size is not None}

    def sizes(self) -> dict[str, int]:
        """Bytes of each member of the archive."""
        return {member.filename: member.file_size for member in self._zipfile.infolist()}


def _install(path: Path, root: Path, allowance: Allowance) -> None:
    with open_wheel(path) as archive:
        wheel = NamedWheel(archive)
        name = f"{wheel.distribution} {wheel.version}"
        with wheel_errors(name), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bytecode that a wheel brings, and that is left out
            install(wheel, _TreeDestination(PartTree(root, name, allowance), wheel), {"INSTALLER": b"exseos\n"})


class _TreeDestination(WheelDestination):
    """Writes a wheel's files into a ``PartTree``.

    The wheel's RECORD saves hashing again what it has a digest of: the wheel as a whole was checked, and the zip has checksums.
    """

    def __init__(self, part: PartTree, wheel: NamedWheel) -> None:
        self._part = part
        self._records = wheel.records()
        self._sizes = wheel.sizes()

    def write_script(self, name: str, module: str, attr: str, section: ScriptSection) -> RecordEntry:
        file, data = Script(name, module, attr, section).generate(INTERPRETER, "posix")
        return self._write("scripts", file, [data], executable=True)

    def write_file(self, scheme: Scheme, path: object, stream: BinaryIO, is_executable: bool) -> RecordEntry:
        name = str(path)
        if scheme == "scripts":
            member = cast(zipfile.ZipExtFile, stream)
            if member.peek(8)[:8] == b"#!python" and self._sizes[member.name] > _MAX_SCRIPT:
                raise ValueError(f"the script {name[:200]!r} is larger than {_MAX_SCRIPT} bytes")
            with fix_shebang(stream, INTERPRETER) as fixed:
                return self._write(scheme, name, _chunks(fixed), executable=True)
        known = self._records.get(getattr(stream, "name", ""))
        if known is None:
            return self._write(scheme, name, _chunks(stream), is_executable)
        self._part.file(f"{SCHEMES[scheme]}/{name}", _chunks(stream), is_executable)
        return RecordEntry(name, known.hash_, known.size)

    def finalize_installation(self, scheme: Scheme, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]) -> None:
        def prefix(other: Scheme) -> str | None:
            return None if other == scheme else posixpath.relpath(SCHEMES[other], SCHEMES[scheme]) + "/"

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

        self._part.file(f"{SCHEMES[scheme]}/{path}", hashed(), executable)
        return RecordEntry(path, Hash("sha256", _base64(digest.digest())), size)


def _base64(digest: bytes) -> str:
    """As a RECORD writes a digest."""

    return urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(partial(stream.read, CHUNK), b"")
