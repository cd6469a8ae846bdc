"""What the text reports of Vivado share: the block of facts on top, and numbered headings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from exseos.metrics import Level
from exseos.readers.tables import Table, blocks

_FACT = re.compile(r"\| (Tool Version|Command|Device|Design State) *: (.*)")
_HEADING = re.compile(r"[0-9]++(?:\.[0-9]++)*+\.? (\S.*+)")


def facts(lines: list[str]) -> dict[str, str]:
    """Facts of the top block by their name, as far as they are there."""
    return {match[1]: match[2].strip() for line in reversed(lines[:40]) if (match := _FACT.fullmatch(line))}


def version_of(found: dict[str, str]) -> str:
    """``2019.2.1`` of ``Vivado v.2019.2.1 (lin64) Build …``."""
    match = re.match(r"Vivado v\.?([0-9][^\s]*)", found.get("Tool Version", ""))
    return match[1] if match else ""


def level_of(state: str) -> Level | None:
    """Placed and routed are one level; a design state that tells nothing is None."""
    state = state.lower()
    if "rout" in state or ("placed" in state and "unplaced" not in state) or "physopt" in state:
        return "routed"
    return "synthesized" if "synth" in state or "optimized" in state or "elaborated" in state else None


def level_told(found: dict[str, str]) -> Level | None:
    """The level of the design state; without one, that of the file name in the command."""
    file = re.search(r"-file (\S+)", found.get("Command", ""))
    return level_of(found.get("Design State", "")) or level_of(file[1] if file else "")


def is_vivado(head: str, command: str) -> bool:
    """Whether the top block names Vivado and the ``command`` that wrote the report."""
    return "| Tool Version" in head and re.search(rf"^\| Command +: {command}\b", head, re.MULTILINE) is not None


def headed(lines: list[str]) -> Iterator[tuple[str, Table]]:
    """Every table with the title of the numbered heading over it."""
    heading = ""
    for block in blocks(lines):
        if isinstance(block, Table):
            yield heading, block
        elif match := _HEADING.fullmatch(block):
            heading = match[1].strip()
