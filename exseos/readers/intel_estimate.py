"""The compiler's estimates of Intel HLS, Intel FPGA OpenCL and oneAPI: ``report_data.js``, ``area.json`` and ``summary.[nd]json``.

A ``report_data.js`` gives the design's resources as the ``total`` of its area report, those of each function, and, with the component
as scope, what Quartus fitted. ``area.json`` is the area report alone. A script without an area report has the row ``Total`` of its
summary instead, unless it has the views that always come with one: the two tables may round differently, and the area report is then
missing because the file is damaged. Summaries give the rows ``Total`` and ``Available`` and each kernel. ``m20k`` counts RAM blocks of
the family.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.bounds import few
from exseos.readers.intel_fit import fitted
from exseos.readers.intel_tables import resources, scope_of
from exseos.readers.relaxed_json import documents, member, merged, objects, parse, variables

_SCRIPT = re.compile(r"^[ \t]*+var[ \t]++(?:area|mav|lmv|loops|summary)(?:ND)?JSON[ \t]*+=", re.MULTILINE)
_SUMMARY = re.compile(r'\s*+\{.*?"estimatedResources"', re.DOTALL)
_AREA = re.compile(r'\s*\{\s*"columns"\s*:\s*\[\s*"",\s*"ALUTs"')
_WITH_AREA = {"mav", "lmv", "loops"}
_VERSIONS = {"i++ Version": "intel_hls", "aoc Version": "intel_opencl", "AOC Version": "intel_opencl"}
_DEVICE = "Target Family, Device"
_PRODUCTS = {"HLS": "intel_hls", "OpenCL": "intel_opencl", "SYCL": "oneapi"}


class IntelEstimate(Reader):
    """Resources as the compiler estimates them."""

    name = "intel estimate"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_SCRIPT.search(head) or _SUMMARY.match(head) or _AREA.match(head))

    def read(self, text: str, file_name: str) -> Report:
        script = variables(text) if _SCRIPT.search(text) else {}
        if _AREA.match(text):
            script = {"area": parse(text)}
        numbers = few(_area(merged(script.get("area"))))
        if not numbers and not _WITH_AREA & set(script):
            summary = script.get("summary")
            numbers = few(_kernels(_joined(documents(text) if not script else objects(summary) or objects([summary]))))
        if not (numbers or _SCRIPT.search(text)):
            raise ReportError("no estimated resources", where=file_name, hint="The file may be cut off; compile again.")
        quartus = merged(script.get("quartus"))
        for number in few(fitted(quartus)):
            component = number.unit != "MHz" and number.scope == "design"
            numbers.append(replace(number, scope=_component(quartus)) if component else number)
        return Report(*_compiler(merged(script.get("info"))), tuple(numbers))


def _compiler(info: dict[str, Any]) -> tuple[str, str, str]:
    """Tool, version and device, of the rows of older versions or the one node of newer ones."""
    rows = {scope_of(row): _first(row.get("data")) for row in objects(info.get("rows"))}
    for label, tool in _VERSIONS.items():
        if label in rows:
            return tool, rows[label], rows.get(_DEVICE, "")
    node = next(iter(objects(member(info, "compileInfo").get("nodes"))), {})
    words = {key: value for key, value in node.items() if isinstance(value, str)}
    return _PRODUCTS.get(words.get("product", ""), "oneapi"), words.get("version", ""), words.get("family") or rows.get(_DEVICE, "")


def _area(area: dict[str, Any]) -> Iterator[Number]:
    columns = area.get("columns")
    yield from resources(columns, area.get("total"), "estimated")
    yield from resources(columns, area.get("max_resources"), "estimated", suffix="_available")
    for row in objects(area.get("children")):
        if row.get("type") == "function" and scope_of(row):
            yield from resources(columns, row.get("total_kernel_resources"), "estimated", scope_of(row))


def _joined(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The one object of ``summary.json``; of ``summary.ndjson``, where a row names its table, the same from the lines."""
    if len(found) == 1 and "estimatedResources" in found[0]:
        return found[0]
    heads = [row for row in found if row.get("summary_type") == "estimatedResources"]
    rows = [row for row in found if row.get("parent") == "estimatedResources"]
    return {"estimatedResources": {**heads[0], "children": rows}} if heads else {}


def _kernels(summary: Any) -> Iterator[Number]:
    table = member(summary, "estimatedResources")
    for row in objects(table.get("children")):
        name = scope_of(row)
        if name in ("Total", "Available"):
            yield from resources(table.get("columns"), row.get("data"), "estimated", suffix="_available" if name == "Available" else "")
        elif name and "classes" not in row:
            yield from resources(table.get("columns"), row.get("data"), "estimated", name)


def _component(quartus: dict[str, Any]) -> str:
    """The name of the only component whose resources Quartus gives."""
    rows = objects(member(quartus, "quartusFitResourceUsageSummary").get("children"))
    return (scope_of(rows[0]) if rows else "") or "fitted"


def _first(data: Any) -> str:
    return data[0] if isinstance(data, list) and data and isinstance(data[0], str) else ""


READER = IntelEstimate()
