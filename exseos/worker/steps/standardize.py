"""Mean 0 and standard deviation 1, by the training part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exseos.worker.steps.base import ColumnOptions, Fitted, Step, Training

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Standardize(Step):
    """(x − mean) / standard deviation (population), in float64; a constant column becomes 0."""

    name = "standardize"
    options = ColumnOptions

    def fit(self, training: Training, options: Any) -> Fitted:
        import numpy as np

        chosen = training.layout.chosen(options.columns, self.name) if training.x.ndim == 2 else None
        part = training.x if chosen is None else training.x[:, chosen]
        mean = np.add.reduce(part, axis=0) / len(part)
        deviation = np.sqrt(np.add.reduce((part - mean) ** 2, axis=0) / len(part))
        scale = np.where(deviation == 0, 1.0, deviation)

        def apply(x: NDArray[Any]) -> NDArray[Any]:
            if chosen is None:
                return np.asarray((x - mean) / scale)
            result = x.copy()
            result[:, chosen] = (x[:, chosen] - mean) / scale
            return result

        record = {"mean": mean.tolist(), "standard_deviation": deviation.tolist()}
        return Fitted(apply, training.layout, record | _named(training, chosen))


def _named(training: Training, chosen: list[int] | None) -> dict[str, Any]:
    return {} if chosen is None else {"columns": [training.layout.features[index] for index in chosen]}


STEP = Standardize()
