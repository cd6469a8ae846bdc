"""Outputs of one model on the same rows, at two levels (Keras, C simulation, RTL, gates): how they compare.

Outputs are float arrays [rows, outputs…]. "Bit for bit" means equal values: all levels hold fixed-point numbers that
float32 represents exactly, so equal values are equal bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exseos.errors import StageError
from exseos.metrics import Level, Metric

if TYPE_CHECKING:
    import numpy as np


def mismatches(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> int:
    """How many rows differ in at least one output."""
    return int((one.reshape(len(one), -1) != other.reshape(len(other), -1)).any(axis=1).sum())


def largest_difference(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """The largest absolute difference of any output."""
    import numpy as np

    return float(np.abs(one.reshape(len(one), -1).astype(np.float64) - other.reshape(len(other), -1)).max(initial=0.0))


def decisions(outputs: np.ndarray[Any, Any], threshold: float | None) -> np.ndarray[Any, Any]:
    """The class of each row: the index of the largest output (the first of equals), or for one output whether it exceeds ``threshold``."""
    import numpy as np

    flat = outputs.reshape(len(outputs), -1)
    if flat.shape[1] == 1:
        return (flat[:, 0] > (threshold or 0.0)).astype(np.int64)
    largest: np.ndarray[Any, Any] = np.argmax(flat, axis=1)
    return largest


def quality(
    task: str,
    outputs: np.ndarray[Any, Any],
    targets: np.ndarray[Any, Any],
    threshold: float | None,
    *,
    level: Level,
    origin: str,
    tool: str,
    version: str,
) -> Metric:
    """``accuracy`` of a classifier, or ``loss`` (mean squared error) of a regression, on ``targets``, at ``level``."""
    import numpy as np

    if task == "regression":
        name, value = (
            "mean_squared_error",
            float(np.mean((outputs.reshape(len(outputs), -1).astype(np.float64) - targets.reshape(len(targets), -1)) ** 2)),
        )
    else:
        name, value = "accuracy", float(np.mean(decisions(outputs, threshold) == targets.reshape(-1)))
    return Metric(name=name, value=value, unit="1", level=level, origin=origin, tool=tool, version=version)


def refuse_constant(outputs: np.ndarray[Any, Any], expected: np.ndarray[Any, Any], *, where: str, hint: str) -> None:
    """Raise ``StageError`` if every row of ``outputs`` is the same while ``expected`` has rows that differ.

    Such a design has lost its input: its accuracy is that of a guess and must not be reported as a result.
    """
    if len(outputs) > 1 and _constant(outputs) and not _constant(expected):
        raise StageError(f"the outputs are the same for all {len(outputs)} rows, Keras's are not", where=where, hint=hint)


def _constant(outputs: np.ndarray[Any, Any]) -> bool:
    return bool((outputs == outputs[:1]).all())
