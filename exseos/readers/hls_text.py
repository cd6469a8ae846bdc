"""What the text reports of Vivado HLS and Vitis HLS share: the block on top, and headings of three kinds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from exseos.readers.tables import Table, blocks

_FACT = re.compile(r"\s*\* (Version|Target device):\s+(\S+)")


@dataclass(frozen=True)
class Place:
    """The headings over a table: ``== section``, ``+ part:`` and ``* item:``; empty where there is none."""

    section: str = ""
    part: str = ""
    item: str = ""


def facts(lines: list[str]) -> tuple[str, str]:
    """Version and device as the first lines tell them, empty if they do not."""
    found: dict[str, str] = {match[1]: match[2] for line in reversed(lines[:40]) if (match := _FACT.match(line))}
    return found.get("Version", ""), found.get("Target device", "")


def placed(lines: list[str]) -> Iterator[tuple[Place, str | Table]]:
    """Every line and table with the headings over it."""
    place = Place()
    for block in blocks(lines):
        if isinstance(block, str):
            text = block.strip()
            if text.startswith("=="):
                place = Place(text.strip("= ")) if text.strip("=") else place
            elif text.startswith("+ "):
                place = Place(place.section, text[2:])
            elif text.startswith("* "):
                place = Place(place.section, place.part, text[2:])
        yield place, block
