"""The compiler's estimates of Intel HLS, Intel FPGA OpenCL and oneAPI: ``report_data.js``, ``summary.json`` and ``summary.ndjson``.

A ``report_data.js`` gives the design's resources as the ``total`` of its area report, those of each function, and, with the component
as scope, what Quartus fitted. One without an area report has the row ``Total`` of its summary instead, unless it has the views that
always come with one: the two tables may round differently, and the area report is then missing because the file is damaged.
Summaries give the rows ``Total`` and ``Available`` and each kernel. ``m20k`` counts RAM blocks of the family.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.intel_fit import fitted
from exseos.readers.intel_tables import resources, scope_of
from exseos.readers.relaxed_json import documents, member, objects, variables

_SCRIPT = re.compile(r"^[ \t]*var[ \t]+(?:area|mav|lmv|loops|summary)JSON[ \t]*=", re.MULTILINE)
_SUMMARY = re.compile(r'\s*\{.*?"estimatedResources"', re.DOTALL)
_WITH_AREA = {"mav", "lmv", "loops"}
_VERSIONS = {"i++ Version": "intel_hls", "aoc Version": "intel_opencl", "AOC Version": "intel_opencl"}


class IntelEstimate(Reader):
    """Resources as the compiler estimates them."""

    name = "intel estimate"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_SCRIPT.search(head) or _SUMMARY.match(head))

    def read(self, text: str, file_name: str) -> Report:
        script = variables(text) if _SCRIPT.search(text) else {}
        area, summary = script.get("area"), script.get("summary")
        numbers = _area(area)
        if not numbers and not _WITH_AREA & set(script):
            numbers = _kernels(summary if script else _joined(documents(text)))
        if not (numbers or script):
            raise ReportError("no estimated resources", where=file_name, hint="The file may be cut off; compile again.")
        for number in fitted(script.get("quartus")):
            component = number.name != "fmax_mhz" and number.scope == "design"
            numbers.append(replace(number, scope=_component(script["quartus"])) if component else number)
        info = {scope_of(row): _first(row.get("data")) for row in objects(member(script, "info").get("rows"))}
        tool, version = next(((tool, info[label]) for label, tool in _VERSIONS.items() if label in info), ("oneapi", ""))
        return Report(tool, version, info.get("Target Family, Device", ""), tuple(numbers))


def _area(area: Any) -> list[Number]:
    if not isinstance(area, dict):
        return []
    columns = area.get("columns")
    numbers = resources(columns, area.get("total"), "estimated")
    numbers += resources(columns, area.get("max_resources"), "estimated", suffix="_available")
    for row in objects(area.get("children")):
        if row.get("type") == "function" and scope_of(row):
            numbers += resources(columns, row.get("total_kernel_resources"), "estimated", scope_of(row))
    return numbers


def _joined(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The one object of ``summary.json``; of ``summary.ndjson``, where a row names its table, the same from the lines."""
    if len(found) == 1 and "estimatedResources" in found[0]:
        return found[0]
    heads = [row for row in found if row.get("summary_type") == "estimatedResources"]
    rows = [row for row in found if row.get("parent") == "estimatedResources"]
    return {"estimatedResources": {**heads[0], "children": rows}} if heads else {}


def _kernels(summary: Any) -> list[Number]:
    table = member(summary, "estimatedResources")
    numbers: list[Number] = []
    for row in objects(table.get("children")):
        name = scope_of(row)
        if name in ("Total", "Available"):
            numbers += resources(table.get("columns"), row.get("data"), "estimated", suffix="_available" if name == "Available" else "")
        elif name and "classes" not in row:
            numbers += resources(table.get("columns"), row.get("data"), "estimated", name)
    return numbers


def _component(quartus: dict[str, Any]) -> str:
    """The name of the only component whose resources Quartus gives."""
    rows = objects(member(quartus, "quartusFitResourceUsageSummary").get("children"))
    return (scope_of(rows[0]) if rows else "") or "fitted"


def _first(data: Any) -> str:
    return data[0] if isinstance(data, list) and data and isinstance(data[0], str) else ""


READER = IntelEstimate()
