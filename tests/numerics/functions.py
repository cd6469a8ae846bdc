"""Every public function of Keras and TensorFlow's mathematics, called with what it takes: found, not listed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

ROWS, COLUMNS = 1024, 64
TYPES = ("float32", "float64", "bfloat16", "float16")
ROOMS: tuple[tuple[str, Any], ...] = (
    ("keras.ops", keras.ops),
    ("keras.activations", keras.activations),
    ("tf.math", tf.math),
    ("tf.nn", tf.nn),
    ("tf.linalg", tf.linalg),
    ("tf.signal", tf.signal),
    ("tf", tf),
)
LEFT_OUT = {
    # What reads files, asks for devices, needs a cluster, or is no function of numbers.
    "tf": lambda name: (
        name
        not in ["abs", "add", "argsort", "broadcast_to", "cast", "clip_by_norm", "clip_by_value", "concat", "cumsum", "einsum", "exp", "floor", "gather", "gather_nd", "identity", "linspace", "math", "matmul", "maximum", "meshgrid", "minimum", "multiply", "negative", "norm", "one_hot", "ones_like", "pad", "pow", "range", "realdiv", "recip", "reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum", "repeat", "reshape", "reverse", "roll", "round", "scatter_nd", "searchsorted", "sigmoid", "sign", "slice", "sort", "split", "sqrt", "square", "squeeze", "stack", "stop_gradient", "strided_slice", "subtract", "tanh", "tensordot", "tile", "transpose", "truediv", "unstack", "where", "zeros_like"]
    ),
    "tf.nn": lambda name: "sampl" in name or "rnn" in name.lower() or name.startswith("experimental"),
    "keras.ops": lambda name: name in ("associative_scan", "custom_gradient", "print", "rearrange"),
}


@dataclass(frozen=True)
class Call:
    """One function with one set of arguments; ``run`` takes the tensors among them."""

    name: str
    run: Callable[..., Any]
    tensors: tuple[Any, ...]


def values(kind: str, dtype: str = "float32", shape: tuple[int, ...] = (ROWS, COLUMNS)) -> Any:
    """Fixed numbers: ``normal``, ``wide`` (signed, over 40 octaves), ``positive``, ``unit`` (0 to 1), ``matrix`` (positive definite)."""
    random = np.random.Generator(np.random.PCG64([len(kind), *kind.encode(), *shape]))
    whole = random.integers(-(1 << 20), 1 << 20, size=shape).astype(np.float64) / (1 << 20)
    if kind == "unit":
        found = (whole + 1) / 2
    elif kind == "wide":
        found = np.ldexp(whole, random.integers(-20, 20, size=shape))
    elif kind == "positive":
        found = np.ldexp(np.abs(whole) + 1e-6, random.integers(-10, 10, size=shape))
    elif kind == "matrix":
        found = np.einsum("...ij,...kj->...ik", whole, whole) + 4 * np.eye(shape[-1])
    else:
        found = whole * 4
    return tf.cast(tf.constant(found), dtype)


def _argument_sets(dtype: str) -> list[tuple[Any, ...]]:
    normal, wide, positive, unit = (values(kind, dtype) for kind in ("normal", "wide", "positive", "unit"))
    whole = tf.constant(np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) % 50, "int32")
    image = values("normal", dtype, (8, 16, 16, 8))
    square = values("matrix", dtype, (16, 24, 24))
    filters = values("normal", dtype, (3, 3, 8, 16))
    sequence = values("normal", dtype, (8, 64, 16))
    return [
        (normal,), (wide,), (positive,), (unit,), (normal, wide), (positive, normal), (unit, unit),
        (normal, 0), (positive, 0.5), (normal, -4.0, 4.0), (whole,), (normal > 0,), (normal > 0, normal, wide),
        (image,), (square,), (square, square), (square, values("normal", dtype, (16, 24, 5))),
        (image, filters), (image, filters, 1, "SAME"), (image, filters, 1, "same"), (image, 2, 2, "SAME"), (image, 2),
        (image, 2, 2, "same"), (sequence, values("normal", dtype, (3, 16, 8)), 1, "SAME"), (sequence, values("normal", dtype, (3, 16, 8)), 1, "same"),
        (sequence,), ([normal, wide],), (normal, whole), (normal, whole[:, 0]), (whole[:, 0], normal), (whole[:, 0], 50),
        (normal, (COLUMNS, ROWS)), (normal, [1]), (normal, 2), (normal, 2.0, 3.0), (normal, values("normal", dtype, (COLUMNS, 32))),
        ("ij,kj->ik", normal, wide), (normal, whole[:, 0], 50), (positive, positive, positive), (normal, normal, positive, normal, positive, 1e-3),
        (image, values("positive", dtype, (8,)), values("normal", dtype, (8,))), (normal, tf.reduce_sum(normal)),
        (tf.cast(normal, "complex64"),) if dtype == "float32" else (), ((tf.cast(normal, "float32"), tf.cast(wide, "float32")),),
    ]  # fmt: skip


def names(room: str, module: Any) -> list[str]:
    """The functions of a room."""
    out = LEFT_OUT.get(room, lambda name: False)
    return sorted(name for name in dir(module) if not name.startswith("_") and not inspect.isclass(getattr(module, name))
                  and callable(getattr(module, name)) and not out(name))  # fmt: skip


def find_calls(dtype: str, most: int) -> dict[str, list[int]]:
    """For every function of every room the numbers of up to ``most`` sets of arguments that it takes; none if it takes none of them."""
    sets = _argument_sets(dtype)
    found: dict[str, list[int]] = {}
    for room, module in ROOMS:
        for name in names(room, module):
            taken = found.setdefault(f"{room}.{name}", [])
            for number, arguments in enumerate(sets):
                if len(taken) < most and arguments and _takes(getattr(module, name), arguments):
                    taken.append(number)
    return found


def calls(dtype: str, found: dict[str, list[int]]) -> Iterator[Call]:
    """The calls that ``find_calls`` found, perhaps on another machine."""
    sets = _argument_sets(dtype)
    modules = dict(ROOMS)
    for name, numbers in found.items():
        room, _, function = name.rpartition(".")
        for number in numbers:
            yield Call(f"{name}/{number} {dtype}", getattr(modules[room], function), sets[number])


def _takes(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
    keras.utils.set_random_seed(1)
    try:
        result = tf.nest.flatten(function(*arguments))
    except Exception:  # whatever it says: it does not take them
        return False
    return any(tf.is_tensor(one) for one in result)
