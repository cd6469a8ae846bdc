"""A list of files with their digests, in the text format of ``sha256sum -c``.

One concept serves three times: a stage's outputs, the experiment id and the seal. A manifest's digest is the
SHA-256 of its text: one line ``<sha256>  <path>`` per file, sorted by the path's UTF-8 bytes, ending in a newline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from exseos.digest import sha256_bytes, sha256_file
from exseos.errors import CapsuleError
from exseos.text import visible

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_SHORTEST_LINE = 64 + 2 + 1 + 1
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")


def check_path(path: str) -> str:
    """Return ``path`` if it is a relative POSIX path without surprises, else raise ``CapsuleError``.

    Refused: empty, absolute, ``.`` or ``..`` parts, empty parts, control characters, backslashes, non-UTF-8.
    """
    parts = path.split("/")
    if _FORBIDDEN.search(path) or any(part in ("", ".", "..") for part in parts):
        hint = "Names are relative, without '..', control characters or backslashes."
        raise CapsuleError(f"unsafe file name '{visible(path)}'", hint=hint)
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CapsuleError(f"file name '{visible(path)}' is not valid UTF-8") from error
    return path


@dataclass(frozen=True)
class Entry:
    """One file: its path inside the tree (POSIX, relative) and the SHA-256 of its content."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Files and digests, unique and sorted by path."""

    entries: tuple[Entry, ...]

    @staticmethod
    def of(entries: Iterable[Entry]) -> Manifest:
        """Sort ``entries``; two entries of one path are an error."""
        ordered = sorted(entries, key=lambda entry: check_path(entry.path).encode())
        for one, two in pairwise(ordered):
            if one.path == two.path:
                raise CapsuleError(f"duplicate entry '{visible(one.path)}'")
        return Manifest(tuple(ordered))

    @staticmethod
    def of_tree(root: Path) -> Manifest:
        """Hash every regular file below ``root``; links and special files are an error."""
        return Manifest.of(Entry(name, sha256_file(root / name)) for name in tree_files(root))

    @staticmethod
    def parse(text: str, where: str = "manifest") -> Manifest:
        """Read what ``text`` wrote; anything but the canonical form is an error."""
        entries = []
        if text.count("\n") > len(text) // _SHORTEST_LINE:
            raise CapsuleError("it has lines that are no lines of a SHA-256 list", where=where)
        for number, line in enumerate(text.split("\n")[:-1], 1):
            match = _LINE.fullmatch(line)
            if match is None:
                raise CapsuleError("not a line of a SHA-256 list", where=f"{where}:{number}")
            entries.append(Entry(match[2], match[1]))
        manifest = Manifest.of(entries)
        if manifest.text != text:
            raise CapsuleError("the SHA-256 list is not in canonical form", where=where)
        return manifest

    @property
    def text(self) -> str:
        """The list as ``sha256sum -c`` reads it."""
        return "".join(f"{entry.sha256}  {entry.path}\n" for entry in self.entries)

    @property
    def digest(self) -> str:
        """SHA-256 of the text: the id of the whole tree."""
        return sha256_bytes(self.text.encode())

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def as_dict(self) -> dict[str, str]:
        """Path to SHA-256."""
        return {entry.path: entry.sha256 for entry in self.entries}


def tree_files(root: Path) -> list[str]:
    """Relative POSIX paths of the regular files below ``root``, sorted; a link or special file is an error."""
    found = []
    for path in root.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise CapsuleError("only regular files and folders are allowed here", where=str(path))
        if path.is_file():
            found.append(check_path(path.relative_to(root).as_posix()))
    return sorted(found, key=str.encode)
