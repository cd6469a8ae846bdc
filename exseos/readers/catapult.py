"""Catapult's ``cycle.rpt`` and ``rtl.rpt``. What the report calls throughput is the initiation interval, in cycles.

Latency and interval are of each process and, from the row ``Design Total``, of the design; area from ``TOTAL AREA`` of the bill of
materials; the estimated clock from the critical path of the timing report. A latency of -1 is one that Catapult does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.bounds import MOST_CELLS, MOST_COLUMNS, few
from exseos.readers.figures import number, whole_lines

_VERSION = re.compile(r"^-- Version: +(\S+)", re.MULTILINE)
_RULE = re.compile(r" *+-++(?: ++-++)*+ *+")
_AREA = {"Area Score": "area_score", "Area(LUTs)": "lut", "Area(FFs)": "ff", "Area(DSP)": "dsp", "Area(MUX_CARRYs)": "carry"}
_PATH = {"Max Delay": "clock_estimated_ns", "Slack": "slack_ns"}


class Catapult(Reader):
    """Cycles, clock and area as Catapult estimates them."""

    name = "catapult"

    def recognises(self, head: str, file_name: str) -> bool:
        return any("Synthesis: Report" in line.partition("-- Catapult ")[2] for line in head[:4096].split("\n"))

    def read(self, text: str, file_name: str) -> Report:
        lines = whole_lines(text)
        numbers = few(chain(_cycles(lines), _clocks(lines), _area(lines), _critical_path(lines)))
        if not numbers:
            raise ReportError("neither cycles nor area nor timing", where=file_name, hint="The report may be cut off; write it again.")
        version = _VERSION.search(text)
        return Report("catapult", version[1] if version else "", "", tuple(numbers))


def _rows(lines: list[str], title: str) -> Iterator[dict[str, str]]:
    """Rows of the table after ``title``, by header; the dashes under the header say where each column is."""
    starts = [index for index, line in enumerate(lines) if line.strip() == title]
    if not starts or starts[0] + 2 >= len(lines) or not _RULE.fullmatch(lines[starts[0] + 2]):
        return
    spans = [match.span() for match in re.finditer("-+", lines[starts[0] + 2])]
    if len(spans) > MOST_COLUMNS:
        raise ReportError(f"a table of more than {MOST_COLUMNS} columns")
    header = [lines[starts[0] + 1][start:end].strip() for start, end in spans]
    cells = 0
    for line in lines[starts[0] + 3 :]:
        if not line.startswith("    "):
            return
        cells += len(spans)
        if cells > MOST_CELLS:
            raise ReportError(f"more than {MOST_CELLS:,} cells of tables")
        yield dict(zip(header, [line[start:end].strip() for start, end in spans], strict=True))


def _cycles(lines: list[str]) -> Iterator[Number]:
    for row in _rows(lines, "Processes/Blocks in Design"):
        scope = "design" if row.get("Process") == "Design Total:" else row.get("Process", "")
        latency, interval = number(row.get("Latency", "")), number(row.get("Throughput", ""))
        for name, value in (
            ("latency_min_cycles", latency),
            ("latency_max_cycles", latency),
            ("interval_min", interval),
            ("interval_max", interval),
        ):
            if scope and value is not None and value >= 0:
                yield Number(name, value, "cycles", "estimated", scope)


def _clocks(lines: list[str]) -> Iterator[Number]:
    """The period of a clock; that of the design if all clocks have the same."""
    periods = {row.get("Clock Signal", ""): number(row.get("Period", "")) for row in _rows(lines, "Clock Information")}
    known = {clock: period for clock, period in periods.items() if clock and period is not None}
    for clock, period in known.items():
        yield Number("clock_target_ns", period, "ns", "estimated", clock)
    if len(set(known.values())) == 1:
        yield Number("clock_target_ns", next(iter(known.values())), "ns", "estimated")


def _area(lines: list[str]) -> Iterator[Number]:
    for row in _rows(lines, "Bill Of Materials (Datapath)"):
        if row.get("Component Name", "").startswith("TOTAL AREA"):
            for column, name in _AREA.items():
                value = number(row.get(column, ""))
                if value is not None:
                    yield Number(name, value, "1" if name == "area_score" else "count", "estimated")


def _critical_path(lines: list[str]) -> Iterator[Number]:
    titles = [index for index, line in enumerate(lines) if line.strip() == "Timing Report"]
    if not titles or [line.strip() for line in lines[titles[0] + 1 : titles[0] + 2]] != ["Critical Path"]:
        return
    for line in lines[titles[0] + 2 : titles[0] + 4]:
        label, _, text = (part.strip() for part in line.partition(":"))
        value = number(text)
        if label in _PATH and value is not None:
            yield Number(_PATH[label], value, "ns", "estimated")


READER = Catapult()
