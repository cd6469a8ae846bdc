"""What a model is trained for and judged by: its loss, and accuracy and AUC of its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exseos.errors import StageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PASS_THROUGH = {"Activation", "Dropout", "Flatten", "Identity", "QIdentity", "Quantizer", "Reshape"}
_LOSSES = {
    "binary": ("binary_crossentropy",),
    "multiclass": ("sparse_categorical_crossentropy", "categorical_crossentropy"),
    "regression": ("mean_squared_error",),
}


@dataclass(frozen=True)
class Objective:
    """How outputs relate to the target."""

    loss: str
    """Name of the Keras loss, or ``none``."""
    from_logits: bool
    threshold: float | None
    """Binary with one output: above it the second class is predicted. None: the largest output decides, or regression."""

    def record(self) -> dict[str, Any]:
        """For ``objective.json``."""
        return {"loss": self.loss, "from_logits": self.from_logits, "threshold": self.threshold}

    def keras_loss(self) -> Any:
        """The Keras loss object."""
        import keras

        if self.loss == "binary_crossentropy":
            return keras.losses.BinaryCrossentropy(from_logits=self.from_logits)
        if self.loss == "sparse_categorical_crossentropy":
            return keras.losses.SparseCategoricalCrossentropy(from_logits=self.from_logits)
        return keras.losses.MeanSquaredError()

    def keras_metrics(self) -> list[Any]:
        """What Keras shows while training."""
        import keras

        if self.threshold is not None:
            return [keras.metrics.BinaryAccuracy(threshold=self.threshold, name="accuracy")]
        if self.loss == "sparse_categorical_crossentropy":
            return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        return []


def final_activation(model: Any) -> str:
    """Name of the function that makes the model's output: ``linear``, ``sigmoid``, ``softmax``, …

    Walks back over layers that only pass values on (quantizers, reshapes, dropout).
    """
    operation = model.outputs[0]._keras_history.operation
    while True:
        kind = type(operation).__name__
        if "Softmax" in kind:
            return "softmax"
        activation = getattr(operation, "activation", None)
        name = str(getattr(activation, "__name__", None) or getattr(activation, "name", None) or "linear")
        if name != "linear" or kind not in _PASS_THROUGH or not isinstance(operation.input, object):
            return name
        previous = getattr(operation.input, "_keras_history", None)
        if previous is None or previous.operation is operation:
            return name
        operation = previous.operation


def outputs_wanted(task: str, classes: int, outputs: int) -> int:
    """How many outputs a model of ``task`` has: offered to ``build_model`` as ``outputs``."""
    return {"binary": 1, "multiclass": classes, "regression": outputs}[task]


def check_shape(model: Any, task: str, input_shape: tuple[int, ...], classes: int, outputs: int, where: str) -> None:
    """Refuse, before any training, a model whose input or output does not fit. Raises ``StageError``."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise StageError(f"the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs, not one of each", where=where)
    if tuple(model.input_shape[1:]) != input_shape:
        raise StageError(
            f"the model takes rows of shape {tuple(model.input_shape[1:])}, the prepared data has {input_shape}",
            where=where,
            hint="Use the parameter input_shape of the function for the model's Input.",
        )
    wanted = outputs_wanted(task, classes, outputs)
    found = tuple(model.output_shape[1:])
    if found != (wanted,) and not (task == "binary" and found == (2,)):
        reason = {"binary": "two classes", "multiclass": f"{classes} classes", "regression": f"{outputs} target values"}[task]
        raise StageError(
            f"the model gives rows of shape {found}, but the task is {task} with {reason}: ({wanted},) is needed",
            where=where,
            hint="Use the parameter outputs of the function for the model's last layer, or set `task:`.",
        )


def choose(model: Any, task: str, wanted: str, where: str) -> Objective:
    """The objective for ``task``; ``wanted`` is the spec's ``train.loss``, ``auto`` or a name. Raises ``StageError``."""
    activation = final_activation(model)
    single = model.output_shape[-1] == 1
    kind = task if task == "regression" else ("binary" if single else "multiclass")
    if wanted not in ("auto", *_LOSSES[kind]):
        hint = f"Use `loss: auto` or {' or '.join(_LOSSES[kind])}."
        raise StageError(
            f"the loss {wanted} does not fit the task {task} with {model.output_shape[-1]} outputs", where="train.loss", hint=hint
        )
    if kind == "regression":
        return Objective("mean_squared_error", False, None)
    probability = "sigmoid" if kind == "binary" else "softmax"
    if activation not in ("linear", probability):
        raise StageError(
            f"the model's last activation is {activation}, but the task {task} needs {probability} or none (logits)",
            where=where,
            hint="Leave the last layer's activation out: the loss then works on logits, and the hardware needs no table.",
        )
    logits = activation == "linear"
    if kind == "binary":
        return Objective("binary_crossentropy", logits, 0.0 if logits else 0.5)
    return Objective("sparse_categorical_crossentropy", logits, None)


def accuracy(outputs: NDArray[Any], y: NDArray[Any], threshold: float | None) -> float:
    """Share of rows whose predicted class is right. ``outputs`` [rows, outputs], ``y`` class indices [rows]."""
    predicted = np.argmax(outputs, axis=1) if threshold is None else (outputs[:, 0] > threshold).astype(np.int64)
    return int(np.count_nonzero(predicted == y)) / len(y)


def area_under_curve(scores: NDArray[Any], y: NDArray[Any]) -> float:
    """Area under the ROC curve of ``scores`` [rows] for ``y`` of 0 and 1 [rows]; ties count half (Mann–Whitney), in whole numbers."""
    values, place = np.unique(scores, return_inverse=True)
    positive = np.bincount(place[y == 1], minlength=len(values))
    negative = np.bincount(place[y == 0], minlength=len(values))
    below = np.cumsum(negative) - negative
    halves = int(np.sum(positive * (2 * below + negative)))
    return halves / (2 * int(positive.sum()) * int(negative.sum()))


def mean_loss(loss: Any, y: NDArray[Any], outputs: NDArray[Any]) -> float:
    """Mean of a Keras loss over all rows, accumulated in float64 over blocks of 4096 rows."""
    total = 0.0
    for start in range(0, len(y), 4096):
        block = y[start : start + 4096]
        shaped = block.reshape(len(block), -1) if outputs.shape[1] == 1 else block
        total += float(loss(shaped, outputs[start : start + 4096])) * len(block)
    return total / len(y)
