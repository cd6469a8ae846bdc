"""Text tables as the vendors draw them: ``+---+`` lines between rows of ``|`` cells, and headings around them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from exseos.readers.base import ReportError
from exseos.readers.bounds import MOST_COLUMNS, checked_lines

_RULE = re.compile(r"\s*+\+[-+=]*\+\s*+", re.ASCII)
_ROW = re.compile(r"\s*+[|+].*[|+]\s*+")
_BARS = re.compile(r"[|+]")
_MOST_HEADERS = 16
"""Lines of a header; the rows of a table that has none may stand between two rules too."""
_LONGEST_TITLE = 200


@dataclass(frozen=True)
class Table:
    """``titles`` of the columns (empty: drawn without a header), and rows of as many cells, still with their indentation."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def records(self) -> list[dict[str, str]]:
        """Each row by the ``key`` of its column; a title that occurs twice names no column."""
        keys = self.columns()
        if not keys:
            return []
        times = Counter(keys)
        single = [name if times[name] == 1 else "" for name in keys]
        return [{name: cell for name, cell in zip(single, row, strict=True) if name} for row in self.rows]

    def columns(self) -> list[str]:
        return [key(title) for title in self.titles]


def key(title: str) -> str:
    """A title or label without blanks, case and footnote stars: ``CLB LUTs*`` and ``CLB LUTs`` are one."""
    return re.sub(r"[\s*]+", "", title).lower()


def complete_lines(text: str) -> list[str]:
    """The lines, without a last one that is cut off: it could be half a number."""
    lines = checked_lines(text)
    last = lines.pop()
    return [*lines, last] if last.rstrip().endswith(("|", "+")) else lines


def blocks(lines: list[str]) -> Iterator[str | Table]:
    """Every line outside of tables, and every table in one piece, in order."""
    at = 0
    while at < len(lines):
        if not _RULE.fullmatch(lines[at]):
            yield lines[at]
            at += 1
            continue
        end = at
        while end < len(lines) and (_RULE.fullmatch(lines[end]) or _ROW.fullmatch(lines[end])):
            end += 1
        yield _table(lines[at:end])
        at = end


def _table(lines: list[str]) -> Table:
    rules = [number for number, line in enumerate(lines) if _RULE.fullmatch(line)]
    if len(rules) < 3 and rules[-1] == len(lines) - 1:
        rows = [_cells(line) for line in lines if not _RULE.fullmatch(line)]
        return Table((), tuple(row for row in rows if row))
    header = lines[1 : rules[1]] if len(rules) > 1 else []
    titles = _titles(header)
    rows = [_cells(line) for line in lines[len(header) + 1 :] if not _RULE.fullmatch(line)]
    return Table(titles, tuple(row for row in rows if row and len(row) == len(titles)))


def _cells(line: str) -> tuple[str, ...]:
    parts = line.strip().split("|")
    return tuple(part.rstrip() for part in parts[1:-1])


def _titles(header: list[str]) -> tuple[str, ...]:
    """One title a column: the words of every header line that stand over it, groups included."""
    spans = [_spans(line) for line in header[:_MOST_HEADERS]]
    if not spans or len(header) > _MOST_HEADERS:
        return ()
    finest = max(spans, key=len)
    if len(finest) > MOST_COLUMNS:
        raise ReportError(f"a table of more than {MOST_COLUMNS} columns")
    words: list[list[str]] = [[] for _ in finest]
    for line in spans:
        over = iter(line)
        left, right, text = next(over, (0, 0, ""))
        for (start, end, _), found in zip(finest, words, strict=True):
            while right < end:
                left, right, text = next(over, (end, end, ""))
            if left <= start and text:
                found.append(text)
    return tuple(" ".join(found)[:_LONGEST_TITLE] for found in words)


def _spans(line: str) -> list[tuple[int, int, str]]:
    bars = [match.start() for match in _BARS.finditer(line)]
    if "|" in line and not line.lstrip().startswith("+"):
        bars = [place for place in bars if line[place] == "|"]
    cells = [(left, right, line[left + 1 : right].strip()) for left, right in pairwise(bars)]
    return [(left, right, "" if set(text) <= {"-"} else text) for left, right, text in cells]
