"""Text tables as the vendors draw them: ``+---+`` lines between rows of ``|`` cells, and headings around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_RULE = re.compile(r"\s*\+[-+=]*\+\s*", re.ASCII)
_ROW = re.compile(r"\s*[|+].*[|+]\s*")
_BARS = re.compile(r"[|+]")


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
        single = [name if keys.count(name) == 1 else "" for name in keys]
        return [{name: cell for name, cell in zip(single, row, strict=True) if name} for row in self.rows]

    def columns(self) -> list[str]:
        return [key(title) for title in self.titles]


def key(title: str) -> str:
    """A title or label without blanks, case and footnote stars: ``CLB LUTs*`` and ``CLB LUTs`` are one."""
    return re.sub(r"[\s*]+", "", title).lower()


def complete_lines(text: str) -> list[str]:
    """The lines, without a last one that is cut off: it could be half a number."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    last = lines.pop()
    return [*lines, last] if re.search(r"[|+]\s*$", last) else lines


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
    return Table(titles, tuple(row for row in rows if len(row) == len(titles)))


def _cells(line: str) -> tuple[str, ...]:
    parts = line.strip().split("|")
    return tuple(part.rstrip() for part in parts[1:-1])


def _titles(header: list[str]) -> tuple[str, ...]:
    """One title a column: the words of every header line that stand over it, groups included."""
    spans = [_spans(line) for line in header]
    if not spans:
        return ()
    finest = max(spans, key=len)
    titles = []
    for start, end, _ in finest:
        words = [text for line in spans for left, right, text in line if left <= start and right >= end]
        titles.append(" ".join(word for word in words if word))
    return tuple(titles)


def _spans(line: str) -> list[tuple[int, int, str]]:
    bars = [match.start() for match in _BARS.finditer(line)]
    if "|" in line and not line.lstrip().startswith("+"):
        bars = [place for place in bars if line[place] == "|"]
    cells = [(left, right, line[left + 1 : right].strip()) for left, right in pairwise(bars)]
    return [(left, right, "" if set(text) <= {"-"} else text) for left, right, text in cells]
