"""Keras's layers, losses, optimizers and initializers with their gradients, HGQ2's layers, and whole trainings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.numerics.functions import Item, values

K = keras.layers

SHAPES: dict[str, tuple[int, ...]] = {
    "1": (64,),
    "2": (24, 16),
    "3": (12, 12, 8),
    "4": (6, 6, 6, 4),
}
"""Input without the batch."""

LAYERS: dict[str, tuple[str, Callable[[], Any]]] = {
    "Activation": ("1", lambda: K.Activation("tanh")),
    "ActivityRegularization": ("1", lambda: K.ActivityRegularization(0.1, 0.1)),
    "AdaptiveAveragePooling1D": ("2", lambda: K.AdaptiveAveragePooling1D(5)),
    "AdaptiveAveragePooling2D": ("3", lambda: K.AdaptiveAveragePooling2D(5)),
    "AdaptiveAveragePooling3D": ("4", lambda: K.AdaptiveAveragePooling3D(2)),
    "AdaptiveMaxPooling1D": ("2", lambda: K.AdaptiveMaxPooling1D(5)),
    "AdaptiveMaxPooling2D": ("3", lambda: K.AdaptiveMaxPooling2D(5)),
    "AdaptiveMaxPooling3D": ("4", lambda: K.AdaptiveMaxPooling3D(2)),
    "AlphaDropout": ("1", lambda: K.AlphaDropout(0.3, seed=1)),
    "AveragePooling1D": ("2", lambda: K.AveragePooling1D(3)),
    "AveragePooling2D": ("3", lambda: K.AveragePooling2D(3, padding="same")),
    "AveragePooling3D": ("4", lambda: K.AveragePooling3D(2)),
    "BatchNormalization": ("1", lambda: K.BatchNormalization()),
    "BatchNormalization 2D": ("3", lambda: K.BatchNormalization()),
    "Bidirectional": ("2", lambda: K.Bidirectional(K.LSTM(8))),
    "Conv1D": ("2", lambda: K.Conv1D(16, 3)),
    "Conv1D causal": ("2", lambda: K.Conv1D(16, 3, padding="causal", dilation_rate=2)),
    "Conv1DTranspose": ("2", lambda: K.Conv1DTranspose(16, 3, strides=2)),
    "Conv2D": ("3", lambda: K.Conv2D(32, 3)),
    "Conv2D same strided": (
        "3",
        lambda: K.Conv2D(64, 5, strides=2, padding="same", activation="relu"),
    ),
    "Conv2DTranspose": ("3", lambda: K.Conv2DTranspose(16, 3, strides=2)),
    "Conv3D": ("4", lambda: K.Conv3D(8, 3)),
    "Conv3DTranspose": ("4", lambda: K.Conv3DTranspose(8, 2, strides=2)),
    "ConvLSTM1D": ("3", lambda: K.ConvLSTM1D(4, 3)),
    "ConvLSTM2D": ("4", lambda: K.ConvLSTM2D(4, 3)),
    "Cropping1D": ("2", lambda: K.Cropping1D(2)),
    "Cropping2D": ("3", lambda: K.Cropping2D(2)),
    "Cropping3D": ("4", lambda: K.Cropping3D(1)),
    "Dense": ("1", lambda: K.Dense(64)),
    "Dense on 2D": ("2", lambda: K.Dense(32, activation="relu")),
    "DepthwiseConv1D": ("2", lambda: K.DepthwiseConv1D(3)),
    "DepthwiseConv2D": ("3", lambda: K.DepthwiseConv2D(3)),
    "Dropout": ("1", lambda: K.Dropout(0.3, seed=1)),
    "ELU": ("1", lambda: K.ELU()),
    "EinsumDense": (
        "2",
        lambda: K.EinsumDense("abc,cd->abd", output_shape=(24, 32), bias_axes="d"),
    ),
    "Flatten": ("2", lambda: K.Flatten()),
    "GRU": ("2", lambda: K.GRU(16)),
    "GaussianDropout": ("1", lambda: K.GaussianDropout(0.3, seed=1)),
    "GaussianNoise": ("1", lambda: K.GaussianNoise(0.3, seed=1)),
    "GlobalAveragePooling1D": ("2", lambda: K.GlobalAveragePooling1D()),
    "GlobalAveragePooling2D": ("3", lambda: K.GlobalAveragePooling2D()),
    "GlobalAveragePooling3D": ("4", lambda: K.GlobalAveragePooling3D()),
    "GlobalMaxPooling1D": ("2", lambda: K.GlobalMaxPooling1D()),
    "GlobalMaxPooling2D": ("3", lambda: K.GlobalMaxPooling2D()),
    "GlobalMaxPooling3D": ("4", lambda: K.GlobalMaxPooling3D()),
    "GroupNormalization": ("3", lambda: K.GroupNormalization(4)),
    "Identity": ("1", lambda: K.Identity()),
    "LSTM": ("2", lambda: K.LSTM(16, return_sequences=True)),
    "LayerNormalization": ("1", lambda: K.LayerNormalization()),
    "LeakyReLU": ("1", lambda: K.LeakyReLU()),
    "Masking": ("2", lambda: K.Masking(0.0)),
    "MaxPooling1D": ("2", lambda: K.MaxPooling1D(3)),
    "MaxPooling2D": ("3", lambda: K.MaxPooling2D(3, padding="same")),
    "MaxPooling3D": ("4", lambda: K.MaxPooling3D(2)),
    "PReLU": ("1", lambda: K.PReLU()),
    "Permute": ("2", lambda: K.Permute((2, 1))),
    "RMSNormalization": ("1", lambda: K.RMSNormalization()),
    "ReLU": ("1", lambda: K.ReLU(max_value=6)),
    "RepeatVector": ("1", lambda: K.RepeatVector(3)),
    "Rescaling": ("1", lambda: K.Rescaling(0.3, 0.1)),
    "Reshape": ("2", lambda: K.Reshape((-1,))),
    "SeparableConv1D": ("2", lambda: K.SeparableConv1D(16, 3)),
    "SeparableConv2D": ("3", lambda: K.SeparableConv2D(16, 3)),
    "SimpleRNN": ("2", lambda: K.SimpleRNN(16)),
    "Softmax": ("2", lambda: K.Softmax()),
    "SpatialDropout1D": ("2", lambda: K.SpatialDropout1D(0.3, seed=1)),
    "SpatialDropout2D": ("3", lambda: K.SpatialDropout2D(0.3, seed=1)),
    "SpatialDropout3D": ("4", lambda: K.SpatialDropout3D(0.3, seed=1)),
    "SpectralNormalization": ("1", lambda: K.SpectralNormalization(K.Dense(8))),
    "TimeDistributed": ("2", lambda: K.TimeDistributed(K.Dense(8))),
    "UnitNormalization": ("1", lambda: K.UnitNormalization()),
    "UpSampling1D": ("2", lambda: K.UpSampling1D(2)),
    "UpSampling2D": ("3", lambda: K.UpSampling2D(2, interpolation="bilinear")),
    "UpSampling3D": ("4", lambda: K.UpSampling3D(2)),
    "ZeroPadding1D": ("2", lambda: K.ZeroPadding1D(2)),
    "ZeroPadding2D": ("3", lambda: K.ZeroPadding2D(2)),
    "ZeroPadding3D": ("4", lambda: K.ZeroPadding3D(1)),
}
"""Name (its first word is the class) → rank of the input and how it is made. Gradients to input and weights are taken."""

SEVERAL: dict[str, Callable[[], Any]] = {
    "Add": lambda: K.Add(),
    "Average": lambda: K.Average(),
    "Concatenate": lambda: K.Concatenate(),
    "Dot": lambda: K.Dot(axes=1),
    "Maximum": lambda: K.Maximum(),
    "Minimum": lambda: K.Minimum(),
    "Multiply": lambda: K.Multiply(),
    "Subtract": lambda: K.Subtract(),
    "Attention": lambda: K.Attention(use_scale=True),
    "AdditiveAttention": lambda: K.AdditiveAttention(),
    "MultiHeadAttention": lambda: K.MultiHeadAttention(2, 8),
    "GroupQueryAttention": lambda: K.GroupQueryAttention(8, 2, 1),
}
"""Layers of two inputs."""

ELSEWHERE = {
    "Embedding": "it has an item of its own",
    "RNN": "its cells are items by their layers",
    "GRUCell": "in GRU",
    "LSTMCell": "in LSTM",
    "SimpleRNNCell": "in SimpleRNN",
    "StackedRNNCells": "in the layers of its cells",
    "ConvLSTM3D": "too slow emulated; the ops of ConvLSTM2D and Conv3D",
    "Input": "computes nothing",
    "InputLayer": "computes nothing",
    "InputSpec": "computes nothing",
    "Layer": "computes nothing",
    "Wrapper": "computes nothing",
    "Lambda": "the user's own function, seen when it runs",
    "TFSMLayer": "a saved program, seen when it runs",
    "TorchModuleWrapper": "needs PyTorch",
    "JaxLayer": "needs JAX",
    "FlaxLayer": "needs Flax",
    "ReversibleEmbedding": "the ops of Embedding and Dense",
}
"""Classes of ``keras.layers`` without an item here, and why; those of preprocessing are named by their folder."""


def missing() -> list[str]:
    """Classes of ``keras.layers`` that neither have an item here nor stand in ``ELSEWHERE`` nor preprocess data."""
    known = {name.split()[0] for name in [*LAYERS, *SEVERAL]} | set(ELSEWHERE)
    return sorted(
        name
        for name, found in inspect.getmembers(K, inspect.isclass)
        if name not in known and found.__name__ not in known and ".preprocessing" not in found.__module__
    )


def items() -> Iterator[Item]:
    """All of them, in an order that never changes."""
    for dtype in ("float32", "float64", "bfloat16", "float16"):
        for name, (rank, make) in LAYERS.items():
            yield (
                f"layer {name} {dtype}",
                lambda rank=rank, make=make, dtype=dtype: _layer(make, [SHAPES[rank]], dtype),
            )
        for name, make in SEVERAL.items():
            rank = "2" if "ttention" in name else "1"
            yield (
                f"layer {name} {dtype}",
                lambda rank=rank, make=make, dtype=dtype: _layer(make, [SHAPES[rank]] * 2, dtype),
            )
        yield f"layer Embedding {dtype}", lambda dtype=dtype: _embedding(dtype)
        for name in public(keras.activations, callable):
            yield (
                f"gradient of {name} {dtype}",
                lambda name=name, dtype=dtype: _activation(name, dtype),
            )
    for name in public(keras.losses, inspect.isclass):
        yield f"loss {name}", lambda name=name: _loss(name)
    for name in public(keras.initializers, inspect.isclass):
        yield f"initializer {name}", lambda name=name: _initializer(name)
    for name in public(keras.regularizers, inspect.isclass) + public(keras.constraints, inspect.isclass):
        yield f"weights by {name}", lambda name=name: _weights(name)
    for name in public(keras.optimizers, inspect.isclass):
        yield f"optimizer {name}", lambda name=name: _optimizer(name)
    for m, k, n in (
        (512, 10, 16),
        (16, 512, 8),
        (512, 64, 64),
        (128, 512, 128),
        (512, 512, 512),
        (128, 2048, 128),
        (1, 2048, 64),
        (64, 2048, 1),
    ):
        yield f"contraction {m}x{k}x{n}", lambda m=m, k=k, n=n: _contraction(m, k, n)


def public(module: Any, wanted: Callable[[Any], bool]) -> list[str]:
    """Names in ``module`` of what can be made and called without arguments of its own."""
    out = (
        "deserialize",
        "get",
        "serialize",
        "threshold",
        "Initializer",
        "Regularizer",
        "Constraint",
    )
    return sorted(name for name, found in vars(module).items() if not name.startswith("_") and name not in out and wanted(found))


def _layer(make: Callable[[], Any], shapes: list[tuple[int, ...]], dtype: str) -> list[Any]:
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(dtype)
    try:
        layer = make()
        batch = 32 if len(shapes[0]) > 2 else 512
        x = [values(kind, dtype, (batch, *shape)) for kind, shape in zip(("normal", "unit"), shapes, strict=False)]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = (
                layer(*x)
                if isinstance(layer, K.MultiHeadAttention | K.GroupQueryAttention)
                else layer(x if len(x) > 1 else x[0], **_training(layer))
            )
            loss = tf.add_n(
                [tf.reduce_sum(tf.cast(one, dtype) ** 2) for one in tf.nest.flatten(y)] + [tf.cast(one, dtype) for one in layer.losses]
            )
        weights = [weight.value for weight in layer.trainable_weights]
        return [
            *tf.nest.flatten(y),
            *[one for one in tape.gradient(loss, x + weights) if one is not None],
            *[w.value for w in layer.non_trainable_weights if "float" in str(w.dtype)],
        ]
    finally:
        keras.config.set_dtype_policy("float32")


def _training(layer: Any) -> dict[str, bool]:
    return {"training": True} if "training" in inspect.signature(layer.call).parameters else {}


def _embedding(dtype: str) -> list[Any]:
    keras.utils.set_random_seed(1)
    layer = K.Embedding(50, 16, dtype=dtype)
    x = tf.constant(np.arange(512 * 8).reshape(512, 8) * 7 % 50)
    with tf.GradientTape() as tape:
        y = layer(x)
        loss = tf.reduce_sum(y**2)
    return [y, tf.convert_to_tensor(tape.gradient(loss, layer.trainable_weights[0].value))]


def _activation(name: str, dtype: str) -> list[Any]:
    found = []
    for kind in ("normal", "wide"):
        x = values(kind, dtype)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = keras.activations.get(name)(x)
        found += [y, tape.gradient(y, x)]
    return found


def _loss(name: str) -> list[Any]:
    loss = getattr(keras.losses, name)()
    found = []
    for y, x in (
        (values("unit"), values("unit", shape=(1024, 64)) * 0.98 + 0.01),
        (values("normal"), values("normal")),
        (tf.constant(np.arange(1024) % 64), tf.nn.softmax(values("normal"))),
        (tf.one_hot(np.arange(1024) % 64, 64), tf.nn.softmax(values("normal"))),
    ):
        try:
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(y, x)
            found += [value, tape.gradient(value, x)]
        except (ValueError, TypeError, tf.errors.InvalidArgumentError):
            continue
    return found


def _initializer(name: str) -> list[Any]:
    keras.utils.set_random_seed(1)
    kind = getattr(keras.initializers, name)
    try:
        made = kind(seed=1) if "seed" in inspect.signature(kind).parameters else kind()
        return [made((64, 64)), made((3, 3, 16, 32)) if "Identity" not in name else made((8, 8))]
    except (TypeError, ValueError):
        return []


def _weights(name: str) -> list[Any]:
    kind = getattr(keras.regularizers, name, None) or getattr(keras.constraints, name)
    try:
        return [kind()(values("normal", shape=(256, 64)))]
    except (TypeError, ValueError, NotImplementedError):
        return []


def _optimizer(name: str) -> list[Any]:
    kind = getattr(keras.optimizers, name)
    try:
        optimizer = kind()
        variable = keras.Variable(values("normal"))
        for step in range(1, 4):
            optimizer.apply([values("wide") * step], [variable])
    except (TypeError, ValueError, NotImplementedError, AttributeError):
        return []
    return [variable.value]


def _contraction(m: int, k: int, n: int) -> list[Any]:
    a, b = values("normal", shape=(m, k)), values("normal", shape=(k, n))
    return [
        a @ b,
        tf.matmul(tf.transpose(a), b, transpose_a=True),
        tf.matmul(a, tf.transpose(b), transpose_b=True),
    ]
