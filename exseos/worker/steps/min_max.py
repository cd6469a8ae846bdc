"""A fixed range, by the training part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from exseos.errors import StageError
from exseos.worker.steps.base import ColumnOptions, Fitted, Step, Training

if TYPE_CHECKING:
    from numpy.typing import NDArray


class MinMaxOptions(ColumnOptions):
    """The range that the training part fills; rows of the other parts may go beyond."""

    low: float = Field(0.0, allow_inf_nan=False)
    high: float = Field(1.0, allow_inf_nan=False)


class MinMax(Step):
    """low + (x − minimum) / (maximum − minimum) · (high − low), in float64; a constant column becomes ``low``."""

    name = "min_max"
    options = MinMaxOptions

    def fit(self, training: Training, options: Any) -> Fitted:
        import numpy as np

        if not options.low < options.high:
            raise StageError(f"low ({options.low}) is not below high ({options.high})", where="prepare.min_max")
        chosen = training.layout.chosen(options.columns, self.name) if training.x.ndim == 2 else None
        part = training.x if chosen is None else training.x[:, chosen]
        minimum, maximum = part.min(axis=0), part.max(axis=0)
        span = np.where(maximum == minimum, 1.0, maximum - minimum)

        def scaled(x: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(options.low + (x - minimum) / span * (options.high - options.low))

        def apply(x: NDArray[Any]) -> NDArray[Any]:
            if chosen is None:
                return scaled(x)
            result = x.copy()
            result[:, chosen] = scaled(x[:, chosen])
            return result

        record: dict[str, Any] = {"minimum": minimum.tolist(), "maximum": maximum.tolist(), "low": options.low, "high": options.high}
        if chosen is not None:
            record["columns"] = [training.layout.features[index] for index in chosen]
        return Fitted(apply, training.layout, record)


STEP = MinMax()
