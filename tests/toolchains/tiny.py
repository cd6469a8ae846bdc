"""A small quantised experiment as the prepare and train stages leave it, and a way to run the hardware stages on it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from exseos.manifest import Manifest
from exseos.toolchains.agreement import decisions
from exseos.worker.keras_file import save
from exseos.worker.server import find_stage
from exseos.worker.stages.base import Context

CONVERT: dict[str, Any] = {
    "backend": "Vitis",
    "io_type": "io_parallel",
    "strategy": "latency",
    "precision": "ap_fixed<16,6>",
    "reuse_factor": 1,
    "part": None,
    "clock_ns": 5.0,
}
SYNTHESIZE: dict[str, Any] = {"toolchain": "open", "part": "LFE5U-25F-6BG256C", "clock_ns": 10.0, "latency_cutoff": 2.0, "hard_dc": 2}
PARAMETERS: dict[str, Any] = {
    "convert": CONVERT,
    "simulate": {"rows": 100},
    "synthesize": SYNTHESIZE,
    "implement": {"seed": 1, "gate_rows": 40},
}


def rows(count: int, features: int, seed: int, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """Rows of a normal distribution, float32."""
    random = np.random.Generator(np.random.PCG64(seed))
    return (random.normal(size=(count, features)) * scale).astype(np.float32)


def quantised_model(features: int = 3, hidden: int = 3, outputs: int = 1, seed: int = 4) -> Any:
    """An untrained HGQ2 model whose ranges were traced on a few rows, ending in logits."""
    import keras
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QDense
    from hgq.utils import trace_minmax

    keras.utils.set_random_seed(seed)
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", b0=4, overflow_mode="WRAP"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", i0=2, f0=2, overflow_mode="WRAP"),
    ):
        model = keras.Sequential([keras.layers.Input((features,)), QDense(hidden, activation="relu"), QDense(outputs)])
    trace_minmax(model, rows(200, features, seed=9), verbose=False)
    return model


def write_inputs(folder: Path, model: Any, task: str, x_train: np.ndarray[Any, Any], x_test: np.ndarray[Any, Any]) -> None:
    """What the stages prepare, train and evaluate write; the targets are the model's own decisions, every tenth one wrong."""
    for name in ("prepare", "train", "evaluate"):
        (folder / name).mkdir(parents=True)
    outputs = model.predict(x_test, verbose=0)
    classes = decisions(outputs, 0.0)
    most = max(2, outputs.shape[1])
    targets = np.where(np.arange(len(classes)) % 10 == 0, classes + 1, classes) % most
    write_prepared(folder / "prepare", x_train, x_test, targets, task, most)
    write_evaluated(folder / "evaluate", outputs)
    save(model, folder / "train" / "model.keras")


def write_prepared(
    folder: Path, x_train: np.ndarray[Any, Any], x_test: np.ndarray[Any, Any], targets: np.ndarray[Any, Any], task: str, classes: int
) -> None:
    """The part of prepare's outputs that stages behind train read."""
    np.save(folder / "x_train.npy", x_train)
    np.save(folder / "x_test.npy", x_test)
    np.save(folder / "y_test.npy", targets.astype(np.int64) if task != "regression" else targets)
    content = {
        "task": task,
        "classes": [f"class {number}" for number in range(classes if task != "regression" else 0)],
        "input_shape": list(x_test.shape[1:]),
        "rows": {"train": len(x_train), "validation": 0, "test": len(x_test)},
        "steps": [],
        "features": [f"x{number}" for number in range(x_test.shape[1])],
    }
    (folder / "prepared.json").write_text(json.dumps(content))


def write_evaluated(folder: Path, outputs: np.ndarray[Any, Any]) -> None:
    """The part of evaluate's outputs that stages behind it read: those of a model that ends in logits."""
    np.save(folder / "predictions_test.npy", outputs.astype(np.float32))
    threshold = 0.0 if outputs.shape[1] == 1 else None
    (folder / "objective.json").write_text(json.dumps({"loss": "binary_crossentropy", "from_logits": True, "threshold": threshold}))


def write_binary_inputs(folder: Path) -> None:
    """A binary classifier's inputs; half of its 200 test rows lie far outside of its input's range."""
    test = np.concatenate([rows(100, 3, seed=2), rows(100, 3, seed=3, scale=50.0)])[np.random.default_rng(0).permutation(200)]
    write_inputs(folder, quantised_model(), "binary", rows(50, 3, seed=1), test)


def run(folder: Path, stages: Sequence[str], *, output: Path | None = None, parameters: dict[str, Any] | None = None) -> Path:
    """Run ``stages`` on what is in ``folder``; their outputs go to ``output`` (default: ``folder``), which is returned."""
    target = output or folder
    for name in stages:
        (target / name).mkdir(parents=True)
        places = {path.name: path for where in (folder, target) for path in where.iterdir() if path.name != name}
        find_stage(name).run(
            Context(parameters=parameters or PARAMETERS, seed=1, inputs=places, data={}, files=Path(os.devnull), output=target / name)
        )
    return target


def metrics(folder: Path) -> dict[str, Any]:
    """Values of a stage's metrics by name."""
    return {metric["name"]: metric["value"] for metric in json.loads((folder / "metrics.json").read_bytes())}


def manifest(folder: Path, stages: Sequence[str]) -> dict[str, str]:
    """Path to SHA-256 of all that ``stages`` wrote."""
    return {f"{stage}/{path}": digest for stage in stages for path, digest in Manifest.of_tree(folder / stage).as_dict().items()}


HARDWARE = ("convert", "simulate", "synthesize", "implement")

if __name__ == "__main__":
    import sys

    os.umask(0o077)
    run(Path(sys.argv[1]), HARDWARE, output=Path(sys.argv[2]))
