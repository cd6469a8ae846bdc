"""The ``evaluate`` stage: the trained model, measured where no code of the user runs.

No parameters: what a model is judged by follows from the model and the data alone.

Reads ``train/model.keras``, ``objective.json`` and the arrays of ``prepare``. Writes

    predictions_test.npy    Keras's outputs on the test rows, float32 [rows, outputs]
    objective.json          loss, from_logits, and the threshold above which a binary model says the second class
    metrics.json            level float: accuracy, loss, auc, parameters, ebops
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exseos.errors import StageError
from exseos.metrics import Metric
from exseos.toolchains.earlier import Prepared, read_objective, read_prepared, read_x, read_y
from exseos.toolchains.keras_model import load_model
from exseos.worker import determinism
from exseos.worker.stages.base import Context, Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from exseos.worker.objective import Objective

_BLOCK = 1024
"""Rows at once in prediction, whatever the batch size of the training."""


class Evaluate(Stage):
    """Loads the model twice: one copy predicts, the number ranges of the other are traced again, which gives its EBOPs."""

    name = "evaluate"
    libraries = ("tensorflow", "keras", "hgq")

    def run(self, context: Context) -> None:
        """Raises ``StageError`` for a model that is not one of layers of Keras and HGQ2, or not what ``train`` says of it."""
        import numpy as np

        context.progress("loading TensorFlow", None, None)
        from exseos.worker import ranges
        from exseos.worker.numerics import probe
        from exseos.worker.numerics.audit import Audit

        determinism.start_training(context.seed)
        prepared = read_prepared(context.inputs["prepare"])
        x, y = read_x(context.inputs["prepare"], "test"), read_y(context.inputs["prepare"], "test")
        path = context.inputs["train"] / "model.keras"
        model, traced = load_model(path), load_model(path)
        goal = judged_by(model, prepared, y, context.inputs["train"])
        context.facts["probe"] = probe.model_probe(model, None, _BLOCK, model.output_shape[-1], len(prepared.classes))
        audit = Audit()
        context.progress(f"predicting {len(x)} rows", None, None)
        outputs = predict(model, x)
        ebops = count_ebops(model, traced, context.inputs["prepare"])
        np.save(context.output / "predictions_test.npy", np.ascontiguousarray(outputs, dtype=np.float32), allow_pickle=False)
        context.write_json("objective.json", goal.record())
        uncounted = ranges.uncounted(model) if ebops is not None else []
        if uncounted:
            names = ", ".join(uncounted[:5])
            context.progress(f"EBOPs are not those of the whole model, and no claim can be about them: not in full are {names}", None, None)
        context.write_metrics(measure(model, goal, outputs, y, ebops, partly=bool(uncounted)))
        audit.close()
        context.facts["numerics"] = {"operations": len(audit.used), "unknown": audit.unknown()}


def judged_by(model: Any, prepared: Prepared, y: NDArray[Any], trained: Path) -> Objective:
    """The objective of ``model``, from itself and the data; ``trained``, the outputs of train, must say the same."""
    from exseos.worker import objective

    targets = y.shape[1] if prepared.task == "regression" else 0
    objective.check_shape(model, prepared.task, prepared.input_shape, len(prepared.classes), targets, "model.keras")
    goal = objective.choose(model, prepared.task, "auto", "model.keras")
    said = read_objective(trained)
    if said.model_dump() != goal.record():
        raise StageError(
            f"it says {said.model_dump()}, but the model and the data say {goal.record()}",
            where="objective.json",
            hint="Do not change what `train` writes.",
        )
    return goal


def count_ebops(model: Any, traced: Any, prepared: Path) -> int | None:
    """The EBOPs of ``model``, None for one without; ``traced`` is another copy of it, whose ranges are traced again.

    Raises ``StageError`` if the ranges in the model are not those of its rows: then its EBOPs would be another model's.
    """
    import numpy as np

    from exseos.worker.ranges import has_ebops, trace_ranges

    if not has_ebops(model):
        return None
    arrays = {f"x_{part}": read_x(prepared, part) for part in ("train", "validation")}
    ebops = trace_ranges(traced, arrays)
    for one, two in zip(model.weights, traced.weights, strict=True):
        if not np.array_equal(np.asarray(one), np.asarray(two)):
            raise StageError(
                f"{one.path} is not what the training and validation rows give",
                where="model.keras",
                hint="`train` traces the ranges of quantizers after the training: do not change the model behind it.",
            )
    return ebops


def predict(model: Any, x: NDArray[Any]) -> NDArray[Any]:
    """Outputs of ``model`` on ``x`` as float32 [rows, outputs]. Raises ``StageError`` if one is not finite."""
    import numpy as np
    import tensorflow as tf

    blocks = (np.asarray(x[start : start + _BLOCK]) for start in range(0, len(x), _BLOCK))
    try:
        outputs = np.concatenate([np.asarray(model(block, training=False)) for block in blocks])
    except tf.errors.InvalidArgumentError as error:
        raise StageError(
            f"it cannot take a row of the test part: {str(error)[:500]}",
            where="model.keras",
            hint="An embedding takes the numbers of its table only: see that the test part holds no other.",
        ) from error
    if not np.isfinite(outputs).all():
        raise StageError("its outputs are not finite on the test part", where="model.keras", hint="Lower the learning rate.")
    return outputs


def count_parameters(model: Any) -> int:
    """Weights of ``model`` that can be trained, frozen or not, without the bit widths that HGQ2 trains along."""
    from exseos.worker.numerics.probe import bit_widths

    for layer in model._flatten_layers():  # a file may say that its layers are frozen; a model does not pass it on to all
        layer.trainable = True
    widths = bit_widths(model)
    return sum(math.prod(weight.shape) for weight in model.trainable_weights if id(weight) not in widths)


def measure(model: Any, goal: Objective, outputs: NDArray[Any], y: NDArray[Any], ebops: int | None, *, partly: bool) -> list[Metric]:
    """The metrics of level ``float``: on the test part, and the size of the model; ``ebops`` may be those of layers ``partly`` chosen."""
    import keras

    from exseos.worker.objective import accuracy, area_under_curve, mean_loss

    found: list[tuple[str, float | int, str]] = []
    if goal.loss != "mean_squared_error":
        found.append(("accuracy", accuracy(outputs, y, goal.threshold), "1"))
    found.append(("loss", mean_loss(goal.keras_loss(), y, outputs), "1"))
    if goal.threshold is not None and 0 < int(y.sum()) < len(y):
        found.append(("auc", area_under_curve(outputs[:, 0], y), "1"))
    found.append(("parameters", count_parameters(model), "count"))
    if ebops is not None:
        found.append(("ebops", ebops, "count"))
    origin = {"parameters": "model.keras", "ebops": "model.keras"}
    return [
        Metric(
            name=name,
            value=value,
            unit=unit,
            level="float",
            origin=origin.get(name, "predictions_test.npy"),
            tool="keras",
            version=keras.__version__,
            scope="layers that count EBOPs" if partly and name == "ebops" else "design",
        )
        for name, value, unit in found
    ]
