"""Telling a missing licence from every other failure of a tool, by what its log says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from exseos.toolchains.vendor.base import VendorToolchain

NETWORK = "EXSEOS_NETWORK"
"""Variable of a worker that has the host's network: ``host``; it is not set otherwise."""
_LICENCE = re.compile(
    r"""FLEX(?:net|lm)\ (?:\w+\ )?error
    | Common\ 17-345 | valid\ licen[cs]e\ was\ not\ found
    | (?:can(?:no|')t|could\ not|unable\ to|fail(?:ed|ure)\ to)\ (?:check\s?out|obtain|acquire|get|find|connect\ to)
      \ [^\n/]{0,60}\blicen[cs]e\b(?!\.\w|/)  # no word of a path
    | licen[cs]e\ check(?:\s?out)?\ fail | licen[cs]e\ check\s?out\ [^\n]{0,40}fail | invalid\ licen[cs]e\ environment
    | can't\ find\ valid\ feature\ line | licen[cs]e\ (?:file|server)\ does\ not\ (?:support|contain) | no\ such\ feature\ exists
    | no\ (?:valid\ )?(?:\w+\ )?licen[cs]e\ (?:was\ )?(?:found|available|for\b)
    | licen[cs]e\ server\ (?:is\ down|machine\ is\ down|does\ not\ respond)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_HARMLESS = re.compile(r"\W*(?:critical\ )?(?:warning|info|note)\b", re.IGNORECASE)
"""A tool that goes on with another licence says so: what it fails of later is something else."""
_LAST_BYTES = 1 << 20
_SHORTEST = 4
"""Parts of values that are shorter stand for themselves: replacing them would garble every text."""


def licence_line(log: Path) -> str:
    """The last line of a log that tells of a missing licence; empty if none does."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _LAST_BYTES))
        lines = stream.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if _LICENCE.search(line) and not _HARMLESS.match(line)), "")


def licence_hint(toolchain: VendorToolchain) -> str:
    """What to do about it, given the variables and the network that this worker has."""
    names = " or ".join(toolchain.licence_variables)
    if not names:
        return f"{toolchain.title} asks for a licence: see its own documentation."
    there = [name for name in toolchain.licence_variables if os.environ.get(name)]
    if not there:
        return f"Set {names} where you call exseos: the tool gets its value, no record does."
    if os.environ.get(NETWORK) != "host":
        return (
            f"{' and '.join(there)} is set, but the tool has no network: a licence server or one bound to this machine's network card "
            f"cannot be used. Allow it with --allow-network-for {toolchain.name}; the verdict will say so."
        )
    return f"The tool had the host's network and {' and '.join(there)}: does that server answer, and does it have the feature free?"


def secrets(tools: Sequence[VendorToolchain], environment: Mapping[str, str]) -> dict[str, str]:
    """Values, and parts of values, of licence variables → the variable's name: what a tool may say and nobody should read here."""
    found = {}
    for variable in sorted({variable for tool in tools for variable in tool.licence_variables}):
        value = environment.get(variable, "")
        for part in (value, *re.split(r"[:,;]", value), *re.findall(r"@([^@:,;]+)", value)):
            if len(part) >= _SHORTEST:
                found[part] = variable
    return found


def redacted(text: str, hidden: Mapping[str, str]) -> str:
    """``text`` with each value of ``hidden`` replaced by the name of its variable, the longest first."""
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, f"${hidden[value]}")
    return text


def licence_set(tool: VendorToolchain, environment: Mapping[str, str]) -> dict[str, str]:
    """The licence variables that are set, with their values: for the tool's own environment alone, never for a record."""
    return {name: value for name in tool.licence_variables if (value := environment.get(name))}
