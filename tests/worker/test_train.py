"""Training: the user's model, what is refused before it starts, the order of rows, and what is measured."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exseos.worker import determinism, keras_file
from tests.worker.conftest import Trained
from tests.worker.hosting import TRAIN, Worker, evaluate, failure, result

pytestmark = pytest.mark.experiment

_DENSE = """
import keras

def build(input_shape, outputs, width=4, last=None, wrong=0):
    hidden = keras.layers.Dense(width, activation="relu")
    return keras.Sequential([keras.layers.Input(input_shape), hidden, keras.layers.Dense(outputs + wrong, activation=last)])

def other_input(outputs):
    return keras.Sequential([keras.layers.Input((99,)), keras.layers.Dense(outputs)])

def nothing(outputs):
    return None

def unbuilt(outputs):
    return keras.Sequential([keras.layers.Dense(outputs)])
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spec")
    (folder / "dense.py").write_text(_DENSE)
    return folder


def train(
    worker: Worker, prepared: Path, spec: Path, output: Path, call: str = "build", model: Any = None, **settings: Any
) -> dict[str, Any]:
    """Run the stage with a plain Keras model; ``settings`` change the section ``train``."""
    section = {
        "model": {"call": f"dense.py:{call}", **(model or {})},
        "train": {**TRAIN["train"], "epochs": 1, **settings},
        "stream": TRAIN["stream"],
    }
    return worker.run("train", output, section, inputs={"prepare": str(prepared)}, files=str(spec))


def test_a_quantized_model_is_trained(trained: Trained) -> None:
    output = trained.output
    assert sorted(path.name for path in output.iterdir()) == ["history.json", "initial.json", "model.keras", "objective.json"]
    assert len(trained.facts["probe"]["digest"]) == 64
    assert trained.facts["inexact"] == []
    assert [(event["done"], event["total"]) for event in trained.progress if event["total"]] == [(1, 2), (2, 2)]
    history = json.loads((output / "history.json").read_bytes())
    assert {"accuracy", "ebops", "loss", "val_accuracy", "val_loss"} <= set(history)
    assert all(len(values) == 2 for values in history.values())
    assert json.loads((output / "objective.json").read_bytes()) == {"from_logits": True, "loss": "binary_crossentropy", "threshold": 0}
    initial = {weight["path"].partition("/")[2]: weight for weight in json.loads((output / "initial.json").read_bytes())}
    assert initial["q_dense/kernel"]["shape"] == [3, 3] and initial["q_dense/kernel"]["dtype"] == "float32"
    assert initial["q_dense_1/bias"]["sha256"] == hashlib.sha256(bytes(4)).hexdigest()
    assert initial["q_dense/kernel"]["sha256"] != initial["q_dense_1/kernel"]["sha256"]


def test_the_model_file_is_canonical(trained: Trained, tmp_path: Path) -> None:
    output = trained.output
    with zipfile.ZipFile(output / "model.keras") as file:
        entries = file.infolist()
        assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
        assert {(entry.date_time, entry.compress_type, entry.external_attr) for entry in entries} == {
            ((1980, 1, 1, 0, 0, 0), 0, 0o644 << 16)
        }
        assert json.loads(file.read("metadata.json"))["date_saved"] == "1980-01-01@00:00:00"
    keras_file.canonicalise(output / "model.keras", tmp_path / "again.keras")
    assert (tmp_path / "again.keras").read_bytes() == (output / "model.keras").read_bytes()


def test_shared_objects_are_renumbered_in_order(tmp_path: Path) -> None:
    for name, numbers in (("one", (90, 17)), ("two", (5, 6))):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            content = {
                "b": {"shared_object_id": numbers[1]},
                "a": [{"shared_object_id": numbers[0]}, {"shared_object_id": numbers[1]}],
                "c": 1.0,
            }
            file.writestr("config.json", json.dumps(content))
            file.writestr("metadata.json", json.dumps({"date_saved": name, "keras_version": "3"}))
        keras_file.canonicalise(tmp_path / name, tmp_path / f"{name}.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.keras") as file:
        assert file.read("config.json") == b'{"a":[{"shared_object_id":1},{"shared_object_id":2}],"b":{"shared_object_id":2},"c":1.0}'


