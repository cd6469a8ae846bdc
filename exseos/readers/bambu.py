"""Bambu's ``bambu_results_N.xml``: cycles of the simulated testbench; area and clock of the logic synthesis that Bambu ran.

``bram`` is as reported: which size a block has depends on the device, which the report does not name.
"""

from __future__ import annotations

import re

from exseos.metrics import Level
from exseos.readers.base import Number, Reader, Report
from exseos.readers.figures import number
from exseos.readers.xml_tree import xml_root

_VERSION = re.compile(r"PandA (\S+)")
_SYNTHESIZED: dict[str, tuple[str, str]] = {
    "SLICE_LUTS": ("lut", "count"),
    "REGISTERS": ("ff", "count"),
    "DSPS": ("dsp", "count"),
    "BRAMS": ("bram", "count"),
    "SLICE": ("slices", "count"),
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
        return "<bambu_results" in head[:4096]

    def read(self, text: str, file_name: str) -> Report:
        root = xml_root(text, file_name)
        values = {str(child.tag): number(child.get("value", "")) for child in root}
        numbers: list[Number] = []
        levels: tuple[tuple[Level, dict[str, tuple[str, str]]], ...] = (("synthesized", _SYNTHESIZED), ("cosimulated", _SIMULATED))
        for level, names in levels:
            for tag, (name, unit) in names.items():
                value = values.get(tag)
                if value is not None:
                    numbers.append(Number(name, value, unit, level))
        cycles = values.get("CYCLES")
        if isinstance(cycles, int):
            # The mean over the testbench's calls: it bounds the latency only where all calls took the same, whole number of cycles.
            numbers += [Number(name, cycles, "cycles", "cosimulated") for name in ("latency_min_cycles", "latency_max_cycles")]
        version = _VERSION.search(root.get("bambu_version", ""))
        return Report("bambu", version[1] if version else "", "", tuple(numbers))


READER = Bambu()
