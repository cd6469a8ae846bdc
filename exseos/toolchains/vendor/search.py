"""Where on this machine an installation of a vendor's toolchain may be: variables, ``PATH``, usual places, environment modules."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exseos.errors import UsageError
from exseos.toolchains.vendor.base import VendorToolchain
from exseos.toolchains.vendor.installation import ELF, MARKER, head, matches
from exseos.toolchains.vendor.modules import mentioned_paths, module_files, paths_of

_ABOVE = 4
"""How far above a program the root of its installation is at most."""
_COMMON = {"clang", "clang++", "g++", "gcc", "python3"}
_NEVER = {Path("/"), Path("/usr")}
"""Folders that no installation is mounted from."""


@dataclass(frozen=True)
class Candidate:
    """A folder that may be an installation, and what led to it: a variable's name, ``PATH``, a wrapper, a module."""

    root: Path
    origin: str


def candidates(tool: VendorToolchain, environment: Mapping[str, str], spoken_of: Iterable[Candidate] = ()) -> list[Candidate]:
    """Folders that look like installations of ``tool``, each once; ``spoken_of`` are those that modules name."""
    roots: dict[Path, Candidate] = {}
    for place in _places(tool, environment, spoken_of):
        if is_folder(place.root) and any(matches(_telling(tool), place.root)):
            roots.setdefault(place.root.resolve(), place)
    return list(roots.values())


def named_places(tool: VendorToolchain, environment: Mapping[str, str]) -> list[Candidate]:
    """Folders that should be installations of ``tool`` or of one that shares its variables, be they or not; usual places exist."""
    found = [Candidate(Path(value), name) for name in tool.variables if (value := environment.get(name))]
    for pattern in tool.usual_places:
        place = environment.get("HOME", "") + pattern[1:] if pattern.startswith("~/") else pattern
        if place.startswith("/"):
            found += [Candidate(path, "a usual place") for path in sorted(Path("/").glob(place.lstrip("/")), reverse=True)]
    return found


def folders_of_modules(tools: Sequence[VendorToolchain], environment: Mapping[str, str]) -> list[Candidate]:
    """Existing folders that module files speak of, and those above them, each once. The files are read as text, never run."""
    words = {tool.name for tool in tools} | {word for tool in tools for name in tool.variables for word in name.lower().split("_")}
    found: dict[Path, Candidate] = {}
    for module in module_files(environment, {word for word in words if len(word) > 3}):
        for place in _around(mentioned_paths(module), f"the module {module.name}"):
            found.setdefault(place.root, place)
    return [place for place in found.values() if is_folder(place.root)]


def is_folder(path: Path) -> bool:
    """Whether it is a folder that this user may reach."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_program(path: Path) -> bool:
    """Whether it is a file that this user may run."""
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except OSError:
        return False


def _places(tool: VendorToolchain, environment: Mapping[str, str], spoken_of: Iterable[Candidate]) -> Iterator[Candidate]:
    for place in named_places(tool, environment):
        yield place
        if place.origin in tool.variables:  # some vendors' variables name a folder inside of what is installed
            yield from (Candidate(folder, place.origin) for folder in list(place.root.parents)[:2] if folder not in _NEVER)
    programs = {Path(pattern).name for pattern in _telling(tool) if "*" not in pattern}
    for folder in filter(None, environment.get("PATH", "").split(os.pathsep)):
        for program in (Path(folder, name) for name in sorted(programs)):
            if is_program(program):
                for path in (program, program.resolve()):
                    yield from (Candidate(folder, "PATH") for folder in list(path.parents)[:_ABOVE] if folder not in _NEVER)
                yield from _around(paths_of(_script(program)), f"the wrapper {program}")
    yield from spoken_of


def _telling(tool: VendorToolchain) -> tuple[str, ...]:
    """The programs that only this toolchain has: compilers and interpreters that come along are found in many places."""
    return tuple(pattern for pattern in tool.programs if Path(pattern).name.rstrip("*") not in _COMMON)


def _around(paths: Iterable[Path], origin: str) -> Iterator[Candidate]:
    """Each path, the folder it is in, and those two above a ``bin`` on the way to it."""
    for path in paths:
        folders = [path, path.parent]
        for number, part in enumerate(path.parts):
            folders += [Path(*path.parts[:number]), Path(*path.parts[: number - 1])] if part == "bin" and number > 1 else []
        yield from (Candidate(folder, origin) for folder in dict.fromkeys(folders) if folder not in _NEVER)


def _script(program: Path) -> str:
    """The text of a program that is a script; empty for any other."""
    try:
        first = head(program)
    except UsageError:
        return ""
    return "" if first.startswith(ELF) or MARKER in first else first.decode("utf-8", "replace")