@pytest.mark.parametrize(
    ("call", "model", "settings", "words", "hint"),
    [
        ("build", {"wdth": 5}, {}, "takes no parameter 'wdth'", "Did you mean 'width'? It takes: width, last, wrong."),
        ("build", {"wrong": 4}, {}, "gives rows of shape (5,), but the task is binary with two classes", "outputs"),
        ("other_input", {}, {}, "takes rows of shape (99,), the prepared data has (3,)", "input_shape"),
        ("nothing", {}, {}, "returned NoneType, not a keras.Model", "Return"),
        ("unbuilt", {}, {}, "no input shape", "Input"),
        ("build", {"last": "relu"}, {}, "last activation is relu", "logits"),
        ("build", {}, {"loss": "mean_squared_error"}, "mean_squared_error does not fit the task binary", "binary_crossentropy"),
        ("build", {}, {"optimizer": "adamm"}, "no optimizer 'adamm'", "adamw"),
        ("build", {}, {"schedule": {"linear": {}}}, "no schedule 'linear'", "cosine_decay"),
        ("build", {}, {"optimizer": "sgd", "learning_rate": 1e38}, "after epoch 1", "lower the learning rate"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    worker: Worker, prepared: Path, spec: Path, tmp_path: Path, call: str, model: Any, settings: Any, words: str, hint: str
) -> None:
    error = failure(train(worker, prepared, spec, tmp_path / "out", call, model, **settings))
    assert error["kind"] == "experiment"
    assert words in error["what"]
    assert hint in error["hint"]


_UNSEEDED = """
import os, time, uuid
import keras, numpy as np
from keras import layers as K

again = []
fixed = np.random.default_rng(5)

def dense(kernel, **more):
    return keras.Sequential([K.Input((3,)), K.Dense(2, kernel_initializer=kernel, name="first"), K.Dense(1, name="last", **more)])

def drawn(random):
    model = dense("zeros")
    model.layers[0].kernel.assign(random.normal(size=(3, 2)))
    return model

def system(): return drawn(np.random.default_rng())
def entropy(): return drawn(np.random.default_rng(int.from_bytes(os.urandom(4), "big")))
def name(): return drawn(np.random.default_rng(uuid.uuid4().int))
def second(): return drawn(np.random.default_rng(int(time.time())))
def process(): return drawn(np.random.default_rng(os.getpid()))
def address(): return drawn(np.random.default_rng(id(dense("zeros"))))
def dropout(): return keras.Sequential([K.Input((3,)), K.Dropout(0.5, seed=int.from_bytes(os.urandom(3), "big"), name="drop"), K.Dense(1)])
def rate(): return dense("zeros", kernel_regularizer=keras.regularizers.L2(np.random.default_rng().random()))
def width(): return keras.Sequential([K.Input((3,)), K.Dense(2 + int(time.time() // 100_003) % 2, name="first"), K.Dense(1)])

def global_numpy(): return drawn(np.random)
def module_level(): return drawn(fixed)
def of_keras(): return dense("glorot_uniform")
def seeded(seed): return drawn(np.random.default_rng(seed))

class Odd(K.Layer):
    def __init__(self, by):
        super().__init__(name="odd")

    def call(self, x):
        return x

def unsaved(): return keras.Sequential([K.Input((3,)), Odd(object()), K.Dense(1)])
def once():
    again.append(1)
    return dense("ones" if len(again) == 1 else "zeros")
"""


def unseeded(worker: Worker, prepared: Path, tmp_path: Path, call: str, **task: Any) -> dict[str, Any]:
    files = tmp_path / "spec"
    files.mkdir()
    (files / "m.py").write_text(_UNSEEDED)
    section = {"model": {"call": f"m.py:{call}"}, "train": {**TRAIN["train"], "epochs": 1}, "stream": TRAIN["stream"]}
    return worker.run("train", tmp_path / "out", section, inputs={"prepare": str(prepared)}, files=str(files), **task)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        *((call, "first/kernel") for call in ("system", "entropy", "name", "second", "process", "address", "width")),
        ("dropout", "seed_generator_state"),
        ("rate", "the settings of last"),
    ],
)
def test_numbers_without_a_seed_are_named(worker: Worker, prepared: Path, tmp_path: Path, call: str, named: str) -> None:
    error = failure(unseeded(worker, prepared, tmp_path, call))
    assert (error["kind"], error["where"]) == ("experiment", f"/spec/m.py:{call}")
    assert "two builds of the model begin with other numbers" in error["what"] and named in error["what"]
    assert "last/kernel" not in error["what"]
    assert "`seed`" in error["hint"]


