"""The order of the classes, and text features as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from exseos.errors import StageError
from exseos.worker.steps.base import ColumnOptions, Fitted, Layout, Step, Training

if TYPE_CHECKING:
    from numpy.typing import NDArray


class EncodeLabelsOptions(ColumnOptions):
    """Without ``columns``, features stay as they are."""

    order: list[str] | None = Field(None, description="the classes of the target in the order of their indices; default: sorted")


class EncodeLabels(Step):
    """Text targets always become class indices; this step says in which order.

    With ``columns``, those text features become the index of their text among the sorted texts of the training part;
    a text of the other parts that is not among them is an error.
    """

    name = "encode_labels"
    options = EncodeLabelsOptions

    def label_order(self, options: Any) -> list[str] | None:
        order: list[str] | None = options.order
        return order

    def fit(self, training: Training, options: Any) -> Fitted:
        import numpy as np

        layout = training.layout
        chosen = layout.chosen(options.columns or [], self.name)
        numeric = [layout.features[index] for index in chosen if index not in layout.categories]
        if numeric:
            raise StageError(f"feature {numeric[0]!r} holds numbers, not text", where="prepare.encode_labels")
        values = {index: np.unique(training.x[:, index]) for index in chosen}

        def apply(x: NDArray[Any]) -> NDArray[Any]:
            result = x.copy()
            for index, known in values.items():
                place = np.searchsorted(known, x[:, index]).clip(max=len(known) - 1)
                wrong = np.flatnonzero(known[place] != x[:, index])
                if len(wrong):
                    text = layout.categories[index][int(x[wrong[0], index])]
                    raise StageError(
                        f"feature {layout.features[index]!r} has {text!r}, which no row of the training part has",
                        where="prepare.encode_labels",
                        hint="Use one_hot, which gives such rows zeros, or another split.",
                    )
                result[:, index] = place
            return result

        record: dict[str, Any] = {"values": {layout.features[i]: [layout.categories[i][int(v)] for v in values[i]] for i in chosen}}
        if training.classes:
            record["classes"] = list(training.classes)
        left = {index: texts for index, texts in layout.categories.items() if index not in values}
        return Fitted(apply, Layout(layout.features, left), record)


STEP = EncodeLabels()
