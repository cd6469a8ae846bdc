"""KEEL data files (Alcalá-Fdez et al. 2011): ``@attribute`` lines, then rows of comma-separated cells after ``@data``.

Files that come without the ``@`` lines, rows only, are read too: columns are then ``x1``, ``x2``, … and, last, ``Class``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from exseos.errors import StageError
from exseos.formats.base import Format, Options, Request, Table
from exseos.formats.delimited import MISSING, Dialect, Lines, cells, columns, table_of

_ATTRIBUTE = re.compile(r"@attribute\s+('[^']+'|\"[^\"]+\"|[^\s{\[]+)\s*(.*)", re.IGNORECASE)


class KeelOptions(Options):
    """How the file is to be read."""

    names: list[str] | None = Field(None, description="names of the columns of a file without @attribute lines")
    missing: list[str] = Field(list(MISSING), description="cells that stand for a missing value")
    drop_missing: bool = Field(False, description="leave rows with a missing value out, instead of an error")


class Keel(Format):
    """Without ``target``: the columns of ``@outputs``, else the last one. Without ``features``: ``@inputs``, else all others."""

    name = "keel"
    options = KeelOptions

    def _read(self, path: Path, request: Request, options: Any) -> Table:
        assert isinstance(options, KeelOptions)
        lines = Lines(path, comment="%")
        stream = iter(lines)
        header = _Header()
        first = header.read(stream, lines)
        rows = cells(itertools.chain([first], stream) if first else stream, ",")
        if not header.names:
            count = len(next(cells([first], ","))) if first else 0
            header.names = options.names or [*(f"x{index}" for index in range(1, count)), "Class"]
        dialect = Dialect(missing=options.missing, drop_missing=options.drop_missing, text=header.nominal)
        values = columns(rows, header.names, lines, dialect)
        target = request.target or tuple(header.outputs or header.names[-1:])
        features = request.features or (tuple(name for name in header.inputs if name not in target) or None)
        return table_of(values, header.names, Request(features, target), str(path))


class _Header:
    """The ``@`` lines of a file."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.nominal: list[str] = []
        self.inputs: list[str] = []
        self.outputs: list[str] = []

    def read(self, stream: Iterator[str], lines: Lines) -> str | None:
        """Take the ``@`` lines off ``stream``; returns the first row if there was no ``@data`` line."""
        for line in stream:
            text = line.strip()
            if not text.startswith("@"):
                if self.names:
                    raise StageError("a row before the line @data", where=f"{lines.path}:{lines.number}")
                return line
            word = text.split(maxsplit=1)[0].lower()
            if word == "@attribute":
                self._attribute(text, lines)
            elif word in ("@inputs", "@input"):
                self.inputs = _listed(text)
            elif word in ("@outputs", "@output"):
                self.outputs = _listed(text)
            elif word == "@data":
                return None
        return None

    def _attribute(self, text: str, lines: Lines) -> None:
        match = _ATTRIBUTE.fullmatch(text)
        if match is None:
            raise StageError(f"not an attribute: {text!r}", where=f"{lines.path}:{lines.number}")
        name = match[1].strip("'\"")
        self.names.append(name)
        if match[2].startswith("{"):
            self.nominal.append(name)


def _listed(text: str) -> list[str]:
    _, _, rest = text.partition(" ")
    return [name.strip().strip("'\"") for name in rest.split(",") if name.strip()]


FORMAT = Keel()
