"""Quartus' numbers in Intel HLS and oneAPI reports: ``quartus.json``, ``quartus.ndjson`` and ``quartus_data.js``.

Before a bitstream is compiled every value is ``TBD``, and the report has no numbers. The design is the system of kernels; the entire
system, which has the board's own logic too, is a scope.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.bounds import few
from exseos.readers.intel_tables import labelled, resources, scope_of, value_of
from exseos.readers.relaxed_json import documents, member, merged, objects, variables

_HEAD = re.compile(r'\s*+(?:var quartus(?:ND)?JSON\s*+=\s*+\'?\[?\s*+)?+\{.*?"quartusFit(?:Clock|ResourceUsage)Summary"', re.DOTALL)
_NODE = {"alm": "alm", "alut": "lut", "reg": "ff", "dsp": "dsp", "ram": "m20k", "mlab": "mlab"}
_CLOCKS = {
    "clock fmax": ("fmax_mhz", "design"),
    "kernel clock fmax": ("fmax_mhz", "design"),
    "1x clock fmax": ("fmax_mhz", "design"),
    "clock": ("clock_mhz", "design"),
    "kernel clock": ("clock_mhz", "design"),
    "clock1x": ("fmax_mhz", "1x clock"),
    "clock2x": ("fmax_mhz", "2x clock"),
}


class IntelFit(Reader):
    """Resources and clocks after place and route."""

    name = "intel fit"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_HEAD.match(head)) and "estimatedResources" not in head

    def read(self, text: str, file_name: str) -> Report:
        found = merged(variables(text).get("quartus") if text.lstrip().startswith("var ") else documents(text))
        if not (member(found, "quartusFitClockSummary") or member(found, "quartusFitResourceUsageSummary")):
            raise ReportError("neither clocks nor resources of Quartus", where=file_name, hint="The file may be cut off; compile again.")
        return Report("oneapi" if '"nodes"' in text else "intel_hls", "", "", tuple(few(fitted(found))))


def fitted(summary: Any) -> Iterator[Number]:
    """The numbers of both summaries, in the older dialect (``children`` with ``data``) or the newer one (``nodes``)."""
    clocks, usage = member(summary, "quartusFitClockSummary"), member(summary, "quartusFitResourceUsageSummary")
    for row in objects(clocks.get("children")):
        yield from _frequencies(_labelled(clocks.get("columns"), row.get("data")))
    for node in objects(clocks.get("nodes")):
        yield from _frequencies(node)
    rows = objects(usage.get("children"))
    for row in rows:
        yield from resources(usage.get("columns"), row.get("data"), "routed", "design" if len(rows) == 1 else scope_of(row))
    for node in objects(usage.get("nodes")):
        scope = "design" if node.get("type") == "system" else scope_of(node) if "type" in node else ""
        values = ((name, value_of(node.get(key))) for key, name in _NODE.items())
        yield from (Number(name, value, "count", "routed", scope) for name, value in values if value is not None and scope)


def _labelled(columns: Any, data: Any) -> dict[str, Any]:
    if isinstance(data, dict):
        return data
    if isinstance(data, list) and isinstance(columns, list) and len(data) < len(columns):
        return {str(column): item for column, item in labelled(columns, data)}
    return {}


def _frequencies(clocks: dict[str, Any]) -> list[Number]:
    """Of the design's own clock what it reaches and, after the PLL's adjustment, runs at; another clock has its name as scope."""
    found: list[Number] = []
    for label, item in clocks.items():
        value = value_of(item)
        name, scope = _CLOCKS.get(label, ("fmax_mhz", label.removesuffix(" fmax") if label.endswith(" fmax") else ""))
        if value is not None and scope:
            found.append(Number(name, value, "MHz", "routed", scope))
    return found


READER = IntelFit()
