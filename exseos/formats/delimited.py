"""What csv and keel share: lines of separated cells become typed columns, and columns become a table.

A column is numeric if its first cell is a number, and then every cell must be; else it is text. Cells are read in
blocks, so the Python objects of a large file never exist all at once.
"""

from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from exseos.errors import StageError
from exseos.formats.base import Request, Table, position

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "NAN", "null", "NULL", "None", "<null>")
_BLOCK = 16384


@dataclass(frozen=True)
class Dialect:
    """How lines become cells."""

    separator: str = ","
    comment: str = "#"
    decimal: str = "."
    missing: Collection[str] = MISSING
    drop_missing: bool = False
    text: Collection[str] = ()
    """Columns that are text even if they look like numbers."""


@dataclass
class Lines:
    """The lines of a text file that are neither empty nor comments; ``number`` is that of the line last given."""

    path: Path
    encoding: str = "utf-8"
    comment: str = "#"
    number: int = 0

    def __iter__(self) -> Iterator[str]:
        try:
            with self._open() as stream:
                for self.number, line in enumerate(stream, 1):
                    if line.strip() and not (self.comment and line.lstrip().startswith(self.comment)):
                        yield line
        except UnicodeDecodeError as error:
            raise StageError(
                f"not {self.encoding} text after line {self.number}: {error.reason}",
                where=str(self.path),
                hint="Name its encoding in `options: {encoding: …}`.",
            ) from None
        except (LookupError, EOFError, gzip.BadGzipFile) as error:
            raise StageError(f"cannot be read as text: {error}", where=str(self.path)) from None

    def _open(self) -> IO[str]:
        with self.path.open("rb") as start:
            zipped = start.read(2) == b"\x1f\x8b"
        encoding = "utf-8-sig" if self.encoding.lower() in ("utf-8", "utf8") else self.encoding
        if zipped:
            return gzip.open(self.path, "rt", encoding=encoding, newline="")
        return self.path.open(encoding=encoding, newline="")


def cells(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Lines as lists of stripped cells; ``separator`` is one character or ``whitespace``."""
    if separator == "whitespace":
        return (line.split() for line in lines)
    return ([cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator, skipinitialspace=True))


def columns(rows: Iterable[list[str]], names: Sequence[str], lines: Lines, dialect: Dialect) -> list[NDArray[Any]]:
    """One array per name: float64, or text. A bad, missing or surplus cell is an error that names its line and column."""
    import numpy as np

    blocks: list[list[NDArray[Any]]] = [[] for _ in names]
    is_text: list[bool] | None = None
    checked = _checked(rows, names, lines, dialect)
    while block := list(itertools.islice(checked, _BLOCK)):
        if is_text is None:
            is_text = [name in dialect.text or not _is_number(cell, dialect) for name, cell in zip(names, block[0][1], strict=True)]
        for index, (name, text) in enumerate(zip(names, is_text, strict=True)):
            column = [row[index] for _, row in block]
            if dialect.decimal != "." and not text:
                column = [cell.replace(dialect.decimal, ".") for cell in column]
            try:
                blocks[index].append(np.array(column, dtype=str if text else np.float64))
            except ValueError:
                number, cell = next((line, row[index]) for line, row in block if not _is_number(row[index], dialect))
                raise StageError(
                    f"{cell!r} in column {name!r} is not a number, unlike the rows before",
                    where=f"{lines.path}:{number}",
                    hint="Mend the row, or list the column in `options: {text: […]}` if it holds text.",
                ) from None
    return [np.concatenate(parts) if parts else np.zeros(0) for parts in blocks]


def _checked(rows: Iterable[list[str]], names: Sequence[str], lines: Lines, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Rows with their line numbers, each as long as ``names`` and without missing cells."""
    missing = frozenset(dialect.missing)
    iterator = iter(rows)
    while True:
        try:
            row = next(iterator)
        except StopIteration:
            return
        except csv.Error as error:
            raise StageError(f"not a row of separated values: {error}", where=f"{lines.path}:{lines.number}") from None
        if len(row) != len(names):
            raise StageError(
                f"{len(row)} cells, but there are {len(names)} columns: {', '.join(names[:20])}",
                where=f"{lines.path}:{lines.number}",
                hint="Check the separator, and whether the file has a header.",
            )
        if not missing.isdisjoint(row):
            if dialect.drop_missing:
                continue
            index = next(place for place, cell in enumerate(row) if cell in missing)
            raise StageError(
                f"the value of column {names[index]!r} is missing ({row[index]!r})",
                where=f"{lines.path}:{lines.number}",
                hint="Fill it in, or leave such rows out with `options: {drop_missing: true}`. `missing: […]` says what is missing.",
            )
        yield lines.number, row


def _is_number(cell: str, dialect: Dialect) -> bool:
    try:
        float(cell.replace(dialect.decimal, "."))
    except ValueError:
        return False
    return True


def looks_like_header(row: Sequence[str], dialect: Dialect) -> bool:
    """True if no cell of ``row`` is a number: names stand there, not data."""
    return bool(row) and not any(_is_number(cell, dialect) for cell in row)


def table_of(values: Sequence[NDArray[Any]], names: Sequence[str], request: Request, where: str) -> Table:
    """A table of the wanted columns; without ``request.features``, of all but the target."""
    import numpy as np

    if request.target is None:
        raise StageError("the column to predict is not named", where=where, hint=f"Add `target:`. The file has: {', '.join(names[:40])}.")
    targets = [position(name, names, "column", where) for name in request.target]
    if request.features is None:
        chosen = [index for index in range(len(names)) if index not in targets]
    else:
        chosen = [position(name, names, "column", where) for name in request.features]
    both = [names[index] for index in chosen if index in targets]
    if both:
        raise StageError(
            f"column {both[0]!r} is a feature and the target",
            where=where,
            hint="A model would read the answer: leave it out of `features`.",
        )
    if not chosen:
        raise StageError("no column is left to learn from", where=where)
    x = np.empty((len(values[0]), len(chosen)), np.float64)
    categories = {}
    for place, index in enumerate(chosen):
        if values[index].dtype.kind == "U":
            texts, x[:, place] = np.unique(values[index], return_inverse=True)
            categories[place] = tuple(str(text) for text in texts)
        else:
            x[:, place] = values[index]
    y = values[targets[0]] if len(targets) == 1 else np.stack([values[index] for index in targets], axis=1)
    return Table(x, y, tuple(names[index] for index in chosen), tuple(names[index] for index in targets), categories)
