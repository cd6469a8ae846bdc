"""Functions of Keras and TensorFlow and their gradients: found in their modules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Item = tuple[str, Callable[[], Any]]
"""A name, and what computes something of which a digest is taken."""

TYPES = ("float32", "float64", "bfloat16", "float16")
ROOMS: dict[str, Any] = {
    "keras.ops": keras.ops,
    "keras.activations": keras.activations,
    "tf.math": tf.math,
    "tf.nn": tf.nn,
    "tf.linalg": tf.linalg,
    "tf": tf,
}
_OF_TF = """
abs acos acosh add argmax argmin argsort asin asinh atan atan2 atanh cast concat cos cosh cumsum
divide exp floor grad_pass_through identity less maximum minimum multiply negative norm
ones_like pow realdiv reduce_max reduce_mean reduce_min reduce_prod reduce_sum round sigmoid
sign sin sinh sort sqrt square stop_gradient subtract tan tanh transpose truediv zeros_like
"""
_NOT_OF_NUMBERS = """
arange array_split associative_scan band_part broadcast_shapes broadcast_to cond
convert_to_tensor custom_gradient deserialize diag_part diagflat dtype empty erase_and_fill
expand_dims eye fori_loop full fullmatrix get get_item identity indices linspace logspace map
meshgrid ndim pad print rearrange repeat reshape rot90 saturate_cast scan scatter serialize
shape size slice split swapaxes switch tensordot threshold tile tri tril_indices unravel_index
unstack vectorize vectorized_map view_as_complex view_as_real while_loop
"""
"""Functions of shapes, sizes and other functions: those of use are in ``explicit``."""
_TOO_LARGE = """
kron outer isin bincount unique expm logm sqrtm matrix_power pinv lstsq eig svd
banded_triangular_solve tridiagonal_solve eigh_tridiagonal histogram confusion_matrix diag
matrix_diag tensor_diag set_diag conjugate_gradient global_policy kaiser bartlett blackman
hamming hanning vander nonzero argwhere cdist
"""
"""Slow or huge on a large argument: those of use are in ``explicit``."""
_NOT_CALLED = {*_NOT_OF_NUMBERS.split(), *_TOO_LARGE.split()}
_COMPOSED = """
Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Exp Expm1 Floor Inv Log Log1p Neg Reciprocal Rint
Round Rsqrt Sigmoid Sin Sinh Sqrt Square Tan Tanh Elu Relu Relu6 Selu
"""
_NOT_IN_NAMES = ("sampl", "rnn", "experimental", "collective", "isotonic", "quantize", "with_space")


def values(kind: str, dtype: str = "float32", shape: tuple[int, ...] = (512, 64)) -> Any:
    """Fixed numbers of ``shape``.

    ``normal`` (-4 to 4), ``wide`` (both signs, 40 octaves), ``positive`` (20 octaves), ``unit``
    (0 to 1) or ``matrix`` (symmetric, positive definite).
    """
    random = np.random.Generator(np.random.PCG64([*kind.encode(), *shape]))
    whole = random.integers(-(1 << 20), 1 << 20, size=shape).astype(np.float64) / (1 << 20)
    if kind == "unit":
        found = (whole + 1) / 2
    elif kind == "wide":
        found = np.ldexp(whole, random.integers(-20, 20, size=shape))
    elif kind == "positive":
        found = np.ldexp(np.abs(whole) + 1e-6, random.integers(-10, 10, size=shape))
    elif kind == "matrix":
        transposed = np.swapaxes(whole, -1, -2)
        found = np.floor((whole + transposed) * 64) / 64 + 2 * shape[-1] * np.eye(shape[-1])
    else:
        found = whole * 4
    return tf.cast(tf.constant(found), dtype)


def _argument_sets(dtype: str) -> list[tuple[Any, ...]]:
    shape = (1024, 64) if dtype == "float32" else (128, 64)
    kinds = ("normal", "wide", "positive", "unit")
    normal, wide, positive, unit = (values(kind, dtype, shape) for kind in kinds)
    square = values("matrix", dtype, (8, 12, 12))
    return [
        (normal,),
        (wide,),
        (positive,),
        (unit,),
        (normal, wide),
        (positive, normal),
        (positive, positive),
        (unit, unit),
        (square,),
        (square, square),
        (normal > 0,),
        (normal > 0, wide > 0),
        (positive, positive, unit),
        (normal > 0, normal, wide),
        ([normal, wide],),
    ]


def names(room: str) -> list[str]:
    """The functions of a room that are called with the argument sets."""
    return sorted(
        name
        for name, found in vars(ROOMS[room]).items()
        if not name.startswith("_")
        and callable(found)
        and not inspect.isclass(found)
        and name not in _NOT_CALLED
        and not any(part in name for part in _NOT_IN_NAMES)
        and (room != "tf" or name in _OF_TF.split())
    )


def find_plan(dtype: str, most: int) -> dict[str, list[int]]:
    """For every function the numbers of up to ``most`` argument sets that it takes."""
    sets = _argument_sets(dtype)
    found: dict[str, list[int]] = {}
    seen = set()
    for room in ROOMS:
        for name in names(room):
            function = getattr(ROOMS[room], name)
            if id(function) in seen:  # under another name
                continue
            seen.add(id(function))
            taken = found.setdefault(f"{room}.{name}", [])
            for number, arguments in enumerate(sets):
                if len(taken) < most and _takes(function, arguments):
                    taken.append(number)
    return found


def _takes(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
    keras.utils.set_random_seed(1)
    try:
        result = tf.nest.flatten(function(*arguments))
    except Exception:  # noqa: BLE001 - whatever it says: it does not take them
        return False
    return any(tf.is_tensor(one) for one in result)


def planned(plan: dict[str, list[int]], dtype: str) -> Iterator[Item]:
    """The calls that ``find_plan`` found, perhaps on another machine, with their gradients."""
    sets = _argument_sets(dtype)
    for name, numbers in plan.items():
        room, _, function = name.rpartition(".")
        for number in numbers:
            call = getattr(ROOMS[room], function)
            yield (
                f"{name}/{number} {dtype}",
                lambda call=call, number=number: with_gradient(call, sets[number]),
            )


def in_graphs(plan: dict[str, list[int]], dtype: str) -> Iterator[Item]:
    """The first call of each function in a graph, where TensorFlow rewrites it."""
    sets = _argument_sets(dtype)
    for name, numbers in plan.items():
        room, _, function = name.rpartition(".")
        if numbers:
            call, given = getattr(ROOMS[room], function), sets[numbers[0]]
            yield (
                f"graph {name} {dtype}",
                lambda call=call, given=given: tf.function(lambda *given: with_gradient(call, given), jit_compile=False)(*given),
            )


def chains() -> Iterator[Item]:
    """Each operation that TensorFlow composes with others, after one more; and draws that keep a state."""
    for dtype in ("float32", "float64", "float16"):
        for name in _COMPOSED.split():
            yield f"chain {name} {dtype}", lambda name=name, dtype=dtype: _chain(name, dtype)
    for name in ("normal", "uniform", "truncated_normal"):
        for dtype in TYPES:
            yield (
                f"tf.random.{name} {dtype}",
                lambda name=name, dtype=dtype: getattr(tf.random, name)((1000,), seed=1, dtype=dtype),
            )
    shuffled = values("normal")
    yield "tf.random.shuffle", lambda: tf.random.shuffle(shuffled, seed=1)
    yield "tf.random.categorical", lambda: tf.random.categorical(shuffled, 10, seed=1)
    yield "l2 loss, norms", lambda: [[f(row) for row in shuffled] for f in (tf.nn.l2_loss, tf.math.reduce_euclidean_norm)]
    yield "products", lambda: tf.reduce_prod(shuffled, axis=1)


def _chain(name: str, dtype: str) -> Any:
    one = getattr(tf.raw_ops, name)
    first = "features" if name in ("Elu", "Relu", "Relu6", "Selu") else "x"
    with_more = tf.function(lambda x: [tf.abs(one(**{first: tf.negative(x)})), one(**{first: tf.square(x)})], jit_compile=False)
    return [with_more(values(kind, dtype, (1024, 64))) for kind in ("normal", "positive", "unit")]


def with_gradient(call: Callable[..., Any], arguments: tuple[Any, ...]) -> list[Any]:
    """What ``call`` makes of ``arguments``, and the gradient of its sum of squares where it has one."""
    floats = [one for one in tf.nest.flatten(arguments) if tf.is_tensor(one) and _rounds(one)]
    with tf.GradientTape() as tape:
        tape.watch(floats)
        result = [one for one in tf.nest.flatten(call(*arguments)) if tf.is_tensor(one)]
        sums = [tf.reduce_sum(one * one) for one in result if _rounds(one)]
    try:
        gradients = tape.gradient(sums, floats) if sums and floats else []
    except (LookupError, NotImplementedError, TypeError, ValueError):  # it has none
        gradients = []
    return result + [tf.convert_to_tensor(one) for one in gradients if one is not None]


def _rounds(tensor: Any) -> bool:
    return bool(tensor.dtype.is_floating or tensor.dtype.is_complex)


def explicit(dtype: str) -> Iterator[Item]:
    """Functions whose arguments are not tensors alone, or must be small."""
    x, y = values("normal", dtype), values("wide", dtype)
    positive = values("positive", dtype)
    square = values("matrix", dtype, (8, 12, 12))
    wide = values("normal", dtype, (8, 12, 5))
    image = values("normal", dtype, (4, 16, 16, 8))
    filters, deep = values("normal", dtype, (3, 3, 8, 16)), values("normal", dtype, (3, 3, 8, 2))
    whole = tf.constant(np.arange(512) * 7 % 50, "int32")
    ops, linalg, nn = keras.ops, tf.linalg, tf.nn
    calls: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "clip": (lambda x: ops.clip(x, -1.0, 1.0), (x,)),
        "power 0.5": (lambda x: ops.power(x, 0.5), (positive,)),
        "power 3": (lambda x: ops.power(x, 3), (x,)),
        "power -1.5": (lambda x: x**-1.5, (positive,)),
        "divide by number": (lambda x: [x / 3, 3 / x], (y,)),
        "softmax on axis 0": (lambda x: ops.softmax(x, axis=0), (x,)),
        "logsumexp on axis 0": (lambda x: ops.logsumexp(x, axis=0), (x,)),
        "mean, var, std": (lambda x: [f(x, axis=0) for f in (ops.mean, ops.var, ops.std)], (x,)),
        "norm": (lambda x: [ops.norm(x, axis=-1), ops.norm(x, ord=1, axis=0)], (x,)),
        "normalize": (lambda x: [ops.normalize(x), ops.normalize(x, axis=0, order=1)], (x,)),
        "cumsum, cumprod": (lambda x: [ops.cumsum(x, axis=0), ops.cumprod(x, axis=1)], (x,)),
        "top k": (lambda x: ops.top_k(x, 5), (x,)),
        "sort": (lambda x: [ops.sort(x, axis=0), ops.argsort(x)], (x,)),
        "quantile": (lambda x: ops.quantile(x, 0.3, axis=0), (x,)),
        "median": (lambda x: ops.median(x, axis=0), (x,)),
        "segment sum": (lambda x: ops.segment_sum(x, whole, 50), (x,)),
        "segment max": (lambda x: ops.segment_max(x, whole, 50), (x,)),
        "unsorted segment mean": (lambda x: tf.math.unsorted_segment_mean(x, whole, 50), (x,)),
        "segment mean": (lambda x: tf.math.segment_mean(x, tf.sort(whole)), (x,)),
        "distances": (lambda x: ops.cdist(x[:50], x[50:120]), (x,)),
        "one hot": (lambda x: ops.one_hot(whole, 50, dtype=dtype) * x[:, :50], (x,)),
        "take": (lambda x: [ops.take(x, whole, axis=0), ops.take(x, [3, 1, 3], axis=1)], (x,)),
        "take along axis": (lambda x: ops.take_along_axis(x, whole[:, None] % 64, 1), (x,)),
        "gather nd": (lambda x: tf.gather_nd(x, whole[:, None]), (x,)),
        "scatter": (lambda x: ops.scatter(whole[:, None], x, (50, 64)), (x,)),
        "scatter update": (lambda x, y: ops.scatter_update(x, whole[:, None], y), (x, y)),
        "slice": (
            lambda x: [x[3:9, ::2], x[..., -1], x[:, None], ops.slice(x, (1, 2), (3, 4))],
            (x,),
        ),
        "slice update": (lambda x: ops.slice_update(x, (1, 2), x[:3, :4]), (x,)),
        "pad": (
            lambda x: [ops.pad(x, ((1, 2), (3, 4)), mode=m) for m in ("constant", "reflect")],
            (x,),
        ),
        "roll": (lambda x: ops.roll(x, 3, axis=0), (x,)),
        "flip": (lambda x: ops.flip(x, axis=1), (x,)),
        "repeat, tile": (lambda x: [ops.repeat(x, 3, axis=1), ops.tile(x, (2, 3))], (x,)),
        "split, stack": (lambda x: [*ops.split(x, 4, axis=1), ops.stack([x, x])], (x,)),
        "concatenate": (lambda x, y: ops.concatenate([x, y], axis=1), (x, y)),
        "broadcast": (lambda x: [ops.broadcast_to(x[:1], (5, 64)), x[:1] + x[:, :1]], (x,)),
        "where": (lambda x, y: ops.where(x > 0, x, y), (x, y)),
        "outer": (lambda x: ops.outer(x[0], x[1]), (x,)),
        "kron": (lambda x: ops.kron(x[:4, :4], x[4:8, :4]), (x,)),
        "diag": (lambda x: [ops.diag(x[0]), ops.diagonal(x), ops.trace(x)], (x,)),
        "tril, triu": (lambda x: [ops.tril(x), ops.triu(x, 3)], (x,)),
        "tensordot": (lambda x, y: ops.tensordot(x, y, axes=[[0], [0]]), (x, y)),
        "einsum": (lambda x, y: ops.einsum("ij,kj->ik", x, y), (x, y)),
        "einsum of three": (lambda x, y: ops.einsum("bij,bjk,bil->bkl", x, y, x), (square, wide)),
        "matmul transposed": (lambda x, y: tf.matmul(x, y, transpose_b=True), (x, y)),
        "batch matmul": (ops.matmul, (square, wide)),
        "matvec": (lambda x, y: linalg.matvec(x, y[0]), (x, y)),
        "solve": (ops.solve, (square, wide)),
        "triangular solve": (lambda a, b: linalg.triangular_solve(a, b), (square, wide)),
        "cholesky": (ops.cholesky, (square,)),
        "cholesky solve": (
            lambda a, b: linalg.cholesky_solve(linalg.cholesky(a), b),
            (square, wide),
        ),
        "inverse": (ops.inv, (square,)),
        "determinant": (lambda a: [ops.det(a / 24), linalg.logdet(a)], (square,)),
        "qr": (lambda a: ops.qr(a), (square,)),
        "eigh": (lambda a: ops.eigh(a), (square,)),
        "svd": (lambda a: linalg.svd(a), (square,)),
        "svd of rectangles": (lambda a: linalg.svd(a, compute_uv=False), (wide,)),
        "expm": (lambda a: linalg.expm(a / 100), (square,)),
        "pseudo-inverse": (lambda a: linalg.pinv(a), (wide,)),
        "least squares": (lambda a, b: linalg.lstsq(a, b), (square, wide)),
        "lu": (lambda a: linalg.lu(a), (square,)),
        "band part": (lambda a: linalg.band_part(a, 2, 3), (square,)),
        "diagonals": (lambda a: [linalg.diag_part(a), linalg.set_diag(a, a[..., 0])], (square,)),
        "convolution": (lambda x, k: ops.conv(x, k, 1, "same"), (image, filters)),
        "strided convolution": (lambda x, k: ops.conv(x, k, 2, "valid"), (image, filters)),
        "dilated convolution": (
            lambda x, k: ops.conv(x, k, 1, "same", dilation_rate=2),
            (image, filters),
        ),
        "depthwise convolution": (lambda x, k: ops.depthwise_conv(x, k, 1, "same"), (image, deep)),
        "transposed convolution": (
            lambda x, k: ops.conv_transpose(x, tf.transpose(k, (0, 1, 3, 2)), 2, "same"),
            (image, filters),
        ),
        "max pool": (lambda x: ops.max_pool(x, 2, 2, "same"), (image,)),
        "average pool": (lambda x: ops.average_pool(x, 3, 2, "same"), (image,)),
        "local response": (lambda x: nn.local_response_normalization(x), (image,)),
        "l2 normalize": (lambda x: nn.l2_normalize(x, axis=-1), (x,)),
        "moments": (lambda x: nn.moments(x, [0]), (x,)),
        "batch normalization": (
            lambda x, v: nn.batch_normalization(x, x[0], v[0], x[1], x[2], 1e-3),
            (x, positive),
        ),
        "bias add": (lambda x: nn.bias_add(x, x[0]), (x,)),
        "dropout": (lambda x: nn.dropout(x, 0.3, seed=1), (x,)),
        "embedding lookup": (lambda x: nn.embedding_lookup(x, whole), (x,)),
        "cross entropy": (lambda x: nn.sparse_softmax_cross_entropy_with_logits(whole, x), (x,)),
        "ctc loss": (lambda x: _ctc(tf.reshape(x, (8, 64, 64))), (x,)),
        "resize": (
            lambda x: [ops.image.resize(x, (9, 21), m) for m in ("bilinear", "nearest", "bicubic")],
            (image,),
        ),
        "complex": (
            lambda x, y: [f(tf.complex(x, y)) for f in (tf.abs, tf.exp, tf.math.conj, tf.square)],
            (x, positive),
        ),
        "complex matmul": (
            lambda x, y: tf.matmul(tf.complex(x, y), tf.complex(y, x), False, True),
            (x, y),
        ),
        "complex log": (
            lambda x, y: [f(tf.complex(x, y)) for f in (tf.math.log, tf.sqrt)],
            (x, positive),
        ),
        "fft": (lambda x, y: ops.fft((x, y)), (x, y)),
        "ifft": (lambda x, y: ops.ifft2((x, y)), (x, y)),
        "rfft": (lambda x: ops.rfft(x), (x,)),
        "irfft": (lambda x, y: ops.irfft((x, y)), (x, y)),
        "stft": (lambda x: ops.stft(x, 32, 16, 64), (x,)),
        "log mel": (lambda x: tf.signal.mfccs_from_log_mel_spectrograms(x), (x,)),
        "dct": (lambda x: tf.signal.dct(x), (x,)),
        "frame": (lambda x: tf.signal.frame(x, 8, 4), (x,)),
        "windows": (lambda: [getattr(ops, w)(64) for w in _WINDOWS], ()),
        "erf inverse": (lambda x: ops.erfinv(x * 0.999), (values("unit", dtype),)),
        "polygamma": (lambda x: tf.math.polygamma(tf.ones_like(x) * 2, x), (positive,)),
        "accumulate": (lambda x, y: [tf.math.accumulate_n([x, y]), tf.add_n([x, y, x])], (x, y)),
        "casts": (lambda x: [tf.cast(x, one) for one in (*TYPES, "int32", "bool")], (x,)),
        "fake quantization": (
            lambda x: tf.quantization.fake_quant_with_min_max_args(tf.cast(x, "float32")),
            (x,),
        ),
        "clip by norm": (
            lambda x: [tf.clip_by_norm(x, 2.0), tf.clip_by_global_norm([x, x], 2.0)[0]],
            (x,),
        ),
        "bits of integers": (
            lambda: [whole // 3, whole % 7, whole * whole, ops.left_shift(whole, 2), whole & 5],
            (),
        ),
        "range, linspace": (
            lambda: [
                ops.arange(0, 10, 0.3, dtype="float32"),
                ops.linspace(0.0, 1.0, 50),
                ops.logspace(0.0, 2.0, 50),
            ],
            (),
        ),
        "random": (lambda: [_random(name) for name in _RANDOM], ()),
        "stateless random": (
            lambda: [
                tf.random.stateless_normal((1000,), [1, 2]),
                tf.random.stateless_uniform((1000,), [1, 2]),
                tf.random.stateless_truncated_normal((1000,), [1, 2]),
            ],
            (),
        ),
        "while": (
            lambda x: tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * x), (0, x))[1],
            (x,),
        ),
        "scan": (lambda x: tf.scan(lambda a, b: tf.tanh(a + b), x[:20]), (x,)),
        "map": (lambda x: tf.map_fn(lambda b: tf.exp(-b), x[:20]), (x,)),
        "cond": (lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2, lambda: x * 3), (x,)),
    }
    for name, (call, arguments) in calls.items():
        yield (
            f"{name} {dtype}",
            lambda call=call, arguments=arguments: with_gradient(call, arguments),
        )


_WINDOWS = ("bartlett", "blackman", "hamming", "hanning")
_RANDOM = (
    "normal",
    "uniform",
    "truncated_normal",
    "randint",
    "gamma",
    "beta",
    "binomial",
    "dropout",
    "shuffle",
    "categorical",
)


def _random(name: str) -> Any:
    draw = getattr(keras.random, name)
    given: dict[str, tuple[Any, ...]] = {
        "randint": ((1000,), 0, 50),
        "gamma": ((1000,), 2.0),
        "beta": ((1000,), 2.0, 3.0),
        "binomial": ((1000,), 5.0, 0.3),
        "dropout": (values("normal"), 0.3),
        "shuffle": (values("normal"),),
        "categorical": (values("normal"), 10),
    }
    return draw(*given.get(name, ((1000,),)), seed=1)


def _ctc(logits: Any) -> Any:
    labels = tf.constant(np.arange(8 * 5).reshape(8, 5) % 60 + 1, "int32")
    lengths = tf.fill([8], 5), tf.fill([8], 64)
    return keras.ops.ctc_loss(labels, logits, *lengths)
