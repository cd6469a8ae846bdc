"""What a model is worth is measured without the user's code: nothing that the code left is believed."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.worker.conftest import Trained
from tests.worker.hosting import TRAIN, Worker, evaluate, failure, result, save_prepared

pytestmark = pytest.mark.experiment

_MODELS = """
import keras

def build(input_shape, outputs, last=None):
    hidden = keras.layers.Dense(4, activation="relu")
    return keras.Sequential([keras.layers.Input(input_shape), hidden, keras.layers.Dense(outputs, activation=last)])

def embedding(input_shape, outputs):
    layers = [keras.layers.Embedding(5, 2), keras.layers.Flatten(), keras.layers.Dense(outputs)]
    return keras.Sequential([keras.layers.Input(input_shape), *layers])

def random_lambda(input_shape, outputs):
    layers = [keras.layers.Lambda(lambda x: x), keras.layers.Dense(outputs)]
    return keras.Sequential([keras.layers.Input(input_shape), *layers])

@keras.saving.register_keras_serializable()
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x

def custom(input_shape, outputs):
    return keras.Sequential([keras.layers.Input(input_shape), Twice(), keras.layers.Dense(outputs)])

def partly(input_shape, outputs, how):
    from hgq.layers import QDense
    large = {
        "off": lambda: QDense(4, enable_ebops=False),
        "scaled": lambda: QDense(4, ebops_factor=0.001),
        "nested": lambda: keras.Sequential([QDense(4)]),
        "another": lambda: keras.layers.Dense(4),
        "fraction": lambda: QDense(4, parallelization_factor=0.001),
    }[how]()
    return keras.Sequential([keras.layers.Input(input_shape), large, QDense(outputs, name="small")])

def forged(input_shape, outputs):
    # all that measures in this process now says what it is told
    import exseos.worker.objective as objective, exseos.worker.stages.evaluate as stage, numpy
    objective.accuracy = stage.accuracy = lambda *_: 1.0
    stage.measure = lambda *_: []
    numpy.mean = lambda *_, **__: 1.0
    return build(input_shape, outputs)
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spec")
    (folder / "models.py").write_text(_MODELS)
    return folder


@pytest.fixture
def other(tmp_path: Path) -> Any:
    """A worker that user code may spoil."""
    running = Worker(tmp_path)
    yield running
    running.close()


def train(worker: Worker, prepared: Path, spec: Path, output: Path, call: str = "build", **model: Any) -> Path:
    section = {"model": {"call": f"models.py:{call}", **model}, "train": {**TRAIN["train"], "epochs": 1}, "stream": TRAIN["stream"]}
    result(worker.run("train", output, section, inputs={"prepare": str(prepared)}, files=str(spec)))
    return output


def values(output: Path) -> dict[str, Any]:
    return {metric["name"]: metric["value"] for metric in json.loads((output / "metrics.json").read_bytes())}


def test_a_quantized_model_is_measured(worker: Worker, prepared: Path, trained: Trained, tmp_path: Path) -> None:
    output = tmp_path / "out"
    facts = result(evaluate(worker, prepared, trained.output, output))["facts"]
    assert sorted(path.name for path in output.iterdir()) == ["metrics.json", "objective.json", "predictions_test.npy"]
    assert len(facts["probe"]["digest"]) == 64 and facts["probe"]["digest"] != trained.facts["probe"]["digest"]
    assert facts["numerics"]["operations"] > 10
    assert not [name for name in facts["numerics"]["unknown"] if "(float" in name]
    metrics = {metric["name"]: metric for metric in json.loads((output / "metrics.json").read_bytes())}
    assert set(metrics) == {"accuracy", "loss", "auc", "parameters", "ebops"}
    assert {metric["level"] for metric in metrics.values()} == {"float"}
    assert metrics["parameters"]["value"] == 3 * 3 + 3 + 3 + 1
    assert (metrics["ebops"]["unit"], metrics["ebops"]["scope"]) == ("count", "design")
    outputs, y = np.load(output / "predictions_test.npy"), np.load(prepared / "y_test.npy")
    assert outputs.dtype == np.float32 and outputs.shape == (100, 1)
    assert metrics["accuracy"]["value"] == np.mean((outputs[:, 0] > 0) == y)
    pairs = outputs[y == 1] - outputs[y == 0].T
    assert metrics["auc"]["value"] == pytest.approx(np.mean((pairs > 0) + (pairs == 0) / 2), abs=1e-12)
    z = outputs[:, 0].astype("f8")
    assert metrics["loss"]["value"] == pytest.approx(np.mean(np.log1p(np.exp(-abs(z))) + np.maximum(z, 0) - z * y), rel=1e-5)
    history = json.loads((trained.output / "history.json").read_bytes())
    assert 0 < metrics["ebops"]["value"] < 2 * history["ebops"][-1]


