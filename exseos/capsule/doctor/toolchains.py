"""The toolchains: the open one, and every installation of a vendor's that is on this machine or was named."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from exseos.capsule.doctor.findings import SECONDS, Finding, failed, together
from exseos.capsule.doctor.licences import licences
from exseos.errors import ExseosError
from exseos.toolchains.base import find, names
from exseos.toolchains.vendor.base import VendorToolchain
from exseos.toolchains.vendor.installation import Installation, installation, vendor_toolchains
from exseos.toolchains.vendor.search import Candidate, candidates, folders_of_modules, is_folder, named_places

_QUERY_SECONDS = 20.0
"""Less than a check may take: a tool that hangs is told as such."""
_MOST = 20
"""Candidates of one toolchain that are asked for their version."""
_GIVEN = "--toolchain"


@dataclass(frozen=True)
class Toolchains:
    """What was found, and the installations that can be used."""

    findings: list[Finding]
    installations: list[Installation]
    given: Mapping[str, Installation]
    """Those of them that the user named, by toolchain."""


def flag(there: Installation) -> str:
    """The option that mounts an installation."""
    return f"--toolchain {there.toolchain.name}={shlex.quote(str(there.root))}"


def examine_toolchains(given: Mapping[str, Path], environment: Mapping[str, str], seconds: float = SECONDS) -> Toolchains:
    """Every toolchain; ``given`` are the folders that the user named, and a wrong one of these is a problem."""
    tools = vendor_toolchains()
    inside = [name for name in names() if name not in {tool.name for tool in tools}]
    found = [Finding("toolchains", name, "ok", _inside(name)) for name in inside]
    spoken_of = together({"modules": lambda: folders_of_modules(tools, environment)}, seconds)["modules"]
    if isinstance(spoken_of, ExseosError):
        found.append(failed("toolchains", "modules", "note", spoken_of))
        spoken_of = []
    searched = together({tool.name: partial(candidates, tool, environment, spoken_of) for tool in tools}, seconds)
    places = {name: [Candidate(_expanded(root), _GIVEN)] for name, root in given.items()}
    for tool in tools:
        result = searched[tool.name]
        mine = places.setdefault(tool.name, [])
        if isinstance(result, ExseosError):
            found.append(failed("toolchains", tool.name, "note", result))
            continue
        new = [one for one in result if one.root.resolve() not in {place.root.resolve() for place in mine}]
        mine += new[:_MOST]
        if len(new) > _MOST:
            text = f"{len(new)} folders look like {tool.title}; the first {_MOST} were looked at"
            found.append(Finding("toolchains", tool.name, "note", text, f"Name another with --toolchain {tool.name}=DIR."))
    asked = together({(name, place): partial(_asked, name, place) for name, them in places.items() for place in them}, seconds)
    there = []
    for tool in tools:
        results = [(place, asked[tool.name, place]) for place in places[tool.name]]
        there += [result for _, result in results if isinstance(result, Installation)]
        found += [_finding(tool, place, result) for place, result in results]
    found += _unusable(tools, environment, {place.root.resolve() for them in places.values() for place in them}, there)
    if absent := [tool.title for tool in tools if not any(one.toolchain.name == tool.name for one in there)]:
        text = f"not found: {', '.join(absent)}"
        found.append(Finding("toolchains", "others", "ok", text, "Name the folder of one that is here with --toolchain NAME=DIR."))
    named = {name: one for (name, place), one in asked.items() if place.origin == _GIVEN and isinstance(one, Installation)}
    return Toolchains([*found, *licences(tools, environment)], there, named)


def _expanded(root: Path) -> Path:
    try:
        return root.expanduser().absolute()
    except RuntimeError:  # of a user who is not there: the installation will be told as absent
        return root.absolute()


def _inside(name: str) -> str:
    exact = "the same bytes in every run" if find(name).exact else "recorded as evidence"
    return f"inside the image, nothing to install; {exact}"


def _asked(name: str, place: Candidate) -> Installation:
    return installation(name, place.root, _QUERY_SECONDS)


def _finding(tool: VendorToolchain, place: Candidate, result: Installation | ExseosError) -> Finding:
    given = place.origin == _GIVEN
    if isinstance(result, ExseosError):
        text = f"{place.root} ({place.origin}) is not usable as {tool.title}: {result.what}"
        return Finding("toolchains", tool.name, "problem" if given else "note", text, result.hint or "")
    text = f"{result} in {result.root} ({place.origin})"
    if result.doubt:
        return Finding(
            "toolchains", tool.name, "note", f"{text}; the version is that of the path: {result.doubt}", f"Use it: `{flag(result)}`"
        )
    return Finding("toolchains", tool.name, "note" if result.stand_in else "ok", text, "" if given else f"Use it: `{flag(result)}`")


def _unusable(
    tools: Sequence[VendorToolchain], environment: Mapping[str, str], told: set[Path], usable: Sequence[Installation]
) -> Iterator[Finding]:
    """Folders that variables name or that stand in usual places, and that no toolchain takes: each once, ``told`` ones not again."""
    inside = {one.root.resolve() for one in usable}
    named = {tool.name: named_places(tool, environment) for tool in tools}
    for tool in tools:
        for place in named[tool.name]:
            root = place.root.resolve()
            # some vendors' variables name a folder inside of what is installed
            if root in told or inside & set(list(root.parents)[:2]):
                continue
            told.add(root)
            readers = [one for one in tools if any(root == other.root.resolve() for other in named[one.name])]
            if is_folder(place.root):
                text = f"{place.root} ({place.origin}) is no installation of {' or '.join(one.title for one in readers)}"
                text += f": it has no {' or '.join(dict.fromkeys(one.programs[0] for one in readers))}"
                hint = "It may be incomplete, or of another edition: name another folder with --toolchain."
            else:
                text, hint = f"{place.origin} names {place.root}, where there is no folder", f"Correct or unset {place.origin}."
            yield Finding("toolchains", tool.name, "note", text, hint)
