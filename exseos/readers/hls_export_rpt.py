"""Vivado HLS and Vitis HLS ``export_syn.rpt``, ``export_impl.rpt`` and the older ``*_export.rpt``: what Vivado made of the exported RTL.

Read are the resource summary, the timing summary and the table of instances, whose paths are scopes. Block RAM is counted in 18 Kb
halves.
"""

from __future__ import annotations

import re

from exseos.metrics import Level
from exseos.readers.base import Reader, Report, ReportError
from exseos.readers.bounds import Nesting
from exseos.readers.cells import Gathered, nanoseconds, number
from exseos.readers.hls_text import facts, placed
from exseos.readers.tables import Table, complete_lines, key

_TITLE = re.compile(r"^== Vivado (RTL Synthesis|Place & Route) Results", re.MULTILINE)
_OLD_TITLE = re.compile(r"^#=== Post-(Synthesis|Implementation) Resource usage ===", re.MULTILINE)
_COLUMNS = {"lut": "lut", "ff": "ff", "dsp": "dsp", "bram": "bram_18k", "uram": "uram", "srl": "srl"}
_RESOURCE = re.compile(r"(LUT|FF|DSP|BRAM|URAM|SRL|LATCH|CLB|SLICE):\s++([0-9]++)\s*+", re.ASCII)
# Old versions wrote "implemetation".
_PERIOD = re.compile(r"CP (required|achieved post-synthesis|achieved post-impleme(?:n)?tation):\s++([0-9.]++)\s*+", re.ASCII)
_OLD_FACT = re.compile(r"^(Implementation tool|Device target): +(?:Xilinx Vivado )?(\S+) *$", re.MULTILINE)
_SUMMARY = re.compile(r"(?:RTL Synthesis|Place & Route) (Resource Summary|Timing Summary|Resources)")


class ExportText(Reader):
    """Levels are ``synthesized`` or ``routed``, as the title says."""

    name = "HLS export report"

    def recognises(self, head: str, file_name: str) -> bool:
        return _TITLE.search(head) is not None or _OLD_TITLE.search(head) is not None

    def read(self, text: str, file_name: str) -> Report:
        lines = complete_lines(text)
        whole = "\n".join(lines)
        if title := _TITLE.search(whole):
            return _new(lines, routed=title[1] != "RTL Synthesis")
        if old := _OLD_TITLE.search(whole):
            return _old(lines, whole, routed=old[1] == "Implementation")
        raise ReportError("this is no report of an export", where=file_name)


def _new(lines: list[str], *, routed: bool) -> Report:
    gathered = Gathered("routed" if routed else "synthesized")
    for place, block in placed(lines):
        summary = _SUMMARY.fullmatch(place.section)
        if summary and summary[1] == "Resource Summary" and isinstance(block, str):
            _resource(block, gathered)
        elif summary and summary[1] == "Timing Summary" and isinstance(block, Table):
            _periods(block, gathered, routed)
        elif summary and summary[1] == "Resources" and isinstance(block, Table):
            _instances(block, gathered)
    version, device = facts(lines)
    return Report("vitis_hls", version, device, gathered.numbers())


def _old(lines: list[str], whole: str, *, routed: bool) -> Report:
    gathered = Gathered("routed" if routed else "synthesized")
    section = ""
    for line in lines:
        section = line if line.startswith("#===") else section
        period = _PERIOD.fullmatch(line)
        if "Resource usage" in section:
            _resource(line, gathered)
        elif "timing" in section and period:
            _period(period[1], period[2], gathered, routed)
    facts = dict(_OLD_FACT.findall(whole))
    version = facts.get("Implementation tool", "")
    return Report("vitis_hls" if version[2:8] >= "2020.2" else "vivado_hls", version, facts.get("Device target", ""), gathered.numbers())


def _resource(line: str, gathered: Gathered) -> None:
    """Synthesis places nothing: its 0 slices are unknown."""
    if (found := _RESOURCE.fullmatch(line)) and (found[1] not in ("CLB", "SLICE") or found[2] != "0"):
        gathered.add("bram_18k" if found[1] == "BRAM" else found[1].lower(), number(found[2]))


def _instances(table: Table, gathered: Gathered) -> None:
    """Instances under the top one, indented by two blanks a level; ``(name)`` is what an instance has beside its children."""
    nesting = Nesting()
    for record in table.records() if table.columns()[:1] == ["name"] else ():
        label = record["name"].removeprefix(" ")
        depth, name = (len(label) - len(label.lstrip())) // 2, label.strip()
        if name.startswith("("):
            continue
        path = nesting.path(depth, name)
        for column, metric in _COLUMNS.items() if depth else ():
            gathered.add(metric, number(record.get(column)), path)


def _periods(table: Table, gathered: Gathered, routed: bool) -> None:
    if table.columns()[:1] != ["timing"]:
        return
    unit = re.search(r"\((\w+)\)", table.titles[-1])
    for row in table.rows:
        value = nanoseconds(row[-1], unit[1] if unit else "")
        _period(key(row[0]), str(value) if value is not None else "", gathered, routed)


def _period(label: str, cell: str, gathered: Gathered, routed: bool) -> None:
    """``clock_estimated_ns`` is the period achieved after the last step; with routing, after synthesis at that level too."""
    step = label.replace(" ", "").removeprefix("achieved")
    if step in ("target", "required"):
        gathered.add("clock_target_ns", nanoseconds(cell, "ns"))
    elif step in ("post-synthesis", "post-route", "post-implementation", "post-implemetation"):
        before: Level = "synthesized" if step == "post-synthesis" else "routed"
        gathered.add("clock_estimated_ns", nanoseconds(cell, "ns"), level=before if routed else "synthesized")


READER = ExportText()
