"""From what the data says to what a model predicts: class indices, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from exseos.errors import StageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Task = Literal["binary", "multiclass", "regression"]
MOST_CLASSES = 100
"""Whole numbers with more distinct values than this are a quantity, not classes, unless the spec says so."""


@dataclass(frozen=True)
class Labels:
    """Targets of all rows. ``y``: int64 class indices [rows], or float32 [rows, outputs] for regression."""

    task: Task
    classes: tuple[str, ...]
    y: NDArray[Any]


def encode(y: NDArray[Any], targets: Sequence[str], task: str, order: Sequence[str] | None = None) -> Labels:
    """Decide the task (``auto``: from the data) and encode ``y`` ([rows] or [rows, outputs], text or numbers).

    Classes are sorted, whole numbers by value and texts by code point, unless ``order`` lists them. Under ``auto``, text, whole
    numbers with at most ``MOST_CLASSES`` values and one-hot rows are classes, everything else is regression. Raises ``StageError``.
    """
    import numpy as np

    if y.dtype.kind in "fc" and not np.isfinite(y).all():
        row = int(np.argwhere(~np.isfinite(y.reshape(len(y), -1)).all(axis=1))[0, 0])
        raise StageError(
            f"the target {', '.join(targets)} is not finite in row {row + 1}", where="prepare", hint="Mend or leave out the row."
        )
    if task == "regression" or (task == "auto" and not _is_classes(y)):
        if y.dtype.kind not in "fiub":
            raise StageError(
                "the task is regression, but the target is text", where="prepare", hint="Set `task: auto`, or name a numeric target."
            )
        return Labels("regression", (), y.reshape(len(y), -1).astype(np.float32))
    names, indices = _classes(y, targets)
    if order is not None:
        if sorted(order) != sorted(names):
            raise StageError(
                f"encode_labels orders {list(order)}, but the classes are {names}", where="prepare", hint="List every class exactly once."
            )
        place = np.array([list(order).index(name) for name in names])
        names, indices = list(order), place[indices]
    if len(names) < 2:
        raise StageError(
            f"the target has only one class, {names[0]!r}", where="prepare", hint="Check `target:`, and that the file holds every class."
        )
    if task == "binary" and len(names) != 2:
        raise StageError(f"the task is binary, but there are {len(names)} classes: {', '.join(names[:20])}", where="prepare")
    decided: Task = "multiclass" if task == "multiclass" or len(names) > 2 else "binary"
    return Labels(decided, tuple(names), indices.astype(np.int64))


def _is_one_hot(y: NDArray[Any]) -> bool:
    return bool(y.ndim == 2 and y.shape[1] > 1 and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


def _is_classes(y: NDArray[Any]) -> bool:
    import numpy as np

    if y.dtype.kind not in "fiub":
        return True
    if y.ndim == 2:
        return _is_one_hot(y)
    return bool((y == np.floor(y)).all()) and len(np.unique(y)) <= MOST_CLASSES if y.dtype.kind != "b" else True


def _classes(y: NDArray[Any], targets: Sequence[str]) -> tuple[list[str], NDArray[Any]]:
    import numpy as np

    if y.ndim == 2:
        if y.dtype.kind not in "fiub" or not _is_one_hot(y):
            raise StageError(
                "the target has several columns that are not one-hot", where="prepare", hint="Name one column, or set `task: regression`."
            )
        names = list(targets) if len(targets) == y.shape[1] else [str(index) for index in range(y.shape[1])]
        return names, np.argmax(y, axis=1)
    values, indices = np.unique(y, return_inverse=True)
    if y.dtype.kind in "fiub":
        if (values != np.floor(values)).any():
            raise StageError("the classes are fractional numbers", where="prepare", hint="Set `task: regression`, or check `target:`.")
        return [str(int(value)) for value in values], indices
    return [str(value) for value in values], indices
