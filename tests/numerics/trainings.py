"""Whole trainings in graphs, as Keras and TensorFlow rewrite them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.numerics.functions import Item, values
from tests.numerics.layers import LAYERS, SHAPES, public

K = keras.layers
OPTIMIZERS = "Adam AdamW Nadam RMSprop SGD Adagrad Adadelta Adamax Ftrl Lion Lamb Muon"
_ALONE = ("SpectralNormalization", "Masking")
"""Layers that cannot stand beside others in one model: they mask or need their weights built."""
_TOGETHER = 8
_LABELS = 8


def items() -> Iterator[Item]:
    """Name and what trains a few steps and returns all weights and predictions."""
    for rank, shape in SHAPES.items():
        makers = {name: make for name, (of, make) in LAYERS.items() if of == rank}
        for names in _groups(list(makers)):
            yield (
                f"training {', '.join(names)}",
                lambda names=names, makers=makers, shape=shape: _fit(shape, [[makers[name]()] for name in names]),
            )
    # Keras takes glu's output for twice as wide as it is.
    for names in _groups([name for name in public(keras.activations, callable) if name != "glu"]):
        yield (
            f"training with {', '.join(names)}",
            lambda names=names: _fit((64,), [[_dense(name), _dense(name)] for name in names]),
        )
    for name in OPTIMIZERS.split():
        yield (
            f"training by {name}",
            lambda name=name: _fit((64,), [[_dense("relu")]], getattr(keras.optimizers, name)(0.01)),
        )
    clipped = {"clipnorm": 0.5, "weight_decay": 0.01, "use_ema": True}
    yield (
        "training clipped",
        lambda: _fit((64,), [[_dense("relu")]], keras.optimizers.Adam(0.01, **clipped)),
    )
    schedules = keras.optimizers.schedules
    yield (
        "training on a schedule",
        lambda: _fit((64,), [[_dense("relu")]], keras.optimizers.Adam(schedules.CosineDecay(0.01, 9, alpha=0.1))),
    )
    for name in public(schedules, inspect.isclass):
        yield f"schedule {name}", lambda name=name: _schedule(name)
    yield "training on losses", _losses
    yield "training a binary classifier", lambda: _binary(False)
    yield "training a binary classifier from logits", lambda: _binary(True)
    for name, layers in _QUANTIZED.items():
        for kernel, data in _QUANTIZERS if name == "dense" else _QUANTIZERS[:1]:
            yield (
                f"training quantized {name} {kernel} {data}",
                lambda layers=layers, kernel=kernel, data=data: _quantized(*layers(), kernel, data),
            )


def on_rows() -> Iterator[Item]:
    """Trainings that read rows as the stage ``train`` does, and as users may."""
    yield "training on rows", _on_rows
    yield "training on a dataset", _on_dataset
    for dtype in ("float32", "float64"):
        yield f"training convolutions {dtype}", lambda dtype=dtype: _convolutions(dtype)
    nested = tf.function(lambda x: tf.ensure_shape(x * 2.0 + 1.0, (None, 64)))
    yield "training with a function", lambda: _fit((64,), [[K.Lambda(nested)]])


def _on_dataset() -> list[Any]:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([K.Input((64,)), _dense("relu"), K.Dense(_LABELS, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices(_data((64,))).map(lambda x, y: (x * 0.5, y)).batch(32).prefetch(1)
    model.fit(data, epochs=2, verbose=0)
    return model.get_weights()


def _convolutions(dtype: str) -> list[Any]:
    keras.config.set_dtype_policy(dtype)
    try:
        activations = (None, "relu", "relu6", "elu", "leaky_relu", "tanh", "sigmoid", "gelu")
        return _fit((12, 12, 8), [[K.Conv2D(4, 3, activation=one)] for one in activations])
    finally:
        keras.config.set_dtype_policy("float32")


def _on_rows() -> list[Any]:
    from exseos.worker.rows import Batches, Epochs

    keras.utils.set_random_seed(1)
    model = keras.Sequential([K.Input((64,)), _dense("relu"), K.Dense(_LABELS, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    x, y = _data((64,))
    rows = Epochs(x, y, 32, 7)
    given = {"epochs": 2, "steps_per_epoch": rows.steps, "shuffle": False, "verbose": 0}
    model.fit(rows, validation_data=Batches(x, y, 32), **given)
    return [*model.get_weights(), model(x[:32]), model.predict(Batches(x, None, 32), verbose=0)]


def _groups(names: list[str]) -> Iterator[list[str]]:
    together = [name for name in names if name not in _ALONE]
    for start in range(0, len(together), _TOGETHER):
        yield together[start : start + _TOGETHER]
    yield from ([name] for name in names if name in _ALONE)


def _dense(activation: str) -> Any:
    return K.Dense(32, activation=activation)


def _fit(shape: tuple[int, ...], branches: list[list[Any]], optimizer: Any = "adam") -> list[Any]:
    """Train a model whose branches of layers stand side by side, each with gradients of its own."""
    keras.utils.set_random_seed(1)
    given = K.Input(shape)
    ends = []
    for layers in branches:
        end = given
        for layer in layers:
            end = layer(end)
        ends.append(K.Dense(_LABELS)(K.Flatten()(end)))
    outputs = K.Softmax()(K.Add()(ends) if len(ends) > 1 else ends[0])
    model = keras.Model(given, outputs)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    x, y = _data(shape)
    return _trained(model, x, y)


def _data(shape: tuple[int, ...]) -> tuple[Any, Any]:
    return np.asarray(values("normal", shape=(128, *shape))), np.arange(128) * 7 % _LABELS


def _trained(model: Any, x: Any, y: Any) -> list[Any]:
    given = {"batch_size": 64, "epochs": 2, "shuffle": False, "verbose": 0}
    history = model.fit(x, y, validation_data=(x, y), **given)
    metrics = np.array([value for values in history.history.values() for value in values])
    return [*model.get_weights(), model.predict(x[:32], verbose=0), model(x[:32]), metrics]


def _losses() -> list[Any]:
    """Train a model with an output for each loss."""
    keras.utils.set_random_seed(1)
    x, labels = _data((64,))
    y = np.eye(_LABELS, dtype=np.float32)[labels]
    losses = [loss for name in public(keras.losses, inspect.isclass) if (loss := _loss(name)) is not None]
    given = K.Input((64,))
    outputs = [K.Dense(_LABELS, activation="softmax")(_dense("tanh")(given)) for _ in losses]
    model = keras.Model(given, outputs)
    model.compile("adam", losses, jit_compile=False)
    return _trained(model, x, [labels if "Sparse" in type(loss).__name__ else y for loss in losses])


def _loss(name: str) -> Any:
    if name in ("CTC", "Circle", "Loss", "LossFunctionWrapper", "CategoricalGeneralizedCrossEntropy"):
        return None  # of other shapes, or no loss: they are among the single items
    return getattr(keras.losses, name)()


def _schedule(name: str) -> Any:
    kind = getattr(keras.optimizers.schedules, name)
    given: dict[str, tuple[Any, ...]] = {
        "CosineDecay": (0.01, 20, 0.1, "CosineDecay", 0.02, 2),
        "CosineDecayRestarts": (0.01, 3),
        "PiecewiseConstantDecay": ([2, 4], [0.1, 0.01, 0.001]),
        "PolynomialDecay": (0.01, 20, 0.001, 0.5),
    }
    rate = kind(*given.get(name, (0.01, 20, 0.9)))
    return tf.function(lambda steps: tf.map_fn(rate, steps, fn_output_signature="float32"), jit_compile=False)(tf.range(2000.0) / 100)


def _binary(logits: bool) -> list[Any]:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            K.Input((64,)),
            K.Dense(16, activation="relu"),
            K.Dense(1, activation=None if logits else "sigmoid"),
        ]
    )
    metric = keras.metrics.BinaryAccuracy(threshold=0.0 if logits else 0.5)
    model.compile(
        "adam",
        keras.losses.BinaryCrossentropy(from_logits=logits),
        metrics=[metric, keras.metrics.AUC(from_logits=logits)],
        jit_compile=False,
    )
    x = np.asarray(values("normal", shape=(512, 64)))
    model.fit(x, (x[:, :1] > 0).astype("float32"), batch_size=512, epochs=4, shuffle=False, verbose=0)
    return [*model.get_weights(), model.predict(x, verbose=0)]


def _hgq() -> Any:
    import hgq.layers

    return hgq.layers


_QUANTIZERS = (("kbi", "kif"), ("kif", "kif"), ("kbi", "kbi"))
"""HGQ2's parameterizations of weights and of activations."""
_QUANTIZED: dict[str, Callable[[], tuple[tuple[int, ...], list[Callable[[], Any]]]]] = {
    "dense": lambda: ((64,), [lambda: _hgq().QDense(16, activation="relu")]),
    "batch normalization": lambda: (
        (64,),
        [lambda: _hgq().QDense(16), lambda: _hgq().QBatchNormalization()],
    ),
    "batch normalization in dense": lambda: (
        (64,),
        [lambda: _hgq().QBatchNormDense(16, activation="relu")],
    ),
    "convolution 1D": lambda: (
        (24, 4),
        [lambda: _hgq().QConv1D(8, 3, activation="relu"), lambda: K.Flatten()],
    ),
    "convolution 2D": lambda: (
        (12, 12, 2),
        [lambda: _hgq().QConv2D(8, 3, activation="relu"), lambda: K.Flatten()],
    ),
    "einsum": lambda: (
        (12, 8),
        [lambda: _hgq().QEinsumDense("abc,cd->abd", (12, 16), bias_axes="d"), lambda: K.Flatten()],
    ),
    "softmax": lambda: ((64,), [lambda: _hgq().QDense(8), lambda: _hgq().QSoftmax()]),
    "sum": lambda: (
        (12, 8),
        [lambda: _hgq().QEinsumDense("abc,cd->abd", (12, 16)), lambda: _hgq().QSum(axes=1)],
    ),
    "unary table": lambda: (
        (64,),
        [lambda: _hgq().QDense(8), lambda: _hgq().QUnaryFunctionLUT("tanh")],
    ),
}


def _quantized(shape: tuple[int, ...], layers: list[Callable[[], Any]], kernel: str, data: str) -> list[Any]:
    from hgq.config import LayerConfigScope, QuantizerConfigScope
    from hgq.utils import trace_minmax
    from hgq.utils.sugar import FreeEBOPs

    keras.utils.set_random_seed(1)
    overflow = "SAT" if data == "kbi" else "WRAP"
    with (
        QuantizerConfigScope(place="all", default_q_type=kernel, overflow_mode="WRAP"),
        QuantizerConfigScope(place="datalane", default_q_type=data, overflow_mode=overflow),
        LayerConfigScope(enable_ebops=True, beta0=1e-5),
    ):
        model = keras.Sequential([K.Input(shape), *(make() for make in layers), _hgq().QDense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    x, y = np.asarray(values("normal", shape=(256, *shape))), np.arange(256) % 3
    model.fit(x, y, batch_size=64, epochs=2, shuffle=False, verbose=0, callbacks=[FreeEBOPs()])
    trace_minmax(model, x, verbose=False)
    return [*model.get_weights(), model.predict(x, verbose=0), model(x)]