def test_frozen_layers_count(worker: Worker, prepared: Path, spec: Path, tmp_path: Path) -> None:
    """A file that says that nothing in it can be trained has as many parameters as before."""
    trained = train(worker, prepared, spec, tmp_path / "trained")
    with zipfile.ZipFile(trained / "model.keras") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    assert entries["config.json"].count(b'"trainable":true') > 1
    with zipfile.ZipFile(trained / "model.keras", "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content.replace(b'"trainable":true', b'"trainable":false'))
    result(evaluate(worker, prepared, trained, tmp_path / "out"))
    assert values(tmp_path / "out")["parameters"] == (3 + 1) * 4 + 4 + 1


@pytest.mark.parametrize("how", ["off", "scaled", "nested", "another", "fraction"])
def test_no_ebops_of_chosen_layers_are_those_of_the_design(worker: Worker, prepared: Path, spec: Path, tmp_path: Path, how: str) -> None:
    trained = train(worker, prepared, spec, tmp_path / "trained", "partly", how=how)
    result(evaluate(worker, prepared, trained, tmp_path / "out"))
    metrics = {metric["name"]: metric for metric in json.loads((tmp_path / "out/metrics.json").read_bytes())}
    assert metrics["ebops"]["scope"] == "layers that count EBOPs"
    assert {metric["scope"] for name, metric in metrics.items() if name != "ebops"} == {"design"}


def test_a_sigmoid_is_judged_at_one_half(worker: Worker, prepared: Path, spec: Path, tmp_path: Path) -> None:
    trained = train(worker, prepared, spec, tmp_path / "trained", last="sigmoid")
    expected = {"from_logits": False, "loss": "binary_crossentropy", "threshold": 0.5}
    assert json.loads((trained / "objective.json").read_bytes()) == expected
    result(evaluate(worker, prepared, trained, tmp_path / "out"))
    assert json.loads((tmp_path / "out" / "objective.json").read_bytes()) == expected
    outputs, y = np.load(tmp_path / "out" / "predictions_test.npy")[:, 0], np.load(prepared / "y_test.npy")
    found = values(tmp_path / "out")
    assert "ebops" not in found
    assert found["accuracy"] == np.mean((outputs > 0.5) == y)


def test_several_classes(worker: Worker, spec: Path, tmp_path: Path) -> None:
    prepared = save_prepared(
        tmp_path / "p", "multiclass", ["u", "v", "w"], {part: np.arange(30) % 3 for part in ("train", "validation", "test")}
    )
    result(evaluate(worker, prepared, train(worker, prepared, spec, tmp_path / "t", last="softmax"), tmp_path / "out"))
    outputs, found = np.load(tmp_path / "out" / "predictions_test.npy"), values(tmp_path / "out")
    assert outputs.shape == (30, 3)
    assert found["accuracy"] == np.mean(outputs.argmax(axis=1) == np.arange(30) % 3)
    assert found["loss"] == pytest.approx(-np.mean(np.log(outputs[np.arange(30), np.arange(30) % 3])), rel=1e-5)


def test_regression_without_validation(worker: Worker, spec: Path, tmp_path: Path) -> None:
    y = np.linspace(-1, 1, 40, dtype="f4").reshape(20, 2)
    prepared = save_prepared(tmp_path / "p", "regression", [], {"train": y, "validation": y[:0], "test": y[:9]})
    result(evaluate(worker, prepared, train(worker, prepared, spec, tmp_path / "t"), tmp_path / "out"))
    found = values(tmp_path / "out")
    assert set(found) == {"loss", "parameters"}
    assert found["loss"] == pytest.approx(np.mean((np.load(tmp_path / "out" / "predictions_test.npy") - y[:9]) ** 2), rel=1e-5)


def test_a_row_that_the_model_cannot_take_is_told(worker: Worker, spec: Path, tmp_path: Path) -> None:
    prepared = save_prepared(tmp_path / "p", "binary", ["u", "v"], {part: np.arange(30) % 2 for part in ("train", "validation", "test")})
    for part, most in (("train", 4), ("validation", 4), ("test", 5)):
        np.save(prepared / f"x_{part}.npy", np.full((30, 3), most, "f4"))
    trained = train(worker, prepared, spec, tmp_path / "t", "embedding")
    error = failure(evaluate(worker, prepared, trained, tmp_path / "out"))
    assert (error["kind"], error["where"], error["traceback"]) == ("experiment", "model.keras", None)
    assert "cannot take a row of the test part" in error["what"] and "embedding" in error["hint"]


def test_code_that_patches_what_measures_changes_no_number(
    worker: Worker, other: Worker, prepared: Path, spec: Path, tmp_path: Path
) -> None:
    """The training runs in one process, the evaluation in another."""
    honest, forged = train(worker, prepared, spec, tmp_path / "a"), train(other, prepared, spec, tmp_path / "b", "forged")
    assert (honest / "model.keras").read_bytes() == (forged / "model.keras").read_bytes()
    assert not (forged / "metrics.json").exists()
    for name in (honest, forged):
        result(evaluate(worker, prepared, name, tmp_path / f"{name.name}-out"))
    assert values(tmp_path / "a-out") == values(tmp_path / "b-out")


@pytest.mark.parametrize(("call", "named"), [("random_lambda", "Lambda"), ("custom", "Twice")])
def test_a_model_that_needs_its_code_is_refused(worker: Worker, prepared: Path, spec: Path, tmp_path: Path, call: str, named: str) -> None:
    trained = train(worker, prepared, spec, tmp_path / "trained", call)
    error = failure(evaluate(worker, prepared, trained, tmp_path / "out"))
    assert (error["kind"], error["where"], error["traceback"]) == ("experiment", "model.keras", None)
    assert "the trained model needs the class" in error["what"] and named in error["what"]
    assert "layers of Keras and HGQ2 only" in error["hint"]


def _rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_bytes()))))


