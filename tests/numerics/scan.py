"""``python3 -m tests.numerics.scan PLAN RESULT``: run every item and write what each operation made of its inputs. Runs in an image.

PLAN is made if it is not there: which functions take which arguments. RESULT: ``items`` (name → digest of its results),
``used`` (item → operation → types), ``operations`` (operation and types → inputs → outputs, as digests), ``libraries``, ``packages``.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
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
from exseos.worker.numerics.audit import Audit
from tests.numerics import functions, layers, trainings
from tests.numerics.functions import values

Outcome = dict[str, Any]


def digest(result: Any) -> str:
    """SHA-256 (shortened) of all arrays in ``result``; every NaN counts as the same."""
    sha = hashlib.sha256()
    for one in tf.nest.flatten(result, expand_composites=True):
        array = np.asarray(one)
        if array.dtype.kind not in "biufcV" and array.dtype.name not in functions.TYPES:
            sha.update(repr(array).encode())
            continue
        sha.update(f"{array.dtype.name}{array.shape}".encode())
        if array.dtype.kind in "fc" or array.dtype.name == "bfloat16":
            array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]


class Recorder:
    """What every single operation made of what it was given."""

    def __init__(self) -> None:
        self.operations: dict[str, dict[str, list[str]]] = {}

    def __call__(self, kind: Any, inputs: Any, attributes: Any, outputs: Any, op_name: Any = None, graph: Any = None) -> None:
        name = kind.decode() if isinstance(kind, bytes) else str(kind)
        if graph is not None or name.startswith("__"):
            return
        numbers = [one for one in outputs if self._is_number(one)]
        if not numbers:
            return
        given = [digest(one) if self._is_number(one) else "-" for one in inputs]
        key = hashlib.sha256(repr((given, self._plain(attributes))).encode()).hexdigest()[:16]
        types = sorted({one.dtype.name for one in [*inputs, *numbers] if one.dtype.is_floating or one.dtype.is_complex})
        self.operations.setdefault(f"{name}|{','.join(types)}", {}).setdefault(key, []).append(digest(numbers))

    @staticmethod
    def _is_number(one: Any) -> bool:
        return one.dtype not in (tf.resource, tf.variant, tf.string)

    @staticmethod
    def _plain(attributes: Any) -> list[str]:
        return [repr(one) for one in attributes or () if isinstance(one, int | float | bool | bytes | str | tuple | list)]


def numpy_items() -> Iterator[layers.Item]:
    """NumPy's functions, which user code may call while it trains."""
    one, two = (np.asarray(values(kind, "float64", (512, 96))) for kind in ("normal", "positive"))
    for dtype in ("float32", "float64"):
        x, y = one.astype(dtype), two.astype(dtype)
        for name in ["exp", "expm1", "sin", "cos", "tan", "tanh", "arctan", "arcsinh", "cbrt", "exp2", "sqrt"]:
            yield f"numpy {name} {dtype}", lambda name=name, x=x: getattr(np, name)(x)
        for name in ["log", "log1p", "log2", "log10", "reciprocal"]:
            yield f"numpy {name} {dtype}", lambda name=name, y=y: getattr(np, name)(y)
        yield f"numpy power {dtype}", lambda x=x, y=y: np.power(y, x)
        yield f"numpy matmul {dtype}", lambda x=x, y=y: [x.T @ y, x @ y.T, x @ y[0]]
        for name in ["sum", "mean", "std", "var", "cumsum", "prod", "median"]:
            yield f"numpy {name} {dtype}", lambda name=name, x=x: [getattr(np, name)(x, axis=axis) for axis in (0, 1, None)]
        for name in ["svd", "qr", "eigvalsh", "inv", "cholesky"]:
            square = y[:96].T @ y[:96] + 96 * np.eye(96, dtype=dtype)
            yield f"numpy {name} {dtype}", lambda name=name, square=square: list(getattr(np.linalg, name)(square))
        yield f"numpy sort {dtype}", lambda x=x: [np.sort(x, axis=None), np.argsort(x, axis=0, kind="stable")]
    yield "numpy random", lambda: [np.random.default_rng(1).standard_normal(1000), np.random.default_rng(1).gamma(2.0, size=1000)]


def eager_items(plan: Outcome) -> Iterator[layers.Item]:
    for dtype in functions.TYPES:
        for call in functions.calls(dtype, plan[dtype]):
            yield call.name, lambda call=call: call.run(*call.tensors)
    yield from layers.items()


def graph_items(plan: Outcome) -> Iterator[layers.Item]:
    for call in functions.calls("float32", {name: numbers[:1] for name, numbers in plan["float32"].items()}):
        yield f"graph {call.name}", lambda call=call: _in_graph(call)
    yield from trainings.items()


def _in_graph(call: functions.Call) -> Any:
    given = [one for one in tf.nest.flatten(call.tensors) if tf.is_tensor(one)]

    def run(*tensors: Any) -> Any:
        left = list(tensors)
        return call.run(*tf.nest.map_structure(lambda one: left.pop(0) if tf.is_tensor(one) else one, call.tensors))

    return tf.function(run, jit_compile=False)(*given)


def scan(plan: Outcome) -> Outcome:
    """Run everything."""
    recorder = Recorder()
    outcome: Outcome = {"items": {}, "used": {}, "failed": {}, "operations": recorder.operations}

    def run(name: str, item: Callable[[], Any]) -> None:
        keras.utils.set_random_seed(1)
        audit = Audit()
        try:
            outcome["items"][name] = digest(item())
        except Exception as error:  # told, and compared like a result
            outcome["failed"][name] = type(error).__name__
        audit.close()
        outcome["used"][name] = {operation: sorted(types) for operation, types in sorted(audit.used.items())}

    begun = time.monotonic()
    op_callbacks.add_op_callback(recorder)
    for name, item in eager_items(plan):
        run(name, item)
    op_callbacks.remove_op_callback(recorder)
    print(f"{len(outcome['items'])} single items in {time.monotonic() - begun:.0f} s", flush=True)
    for name, item in [*graph_items(plan), *numpy_items()]:
        run(name, item)
    print(f"{len(outcome['items'])} items in {time.monotonic() - begun:.0f} s", flush=True)
    outcome["libraries"] = numerics.active().libraries
    outcome["missing"] = list(numerics.active().missing)
    outcome["packages"] = compiled_packages()
    outcome["layers without item"] = layers.missing()
    return outcome


def compiled_packages() -> dict[str, str]:
    from exseos.worker.numerics.audit import compiled

    versions = importlib.metadata.packages_distributions()
    return {name: importlib.metadata.version(versions[name][0]) if name in versions else "" for name in sorted(compiled())}


def main(plan: Path, result: Path) -> None:
    numerics.activate_on_import()
    start_training(1)
    if not plan.exists():
        plan.write_text(json.dumps({dtype: functions.find_calls(dtype, 4 if dtype == "float32" else 2) for dtype in functions.TYPES}))
    result.write_text(json.dumps(scan(json.loads(plan.read_text())), indent=0, sort_keys=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
