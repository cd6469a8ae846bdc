"""Stage ``train``: prepared arrays → a trained model.

Parameters::

    model:  {call: file.py:function, …}  its parameters; of input_shape, outputs, task, classes, features, seed, those it names
    train:  {epochs, optimizer: adam | adamw | nadam | rmsprop | sgd, learning_rate,
             schedule: null | {cosine_decay: {alpha}}, loss: auto | NAME}
    stream: {batch_size, shuffle}

Outputs: ``model.keras`` (canonical), ``history.json`` (a list per quantity, a number per epoch), ``objective.json`` (loss,
from_logits, and the threshold above which a binary model says the second class), ``initial.json`` (path, shape, type and SHA-256
of every weight before the training). No metrics: they are measured by ``evaluate``, where no code of the user runs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from exseos.errors import StageError
from exseos.toolchains.earlier import Prepared, read_prepared, read_x, read_y
from exseos.worker import determinism, initial, keras_file, user_code
from exseos.worker.ranges import has_ebops, trace_ranges
from exseos.worker.stages.base import Context, Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from exseos.worker.numerics.audit import Audit
    from exseos.worker.objective import Objective

_BLOCK = 1024
"""Rows at once in validation, whatever the batch size of the training."""


class Train(Stage):
    """Builds the user's model, checks it, trains it, and traces the ranges of its quantizers."""

    name = "train"
    libraries = ("tensorflow", "keras", "hgq")

    def run(self, context: Context) -> None:
        context.progress("loading TensorFlow", None, None)
        from exseos.worker import objective
        from exseos.worker.numerics import probe
        from exseos.worker.numerics.audit import Audit

        prepared = read_prepared(context.inputs["prepare"])
        read = {"x": read_x, "y": read_y}
        arrays = {f"{kind}_{part}": read[kind](context.inputs["prepare"], part) for part in ("train", "validation") for kind in "xy"}
        label = context.parameters["model"]["call"]
        where = f"{user_code.SHOWN_AS}/{label}"
        targets = arrays["y_train"].shape[1] if prepared.task == "regression" else 0
        determinism.start_training(context.seed)
        with initial.another_moment():
            first = build(context, prepared, targets)
        noted = initial.beginning(first)
        user_code.forget(context.files)
        determinism.start_training(context.seed)
        audit = Audit()
        model = build(context, prepared, targets)
        begun = initial.beginning(model)
        del first  # not before: the second model must lie elsewhere
        context.facts["inexact"] = begun.differing(noted)
        if not context.allow_inexact:
            initial.refuse(context.facts["inexact"], where)
        objective.check_shape(model, prepared.task, prepared.input_shape, len(prepared.classes), targets, where)
        goal = objective.choose(model, prepared.task, context.parameters["train"].get("loss", "auto"), where)
        batch_size = context.parameters["stream"]["batch_size"]
        context.facts["probe"] = probe.model_probe(model, goal.keras_loss(), batch_size, model.output_shape[-1], len(prepared.classes))
        history = fit(context, model, goal, arrays, audit)
        trace_ranges(model, arrays)
        keras_file.save(model, context.output / "model.keras")
        context.write_json("history.json", history)
        context.write_json("initial.json", begun.record())
        context.write_json("objective.json", goal.record())
        audit.close()
        context.facts["numerics"] = {"operations": len(audit.used), "unknown": audit.unknown()}


def build(context: Context, prepared: Prepared, targets: int) -> Any:
    """The model that the user's function returns; anything but a Keras model is a ``StageError``."""
    import keras

    from exseos.worker.objective import outputs_wanted

    parameters = dict(context.parameters["model"])
    label = parameters.pop("call")
    offered = {
        "input_shape": prepared.input_shape,
        "outputs": outputs_wanted(prepared.task, len(prepared.classes), targets),
        "task": prepared.task,
        "classes": prepared.classes,
        "features": prepared.features,
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
