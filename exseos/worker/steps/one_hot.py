"""Categories as columns of 0 and 1, one per value seen in the training part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exseos.errors import StageError
from exseos.worker.steps.base import ColumnOptions, Fitted, Layout, Step, Training

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_VALUES = 1000


class OneHot(Step):
    """Without ``columns``: all text columns. New columns stand at the old one's place, named ``column=value``.

    A value of the other parts that the training part does not have becomes a row of zeros.
    """

    name = "one_hot"
    options = ColumnOptions

    def fit(self, training: Training, options: Any) -> Fitted:
        import numpy as np

        where = f"prepare.{self.name}"
        if training.x.ndim != 2:
            raise StageError(f"needs columns, but x has shape {training.x.shape}", where=where)
        layout = training.layout
        chosen = sorted(layout.categories) if options.columns is None else layout.chosen(options.columns, self.name)
        if not chosen:
            raise StageError("no feature holds text", where=where, hint="Name columns: {one_hot: {columns: […]}}, or remove the step.")
        values = {index: np.unique(training.x[:, index]) for index in chosen}
        for index, found in values.items():
            if len(found) > _MOST_VALUES:
                raise StageError(f"column {layout.features[index]!r} has {len(found)} values, more than {_MOST_VALUES}", where=where)

        def apply(x: NDArray[Any]) -> NDArray[Any]:
            parts = [
                (x[:, [index]] == values[index]).astype(np.float64) if index in values else x[:, [index]] for index in range(x.shape[1])
            ]
            return np.concatenate(parts, axis=1)

        names: list[str] = []
        categories: dict[int, tuple[str, ...]] = {}
        record: dict[str, list[str]] = {}
        for index, feature in enumerate(layout.features):
            if index in values:
                texts = layout.categories.get(index)
                record[feature] = [texts[int(value)] if texts else f"{value:g}" for value in values[index]]
                names += [f"{feature}={text}" for text in record[feature]]
            else:
                if index in layout.categories:
                    categories[len(names)] = layout.categories[index]
                names.append(feature)
        return Fitted(apply, Layout(tuple(names), categories), {"values": record})


STEP = OneHot()
