"""nextpnr ``--report``: used and available resources, and each clock's frequency, after routing.

A design with one clock has its ``fmax_mhz`` and ``clock_target_ns``; of several clocks each has its name as scope.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.bounds import few
from exseos.readers.intel_tables import value_of
from exseos.readers.relaxed_json import member, parse

_HEAD = re.compile(r'\s*\{\s*"(?:critical_paths|detailed_net_timings|fmax|gate_check|utilization)"\s*:')
_NAMES = {
    "TRELLIS_COMB": "lut",
    "OXIDE_COMB": "lut",
    "LUT4": "lut",
    "TRELLIS_FF": "ff",
    "OXIDE_FF": "ff",
    "DFF": "ff",
    "ICESTORM_LC": "logic_cells",
    "ICESTORM_DSP": "dsp",
    "MULT18X18D": "dsp",
    "DP16KD": "bram_18k",
    "ICESTORM_RAM": "bram_4k",
    "TRELLIS_IO": "io",
    "SB_IO": "io",
}


class Nextpnr(Reader):
    """nextpnr's report."""

    name = "nextpnr"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_HEAD.match(head))

    def read(self, text: str, file_name: str) -> Report:
        found = parse(text)
        if not (member(found, "utilization") or member(found, "fmax")):
            raise ReportError("neither clocks nor resources of nextpnr", where=file_name, hint="The file may be cut off; route again.")
        return Report("nextpnr", "", "", tuple(few(chain(_used(member(found, "utilization")), _clocks(member(found, "fmax"))))))


def _used(utilization: dict[str, Any]) -> Iterator[Number]:
    for cell in utilization:
        for key, suffix in (("used", ""), ("available", "_available")):
            value = value_of(member(utilization, cell).get(key))
            if cell in _NAMES and value is not None:
                yield Number(f"{_NAMES[cell]}{suffix}", value, "count", "routed")


def _clocks(clocks: dict[str, Any]) -> Iterator[Number]:
    for clock in clocks:
        scope = "design" if len(clocks) == 1 else clock
        achieved, constraint = (value_of(member(clocks, clock).get(key)) for key in ("achieved", "constraint"))
        if achieved is not None:
            yield Number("fmax_mhz", achieved, "MHz", "routed", scope)
        if constraint:
            yield Number("clock_target_ns", 1000 / constraint, "ns", "routed", scope)


READER = Nextpnr()
