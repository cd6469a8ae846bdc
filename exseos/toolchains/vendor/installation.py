"""An installation of a vendor's toolchain on this machine: found, asked for its version, fingerprinted. Runs on the host.

The fingerprint is the SHA-256 of the canonical JSON of the version and of the digests of the main executables and version files
by their path below the root: the same release has the same fingerprint wherever it is installed. Real tools are machine programs:
a folder with none is no installation. A program that says it is a stand-in gives a fingerprint that says so too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from exseos.digest import sha256_file, sha256_json
from exseos.errors import ExseosError, UsageError
from exseos.process import run
from exseos.toolchains.base import find, names
from exseos.toolchains.vendor.base import VendorToolchain

STAND_IN = b"EXSEOS-STAND-IN"
"""What a program that only takes the place of a real one says in its first bytes (``tests/fake_tools``)."""
_HEAD = 4096
_ELF = b"\x7fELF"
_QUERY_SECONDS = 120.0


@dataclass(frozen=True)
class Installation:
    """A toolchain in a folder of this machine. ``root`` is the path as the user gave it, absolute; ``mounts`` what a stage must see."""

    toolchain: VendorToolchain
    root: Path
    version: str
    fingerprint: str
    mounts: tuple[Path, ...]

    @property
    def stand_in(self) -> bool:
        """Whether it is a stand-in for tests."""
        return self.fingerprint.startswith("stand-in:")

    def __str__(self) -> str:
        return f"{self.toolchain.title} {self.version}" + (" (STAND-IN, not the real tool)" if self.stand_in else "")


def vendor_toolchains() -> list[VendorToolchain]:
    """Every toolchain that is mounted, by name."""
    return [tool for name in names() if isinstance(tool := find(name), VendorToolchain)]


def vendor(name: str) -> VendorToolchain:
    """The vendor's toolchain called ``name``; a ``UsageError`` for any other."""
    tool = find(name)
    if not isinstance(tool, VendorToolchain):
        known = ", ".join(one.name for one in vendor_toolchains())
        raise UsageError(f"the toolchain {name!r} is inside the image: nothing is mounted for it", hint=f"Mounted are: {known}.")
    return tool


def installation(name: str, root: Path) -> Installation:
    """The installation of ``name`` at ``root``; raises ``UsageError`` if there is none, saying what is missing."""
    tool = vendor(name)
    root = Path(os.path.abspath(root.expanduser()))  # noqa: PTH100 (a path like …/latest stays as the user wrote it)
    if not root.is_dir():
        raise UsageError(f"there is no folder for {tool.title}", where=str(root), hint=f"Name its installation: --toolchain {name}=DIR.")
    programs = list(_matches(tool.programs, root))
    if not programs:
        raise UsageError(
            f"this is no installation of {tool.title}: it has none of {', '.join(tool.programs)}",
            where=str(root),
            hint=_nearby(tool, root) or f"Name the folder that holds {tool.programs[0]}.",
        )
    heads = [_head(path) for path in programs]
    stand_in = any(STAND_IN in head for head in heads)
    if not stand_in and not any(head.startswith(_ELF) for head in heads):
        raise UsageError(
            f"no program of {tool.title} here is a machine program: these are wrappers of an installation elsewhere",
            where=str(root),
            hint=f"Name the installation itself; looked at: {', '.join(str(path.relative_to(root)) for path in programs)}.",
        )
    version = ask_version(tool, root, programs[0])
    files = {path.relative_to(root).as_posix(): sha256_file(path) for path in [*programs, *_matches(tool.version_files, root)]}
    kind = "stand-in" if stand_in else "sha256"
    fingerprint = f"{kind}:{sha256_json({'toolchain': name, 'version': version, 'files': files})}"
    return Installation(tool, root, version, fingerprint, (root, *(path for path in tool.companions(root) if path.is_dir())))


def ask_version(tool: VendorToolchain, root: Path, program: Path) -> str:
    """The version that ``program`` says; where it cannot run on this system, the one in the path of ``root``. Raises ``UsageError``."""
    said = ""
    try:
        environment = {**os.environ, **tool.environment(root, Path.home())}
        environment["PATH"] = f"{environment.get('PATH', '')}:{os.environ.get('PATH', '')}"
        ended = run([str(program), *tool.version_arguments], seconds=_QUERY_SECONDS, folder=Path("/"), environment=environment)
        said = ended.stdout + ended.stderr
    except (ExseosError, RuntimeError) as error:
        said = str(error)
    if match := re.search(tool.version_pattern, said):
        return " ".join(group for group in match.groups() if group)
    if match := re.search(r"(?:^|[^0-9])(20[0-9]{2}\.[0-9](?:\.[0-9])?|[0-9]{2}\.[0-9](?:\.[0-9])?)$", _last_number(root)):
        return match[1]
    last = "\n  ".join(said.strip().splitlines()[-5:]) or "nothing"
    raise UsageError(
        f"{tool.title} does not say its version; it said\n  {last}",
        where=str(program),
        hint=f"Try `{program} {' '.join(tool.version_arguments)}` yourself.",
    )


def candidates(tool: VendorToolchain, environment: Mapping[str, str]) -> list[Path]:
    """Folders on this machine that look like installations: named by variables, around a program on PATH, in usual places."""
    found: list[Path] = [Path(value) for name in tool.variables if (value := environment.get(name))]
    for pattern in tool.programs:
        parts = Path(pattern).parts
        for folder in environment.get("PATH", "").split(os.pathsep) if "*" not in pattern else ():
            program = Path(folder, parts[-1])
            if folder and program.is_file():
                found += [path.parents[len(parts) - 1] for path in (program, program.resolve()) if len(path.parents) >= len(parts)]
    for place in tool.usual_places:
        found += sorted(Path("/").glob(os.path.expanduser(place).lstrip("/")), reverse=True)  # noqa: PTH111 (a pattern, not a path)
    roots: dict[Path, Path] = {}
    for root in found:
        if root.is_dir() and any(_matches(tool.programs, root)):
            roots.setdefault(root.resolve(), root)
    return list(roots.values())


def _matches(patterns: tuple[str, ...], root: Path) -> Iterator[Path]:
    """Files that match, in the order of the patterns, each once."""
    seen = set()
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            if path.is_file() and path not in seen:
                seen.add(path)
                yield path


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except OSError as error:
        raise UsageError(f"cannot read a program of the toolchain: {error.strerror}", where=str(path)) from error


def _last_number(root: Path) -> str:
    """The last part of a path that looks like a version: ``2023.2`` of ``…/Vitis/2023.2``."""
    parts = [part for part in [*root.parts, *root.resolve().parts] if re.search(r"[0-9]+\.[0-9]", part)]
    return parts[-1] if parts else ""


def _nearby(tool: VendorToolchain, root: Path) -> str:
    """A hint at an installation a few folders below or above ``root``, if there is one."""
    around = [*root.glob("*"), *root.glob("*/*"), *list(root.parents)[:3]]
    for folder in sorted(around[:500]):
        if folder.is_dir() and any(_matches(tool.programs, folder)):
            return f"Did you mean --toolchain {tool.name}={folder}?"
    return ""


def licence_set(tool: VendorToolchain, environment: Mapping[str, str]) -> dict[str, str]:
    """The licence variables that are set, with their values: for the tool's own environment alone, never for a record."""
    return {name: value for name in tool.licence_variables if (value := environment.get(name))}
