"""A host's side of the worker protocol, and a small experiment to give it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from exseos.worker.determinism import environment

MODEL = """
import keras
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QDense


def build_model(input_shape, outputs, hidden=4):
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", b0=5, overflow_mode="WRAP"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", i0=3, f0=3, overflow_mode="WRAP"),
        LayerConfigScope(enable_ebops=True, beta0=1e-5),
    ):
        return keras.Sequential([keras.layers.Input(input_shape), QDense(hidden, activation="relu"), QDense(outputs)])
"""

PREPARE: dict[str, Any] = {
    "data": {"events": {"format": "csv", "target": "kind", "features": None, "options": {}}},
    "split": {"train": 0.7, "validation": 0.1, "test": 0.2, "stratify": True},
    "prepare": ["standardize"],
    "task": "auto",
}
TRAIN: dict[str, Any] = {
    "model": {"call": "model.py:build_model", "hidden": 3},
    "train": {"epochs": 2, "optimizer": "adam", "learning_rate": 0.01, "schedule": {"cosine_decay": {"alpha": 0.1}}, "loss": "auto"},
    "stream": {"batch_size": 64, "shuffle": True},
}


def write_events(path: Path, rows: int = 500) -> None:
    """A CSV of two overlapping classes in three columns."""
    random = np.random.Generator(np.random.PCG64(5))
    kind = random.integers(0, 2, rows)
    x = random.integers(-1000, 1000, (rows, 3)) / 256 + kind[:, None] * np.array([2.0, -1.0, 0.5])
    lines = [f"{a!r},{b!r},{c!r},{'gh'[k]}" for (a, b, c), k in zip(x.tolist(), kind.tolist(), strict=True)]
    path.write_text("\n".join(["width,length,size,kind", *lines]) + "\n")


class Worker:
    """A running ``python -m exseos.worker``."""

    def __init__(self, folder: Path, variables: Mapping[str, str | None] | None = None, **started: Any) -> None:
        merged: dict[str, str | None] = {"PATH": os.environ["PATH"], **environment(), **(variables or {})}
        values = {key: value for key, value in merged.items() if value is not None}
        self.errors = folder / "stderr.txt"
        with self.errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "exseos.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=values,
                cwd=folder,
                **started,
            )
        self.progress: list[dict[str, Any]] = []
        self._count = 0

    def send(self, line: bytes) -> dict[str, Any]:
        """Write one line; returns the event that answers it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        while True:
            answer = self.process.stdout.readline()
            assert answer, f"the worker ended: {self.errors.read_text()}"
            event: dict[str, Any] = json.loads(answer)
            if event["event"] != "progress":
                return event
            self.progress.append(event)

    def ask(self, operation: str, **content: Any) -> dict[str, Any]:
        """Send a request; returns the event that answers it."""
        self._count += 1
        event = self.send(json.dumps({"id": self._count, "op": operation, **content}).encode())
        assert event["id"] == self._count
        return event

    def run(self, stage: str, output: Path, parameters: Mapping[str, Any], **task: Any) -> dict[str, Any]:
        """Run a stage into ``output`` (made here); returns the event that answers it."""
        output.mkdir(parents=True)
        return self.ask("run", stage=stage, task={"seed": 1, "parameters": parameters, "output": str(output), **task})

    def close(self) -> None:
        """End the worker."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(20)


def failure(event: dict[str, Any]) -> dict[str, Any]:
    """The failure that ``event`` tells of."""
    assert event["event"] == "error", event
    found: dict[str, Any] = event["error"]
    return found


def result(event: dict[str, Any]) -> dict[str, Any]:
    """The result that ``event`` tells of."""
    assert event["event"] == "done", event["error"]["traceback"] or event["error"]
    found: dict[str, Any] = event["result"]
    return found


def evaluate(worker: Worker, prepared: Path, trained: Path, output: Path, **task: Any) -> dict[str, Any]:
    """Run the stage evaluate; returns the event that answers it."""
    return worker.run("evaluate", output, {"evaluate": {}}, inputs={"prepare": str(prepared), "train": str(trained)}, **task)


def save_prepared(folder: Path, task: str, classes: list[str], y: dict[str, Any]) -> Path:
    """A prepare output with random ``x`` of three columns and this ``y`` for each part."""
    folder.mkdir()
    random = np.random.Generator(np.random.PCG64(2))
    for part, values in y.items():
        np.save(folder / f"x_{part}.npy", random.integers(-512, 512, (len(values), 3)).astype("f4") / 256)
        np.save(folder / f"y_{part}.npy", values)
    rows = {part: len(values) for part, values in y.items()}
    content = {"task": task, "classes": classes, "input_shape": [3], "rows": rows, "steps": [], "features": ["a", "b", "c"]}
    (folder / "prepared.json").write_text(json.dumps(content))
    return folder
