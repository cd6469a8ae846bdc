"""``python3 -m tests.numerics.scan GROUP PLAN RESULT``: run items and write digests of what they computed.

Runs in the image, on this CPU or an emulated one. GROUP is one of ``tests.numerics.GROUPS``. PLAN tells which
functions take which arguments, and is made if it is not there. RESULT is JSON: ``items`` (name →
digest of its results), ``failed`` (name → error), ``used`` (item → operation → types),
``operations`` (operation|types → digest of inputs → digests of outputs), ``values`` (operation|types
→ how many numbers it put out), ``libraries``, ``packages``, ``missing``.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_callbacks

from exseos.worker import numerics
from exseos.worker.determinism import start_training
from exseos.worker.numerics.audit import Audit, compiled
from tests.numerics import GROUPS, functions, layers, trainings
from tests.numerics.functions import Item, values

_SLOW_SECONDS = 5.0
Plan = dict[str, dict[str, list[int]]]


def digest(result: Any) -> str:
    """SHA-256 (shortened) of all arrays in ``result``; every NaN counts as the same."""
    sha = hashlib.sha256()
    for one in tf.nest.flatten(result, expand_composites=True):
        array = one.numpy() if tf.is_tensor(one) else np.asarray(one)
        if array.dtype.kind not in "biufcV" and array.dtype.name not in functions.TYPES:
            sha.update(repr(array).encode())
            continue
        sha.update(f"{array.dtype.name}{array.shape}".encode())
        if array.dtype.kind in "fc" or array.dtype.name == "bfloat16":
            array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]


class Recorder:
    """What every single operation that runs outside a graph made of what it was given."""

    def __init__(self) -> None:
        self.operations: dict[str, dict[str, list[str]]] = {}
        self.values: dict[str, int] = {}

    def __call__(
        self,
        kind: Any,
        inputs: Any,
        attributes: Any,
        outputs: Any,
        op_name: Any = None,
        graph: Any = None,
    ) -> None:
        name = kind.decode() if isinstance(kind, bytes) else str(kind)
        if graph is not None or name.startswith("__"):
            return
        numbers = [one for one in outputs if _is_number(one)]
        if not numbers or not all(_is_number(one) for one in inputs):
            return  # what reads a variable or an iterator gives what is there
        given = [digest(one) for one in inputs]
        key = hashlib.sha256(repr((given, _plain(attributes))).encode()).hexdigest()[:16]
        types = sorted({one.dtype.name for one in [*inputs, *numbers] if one.dtype.is_floating or one.dtype.is_complex})
        label = f"{name}|{','.join(types)}"
        self.operations.setdefault(label, {}).setdefault(key, []).append(digest(numbers))
        made = sum(int(np.prod(one.shape)) for one in numbers)
        self.values[label] = self.values.get(label, 0) + made


def _is_number(one: Any) -> bool:
    return one.dtype not in (tf.resource, tf.variant, tf.string)


def _plain(attributes: Any) -> list[str]:
    kinds = int | float | bool | bytes | str | tuple | list
    return [repr(one) for one in attributes or () if isinstance(one, kinds)]


def numpy_items() -> Iterator[Item]:
    """NumPy's functions, which user code may call while it trains."""
    one, two = (np.asarray(values(kind, "float64", (512, 96))) for kind in ("normal", "positive"))
    for dtype in ("float32", "float64"):
        x, y = one.astype(dtype), two.astype(dtype)
        for name in [
            "exp",
            "expm1",
            "sin",
            "cos",
            "tan",
            "tanh",
            "arctan",
            "arcsinh",
            "cbrt",
            "exp2",
            "sqrt",
        ]:
            yield f"numpy {name} {dtype}", lambda name=name, x=x: getattr(np, name)(x)
        for name in ["log", "log1p", "log2", "log10", "reciprocal"]:
            yield f"numpy {name} {dtype}", lambda name=name, y=y: getattr(np, name)(y)
        yield f"numpy power {dtype}", lambda x=x, y=y: np.power(y, x)
        yield f"numpy matmul {dtype}", lambda x=x, y=y: [x.T @ y, x @ y.T, x @ y[0]]
        for name in ["sum", "mean", "std", "var", "cumsum", "prod", "median"]:
            yield (
                f"numpy {name} {dtype}",
                lambda name=name, x=x: [getattr(np, name)(x, axis=axis) for axis in (0, 1, None)],
            )
        square = np.asarray(values("matrix", dtype, (96, 96)))
        for name in ["svd", "qr", "eigvalsh", "inv", "cholesky"]:
            yield (
                f"numpy {name} {dtype}",
                lambda name=name, square=square: list(getattr(np.linalg, name)(square)),
            )
        yield (
            f"numpy sort {dtype}",
            lambda x=x: [np.sort(x, axis=None), np.argsort(x, axis=0, kind="stable")],
        )
    yield (
        "numpy random",
        lambda: [f(size=1000) for f in _numpy_draws(np.random.default_rng(1))],
    )


