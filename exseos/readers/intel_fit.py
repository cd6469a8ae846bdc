"""Quartus' numbers in Intel HLS and oneAPI reports: ``quartus.json``, ``quartus.ndjson`` and ``quartus_data.js``.

Before a bitstream is compiled every value is ``TBD``, and the report has no numbers.
"""

from __future__ import annotations

import re
from typing import Any

from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.intel_tables import resources, scope_of, value_of
from exseos.readers.relaxed_json import documents, member, objects, variables

_HEAD = re.compile(r'\s*(?:var quartusJSON\s*=\s*\'?)?\{.*?"quartusFit(?:Clock|ResourceUsage)Summary"', re.DOTALL)
_NODE = {"alm": "alm", "alut": "lut", "reg": "ff", "dsp": "dsp", "ram": "m20k", "mlab": "mlab"}
_FMAX = ("clock fmax", "kernel clock fmax", "1x clock fmax")


class IntelFit(Reader):
    """Resources and clocks after place and route."""

    name = "intel fit"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_HEAD.match(head)) and "estimatedResources" not in head

    def read(self, text: str, file_name: str) -> Report:
        found = variables(text).get("quartus") if text.lstrip().startswith("var ") else next(iter(documents(text)), None)
        if not (member(found, "quartusFitClockSummary") or member(found, "quartusFitResourceUsageSummary")):
            raise ReportError("neither clocks nor resources of Quartus", where=file_name, hint="The file may be cut off; compile again.")
        return Report("oneapi" if '"nodes"' in text else "intel_hls", "", "", tuple(fitted(found)))


def fitted(summary: Any) -> list[Number]:
    """The numbers of both summaries, in the older dialect (``children`` with ``data``) or the newer one (``nodes``)."""
    clocks, usage = member(summary, "quartusFitClockSummary"), member(summary, "quartusFitResourceUsageSummary")
    numbers: list[Number] = []
    for row in objects(clocks.get("children")):
        numbers += _frequencies(_labelled(clocks.get("columns"), row.get("data")))
    for node in objects(clocks.get("nodes")):
        numbers += _frequencies(node)
    rows = objects(usage.get("children"))
    for row in rows:
        numbers += resources(usage.get("columns"), row.get("data"), "routed", "design" if len(rows) == 1 else scope_of(row))
    for node in objects(usage.get("nodes")):
        scope = "design" if node.get("type") == "system" else scope_of(node)
        values = ((name, value_of(node.get(key))) for key, name in _NODE.items())
        numbers += [Number(name, value, "count", "routed", scope) for name, value in values if value is not None and scope]
    return numbers


def _labelled(columns: Any, data: Any) -> dict[str, Any]:
    if isinstance(data, dict):
        return data
    if isinstance(data, list) and isinstance(columns, list) and len(data) < len(columns):
        return {str(column): item for column, item in zip(columns[1:], data, strict=False)}
    return {}


def _frequencies(clocks: dict[str, Any]) -> list[Number]:
    """The clock's own fmax is the design's; that of another clock has its name as scope."""
    found: list[Number] = []
    for label, item in clocks.items():
        value = value_of(item)
        if value is None or not label.endswith(" fmax"):
            continue
        found.append(Number("fmax_mhz", value, "MHz", "routed", "design" if label in _FMAX else label.removesuffix(" fmax")))
    return found


READER = IntelFit()
