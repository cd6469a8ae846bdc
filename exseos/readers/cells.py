"""What stands in one cell of a report, as a number; and the numbers that a reader has gathered so far."""

from __future__ import annotations

import re
from decimal import Decimal

from exseos.metrics import Level
from exseos.readers.base import Number
from exseos.readers.bounds import Size, fits

_FIGURE = r"[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,2})?"
# Possessive: blanks are never looked at twice, however long the cell.
_NUMBER = re.compile(rf"\s*+([-+]?{_FIGURE})\s*+(?:\([^()]*+\)|\[[^\[\]]*+\])?+\s*+", re.ASCII)
_DURATION = re.compile(rf"\s*+({_FIGURE})\s*+([a-z]+)\s*+", re.ASCII)
_NANOSECONDS = {
    "ps": Decimal("0.001"),
    "ns": Decimal(1),
    "us": Decimal(1000),
    "ms": Decimal(10**6),
    "s": Decimal(10**9),
    "sec": Decimal(10**9),
}
_SUFFIX_UNITS = {"ns": "ns", "cycles": "cycles", "w": "W", "percent": "percent", "celsius": "celsius", "mhz": "MHz"}


def number(cell: str | None) -> float | int | None:
    """``29 (~0%)`` is 29, ``16.4 (Junction temp exceeded!)`` is 16.4; ``-``, ``?``, ``undef``, ``NA``, ``~0``, ``<0.01`` are unknown."""
    found = _NUMBER.fullmatch(cell) if cell else None
    if found is None:
        return None
    digits = found[1]
    value = int(digits) if digits.lstrip("+-").isdigit() else float(digits)
    return value if fits(value) else None


def nanoseconds(cell: str | None, unit: str = "") -> float | None:
    """``1.975 us`` is 1975.0; a bare number is in ``unit``, or unknown without one."""
    if not cell:
        return None
    found = _DURATION.fullmatch(cell) or _DURATION.fullmatch(f"{cell} {unit}")
    scale = _NANOSECONDS.get(found[2]) if found else None
    value = float(Decimal(found[1]) * scale) if found and scale is not None else None
    return value if value is not None and fits(value) else None


def unit_of(name: str) -> str:
    """The unit that a metric's name tells: the names are one list for all tools."""
    if name.startswith("interval_"):
        return "cycles"
    return _SUFFIX_UNITS.get(name.rsplit("_", 1)[-1], "count")


class Gathered:
    """The numbers of one report; what is unknown is left out, and the first value of a name, scope and level stays.

    Raises ``ReportError`` for more numbers than any report has.
    """

    def __init__(self, level: Level) -> None:
        self.level = level
        self._numbers: dict[tuple[str, str, Level], Number] = {}
        self._size = Size()

    def add(self, name: str, value: float | int | None, scope: str = "design", level: Level | None = None) -> None:
        key = (name, scope, level or self.level)
        if value is not None and fits(value) and key not in self._numbers:
            self._size.add(scope)
            self._numbers[key] = Number(name, value, unit_of(name), key[2], scope)

    def numbers(self) -> tuple[Number, ...]:
        return tuple(self._numbers.values())
