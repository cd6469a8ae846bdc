"""Separated text: commas, tabs, semicolons or white space, with or without a header, plain or gzip."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from pydantic import Field

from exseos.errors import StageError
from exseos.formats.base import Format, Options, Request, Table
from exseos.formats.delimited import MISSING, Dialect, Lines, cells, columns, looks_like_header, table_of


class CsvOptions(Options):
    """How the text is to be read."""

    separator: str = Field(",", description="one character, 'tab', or 'whitespace' for any run of blanks")
    header: bool | None = Field(None, description="whether the first row holds names; default: if none of its cells is a number")
    names: list[str] | None = Field(None, description="names of the columns; with a header they replace it")
    comment: str = Field("#", description="lines that begin with this are left out; empty: none")
    decimal: str = Field(".", pattern=r"^[.,]$", description="decimal sign")
    encoding: str = "utf-8"
    missing: list[str] = Field(list(MISSING), description="cells that stand for a missing value")
    drop_missing: bool = Field(False, description="leave rows with a missing value out, instead of an error")
    text: list[str] = Field([], description="columns that are text even if they look like numbers")


class Csv(Format):
    """Columns are named by the header, by ``names``, or ``x1``, ``x2``, …; ``target`` must be given."""

    name = "csv"
    options = CsvOptions

    def _read(self, path: Path, request: Request, options: Any) -> Table:
        assert isinstance(options, CsvOptions)
        separator = {"tab": "\t", "\\t": "\t"}.get(options.separator, options.separator)
        if separator != "whitespace" and len(separator) != 1:
            raise StageError(
                f"the separator {separator!r} is not one character", where=str(path), hint="Use one character, 'tab' or 'whitespace'."
            )
        dialect = Dialect(separator, options.comment, options.decimal, options.missing, options.drop_missing, options.text)
        lines = Lines(path, options.encoding, options.comment)
        rows = iter(cells(lines, separator))
        first = next(rows, None)
        if first is None:
            raise StageError("the file has no rows", where=str(path))
        has_header = looks_like_header(first, dialect) if options.header is None else options.header
        names = options.names or (first if has_header else [f"x{index}" for index in range(1, len(first) + 1)])
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise StageError(f"two columns are called {twice[0]!r}", where=f"{path}:1", hint="Give all names in `options: {names: […]}`.")
        values = columns(rows if has_header else itertools.chain([first], rows), names, lines, dialect)
        return table_of(values, names, request, str(path))


FORMAT = Csv()
