"""What every reader owes: alone in recognising its report, and on a damaged one fewer numbers or a ``ReportError``."""

from __future__ import annotations

from hypothesis import strategies as st

from exseos.readers.base import Number, Reader, Report, ReportError, readers

ALL = readers()


def read_alone(text: str, file_name: str = "a.txt") -> Report:
    """By the one reader that recognises the text; more than one or none fails the test."""
    return reader_of(text, file_name).read(text, file_name)


def reader_of(text: str, file_name: str = "a.txt") -> Reader:
    found = [reader for reader in ALL if reader.recognises(text[: 64 * 1024], file_name)]
    assert len(found) == 1, [reader.name for reader in found]
    return found[0]


def design(report: Report) -> dict[str, int | float]:
    """Numbers of the whole design by name, which must be there once a level."""
    numbers = [number for number in report.numbers if number.scope == "design"]
    assert len({(number.name, number.level) for number in numbers}) == len(numbers)
    return {number.name: number.value for number in numbers}


def scoped(report: Report, scope: str) -> dict[str, int | float]:
    return {number.name: number.value for number in report.numbers if number.scope == scope}


def levels(report: Report) -> set[str]:
    return {number.level for number in report.numbers}


def cut_or_thinned(text: str) -> st.SearchStrategy[str]:
    """The text cut off anywhere, or without one line, or both."""
    lines = text.splitlines(keepends=True)
    thinned = st.integers(0, len(lines) - 1).map(lambda index: "".join(lines[:index] + lines[index + 1 :]))
    cut = st.integers(0, len(text)).map(lambda end: text[:end])
    return st.one_of(cut, thinned)


def without_each_line(text: str) -> list[str]:
    lines = text.splitlines(keepends=True)
    return ["".join(lines[:index] + lines[index + 1 :]) for index in range(len(lines))]


def has_nothing_new(text: str, damaged: str, file_name: str = "a.txt") -> bool:
    """Whether the damaged text gives only numbers of the whole one, or a ``ReportError``."""
    reader = reader_of(text, file_name)
    whole: set[Number] = set(reader.read(text, file_name).numbers)
    try:
        return set(reader.read(damaged, file_name).numbers) <= whole
    except ReportError as error:
        return bool(error.what)
