"""One worker for many tests: starting TensorFlow takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.worker.hosting import MODEL, PREPARE, TRAIN, Worker, result, write_events


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that every test may ask."""
    running = Worker(tmp_path_factory.mktemp("worker"))
    yield running
    running.close()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's files: ``model.py``."""
    folder = tmp_path_factory.mktemp("spec")
    (folder / "model.py").write_text(MODEL)
    return folder


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """500 rows of two classes."""
    path = tmp_path_factory.mktemp("data") / "events.csv"
    write_events(path)
    return path


@pytest.fixture(scope="session")
def prepared(worker: Worker, events: Path, files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepare stage's output on ``events``."""
    output = tmp_path_factory.mktemp("prepared") / "out"
    result(worker.run("prepare", output, PREPARE, data={"events": str(events)}, files=str(files)))
    return output


@dataclass(frozen=True)
class Trained:
    """A training of the small quantized model: its outputs, its facts, and what it told on the way."""

    output: Path
    facts: dict[str, Any]
    progress: list[dict[str, Any]]


@pytest.fixture(scope="session")
def trained(worker: Worker, prepared: Path, files: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The train stage's output on ``prepared``."""
    output = tmp_path_factory.mktemp("trained") / "out"
    worker.progress.clear()
    facts = result(worker.run("train", output, TRAIN, inputs={"prepare": str(prepared)}, files=str(files)))["facts"]
    return Trained(output, facts, list(worker.progress))
