"""What Quartus' reports have in common: fields of a ``.summary``, tables of a ``.rpt``, the labels of resources."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from exseos.metrics import Level
from exseos.readers.base import Number, ReportError
from exseos.readers.figures import percent, share, whole_lines

RESOURCES = {
    "Logic utilization (in ALMs)": "alm",
    "Logic utilization (ALMs needed / total ALMs on device)": "alm",
    "Total logic elements": "logic_elements",
    "Total combinational functions": "combinational_functions",
    "Combinational ALUTs": "lut",
    "Total registers": "ff",
    "Total dedicated logic registers": "ff",
    "Dedicated logic registers": "registers",
    "Total DSP Blocks": "dsp",
    "Embedded Multiplier 9-bit elements": "multiplier_9bit",
    "DSP block 18-bit elements": "dsp_18bit",
    "Total RAM Blocks": "m20k",
    "Total block memory bits": "memory_bits",
    "Total memory bits": "memory_bits",
    "Total MLAB memory bits": "mlab_bits",
    "Total pins": "pins",
    "Total PLLs": "plls",
}
"""Labels of the summaries of the fitter and of the flow. ``m20k`` counts the RAM blocks of the family."""
_ELAPSED = re.compile(r"^ *Info(?: \([0-9]+\))?: Elapsed time: (\S+)\r?$", re.MULTILINE)
_CLOCK_TIME = re.compile(r"([0-9]{1,6}):([0-5][0-9]):([0-5][0-9])", re.ASCII)


@dataclass(frozen=True)
class Table:
    """A titled table of a ``.rpt``; ``closed`` says that its last border is there."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    closed: bool


def tables(text: str) -> list[Table]:
    """Every table whose first row is a title: lines of ``+---+`` and ``; cell ; cell ;`` one after the other."""
    found: list[Table] = []
    title, border = "", False
    rows: list[tuple[str, ...]] = []
    for line in [*whole_lines(text), ""]:
        cells = tuple(cell.strip() for cell in line.strip().strip(";").split(";")) if line.startswith(";") else ()
        if title and not (line.startswith("+") or len(cells) > 1):
            found.append(Table(title, tuple(rows), border))
            title = ""
        if len(cells) == 1:
            title, rows = cells[0], []
        elif cells and title:
            rows.append(cells)
        border = line.startswith("+")
    return found


def fields(text: str, titles: Iterable[str]) -> dict[str, str]:
    """Label and value of a summary, from a ``.summary`` (``label : value``) or from the table of a ``.rpt`` with one of the titles.

    A label that comes again is ignored: the first one is about the whole design.
    """
    wanted = {title.casefold() for title in titles}
    pairs = [row for table in tables(text) if table.title.casefold() in wanted for row in table.rows if len(row) == 2]
    if not pairs:
        pairs = [(label, value) for label, colon, value in (line.partition(" : ") for line in whole_lines(text)) if colon]
    found: dict[str, str] = {}
    for label, value in pairs:
        found.setdefault(label.strip(), value.strip())
    return found


def version(found: dict[str, str]) -> str:
    """Version of ``Quartus Prime Version``, ``Quartus II 64-Bit Version`` …"""
    for label, value in found.items():
        if label.startswith("Quartus") and label.endswith("Version"):
            return value.removeprefix("Version ")
    return ""


def check_status(found: dict[str, str], label: str, where: str) -> None:
    """Raises ``ReportError`` if the step says that it did not succeed: its numbers are then about no finished design."""
    status = found.get(label, "Successful")
    if not status.startswith("Successful"):
        raise ReportError(f"{label}: {status}", where=where, hint="Quartus did not finish; see the messages of this step.")


def seconds(text: str) -> int | None:
    """``00:07:44`` is 464."""
    found = _CLOCK_TIME.fullmatch(text.strip())
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) if found else None


def run_time(text: str) -> list[Number]:
    """How long the step ran, of the one message that says so; none where several do."""
    found = [seconds(cell) for cell in _ELAPSED.findall(text)]
    return [Number("tool_run_time_s", found[0], "s", "routed")] if len(found) == 1 and found[0] is not None else []


def counted(found: dict[str, str], names: dict[str, str], level: Level = "routed") -> list[Number]:
    """The labels that ``names`` knows, with what is available where the report says so."""
    numbers: list[Number] = []
    for label, value in found.items():
        name = names.get(label)
        if name is None or any(number.name == name for number in numbers):
            continue
        used, available = share(value)
        numbers += [Number(n, v, "count", level) for n, v in ((name, used), (f"{name}_available", available)) if v is not None]
        part = percent(value)
        numbers += [Number(f"{name}_utilization_percent", part, "percent", level)] if part is not None else []
    return numbers
