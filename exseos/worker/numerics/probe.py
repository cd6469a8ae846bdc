"""The numerics probe: the very operations an experiment uses, on fixed input, hashed.

It decides where a training used operations that are not known to be exact (``audit``): two machines with the same digest are
expected to train to the same bits; with another digest results are compared within a tolerance. The digest is a fact about the
machine, never a part of an id.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from exseos.worker import determinism

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_VALUES = 1 << 20
"""Larger inputs are cut to fewer rows, so that a probe takes milliseconds."""


def fixed_input(shape: tuple[int, ...]) -> NDArray[Any]:
    """float32 values in [−2, 2), the same on every machine: integers from a seeded generator, scaled by a power of two."""
    import numpy as np

    random = np.random.Generator(np.random.PCG64(0))
    return random.integers(-(1 << 15), 1 << 15, size=shape, dtype=np.int64).astype(np.float32) / np.float32(1 << 14)


def numpy_probe(rows: int, features: int) -> dict[str, str]:
    """Digest of NumPy's matmul, exp, log, mean and standard deviation at [rows, features]; the rows are capped."""
    import numpy as np

    digest = hashlib.sha256()
    x = fixed_input((min(rows, max(1, _MOST_VALUES // max(1, features))), features))
    for dtype in (np.float32, np.float64):
        values: NDArray[Any] = x.astype(dtype)
        for result in (values.T @ values, np.exp(values), np.log(np.abs(values) + dtype(1)), values.mean(axis=0), values.std(axis=0)):
            digest.update(np.ascontiguousarray(result).tobytes())
    return _facts(digest.hexdigest())


def model_probe(model: Any, loss: Any, batch_size: int, outputs: int, classes: int) -> dict[str, str]:
    """Digest of the model's outputs and gradients at the batch size, and of ``numpy_probe`` at the input's shape.

    ``loss`` is a Keras loss, None for a model that is not trained: then there are no gradients. ``classes`` is their number, 0 for
    regression. The weights are ``fixed_weights``, whatever the model's own are, and the model has its own again when this returns:
    layers run as in inference.
    """
    import numpy as np
    import tensorflow as tf

    shape = tuple(model.input_shape[1:])
    size = int(np.prod(shape))
    rows = min(batch_size, max(1, _MOST_VALUES // size))
    x = tf.constant(fixed_input((rows, *shape)))
    y = np.arange(rows) % classes if classes else fixed_input((rows, outputs))
    if outputs == 1 and classes:
        y = y.reshape(-1, 1).astype(np.float32)
    own = [(variable, np.asarray(variable)) for variable in _drawn(model)]
    try:
        for variable, _ in own:
            variable.assign(fixed_weights(tuple(variable.shape)))
        with tf.GradientTape() as tape:
            prediction = model(x, training=False)
            value = prediction if loss is None else loss(y, prediction)
        variables = [variable.value for variable in model.trainable_variables]
        gradients = [] if loss is None else tape.gradient(value, variables)
    finally:
        for variable, values in own:
            variable.assign(values)
    digest = hashlib.sha256(numpy_probe(rows, size)["digest"].encode())
    digest.update(np.ascontiguousarray(prediction).tobytes())
    for gradient in gradients:
        if gradient is not None:
            digest.update(np.ascontiguousarray(tf.convert_to_tensor(gradient)).tobytes())
    return _facts(digest.hexdigest())


def fixed_weights(shape: tuple[int, ...]) -> NDArray[Any]:
    """float32 weights that follow from their shape alone: a kernel's around 0 and smaller the more inputs it has, others in (0.5, 1.5)."""
    import numpy as np

    values = fixed_input(shape)
    if len(shape) < 2:
        return values / np.float32(4) + np.float32(1)
    inputs = int(np.prod(shape[:-1]))
    return values / np.float32(1 << (max(1, inputs).bit_length() // 2))


def _drawn(model: Any) -> list[Any]:
    """The weights that an initializer may draw: those of floating point, but for the bit widths of quantizers."""
    widths = bit_widths(model)
    return [weight for weight in model.weights if "float" in str(weight.dtype) and id(weight) not in widths]


def bit_widths(model: Any) -> set[int]:
    """``id`` of each weight that is a bit width of one of HGQ2's quantizers."""
    quantizers = [layer for layer in model._flatten_layers() if "hgq.quantizer" in type(layer).__module__]
    return {id(weight) for layer in quantizers for weight in layer.weights}


def _facts(digest: str) -> dict[str, str]:
    return {"digest": digest, "cpu": determinism.cpu_model(determinism.read_cpuinfo())}
