"""The resource names of Intel's HLS and oneAPI reports, and the tables ``{"columns": [...], "children": [{"name", "data"}]}``."""

from __future__ import annotations

from typing import Any

from exseos.metrics import Level
from exseos.readers.base import Number
from exseos.readers.figures import number

RESOURCES = {"ALMs": "alm", "ALUTs": "lut", "FFs": "ff", "RAMs": "m20k", "DSPs": "dsp", "MLABs": "mlab"}


def value_of(item: Any) -> int | float | None:
    """A JSON number, or the number that a string is; ``TBD`` and ``n/a`` are none."""
    if isinstance(item, str):
        return number(item)
    return item if isinstance(item, int | float) and not isinstance(item, bool) else None


def resources(columns: Any, data: Any, level: Level, scope: str = "design", suffix: str = "") -> list[Number]:
    """The numbers of one row: ``data`` is labelled, or goes with the columns after the first; otherwise the row says nothing."""
    if isinstance(data, dict):
        pairs = list(data.items())
    elif isinstance(data, list) and isinstance(columns, list) and len(data) < len(columns):
        pairs = list(zip(columns[1:], data, strict=False))
    else:
        return []
    found: dict[str, Number] = {}
    for column, item in pairs:
        name, value = RESOURCES.get(str(column).strip()), value_of(item)
        if name is not None and value is not None:
            found.setdefault(name, Number(f"{name}{suffix}", value, "count", level, scope))
    return list(found.values())


def scope_of(row: dict[str, Any]) -> str:
    """The name of a row; empty if it has none."""
    name = row.get("name")
    return name if isinstance(name, str) else ""
