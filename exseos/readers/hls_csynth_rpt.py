"""Vivado HLS and Vitis HLS ``*_csynth.rpt``: the estimates of one module, which is the design in a top module's report.

Read are the summary tables of Timing, Latency and Utilization Estimates only, never those of instances, loops or registers.
"""

from __future__ import annotations

import re

from exseos.readers.base import Reader, Report, ReportError
from exseos.readers.cells import Gathered, nanoseconds, number
from exseos.readers.hls_text import Place, facts, placed
from exseos.readers.tables import Table, complete_lines, key

_TITLE = re.compile(r"^== (Vivado|Vitis) HLS Report for '", re.MULTILINE)
_RESOURCES = {"bram_18k": "bram_18k", "ff": "ff", "lut": "lut", "uram": "uram"}
_LATENCY = re.compile(r"(latency|interval|pipeline)")
_TOTALS = {"total": "", "available": "_available", "utilization(%)": "_utilization_percent"}


class CsynthText(Reader):
    """Levels are ``estimated``."""

    name = "HLS module report"

    def recognises(self, head: str, file_name: str) -> bool:
        return _TITLE.search(head) is not None

    def read(self, text: str, file_name: str) -> Report:
        title = _TITLE.search(text)
        if title is None:
            raise ReportError("this is no report of an HLS module", where=file_name)
        lines = complete_lines(text)
        version, device = facts(lines)
        gathered = Gathered("estimated")
        seen: set[Place] = set()
        for place, block in placed(lines):
            if isinstance(block, Table) and place.item == "Summary:" and place not in seen:
                seen.add(place)
                _summary(place, block, gathered)
        return Report("vivado_hls" if title[1] == "Vivado" else "vitis_hls", version, device, gathered.numbers())


def _summary(place: Place, table: Table, gathered: Gathered) -> None:
    if place.section == "Performance Estimates" and place.part.startswith("Timing"):
        unit = re.search(r"\((\w+)\)", place.part)
        _timing(table, unit[1] if unit else "", gathered)
    elif place.section == "Performance Estimates" and place.part.startswith("Latency"):
        _latency(table, gathered)
    elif place.section == "Utilization Estimates" and not place.part:
        _utilization(table, gathered)


def _timing(table: Table, unit: str, gathered: Gathered) -> None:
    """The first clock; with several, each under its name too."""
    clocks = [record for record in table.records() if "clock" in record]
    for clock in clocks:
        for scope in ("design", clock["clock"].strip()) if len(clocks) > 1 else ("design",):
            gathered.add("clock_target_ns", nanoseconds(clock.get("target"), unit), scope)
            gathered.add("clock_estimated_ns", nanoseconds(clock.get("estimated"), unit), scope)
            gathered.add("clock_uncertainty_ns", nanoseconds(clock.get("uncertainty"), unit), scope)


def _latency(table: Table, gathered: Gathered) -> None:
    records = table.records()
    if len(records) != 1 or not all(_LATENCY.match(name) for name in table.columns()):
        return
    record = records[0]
    for end in ("min", "max"):
        gathered.add(f"latency_{end}_cycles", number(record.get(f"latency(cycles){end}") or record.get(f"latency{end}")))
        gathered.add(f"latency_{end}_ns", nanoseconds(record.get(f"latency(absolute){end}")))
        gathered.add(f"interval_{end}", number(record.get(f"interval{end}")))


def _utilization(table: Table, gathered: Gathered) -> None:
    names = table.columns()
    if not names or names[0] != "name" or not all(name in _RESOURCES or name.startswith("dsp") for name in names[1:]):
        return
    for record in table.records():
        suffix = _TOTALS.get(key(record["name"]))
        if suffix is not None:
            for name, cell in record.items():
                metric = "dsp" if name.startswith("dsp") else _RESOURCES.get(name)
                if metric:
                    gathered.add(metric + suffix, number(cell))


READER = CsynthText()
