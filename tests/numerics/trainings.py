"""Whole trainings in graphs, as Keras and TensorFlow rewrite them: every layer, activation, loss and optimizer, and HGQ2's layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from tests.numerics.functions import Item, values
from tests.numerics.layers import LAYERS, SHAPES, public

K = keras.layers
OPTIMIZERS = (
    "Adam",
    "AdamW",
    "Nadam",
    "RMSprop",
    "SGD",
    "Adagrad",
    "Adadelta",
    "Adamax",
    "Ftrl",
    "Lion",
    "Lamb",
    "Muon",
)


def items() -> Iterator[Item]:
    """Name and what trains a few steps and returns all weights and predictions."""
    for name, (rank, make) in LAYERS.items():
        yield f"training {name}", lambda rank=rank, make=make: _fit(SHAPES[rank], [make()])
    for name in public(keras.activations, callable):
        two = [(32, name), (32, name)]
        yield (
            f"training with {name}",
            lambda two=two: _fit((64,), [K.Dense(size, activation=one) for size, one in two]),
        )
    for name in OPTIMIZERS:
        if hasattr(keras.optimizers, name):
            yield (
                f"training by {name}",
                lambda name=name: _fit((64,), [K.Dense(32, activation="relu")], optimizer=name),
            )
    for name in (
        "CosineDecay",
        "ExponentialDecay",
        "InverseTimeDecay",
        "PolynomialDecay",
        "PiecewiseConstantDecay",
        "CosineDecayRestarts",
    ):
        yield f"schedule {name}", lambda name=name: _schedule(name)
    yield (
        "training clipped",
        lambda: _fit(
            (64,),
            [K.Dense(32)],
            optimizer=keras.optimizers.Adam(clipnorm=0.5, weight_decay=0.01, use_ema=True),
        ),
    )
    for loss in ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh", "kl_divergence", "poisson", "categorical_crossentropy",
                 "cosine_similarity", "hinge", "mean_absolute_percentage_error", "mean_squared_logarithmic_error"):  # fmt: skip
        yield (
            f"training on {loss}",
            lambda loss=loss: _fit((64,), [K.Dense(16, activation="tanh")], loss=loss),
        )
    yield "training a binary classifier", lambda: _binary(False)
    yield "training a binary classifier from logits", lambda: _binary(True)
    for name, layers in _QUANTIZED.items():
        for kernel, data in _QUANTIZERS if name == "dense" else _QUANTIZERS[:1]:
            yield (
                f"training quantized {name} {kernel} {data}",
                lambda layers=layers, kernel=kernel, data=data: _quantized(*layers(), kernel, data),
            )


def _fit(
    shape: tuple[int, ...],
    layers: list[Any],
    *,
    optimizer: Any = "Adam",
    loss: str = "sparse_categorical_crossentropy",
    batch: int = 64,
) -> list[Any]:
    keras.utils.set_random_seed(1)
    softmax = "softmax" if "crossentropy" in loss or loss in ("kl_divergence", "poisson") else None
    model = keras.Sequential([K.Input(shape), *layers, K.Flatten(), K.Dense(8, activation=softmax)])
    chosen = getattr(keras.optimizers, optimizer)() if isinstance(optimizer, str) else optimizer
    model.compile(chosen, loss, metrics=["accuracy"], jit_compile=False)
    x = np.asarray(values("normal", shape=(2 * batch, *shape)))
    labels = np.arange(2 * batch) * 7 % 8
    y = labels if loss.startswith("sparse") else np.eye(8, dtype=np.float32)[labels]
    history = model.fit(
        x,
        y,
        batch_size=batch,
        epochs=2,
        shuffle=False,
        verbose=0,
        validation_data=(x[:batch], y[:batch]),
    )
    metrics = np.array([value for values in history.history.values() for value in values])
    return [*model.get_weights(), model.predict(x[:32], verbose=0), model(x[:32]), metrics]


def _schedule(name: str) -> list[Any]:
    kind = getattr(keras.optimizers.schedules, name)
    given: dict[str, Callable[[], Any]] = {
        "CosineDecay": lambda: kind(0.01, 20, alpha=0.1, warmup_target=0.02, warmup_steps=2),
        "CosineDecayRestarts": lambda: kind(0.01, 3),
        "PiecewiseConstantDecay": lambda: kind([2, 4], [0.1, 0.01, 0.001]),
        "PolynomialDecay": lambda: kind(0.01, 20, power=0.5),
    }
    rate = given.get(name, lambda: kind(0.01, 20, 0.9))()
    return _fit((64,), [K.Dense(32)], optimizer=keras.optimizers.Adam(rate))


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
