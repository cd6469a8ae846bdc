"""Stage ``train``: prepared arrays → a trained model.

Parameters::

    model:  {call: file.py:function, …}  its parameters; of input_shape, outputs, task, classes, features, seed, those it names
    train:  {epochs, optimizer: adam | adamw | nadam | rmsprop | sgd, learning_rate,
             schedule: null | {cosine_decay: {alpha}}, loss: auto | NAME}
    stream: {batch_size, shuffle}

Outputs: ``model.keras`` (canonical), ``history.json`` (a list per quantity, a number per epoch), ``predictions_test.npy`` (float32 outputs
of Keras on ``x_test``), ``objective.json`` (loss, from_logits, and the threshold above which a binary model says the second class),
``metrics.json``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from exseos.errors import StageError
from exseos.metrics import Metric
from exseos.worker import determinism, keras_file, user_code
from exseos.worker.stages.base import Context, Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from exseos.worker.numerics.audit import Audit
    from exseos.worker.objective import Objective

_BLOCK = 1024
"""Rows at once in prediction, whatever the batch size of the training."""
_TRACED_BLOCK = 8192
"""Rows at once in range tracing, which keeps only minima and maxima."""


class Train(Stage):
    """Builds the user's model, checks it, trains it, traces the ranges of its quantizers, and measures it on the test part."""

    name = "train"
    user_code = True

    def run(self, context: Context) -> None:
        context.progress("loading TensorFlow", None, None)
        from exseos.worker import objective
        from exseos.worker.numerics import probe
        from exseos.worker.numerics.audit import Audit

        determinism.start_training(context.seed)
        audit = Audit()
        prepared = context.read_json("prepare", "prepared.json")
        arrays = {f"{kind}_{part}": _open(context, f"{kind}_{part}.npy") for part in ("train", "validation", "test") for kind in "xy"}
        label = context.parameters["model"]["call"]
        where = f"{user_code.SHOWN_AS}/{label}"
        targets = arrays["y_train"].shape[1] if prepared["task"] == "regression" else 0
        model = build(context, prepared, targets)
        objective.check_shape(model, prepared["task"], tuple(prepared["input_shape"]), len(prepared["classes"]), targets, where)
        goal = objective.choose(model, prepared["task"], context.parameters["train"].get("loss", "auto"), where)
        batch_size = context.parameters["stream"]["batch_size"]
        context.facts["probe"] = probe.model_probe(model, goal.keras_loss(), batch_size, model.output_shape[-1], len(prepared["classes"]))
        history = fit(context, model, goal, arrays, audit)
        ebops = trace_ranges(model, arrays)
        outputs = predict(model, arrays["x_test"])
        keras_file.save(model, context.output / "model.keras")
        save_array(context, "predictions_test.npy", outputs)
        context.write_json("history.json", history)
        context.write_json("objective.json", {"loss": goal.loss, "from_logits": goal.from_logits, "threshold": goal.threshold})
        context.write_metrics(measure(model, goal, outputs, arrays["y_test"], ebops))
        audit.close()
        context.facts["numerics"] = {"operations": len(audit.used), "unknown": audit.unknown()}


def _open(context: Context, name: str) -> NDArray[Any]:
    import numpy as np

    array: NDArray[Any] = np.load(context.inputs["prepare"] / name, mmap_mode="r", allow_pickle=False)
    return array


def save_array(context: Context, name: str, array: NDArray[Any]) -> None:
    """Write ``array`` as float32 in C order to ``output/name``."""
    import numpy as np

    np.save(context.output / name, np.ascontiguousarray(array, dtype=np.float32), allow_pickle=False)


def build(context: Context, prepared: dict[str, Any], targets: int) -> Any:
    """The model that the user's function returns; anything but a Keras model is a ``StageError``."""
    import keras

    from exseos.worker.objective import outputs_wanted

    parameters = dict(context.parameters["model"])
    label = parameters.pop("call")
    offered = {
        "input_shape": tuple(prepared["input_shape"]),
        "outputs": outputs_wanted(prepared["task"], len(prepared["classes"]), targets),
        "task": prepared["task"],
        "classes": tuple(prepared["classes"]),
        "features": tuple(prepared["features"]),
        "seed": context.seed,
    }
    model = user_code.call(user_code.load(label, context.files), label, offered, parameters)
    where = f"{user_code.SHOWN_AS}/{label}"
    if not isinstance(model, keras.Model):
        raise StageError(f"the function returned {type(model).__name__}, not a keras.Model", where=where, hint="Return the model.")
    if not model.built or not getattr(model, "outputs", None):
        raise StageError(
            "the model has no input shape yet",
            where=where,
            hint="Begin it with keras.layers.Input(input_shape), or use the functional form.",
        )
    return model


