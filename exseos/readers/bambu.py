"""Bambu's ``bambu_results*.xml``: cycles of the simulated testbench; area and clock of the logic synthesis that Bambu ran.

Older versions have an element for each value, newer ones attributes of ``resources`` and ``evaluation``, and the cycles of each run.
``bram`` is as reported: which size a block has depends on the device, which the report does not name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from exseos.metrics import Level
from exseos.readers.base import Number, Reader, Report
from exseos.readers.bounds import few
from exseos.readers.figures import number
from exseos.readers.xml_tree import xml_root

if TYPE_CHECKING:
    from lxml.etree import _Element

_HEAD = re.compile(r"\s*+(?:<\?xml[^>]*+>\s*+)?+<(bambu_results\b|application>)")
_MEASURED = re.compile(r"<(?:resources|evaluation)(\s[^<>]*+)")
_ATTRIBUTE = re.compile(r"\b(?:CLOCK_SLACK|CYCLES|REGISTERS)=")
_VERSION = re.compile(r"PandA (\S+)")
_SYNTHESIZED: dict[str, tuple[str, str]] = {
    "SLICE_LUTS": ("lut", "count"),
    "LUT": ("lut", "count"),
    "ALMS": ("alm", "count"),
    "LOGIC_ELEMENTS": ("logic_elements", "count"),
    "REGISTERS": ("ff", "count"),
    "DSPS": ("dsp", "count"),
    "DSP": ("dsp", "count"),
    "BRAMS": ("bram", "count"),
    "BRAM": ("bram", "count"),
    "URAM": ("uram", "count"),
    "SLICE": ("slice", "count"),
    "AREA": ("area", "1"),
    "PERIOD": ("clock_estimated_ns", "ns"),
    "CLOCK_SLACK": ("slack_ns", "ns"),
    "FREQUENCY": ("fmax_mhz", "MHz"),
    "HLS_execution_time": ("tool_run_time_s", "s"),
}
_SIMULATED: dict[str, tuple[str, str]] = {"TOTAL_CYCLES": ("latency_total_cycles", "cycles")}


class Bambu(Reader):
    """Bambu's results."""

    name = "bambu"

    def recognises(self, head: str, file_name: str) -> bool:
        match = _HEAD.match(head)
        if match is None or match[1] == "bambu_results":
            return match is not None
        return any(_ATTRIBUTE.search(found[1]) for found in _MEASURED.finditer(head))

    def read(self, text: str, file_name: str) -> Report:
        root = xml_root(text, file_name)
        values = _values(root)
        numbers: dict[str, Number] = {}
        levels: tuple[tuple[Level, dict[str, tuple[str, str]]], ...] = (("synthesized", _SYNTHESIZED), ("cosimulated", _SIMULATED))
        for level, names in levels:
            for tag, (name, unit) in names.items():
                value = values.get(tag)
                if value is not None:
                    numbers.setdefault(name, Number(name, value, unit, level))
        cycles = values.get("CYCLES")
        # The mean over the testbench's calls bounds the latency only where all calls took the same, whole number of cycles.
        runs = _runs(root) or ([cycles] if isinstance(cycles, int) else [])
        found = [*numbers.values()]
        if runs:
            found.append(Number("latency_min_cycles", min(runs), "cycles", "cosimulated"))
            found.append(Number("latency_max_cycles", max(runs), "cycles", "cosimulated"))
        version = _VERSION.search(root.get("bambu_version", ""))
        return Report("bambu", version[1] if version else "", "", tuple(few(found)))


def _inner(root: _Element) -> list[_Element]:
    return [root, *root.iterfind("application")]


def _values(root: _Element) -> dict[str, int | float | None]:
    """By name: an element with a value, or an attribute of what is about the whole design."""
    values = {str(child.tag): number(child.get("value") or "") for child in root}
    for about in (found for inner in _inner(root) for tag in ("resources", "evaluation") for found in inner.iterfind(tag)):
        # Not by items(): for each of them lxml goes through all attributes again.
        for name in (*_SYNTHESIZED, *_SIMULATED, "CYCLES"):
            if (text := about.get(name)) is not None:
                values.setdefault(name, number(text))
    return values


def _runs(root: _Element) -> list[int | float]:
    """Cycles of each call."""
    found = [number(run.text or "") for inner in _inner(root) for run in inner.iterfind("timing/*/run")]
    return [value for value in found if value is not None] if None not in found else []


READER = Bambu()
