"""Vivado ``report_timing_summary``: the one row of the Design Timing Summary, and the periods of the Clock Summary."""

from __future__ import annotations

import re

from exseos.metrics import Level
from exseos.readers.base import Reader, Report, ReportError
from exseos.readers.cells import Gathered, number
from exseos.readers.tables import complete_lines
from exseos.readers.vivado_text import facts, is_vivado, level_of, level_told, version_of

_HEADING = re.compile(r"\| ([A-Z].*)")
_COLUMNS = {
    "WNS(ns)": "wns_ns",
    "TNS(ns)": "tns_ns",
    "TNS Failing Endpoints": "tns_failing_endpoints",
    "TNS Total Endpoints": "tns_total_endpoints",
    "WHS(ns)": "whs_ns",
    "THS(ns)": "ths_ns",
    "THS Failing Endpoints": "ths_failing_endpoints",
    "THS Total Endpoints": "ths_total_endpoints",
    "WPWS(ns)": "wpws_ns",
    "TPWS(ns)": "tpws_ns",
    "TPWS Failing Endpoints": "tpws_failing_endpoints",
    "TPWS Total Endpoints": "tpws_total_endpoints",
}
_CLOCK = re.compile(r" *+(\S++) ++\{[^{}]*+\} ++([0-9.]++) ++[0-9.]++ *+", re.ASCII)


class TimingSummary(Reader):
    """The level is the design state's; without one, that of the nets in the paths, then that of the file name in the command.

    Each clock's period has its name as scope; the period of the only clock is the design's too.
    """

    name = "Vivado timing summary"

    def recognises(self, head: str, file_name: str) -> bool:
        return is_vivado(head, "report_timing_summary") or ("| Tool Version" in head and "| Design Timing Summary" in head)

    def read(self, text: str, file_name: str) -> Report:
        if not self.recognises(text, file_name):
            raise ReportError("this is no timing summary of Vivado", where=file_name)
        lines = complete_lines(text)
        found = facts(lines)
        gathered = Gathered(_level(found, text))
        clocks: list[tuple[str, float | int | None]] = []
        clocks_end = False
        heading = ""
        for place, line in enumerate(lines):
            if match := _HEADING.fullmatch(line):
                clocks_end = clocks_end or heading == "Clock Summary"
                heading = match[1].strip()
            elif heading == "Design Timing Summary" and line.strip().startswith("WNS(ns)"):
                _row(line, lines[place + 1 : place + 3], gathered)
            elif heading == "Clock Summary" and (clock := _CLOCK.fullmatch(line)):
                clocks.append((clock[1], number(clock[2])))
        for name, period in clocks:
            gathered.add("clock_target_ns", period, name)
        if len(clocks) == 1 and clocks_end:
            gathered.add("clock_target_ns", clocks[0][1])
        return Report("vivado", version_of(found), found.get("Device", ""), gathered.numbers())


def _level(found: dict[str, str], text: str) -> Level:
    state = level_of(found.get("Design State", ""))
    if state:
        return state
    nets = {match[1] for match in re.finditer(r"\(fo=[0-9]++, (routed|estimated|unplaced)\)", text)}
    if nets:
        return "routed" if nets & {"routed", "estimated"} else "synthesized"
    return level_told(found) or "synthesized"


def _row(header: str, under: list[str], gathered: Gathered) -> None:
    """Cells are apart by two blanks or more, and none is empty: what does not apply is ``NA``."""
    if len(under) < 2 or set(under[0]) > {"-", " "}:
        return
    names, cells = re.split(r"\s{2,}", header.strip()), under[1].split()
    if len(names) == len(cells):
        for name, cell in zip(names, cells, strict=True):
            gathered.add(_COLUMNS.get(name, ""), number(cell) if name in _COLUMNS else None)


READER = TimingSummary()