def fit(context: Context, model: Any, goal: Objective, arrays: dict[str, NDArray[Any]], audit: Audit) -> dict[str, Any]:
    """Train ``model``; returns Keras' history as lists of numbers, one per epoch. A loss that is not finite is a ``StageError``."""
    from exseos.worker.rows import Batches, Epochs

    train, stream = context.parameters["train"], context.parameters["stream"]
    rows = Epochs(arrays["x_train"], _target(arrays["y_train"], model), stream["batch_size"], context.seed if stream["shuffle"] else None)
    validation = Batches(arrays["x_validation"], _target(arrays["y_validation"], model), _BLOCK) if len(arrays["x_validation"]) else None
    # XLA would fuse and reorder arithmetic by its own version and CPU.
    model.compile(make_optimizer(train, rows.steps), goal.keras_loss(), metrics=goal.keras_metrics(), jit_compile=False)
    history = model.fit(
        rows,
        validation_data=validation,
        epochs=train["epochs"],
        steps_per_epoch=rows.steps,
        shuffle=False,
        verbose=0,
        callbacks=_callbacks(context, model, train["epochs"], audit),
    )
    return {key: [float(value) for value in values] for key, values in sorted(history.history.items())}


def _target(y: NDArray[Any], model: Any) -> NDArray[Any]:
    return y.reshape(-1, 1) if model.output_shape[-1] == 1 else y


def make_optimizer(train: dict[str, Any], steps_per_epoch: int) -> Any:
    """The Keras optimizer of the section ``train``; a schedule runs over all steps of the training."""
    import keras

    rate: Any = train["learning_rate"]
    schedule = train.get("schedule")
    if schedule:
        unknown = sorted(set(schedule) - {"cosine_decay"})
        if unknown:
            raise StageError(f"there is no schedule {unknown[0]!r}", where="train.schedule", hint="There is: cosine_decay.")
        steps = steps_per_epoch * train["epochs"]
        rate = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=schedule["cosine_decay"].get("alpha", 0.0))
    known = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "nadam": keras.optimizers.Nadam,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    if train["optimizer"] not in known:
        raise StageError(f"there is no optimizer {train['optimizer']!r}", where="train.optimizer", hint=f"There is: {', '.join(known)}.")
    return known[train["optimizer"]](rate)


def _callbacks(context: Context, model: Any, epochs: int, audit: Audit) -> list[Any]:
    import keras

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        """Tells of every epoch, and stops when the loss is no longer a number."""

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            audit.collect()
            values = {key: float(value) for key, value in (logs or {}).items()}
            context.progress(", ".join(f"{key} {value:.4g}" for key, value in values.items()), epoch + 1, epochs)
            broken = [key for key, value in values.items() if not math.isfinite(value)]
            if broken:
                raise StageError(
                    f"{broken[0]} is {values[broken[0]]} after epoch {epoch + 1}",
                    where="train",
                    hint="The training diverged: lower the learning rate, or scale the features (standardize).",
                )

    callbacks: list[Any] = []
    if has_ebops(model):
        from hgq.utils.sugar import FreeEBOPs

        callbacks.append(FreeEBOPs())
    return [*callbacks, Watch()]


def has_ebops(model: Any) -> bool:
    """Whether a layer of ``model`` is an HGQ2 layer that counts effective bit operations."""
    return any(getattr(layer, "enable_ebops", False) for layer in model._flatten_layers())


def trace_ranges(model: Any, arrays: dict[str, NDArray[Any]]) -> int | None:
    """Fix the integer bits of HGQ2's activations by the training and validation rows; returns the EBOPs, None for a plain model.

    Test rows take no part: a value out of the traced range wraps around on them as it would in hardware.
    """
    if not has_ebops(model):
        return None
    from hgq.utils import trace_minmax

    from exseos.worker.rows import Batches

    trace_minmax(model, Batches(arrays["x_train"], None, _TRACED_BLOCK), reset=True, verbose=False)
    if len(arrays["x_validation"]):
        return int(trace_minmax(model, Batches(arrays["x_validation"], None, _TRACED_BLOCK), reset=False, verbose=False))
    return sum(int(layer.ebops) for layer in model.layers if getattr(layer, "enable_ebops", False))


def predict(model: Any, x: NDArray[Any]) -> NDArray[Any]:
    """Outputs of ``model`` on ``x`` as float32 [rows, outputs]. Raises ``StageError`` if one is not finite."""
    import numpy as np

    outputs = np.concatenate(
        [np.asarray(model(np.asarray(x[start : start + _BLOCK]), training=False)) for start in range(0, len(x), _BLOCK)]
    )
    if not np.isfinite(outputs).all():
        raise StageError("the trained model's outputs are not finite on the test part", where="train", hint="Lower the learning rate.")
    return outputs


def count_parameters(model: Any) -> int:
    """Trainable weights of ``model``, without the bit widths that HGQ2 trains along."""
    from exseos.worker.numerics.probe import bit_widths

    widths = bit_widths(model)
    return sum(math.prod(weight.shape) for weight in model.trainable_weights if id(weight) not in widths)


def measure(model: Any, goal: Objective, outputs: NDArray[Any], y: NDArray[Any], ebops: int | None) -> list[Metric]:
    """The metrics of level ``float``: on the test part, and the size of the model."""
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
        )
        for name, value, unit in found
    ]
