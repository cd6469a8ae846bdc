"""Reading a text as the command does, and the shapes in which tests compare numbers."""

from __future__ import annotations

from pathlib import Path

from exseos.readers.base import Report, readers

READERS = readers()


def read(text: str, file_name: str = "a.rpt") -> Report:
    """By the first reader that recognises the text; raises its ``ReportError``, or ``LookupError`` where none does."""
    for reader in READERS:
        if reader.recognises(text[: 64 * 1024], file_name):
            return reader.read(text, Path(file_name).name)
    raise LookupError("no reader")


def values(report: Report, scope: str = "design", level: str | None = None) -> dict[str, float | int]:
    """Name to value within one scope, of one level or of all."""
    return {each.name: each.value for each in report.numbers if each.scope == scope and level in (None, each.level)}


def levels(report: Report) -> set[str]:
    return {each.level for each in report.numbers}
