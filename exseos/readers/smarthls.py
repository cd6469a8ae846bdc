"""SmartHLS: ``summary.hls.*.rpt`` (static runtime estimate) and ``summary.results.rpt`` (co-simulation, timing and resources).

``a / b cycles`` are the least and the most. The co-simulated latency is the sum over all calls, but in newer versions, which have a
table of calls, that of one call. The design's latency in the static estimate is that of the function that the file is named after, or
of the only function that was scheduled. LegUp is the same tool before it was renamed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from exseos.metrics import Level
from exseos.readers.base import Number, Reader, Report
from exseos.readers.bounds import few
from exseos.readers.figures import number, whole_lines
from exseos.readers.legup import fitted, testbench

_HEAD = re.compile(r"(?:Smart|LegUp) High-Level Synthesis Tool|Summary Report for RTL Simulation and FPGA Synthesis")
_VERSION = re.compile(r"^// (?:Smart|LegUp) High-Level Synthesis Tool Version (\S+)", re.MULTILINE)
_LEGUP = re.compile(r"LegUp High-Level Synthesis|^LegUp-generated|^FPGA Vendor: (?!MICRO)", re.MULTILINE)
_RULER = "======"
_FUNCTION = re.compile(r"\| Function: (\S+?)(?: takes ([\d,]++(?: ?/ ?[\d,]++)?+) cycles)?+(?: \(.*\))? *+\|")
_FILE = re.compile(r"summary\.hls\.(.+)\.rpt")
_TIMING = {
    "Target Period": ("clock_target_ns", " ns"),
    "Period": ("clock_estimated_ns", " ns"),
    "Worst Slack": ("wns_ns", " ns"),
    "Fmax": ("fmax_mhz", " MHz"),
}
_RESOURCES = {
    "Fabric + Interface 4LUT": "lut",
    "Fabric + Interface DFF": "ff",
    "Math": "dsp",
    "LSRAM": "lsram",
    "uSRAM": "usram",
    "User I/O": "io",
}
_CALLS = {
    "Call Latency (min/max/avg)": ("latency_min_cycles", "latency_max_cycles", "latency_average_cycles"),
    "Call II (min/max/avg)": ("interval_min", "interval_max", "interval_average"),
}


class SmartHLS(Reader):
    """Microchip's SmartHLS, and LegUp."""

    name = "smarthls"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_HEAD.search(head[:4096]))

    def read(self, text: str, file_name: str) -> Report:
        sections = _sections(whole_lines(text))
        simulation = sections.get("Simulation Result", []) + sections.get("Simulation Cycle Latency", [])
        timing, usage = sections.get("Timing Result", []), sections.get("Resource Usage", [])
        early = chain(_static(sections, file_name), _simulated(simulation), testbench(simulation))
        numbers = few(chain(early, _timing(timing), _resources(usage), fitted(timing, usage)))
        version = _VERSION.search(text)
        device = next((line.removeprefix("Device: ") for line in sections[""] if line.startswith("Device: ")), "")
        return Report("legup" if _LEGUP.search(text) else "smarthls", version[1] if version else "", device, tuple(numbers))


def _sections(lines: list[str]) -> dict[str, list[str]]:
    """Lines by the title of their section, the ones before the first under an empty title."""
    found: dict[str, list[str]] = {"": []}
    title = ""
    for line in lines:
        title = _title(line.strip()) or title
        found.setdefault(title, []).append(line.strip())
    return found


def _title(line: str) -> str:
    """``Resource Usage`` of ``====== 4. Resource Usage of HLS-generated IP Core (a) ======``; empty for a line that is no heading."""
    if not (line.startswith(f"{_RULER} ") and line.endswith(f" {_RULER}")):
        return ""
    place, dot, title = line[len(_RULER) + 1 : -len(_RULER) - 1].partition(". ")
    if not (dot and place.isdecimal()):
        return ""
    return (title.partition(" (")[0] if title.endswith(")") else title).removesuffix(" of HLS-generated IP Core")


def _cycles(text: str, level: Level, scope: str) -> list[Number]:
    values = [number(part) for part in text.split("/")]
    if len(values) > 2 or None in values:
        return []
    named = (("latency_min_cycles", values[0]), ("latency_max_cycles", values[-1]))
    return [Number(name, value, "cycles", level, scope) for name, value in named if value is not None]


def _static(sections: dict[str, list[str]], file_name: str) -> Iterator[Number]:
    scheduled = [match[1] for line in sections.get("Scheduling Result", []) if (match := _FUNCTION.fullmatch(line))]
    named = _FILE.fullmatch(file_name.rpartition("/")[2])
    top = named[1] if named else scheduled[0] if len(scheduled) == 1 else None
    timed = [match for line in sections.get("Static Runtime Estimate", []) if (match := _FUNCTION.fullmatch(line)) and match[2]]
    for match in timed:
        yield from _cycles(match[2], "estimated", match[1])
        if match[1] == top:
            yield from _cycles(match[2], "estimated", "design")


def _simulated(lines: list[str]) -> Iterator[Number]:
    found = dict(line.split(": ", 1) for line in lines if ": " in line)
    if found.get("SW/HW co-simulation", "PASS") != "PASS":
        return
    calls = number(found.get("Number of calls", ""))
    if calls is not None:
        yield Number("calls", calls, "count", "cosimulated")
    yield from _cycles(found.get("Cycle latency", "").removesuffix(" cycles"), "cosimulated", "design")
    total = number(found.get("Simulation time (cycles)", ""))
    if total is not None:
        yield Number("execution_cycles", total, "cycles", "cosimulated")
    rows = _table(lines)
    for row in rows:
        yield from _calls(row, "design" if len(rows) == 1 else row.get("Top-Level Name", ""))


def _calls(row: dict[str, str], scope: str) -> Iterator[Number]:
    """A row of the table of calls; each cell of three is least, most and average."""
    calls = number(row.get("Number of calls", ""))
    if calls is not None and scope:
        yield Number("calls", calls, "count", "cosimulated", scope)
    for column, names in _CALLS.items():
        cells = row.get(column, "").split("/")
        for name, value in zip(names, map(number, cells), strict=False) if len(cells) == len(names) else ():
            if value is not None and scope:
                yield Number(name, value, "cycles", "cosimulated", scope)


def _table(lines: list[str]) -> list[dict[str, str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|") and line.endswith("|")]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:] if len(row) == len(rows[0])]


def _timing(lines: list[str]) -> Iterator[Number]:
    rows = _table(lines)
    for row in rows:
        scope = "design" if len(rows) == 1 else row.get("Clock Domain", "")
        for column, (name, unit) in _TIMING.items():
            value = number(row.get(column, "").removesuffix(unit))
            if value is not None and scope:
                yield Number(name, value, unit.strip(), "routed", scope)


def _resources(lines: list[str]) -> Iterator[Number]:
    for row in _table(lines):
        name = _RESOURCES.get(row.get("Resource Type", "").rstrip("*"))
        for value, suffix in ((_used(row.get("Used", "")), ""), (number(row.get("Total", "")), "_available")):
            if name and value is not None:
                yield Number(f"{name}{suffix}", value, "count", "routed")


def _used(text: str) -> int | float | None:
    """``153 + 216 = 369``: fabric, interface and both; older versions leave the addition to the reader."""
    values = [number(part) for part in text.rpartition("=")[2].split("+")]
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


READER = SmartHLS()
