"""How much a report may hold: whoever wrote it, reading takes seconds and little memory, and its numbers are ones that can be right.

The limits are far above what is in reports: the longest line seen has 660 characters, and the largest table 12,000 cells and 15 columns.
"""

from __future__ import annotations

from collections.abc import Iterable

from exseos.readers.base import Number, ReportError
from exseos.text import is_plain

LONGEST_LINE = 16_384
"""Characters of a line of a text report; JSON and XML may be one line."""
MOST_CELLS = 250_000
"""Cells of all tables of a text report."""
MOST_COLUMNS = 256
MOST_NUMBERS = 50_000
LONGEST_SCOPE = 4000
"""Characters of a scope, which may be a path through many levels."""
MOST_SCOPES = 8_000_000
"""Characters of the scopes of all numbers as they are printed in JSON."""
LARGEST_NUMBER = 10**18
"""A number of more digits is damaged, or says that the tool did not know."""
_ESCAPED = 12


def checked_lines(text: str) -> list[str]:
    """The lines of a text report, the last one included; raises ``ReportError`` for a long line or too many cells."""
    if text.count("|") + text.count("+") + text.count(";") > MOST_CELLS:
        raise ReportError(f"more than {MOST_CELLS:,} cells of tables")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if max(map(len, lines)) > LONGEST_LINE:
        raise ReportError(f"a line of more than {LONGEST_LINE:,} characters")
    return lines


def fits(value: float | int) -> bool:
    """Whether the number is finite and small enough to be right."""
    return abs(value) < LARGEST_NUMBER  # neither inf nor nan is


def few(numbers: Iterable[Number]) -> list[Number]:
    """The numbers that fit; raises ``ReportError`` as soon as they are more, or their scopes longer, than in any report."""
    found = Found()
    found.add(numbers)
    return found.numbers


class Found:
    """The numbers that were found so far, as ``few`` keeps them."""

    def __init__(self) -> None:
        self.numbers: list[Number] = []
        self._size = Size()

    def add(self, numbers: Iterable[Number]) -> None:
        for number in numbers:
            if fits(number.value):
                self._size.add(number.scope)
                self.numbers.append(number)


class Size:
    """How many numbers were found so far, and how long their scopes are together."""

    def __init__(self) -> None:
        self._numbers = 0
        self._characters = 0

    def add(self, scope: str) -> None:
        """Another number; raises ``ReportError`` where that is too much."""
        self._numbers += 1
        self._characters += len(scope) * (1 if scope.isascii() and is_plain(scope) else _ESCAPED)
        if self._numbers > MOST_NUMBERS:
            raise ReportError(f"more than {MOST_NUMBERS:,} numbers")
        check_scope(scope)
        if self._characters > MOST_SCOPES:
            raise ReportError(f"names and paths of more than {MOST_SCOPES:,} characters")


def check_scope(scope: str) -> None:
    """Raises ``ReportError`` for a name or path that is longer than any."""
    if len(scope) > LONGEST_SCOPE:
        raise ReportError(f"a name or path of more than {LONGEST_SCOPE:,} characters")


class Nesting:
    """Paths of parts that are indented under the parts that they are in; the outermost one is not part of a path."""

    def __init__(self) -> None:
        self._above: list[tuple[int, str]] = []

    def path(self, indent: int, name: str) -> str:
        """The path of the next part, empty for the outermost; a part without a name has the path of the one it is in."""
        while self._above and self._above[-1][0] >= indent:
            self._above.pop()
        outer = self._above[-1][1] if self._above else ""
        path = (f"{outer}/{name}" if outer and name else outer or name) if indent else ""
        check_scope(path)
        self._above.append((indent, path))
        return path

    def __len__(self) -> int:
        """How many parts the last one is in, itself included."""
        return len(self._above)
