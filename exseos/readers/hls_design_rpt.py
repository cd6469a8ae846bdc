"""Vitis HLS ``csynth.rpt``: the estimates of the whole design, a row for each module.

Read is the table of Performance & Resource Estimates. Its latency is the worst case, and its slack has the wrong sign in 2020.2.
"""

from __future__ import annotations

import re

from exseos.readers.base import Reader, Report, ReportError
from exseos.readers.bounds import Nesting
from exseos.readers.cells import Gathered, number
from exseos.readers.hls_text import facts, placed
from exseos.readers.tables import Table, complete_lines

_TITLE = re.compile(r"^== Synthesis Summary Report of '", re.MULTILINE)
_COLUMNS = {
    "latency(cycles)": "latency_max_cycles",
    "latency(ns)": "latency_max_ns",
    "interval": "interval_max",
    "bram": "bram_18k",
    "dsp": "dsp",
    "ff": "ff",
    "lut": "lut",
    "uram": "uram",
}
_ROW = re.compile(r" *([+o]) (.*)")


class DesignSummary(Reader):
    """Levels are ``estimated``; modules under the top one have their path as scope, in which loops are left out."""

    name = "HLS design report"

    def recognises(self, head: str, file_name: str) -> bool:
        return _TITLE.search(head) is not None

    def read(self, text: str, file_name: str) -> Report:
        if not self.recognises(text, file_name):
            raise ReportError("this is no synthesis summary of HLS", where=file_name)
        lines = complete_lines(text)
        version, device = facts(lines)
        gathered = Gathered("estimated")
        for place, block in placed(lines):
            if isinstance(block, Table) and place.part.startswith("Performance & Resource Estimates"):
                _modules(block, version, gathered)
                break
        return Report("vitis_hls", version, device, gathered.numbers())


def _modules(table: Table, version: str, gathered: Gathered) -> None:
    if "modules&loops" not in table.columns():
        return
    nesting = Nesting()
    for place, record in enumerate(table.records()):
        label = record["modules&loops"]
        found = _ROW.fullmatch(label)
        depth = len(label) - len(label.lstrip())
        if found is None or (depth == 0 and place > 0):
            continue
        path = nesting.path(depth, found[2].strip().rstrip("*") if found[1] == "+" else "")
        scope = path if depth else "design"
        if found[1] == "o":
            continue
        for column, name in _COLUMNS.items():
            gathered.add(name, number(record.get(column)), scope)
        gathered.add("slack_ns", _slack(number(record.get("slack")), version), scope)


def _slack(value: float | int | None, version: str) -> float | int | None:
    """Unknown where the version is: 2020.2 wrote the negative of it."""
    if value is None or not version:
        return None
    return -value if version.startswith("2020.2") and value else value


READER = DesignSummary()
