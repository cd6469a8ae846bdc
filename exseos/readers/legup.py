"""What only LegUp writes into its ``summary.results.rpt``: the cycles of its testbench, and excerpts of Quartus' own reports.

The testbench runs the design once, so that its cycles are the latency.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from exseos.readers.base import Number
from exseos.readers.figures import number
from exseos.readers.quartus_tables import RESOURCES, counted, fields, tables

_FINISHED = re.compile(r"LegUp-generated testbench finished in ([\d,]+) cycles\.")


def testbench(lines: list[str]) -> Iterator[Number]:
    """The latency as simulated."""
    for line in lines:
        found = _FINISHED.fullmatch(line)
        value = number(found[1]) if found else None
        if value is not None:
            for name in ("latency_min_cycles", "latency_max_cycles"):
                yield Number(name, value, "cycles", "cosimulated")


def fitted(timing: list[str], usage: list[str]) -> Iterator[Number]:
    """Frequency of each clock, which is the design's if there is only one, and resources of a fitter that succeeded."""
    found = [row for table in _frequencies(timing) for row in table]
    for clock, value in found:
        yield Number("fmax_mhz", value, "MHz", "routed", "design" if len(found) == 1 else clock)
    labelled = fields("\n".join([*usage, ""]), ())
    if labelled.get("Fitter Status", "").startswith("Successful"):
        yield from counted(labelled, RESOURCES)


def _frequencies(lines: list[str]) -> Iterator[list[tuple[str, int | float]]]:
    for table in tables("\n".join([*lines, ""])):
        if table.title.endswith("Fmax Summary"):
            records = [dict(zip(table.rows[0], row, strict=False)) for row in table.rows[1:]]
            values = [(each.get("Clock Name", ""), number(each.get("Fmax", "").removesuffix(" MHz"))) for each in records]
            yield [(clock, value) for clock, value in values if clock and value is not None]
