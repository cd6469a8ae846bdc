"""The resource names of Intel's HLS and oneAPI reports, and the tables ``{"columns": [...], "children": [{"name", "data"}]}``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from exseos.metrics import Level
from exseos.readers.base import Number
from exseos.readers.bounds import fits
from exseos.readers.figures import number

RESOURCES = {"ALMs": "alm", "ALUTs": "lut", "FFs": "ff", "RAMs": "m20k", "DSPs": "dsp", "MLABs": "mlab"}
_LONGEST_COLUMN = 200


def value_of(item: Any) -> int | float | None:
    """A JSON number, or the number that a string is; ``TBD``, ``n/a`` and what is too large are none."""
    if isinstance(item, str):
        return number(item)
    return item if isinstance(item, int | float) and not isinstance(item, bool) and fits(item) else None


def labelled(columns: list[Any], data: list[Any]) -> Iterator[tuple[str, Any]]:
    """The items of a row with the columns after the first. As many rows share the columns, no more than the row's are looked at."""
    for column, item in zip(islice(columns, 1, None), data, strict=False):
        if isinstance(column, str) and len(column) <= _LONGEST_COLUMN:
            yield column, item


def resources(columns: Any, data: Any, level: Level, scope: str = "design", suffix: str = "") -> list[Number]:
    """The numbers of one row: ``data`` is labelled, or goes with the columns after the first; otherwise the row says nothing."""
    if isinstance(data, dict):
        pairs: list[tuple[str, Any]] = list(data.items())
    elif isinstance(data, list) and isinstance(columns, list) and len(data) < len(columns):
        pairs = list(labelled(columns, data))
    else:
        return []
    found: dict[str, Number] = {}
    for column, item in pairs:
        name, value = RESOURCES.get(column.strip()), value_of(item)
        if name is not None and value is not None:
            found.setdefault(name, Number(f"{name}{suffix}", value, "count", level, scope))
    return list(found.values())


def scope_of(row: dict[str, Any]) -> str:
    """The name of a row; empty if it has none."""
    name = row.get("name")
    return name if isinstance(name, str) else ""
