"""What a pinned wheel holds, read from its zip directory alone: name, version, requirements, and where its files go in the image.

Nothing is unpacked: it is cheap enough to be looked at whenever an image is made or found in the cache.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import partial
from pathlib import Path

from installer.utils import parse_entrypoints
from packaging.utils import canonicalize_name

from exseos.image.tar import CHUNK
from exseos.image.wheel_file import open_wheel, wheel_errors
from exseos.image.wheel_layer import PREFIX, SCHEMES, SITE_PACKAGES, NamedWheel

BIN = f"{PREFIX}/bin"
_MAX_METADATA = 8 << 20
"""Bytes of a METADATA file; the largest are long descriptions of some 100 kB."""
_MAX_HEAD = 1 << 20
"""Bytes of its head, which has the requirements."""
_MAX_ENTRY_POINTS = 256 << 10
_MOST_INFOS = 8
"""Folders of a wheel that say what it is; one is enough, and no other is let into an image."""


@dataclass(frozen=True)
class WheelContents:
    """One wheel. ``files`` are its paths in the image, each with what tells its content from another's: a member, or a script."""

    path: Path
    name: str
    """Normalised."""
    version: str
    requires: tuple[str, ...]
    """Its ``Requires-Dist``, as they are written."""
    files: Mapping[str, str]
    groups: frozenset[str]
    """The groups of its entry points but for scripts: whoever looks for plugins finds it there."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def modules(self) -> Iterator[str]:
        """Its paths below ``site-packages``."""
        return (path.removeprefix(f"{SITE_PACKAGES}/") for path in self.files if path.startswith(f"{SITE_PACKAGES}/"))


def read_contents(path: Path) -> WheelContents:
    """Of the wheel at ``path``, which may be anybody's; ``ExseosError`` if it is none."""
    with open_wheel(path) as archive:
        wheel = NamedWheel(archive)
        with wheel_errors(f"{wheel.distribution} {wheel.version}", "read"):
            files = {}
            for member in archive.namelist():
                if (place := _place(member, wheel.data_dir)) is not None:
                    files[place] = f"file {member}"
            if "entry_points.txt" in wheel.dist_info_filenames:
                for name, module, attribute, section in parse_entrypoints(wheel.read_dist_info("entry_points.txt")):
                    files[f"{BIN}/{name}"] = f"script {module}:{attribute} {section}"
            return WheelContents(
                path,
                canonicalize_name(wheel.distribution),
                wheel.version,
                _requires(archive, f"{wheel.dist_info_dir}/METADATA"),
                files,
                frozenset(_groups(archive, files)),
            )


def same_content(one: WheelContents, two: WheelContents, place: str) -> bool:
    """Whether the file that both bring as ``place`` is the same."""
    kinds = [wheel.files[place] for wheel in (one, two)]
    if not all(kind.startswith("file ") for kind in kinds):
        return kinds[0] == kinds[1]
    return _digest(one.path, kinds[0].removeprefix("file ")) == _digest(two.path, kinds[1].removeprefix("file "))


def _digest(path: Path, member: str) -> str:
    digest = hashlib.sha256()
    with open_wheel(path) as archive, wheel_errors(str(path), "read"), archive.open(member) as stream:
        for chunk in iter(partial(stream.read, CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _place(member: str, data_dir: str) -> str | None:
    """Where ``installer`` puts a member; None for what it leaves out, or refuses."""
    parts = member.split("/")
    if member.endswith("/") or "__pycache__" in parts[:-1]:
        return None
    if parts[0] != data_dir:
        return f"{SITE_PACKAGES}/{member}"
    scheme = SCHEMES.get(parts[1]) if len(parts) > 2 else None
    return None if scheme is None else f"{scheme}/{'/'.join(parts[2:])}"


def _requires(archive: zipfile.ZipFile, member: str) -> tuple[str, ...]:
    head, blank, _ = _text(archive, member, _MAX_METADATA).replace("\r\n", "\n").partition("\n\n")
    if len(head) > _MAX_HEAD:
        raise ValueError(f"the head of its METADATA is longer than {_MAX_HEAD} characters")
    found = HeaderParser().parsestr(head + blank).get_all("Requires-Dist") or []
    return tuple(" ".join(str(text).split()) for text in found)


def _groups(archive: zipfile.ZipFile, files: Mapping[str, str]) -> Iterator[str]:
    """As ``importlib.metadata`` finds them, wherever the wheel puts the files that have them."""
    found = [
        content.removeprefix("file ")
        for place, content in files.items()
        if place.lower().endswith((".dist-info/entry_points.txt", ".egg-info/entry_points.txt")) and place.startswith(f"{SITE_PACKAGES}/")
    ]
    if len(found) > _MOST_INFOS:
        raise ValueError(f"it has more than {_MOST_INFOS} files of entry points")
    for member in found:
        for line in _text(archive, member, _MAX_ENTRY_POINTS).splitlines():
            section = line.strip()
            if section.startswith("[") and section.endswith("]"):
                yield section.strip("[]")


def _text(archive: zipfile.ZipFile, member: str, limit: int) -> str:
    if archive.getinfo(member).file_size > limit:
        raise ValueError(f"its {member} is larger than {limit} bytes")
    return archive.read(member).decode("utf-8", "replace")
