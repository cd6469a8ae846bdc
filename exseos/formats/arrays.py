"""What npz and hdf5 share: named arrays become a table.

The first axis of every array counts rows. One array becomes ``x`` in its own shape; several are laid side by side as
columns, in the order named. With ``table`` one array holds everything and its columns are named by ``columns``: another
array of text, a list in the spec, or the fields of a compound type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from exseos.errors import StageError
from exseos.formats.base import Options, Request, Table, position

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ArrayOptions(Options):
    """How arrays become columns."""

    table: str | None = Field(None, description="the array whose columns are the features and the target")
    columns: str | list[str] | None = Field(None, description="names of the table's columns: a list, or the array that holds them")
    rows: int | None = Field(None, ge=1, description="read the first rows only")


class Arrays(Protocol):
    """Named arrays of one file."""

    where: str

    def names(self) -> list[str]:
        """All arrays, sorted; a field of a compound array as ``array/field``."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Without reading the array."""

    def load(self, name: str, rows: int | None) -> NDArray[Any]:
        """The array, or its first rows; texts as NumPy strings."""


def table_of(arrays: Arrays, request: Request, options: ArrayOptions) -> Table:
    """The table that ``request`` and ``options`` describe."""
    if request.target is None:
        raise StageError(
            "the array to predict is not named", where=arrays.where, hint=f"Add `target:`. The file has: {', '.join(arrays.names()[:40])}."
        )
    if options.table is not None:
        return _from_table(arrays, request, options, options.table)
    rows = options.rows
    for name in (*request.target, *(request.features or ())):
        position(name, arrays.names(), "array", arrays.where)
    target_shape = arrays.shape(request.target[0])
    count = target_shape[0] if target_shape else 0
    features = request.features
    if features is None:
        shapes = {name: arrays.shape(name) for name in arrays.names() if name not in request.target}
        features = tuple(name for name, shape in shapes.items() if shape and shape[0] == count)
        if not features:
            raise StageError(
                f"no array has as many rows as the target ({count})",
                where=arrays.where,
                hint="Name the arrays to learn from in `features:`.",
            )
    both = sorted(set(features) & set(request.target))
    if both:
        raise StageError(
            f"{both[0]!r} is a feature and the target",
            where=arrays.where,
            hint="A model would read the answer: leave it out of `features`.",
        )
    x, x_names = _side_by_side(arrays, features, rows)
    y, y_names = _side_by_side(arrays, request.target, rows)
    if len(request.target) == 1 and y.ndim == 2 and y.shape[1] == 1:
        y, y_names = y[:, 0], request.target
    return Table(_numeric(x, features, arrays.where), y, x_names, y_names)


def _side_by_side(arrays: Arrays, wanted: Sequence[str], rows: int | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    import numpy as np

    parts = [arrays.load(name, rows) for name in wanted]
    for name, part in zip(wanted, parts, strict=True):
        if part.ndim == 0:
            raise StageError(f"{name!r} is a single value, not rows", where=arrays.where)
        if len(part) != len(parts[0]):
            raise StageError(f"{wanted[0]!r} has {len(parts[0])} rows, {name!r} has {len(part)}", where=arrays.where)
        if len(parts) > 1 and part.ndim > 2:
            raise StageError(f"{name!r} has shape {part.shape}: arrays side by side must have one or two dimensions", where=arrays.where)
    if len(parts) == 1 and parts[0].ndim > 2:
        return parts[0], (wanted[0],)
    flat = [part.reshape(len(part), -1) for part in parts]
    names = [
        name if part.ndim == 1 else f"{name}[{index}]" for name, part in zip(wanted, parts, strict=True) for index in range(part[:1].size)
    ]
    if len(parts) == 1:
        return parts[0] if parts[0].ndim == 1 and not _is_number(parts[0]) else flat[0], tuple(names)
    return np.concatenate(flat, axis=1), tuple(names)


def _from_table(arrays: Arrays, request: Request, options: ArrayOptions, name: str) -> Table:
    position(name, arrays.names(), "array", arrays.where)
    table = arrays.load(name, options.rows)
    if table.ndim != 2:
        raise StageError(f"the table {name!r} has shape {table.shape}, not [rows, columns]", where=arrays.where)
    if isinstance(options.columns, str):
        position(options.columns, arrays.names(), "array", arrays.where)
        columns = [str(text).strip() for text in arrays.load(options.columns, None).ravel()]
    else:
        columns = options.columns or [f"x{index}" for index in range(1, table.shape[1] + 1)]
    if len(columns) != table.shape[1]:
        raise StageError(f"{len(columns)} names for the {table.shape[1]} columns of {name!r}", where=arrays.where)
    targets = [position(one, columns, "column", arrays.where) for one in request.target or ()]
    wanted = request.features or [one for one in columns if one not in (request.target or ())]
    chosen = [position(one, columns, "column", arrays.where) for one in wanted]
    if set(chosen) & set(targets):
        raise StageError("a column is a feature and the target", where=arrays.where, hint="Leave it out of `features`.")
    y = table[:, targets[0]] if len(targets) == 1 else table[:, targets]
    return Table(_numeric(table[:, chosen], (name,), arrays.where), y, tuple(wanted), tuple(columns[index] for index in targets))


def _is_number(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "fiub"


def _numeric(x: NDArray[Any], wanted: Sequence[str], where: str) -> NDArray[Any]:
    """``x`` as float32 if it is that already, else as float64."""
    import numpy as np

    if not _is_number(x):
        raise StageError(
            f"{', '.join(wanted)}: features of type {x.dtype} are not numbers", where=where, hint="Name numeric arrays in `features:`."
        )
    return x.astype(np.float32 if x.dtype == np.float32 else np.float64, copy=False)
