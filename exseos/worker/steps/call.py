"""The researcher's own step: ``{call: experiment.py:add_ratio, …parameters}``.

The function has one of two forms. Both work on float64 ``x`` [rows, features…] and return as many rows.

Row by row, nothing to learn::

    def add_ratio(x, features):
        return np.column_stack([x, x[:, 0] / x[:, 1]])

Learning: called once with the training part alone, it returns the function that is applied to every part::

    def clip_outliers(train_x, train_y, quantile=0.99):
        limit = np.quantile(abs(train_x), quantile, axis=0)
        return lambda x: np.clip(x, -limit, limit)

Besides the parameters of the spec, a signature may name ``features`` (names of the columns), ``classes`` and ``seed``. New
columns are named after the function, unless the returned function has an attribute ``features``. The arrays given are
read-only. What is applied must treat each row by itself: this is checked on some rows of every part, because a
function that looks at other rows (``x - x.mean(axis=0)``) would let the test part shape its own preparation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from exseos.errors import StageError
from exseos.worker import user_code
from exseos.worker.steps.base import Fitted, Layout, Step, StepOptions, Training

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEARNING = ("train_x", "train_y")
_CHECKED_ROWS = 3


class CallOptions(StepOptions):
    """The function and its parameters."""

    call: str
    parameters: Mapping[str, Any] = Field(default_factory=dict)


class CallStep(Step):
    """A function of the spec's own files."""

    name = "call"
    options = CallOptions

    def fit(self, training: Training, options: Any) -> Fitted:
        label: str = options.call
        function = user_code.load(label, training.files)
        takes = inspect.signature(function).parameters
        layout = training.layout
        offered = {"features": layout.features, "classes": training.classes, "seed": training.seed}
        transform: Callable[[NDArray[Any]], Any]
        if any(name in takes for name in _LEARNING):
            learned = user_code.call(function, label, offered | {"train_x": training.x, "train_y": training.y}, options.parameters)
            if not callable(learned):
                raise StageError(
                    f"the function returned {type(learned).__name__}, not a function",
                    where=f"{user_code.SHOWN_AS}/{label}",
                    hint="With train_x it learns: return the function x → x that is applied to every part.",
                )
            transform = learned
        elif "x" in takes:
            transform = partial(_call_with_x, function, label, offered, options.parameters)
        else:
            raise StageError(
                "the function takes neither x nor train_x",
                where=f"{user_code.SHOWN_AS}/{label}",
                hint="Write def f(x, …) to change rows, or def f(train_x, train_y, …) returning such a function.",
            )
        apply = partial(_apply, transform, label)
        sample = training.x[:_CHECKED_ROWS]
        after = _layout_after(sample, apply(sample), layout, label, transform)
        return Fitted(apply, after, {"call": label, "parameters": dict(options.parameters)})


def _call_with_x(
    function: Callable[..., Any], label: str, offered: Mapping[str, Any], parameters: Mapping[str, Any], x: NDArray[Any]
) -> Any:
    return user_code.call(function, label, {**offered, "x": x}, parameters)


def _apply(transform: Callable[[NDArray[Any]], Any], label: str, x: NDArray[Any]) -> NDArray[Any]:
    """``transform`` on all rows, checked to give the same for some rows alone."""
    import numpy as np

    result = _checked(transform(x), x, label)
    for row in sorted({0, len(x) // 2, len(x) - 1}) if len(x) > 1 else ():
        alone = _checked(transform(x[row : row + 1]), x[row : row + 1], label)
        if alone.shape[1:] != result.shape[1:] or not np.allclose(alone[0], result[row], rtol=1e-4, atol=1e-6, equal_nan=True):
            raise StageError(
                f"what the function gives for row {row + 1} depends on other rows of the same part",
                where=f"{user_code.SHOWN_AS}/{label}",
                hint="Learn from the training part instead: def f(train_x, train_y, …) returning a function that works row by row.",
            )
    return result


def _checked(result: Any, x: NDArray[Any], label: str) -> NDArray[Any]:
    import numpy as np

    where = f"{user_code.SHOWN_AS}/{label}"
    if not isinstance(result, np.ndarray) or result.dtype.kind not in "fiub":
        found = f"an array of type {result.dtype}" if isinstance(result, np.ndarray) else type(result).__name__
        raise StageError(f"the function gave {found}, not a NumPy array of numbers", where=where)
    if result.ndim < 2 or len(result) != len(x):
        raise StageError(
            f"the function turned shape {x.shape} into {result.shape}", where=where, hint="Keep the rows: the first axis must stay."
        )
    return result.astype(np.float64)


def _layout_after(before: NDArray[Any], after: NDArray[Any], layout: Layout, label: str, transform: Any) -> Layout:
    """What the columns mean now: as the function says, unchanged, or old ones (if they are still there) and new ones."""
    import numpy as np

    named = getattr(transform, "features", None)
    function = label.partition(":")[2]
    if named is not None:
        if after.ndim == 2 and len(named) != after.shape[1]:
            raise StageError(f"{len(named)} feature names for {after.shape[1]} columns", where=f"{user_code.SHOWN_AS}/{label}")
        return Layout(tuple(str(name) for name in named))
    if after.ndim != 2:
        return Layout((function,))
    count = before.shape[1] if before.ndim == 2 else 0
    if count and after.shape[1] == count:
        return layout
    kept = bool(count) and after.shape[1] > count and np.array_equal(after[:, :count], before)
    old = layout.features if kept else ()
    new = tuple(f"{function}[{index}]" for index in range(after.shape[1] - len(old)))
    return Layout((*old, *new), layout.categories if kept else {})


STEP = CallStep()
