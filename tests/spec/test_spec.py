"""A spec that is right: defaults, searches, the files that travel, the JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from exseos.resolve.check import check_experiment
from exseos.spec import SpecError, json_schema, read_spec
from exseos.spec.yaml12 import load

ROOT = Path(__file__).parents[2]
SPECS = sorted([*ROOT.glob("examples/*/spec.yaml"), *ROOT.glob("capsule_templates/*/spec.yaml")])
HEAD = "exseos: 1\nname: one\ntitle: One\ndata: {events: {path: events.csv, format: csv, target: kind}}\nmodel: {call: m.py:build}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "events.csv").write_text("x,kind\n1,a\n2,b\n")
    (tmp_path / "m.py").write_text("def build(): ...\n")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def schema_errors(document: Any) -> list[str]:
    schema = json.loads(json_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.parent.name)
def test_shipped_specs_are_right(path: Path) -> None:
    spec = read_spec(path, check_experiment(path.parent))
    assert spec.searches == {}
    assert schema_errors(spec.document.value) == []


def test_there_are_shipped_specs() -> None:
    assert {path.parent.name for path in SPECS} >= {"tiny", "magic", "open", "csim"}


def test_the_least_spec_has_the_defaults_of_the_models(folder: Path) -> None:
    experiment = read_spec(written(folder, HEAD), check_experiment(folder)).experiment()
    assert (experiment.seed, experiment.train.epochs, experiment.split.train, experiment.stream.batch_size) == (0, 10, 0.7, 256)
    assert experiment.convert is experiment.synthesize is experiment.search is None
    assert experiment.user_files == ["m.py"]


def test_whole_numbers_are_numbers(folder: Path) -> None:
    text = HEAD + "train: {learning_rate: 1}\nclaims: [{text: a, metric: loss, level: float, value: 0, absolute: 1}]\n"
    experiment = read_spec(written(folder, text)).experiment()
    assert (experiment.train.learning_rate, experiment.claims[0].value) == (1.0, 0.0)


def test_further_keys_of_the_model_are_its_own(folder: Path) -> None:
    model = read_spec(written(folder, HEAD.replace("m.py:build", "m.py:build, hidden: [16, 8], beta0: 2e-5"))).experiment().model
    assert model.model_extra == {"hidden": [16, 8], "beta0": 2e-5}


def test_user_files_are_those_named_and_those_called_once_each(folder: Path) -> None:
    text = HEAD + "files: [z.txt, a/b.py, m.py]\nprepare: [standardize, {call: steps.py:f}, {call: m.py:g}]\n"
    assert read_spec(written(folder, text)).experiment().user_files == ["a/b.py", "m.py", "steps.py", "z.txt"]


def test_searches_are_found_and_their_edges_tried(folder: Path) -> None:
    text = HEAD + "train: {epochs: {search: int, low: 1, high: 9, step: 2}, learning_rate: {search: log_uniform, low: 1e-4, high: 1e-2}}\n"
    text += "prepare: [{min_max: {low: {search: choice, of: [-1.0, 0.0]}}}]\nseed: {search: choice, of: [1, 2, 3]}\n"
    tried = []
    spec = read_spec(written(folder, text), lambda experiment: tried.append(experiment) or [])  # type: ignore[func-returns-value]
    assert set(spec.searches) == {("train", "epochs"), ("train", "learning_rate"), ("prepare", 0, "min_max", "low"), ("seed",)}
    assert {one.train.epochs for one in tried} == {1, 9}
    assert {one.train.learning_rate for one in tried} == {1e-4, 1e-2}
    assert [one.seed for one in tried] == [1, 2, 3]
    assert spec.experiment().train.epochs == 1
    assert spec.experiment({("train", "epochs"): 5}).train.epochs == 5
    assert schema_errors(spec.document.value) == []


def test_a_whole_section_may_be_searched(folder: Path) -> None:
    text = HEAD + "convert: {search: choice, of: [{backend: Vitis}, {backend: Quartus, strategy: resource}]}\n"
    spec = read_spec(written(folder, text), check_experiment(folder))
    assert list(spec.searches) == [("convert",)]
    assert schema_errors(spec.document.value) == []


def test_the_section_search_is_no_search(folder: Path) -> None:
    spec = read_spec(written(folder, HEAD + "search: {trials: 3, sampler: random, maximize: [accuracy]}\n"))
    assert spec.searches == {}
    assert spec.experiment().search is not None


def test_an_edge_that_a_plugin_refuses_is_named_once(folder: Path) -> None:
    text = (
        HEAD
        + "synthesize: {toolchain: open, latency_cutoff: {search: choice, of: [2, 4, -1]}, clock_ns: {search: uniform, low: 1, high: 2}}\n"
    )
    with pytest.raises(SpecError) as caught:
        read_spec(written(folder, text), check_experiment(folder))
    assert [problem.what for problem in caught.value.problems] == ["must be above 0, found -1"]


@pytest.mark.parametrize(
    "change",
    [
        {"title": 3},
        {"seed": -1},
        {"nonsense": 1},
        {"title": {"search": "choice", "of": ["a"]}},
        {"train": {"epochs": {"search": "int", "low": 1}}},
        {"data": {"Bad Name": {"path": "a.csv", "format": "csv"}}},
        {"data": {"a": {"path": "a.csv", "format": "xls"}}},
    ],
    ids=str,
)
def test_the_json_schema_refuses(change: dict[str, Any], folder: Path) -> None:
    document = load(HEAD, "spec.yaml").value
    assert schema_errors(document) == []
    assert schema_errors({**document, **change}) != []