def _numpy_draws(random: Any) -> list[Callable[..., Any]]:
    return [
        random.standard_normal,
        random.random,
        random.standard_exponential,
        random.standard_cauchy,
    ]


def items(group: str, plan: Plan) -> Iterator[Item]:
    """All of a group, in an order that never changes."""
    if group == "functions":
        yield from functions.planned(plan["float32"], "float32")
        yield from functions.explicit("float32")
        yield from numpy_items()
    elif group == "small types":
        for dtype in functions.TYPES[1:]:
            yield from functions.planned(plan[dtype], dtype)
            yield from functions.explicit(dtype)
    elif group == "layers":
        yield from layers.items()
    elif group == "graphs":
        for dtype in functions.TYPES:
            yield from functions.in_graphs(plan[dtype], dtype)
    elif group == "trainings":
        yield from trainings.items()
    elif group == "chains":
        yield from functions.chains()
    elif group == "rows":
        yield from trainings.on_rows()
    else:
        raise SystemExit(f"there is no group {group!r}; there is: {', '.join(GROUPS)}")


def scan(group: str, plan: Plan) -> dict[str, Any]:
    """Run every item of the group."""
    recorder = Recorder()
    outcome: dict[str, Any] = {"items": {}, "used": {}, "failed": {}}
    op_callbacks.add_op_callback(recorder)
    for name, item in items(group, plan):
        keras.utils.set_random_seed(1)
        begun = time.monotonic()
        audit = Audit()
        try:
            outcome["items"][name] = digest(item())
        except Exception as error:  # noqa: BLE001 - told, and compared like a result
            outcome["failed"][name] = f"{type(error).__name__}: {error}"[:200]
        audit.close()
        outcome["used"][name] = {one: sorted(types) for one, types in sorted(audit.used.items())}
        if (seconds := time.monotonic() - begun) > _SLOW_SECONDS:
            print(f"{name}: {seconds:.1f} s", flush=True)
    op_callbacks.remove_op_callback(recorder)
    how = numerics.active()
    outcome |= {"operations": recorder.operations, "values": recorder.values}
    outcome |= {"libraries": how.libraries, "missing": list(how.missing), "packages": compiled()}
    return outcome


def main(group: str, plan: Path, result: Path) -> None:
    """Run ``group`` and write ``result``, with ``plan`` made first if need be."""
    for name in ("exseos.worker.server", "yaml"):  # what a worker and hls4ml load is in each process compared
        importlib.import_module(name)
    numerics.activate_on_import()
    start_training(1)
    begun = time.monotonic()
    if not plan.exists():
        made = {dtype: functions.find_plan(dtype, 4 if dtype == "float32" else 2) for dtype in functions.TYPES}
        plan.write_text(json.dumps(made, indent=0))
        print(f"plan in {time.monotonic() - begun:.0f} s", flush=True)
    outcome = scan(group, json.loads(plan.read_text()))
    result.write_text(json.dumps(outcome, indent=0, sort_keys=True))
    took = time.monotonic() - begun
    counts = f"{len(outcome['items'])} items, {len(outcome['failed'])} failed"
    print(f"{group}: {counts}, {took:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
