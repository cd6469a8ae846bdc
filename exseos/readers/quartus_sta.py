"""Quartus' timing analyser: ``*.sta.summary`` and ``*.sta.rpt``.

Slacks are of one clock in one corner (scope ``Slow 900mV 100C Model, clk``; newer versions leave the corner out) and, for the design, of
the worst one. The worst one is given only where the report is known to be whole: from the multicorner table of a ``.rpt`` if its table
of contents has one, otherwise from summaries that end as they should.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.bounds import Found
from exseos.readers.figures import number, whole_lines
from exseos.readers.quartus_tables import Table, fields, run_time, tables, version

_HEAD = re.compile(
    r"^(?:-+\r?\n)?(?:TimeQuest )?(?:Timing Analyzer|TimeQuest) (?:report for|Summary\r?$)|^; (?:TimeQuest )?Timing Analyzer Summary +;",
    re.MULTILINE,
)
_SLACKS = {
    "Setup": "wns_ns",
    "Hold": "whs_ns",
    "Recovery": "recovery_slack_ns",
    "Removal": "removal_slack_ns",
    "Minimum Pulse Width": "pulse_width_slack_ns",
}
_TOTALS = {"Setup": "tns_ns", "Hold": "ths_ns"}
_CHECK = r"(?:(?P<corner>.{1,200}?) )?(?P<check>Setup|Hold|Recovery|Removal|Minimum Pulse Width|Fmax)"
_TYPE = re.compile(_CHECK + r" '(?P<clock>.*)")
_TITLE = re.compile(_CHECK + r" Summary")
_MULTICORNER = "Multicorner Timing Analysis Summary"


class QuartusTiming(Reader):
    """Timing after place and route."""

    name = "quartus timing"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_HEAD.search(head)) and ("Quartus" in head or re.search(r"^Slack +: ", head, re.MULTILINE) is not None)

    def read(self, text: str, file_name: str) -> Report:
        found = fields(text, ("Timing Analyzer Summary", "TimeQuest Timing Analyzer Summary"))
        numbers = _tabled(text) if re.search(r"^;", text, re.MULTILINE) else _listed(text)
        if not numbers:
            raise ReportError("no slack in this timing report", where=file_name, hint="It may be cut off, or the design has no clock.")
        return Report("quartus", version(found), found.get("Device Name") or found.get("Device", ""), (*numbers, *run_time(text)))


def _listed(text: str) -> list[Number]:
    """A ``.sta.summary``: blocks of Type, Slack and TNS, closed by a line of dashes."""
    found = Found()
    lines = [line for line in whole_lines(text) if line.strip()]
    whole = bool(lines) and set(lines[-1]) == {"-"}
    block: re.Match[str] | None = None
    slack_seen = True
    for line in lines:
        label, _, value = (part.strip() for part in line.partition(":"))
        if label == "Type":
            whole = whole and slack_seen
            block, slack_seen = _TYPE.fullmatch(value[:-1]) if value.endswith("'") else None, False
        elif label == "Slack" and slack_seen:
            block, whole = None, False
        elif label in ("Slack", "TNS"):
            slack_seen = slack_seen or label == "Slack"
            found.add(_measured(block, block["clock"] if block else "", {label: value}))
    return found.numbers + (_worst(found.numbers) if whole and slack_seen else [])


def _tabled(text: str) -> list[Number]:
    """A ``.sta.rpt``."""
    found = Found()
    closed = True
    every = tables(text)
    for table in every:
        title = _TITLE.fullmatch(table.title)
        for row in table.rows[1:] if title else ():
            cells = dict(zip(table.rows[0], row, strict=False))
            found.add(_measured(title, cells.get("Clock") or cells.get("Clock Name", ""), cells))
            closed = closed and table.closed
    found.add(_clocks(every))
    if _MULTICORNER in text:
        found.add(number for table in every if table.title == _MULTICORNER for number in _multicorner(table))
        return found.numbers
    return found.numbers + (_worst(found.numbers) if closed else [])


def _measured(about: re.Match[str] | None, clock: str, cells: dict[str, str]) -> list[Number]:
    if about is None or not clock:
        return []
    scope = ", ".join(part for part in (about["corner"], clock) if part)
    total = next((cells[label] for label in ("TNS", "End Point TNS") if label in cells), "")
    named = (
        (_SLACKS.get(about["check"]), number(cells.get("Slack", "")), "ns"),
        (_TOTALS.get(about["check"]), number(total), "ns"),
        ("fmax_mhz" if about["check"] == "Fmax" else None, number(cells.get("Fmax", "").removesuffix(" MHz")), "MHz"),
    )
    return [Number(name, value, unit, "routed", scope) for name, value, unit in named if name and value is not None]


def _clocks(every: list[Table]) -> Iterator[Number]:
    for table in every:
        for row in table.rows[1:] if table.title == "Clocks" else ():
            cells = dict(zip(table.rows[0], row, strict=False))
            period = number(cells.get("Period", ""))
            if period is not None and cells.get("Clock Name"):
                yield Number("clock_target_ns", period, "ns", "routed", cells["Clock Name"])


def _multicorner(table: Table) -> Iterator[Number]:
    for row in table.rows[1:]:
        names = {"Worst-case Slack": _SLACKS, "Design-wide TNS": _TOTALS}.get(row[0], {})
        cells = dict(zip(table.rows[0], row, strict=False))
        for check, name in names.items():
            value = number(cells.get(check, ""))
            if value is not None:
                yield Number(name, value, "ns", "routed")


def _worst(numbers: list[Number]) -> list[Number]:
    found: list[Number] = []
    for name in _SLACKS.values():
        values = [number.value for number in numbers if number.name == name]
        found += [Number(name, min(values), "ns", "routed")] if values else []
    return found


READER = QuartusTiming()