def _other_ranges(trained: Path) -> None:
    """Weights of the file with one more integer bit for the first layer's inputs."""
    import h5py

    with zipfile.ZipFile(trained / "model.keras") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    weights = trained / "weights"
    weights.write_bytes(entries["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        bits = file["layers/q_dense/iq/quantizer/vars/2"]
        bits[...] = bits[...] + 1
    entries["model.weights.h5"] = weights.read_bytes()
    weights.unlink()
    with zipfile.ZipFile(trained / "model.keras", "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("spoil", "where", "words"),
    [
        (lambda t, p: _rewrite(t / "objective.json", lambda it: {**it, "threshold": -9}), "objective.json", "the model and the data say"),
        (lambda t, p: _rewrite(t / "objective.json", lambda it: {**it, "from_logits": False}), "objective.json", "the model and the data"),
        (lambda t, p: _rewrite(t / "objective.json", lambda it: {**it, "more": 1}), "objective.json", "more: Extra"),
        (lambda t, p: (t / "objective.json").write_text("[" * 100_000), "objective.json", "Invalid JSON"),
        (lambda t, p: (t / "objective.json").unlink(), "objective.json", "no such file"),
        (lambda t, p: (t / "model.keras").write_bytes(b"PK"), "model.keras", "damaged"),
        (lambda t, p: (t / "model.keras").unlink(), "model.keras", "no trained model"),
        (lambda t, p: _other_ranges(t), "model.keras", "is not what the training and validation rows give"),
        (lambda t, p: _rewrite(p / "prepared.json", lambda it: {**it, "task": "other"}), "prepared.json", "task: Input should be"),
        (lambda t, p: _rewrite(p / "prepared.json", lambda it: {**it, "classes": ["one"]}), "prepared.json", "with 1 classes"),
        (lambda t, p: _rewrite(p / "prepared.json", lambda it: {**it, "input_shape": [4]}), "x_test.npy", "shape (100, 3), not (100, 4)"),
        (lambda t, p: np.save(p / "y_test.npy", np.full(100, 2)), "y_test.npy", "not one of the 2"),
        (lambda t, p: np.save(p / "y_test.npy", np.array([{}] * 100), allow_pickle=True), "y_test.npy", "no array of numbers"),
        (lambda t, p: np.save(p / "x_test.npy", np.full((100, 3), np.nan, "f4")), "x_test.npy", "not finite"),
        (lambda t, p: np.save(p / "x_train.npy", np.zeros((350, 3))), "x_train.npy", "float64, not float32"),
    ],
)
def test_what_the_code_left_is_not_believed(
    worker: Worker, prepared: Path, trained: Trained, tmp_path: Path, spoil: Callable[[Path, Path], object], where: str, words: str
) -> None:
    there, data = Path(shutil.copytree(trained.output, tmp_path / "t")), Path(shutil.copytree(prepared, tmp_path / "p"))
    spoil(there, data)
    error = failure(evaluate(worker, data, there, tmp_path / "out"))
    assert (error["kind"], error["where"], error["traceback"]) == ("experiment", where, None)
    assert words in error["what"]
    assert error["hint"]