@pytest.mark.parametrize("call", ["global_numpy", "module_level", "of_keras", "seeded", "once"])
def test_numbers_that_repeat_are_not(worker: Worker, prepared: Path, tmp_path: Path, call: str) -> None:
    assert result(unseeded(worker, prepared, tmp_path, call))["facts"]["inexact"] == []


def test_what_cannot_be_saved_is_refused_before_it_is_trained(worker: Worker, prepared: Path, tmp_path: Path) -> None:
    error = failure(unseeded(worker, prepared, tmp_path, "unsaved"))
    assert (error["kind"], error["traceback"]) == ("experiment", None)
    assert "the layer odd (Odd) cannot be saved" in error["what"]


def test_numbers_without_a_seed_may_be_allowed(worker: Worker, prepared: Path, tmp_path: Path) -> None:
    facts = result(unseeded(worker, prepared, tmp_path, "system", allow_inexact=True))["facts"]
    assert [name.partition("/")[2] for name in facts["inexact"]] == ["first/kernel"]


_ELSEWHERE = """
import sys
import hgq, keras, numpy as np
from exseos.worker import determinism
from exseos.worker.rows import Batches, Epochs, order

determinism.start_training(1)
x, y = np.arange(70, dtype="f4").reshape(-1, 1), np.arange(70)
rows = Epochs(x, y, 16, seed=7)
epochs = [[int(row) for step in range(5) for row in rows[epoch * 5 + step][1]] for epoch in range(3)]
assert epochs == [order(70, 7, epoch).tolist() for epoch in range(3)]
assert all(sorted(epoch) == list(range(70)) for epoch in epochs) and epochs[0] != epochs[1] != epochs[2]
assert order(70, 8, 2).tolist() != epochs[2]
assert all((x[:, 0] == y).all() for x, y in map(rows.__getitem__, range(15)))
assert [len(rows[step][0]) for step in range(6)] == [16, 16, 16, 16, 6, 16]
assert Epochs(x, y, 16, None)[6][1].tolist() == list(range(16, 32))
assert Batches(x, None, 16)[1][0][:, 0].tolist() == list(range(16, 32))

seen = []

class Watched(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        seen.append(data[1].numpy().tolist())
        return super().train_step(data)

model = Watched()
model.compile("sgd", "mse", run_eagerly=True)
model.fit(rows, steps_per_epoch=rows.steps, epochs=3, shuffle=False, verbose=0)
assert [int(row) for batch in seen for row in batch] == sum(epochs, [])
model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])

from exseos.worker.numerics.probe import model_probe

weights = [w.copy() for w in model.get_weights()]
one, two = (model_probe(model, keras.losses.MeanSquaredError(), 64, 1, 0)["digest"] for _ in range(2))
assert one == two and all((a == b).all() for a, b in zip(weights, model.get_weights()))
model.set_weights([w + 1 for w in weights])
assert model_probe(model, keras.losses.MeanSquaredError(), 64, 1, 0)["digest"] == one

model, x, expected = keras.models.load_model(sys.argv[1]), np.load(sys.argv[2]), np.load(sys.argv[3])
assert np.array_equal(model.predict(x, verbose=0, batch_size=7), expected)
"""


def test_rows_probe_and_saved_model_in_another_process(worker: Worker, prepared: Path, trained: Trained, tmp_path: Path) -> None:
    """Keras sees the rows in the order of (seed, epoch), the probe repeats and changes nothing, the saved model predicts the same."""
    environment = {**determinism.environment(), "PATH": os.environ["PATH"]}
    result(evaluate(worker, prepared, trained.output, tmp_path / "out"))
    arguments = map(str, (trained.output / "model.keras", prepared / "x_test.npy", tmp_path / "out" / "predictions_test.npy"))
    command = [sys.executable, "-c", _ELSEWHERE, *arguments]
    ran = subprocess.run(command, env=environment, check=False, timeout=200, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_area_under_curve_by_hand() -> None:
    from exseos.worker.objective import area_under_curve

    assert area_under_curve(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])) == 0.75
    assert area_under_curve(np.array([1.0, 1.0, 1.0]), np.array([0, 1, 1])) == 0.5
    assert math.isclose(area_under_curve(np.array([0.0, 2.0, 1.0]), np.array([1, 0, 0])), 0.0)
