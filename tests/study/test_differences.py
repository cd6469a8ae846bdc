"""Recorded parameters against those of a spec: what the spec says counts, what it leaves to a version's defaults is told apart."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exseos.digest import canonical_json
from exseos.spec.models import Experiment
from exseos.study.plan import StagePlan, differences, plan, restored

SPEC: dict[str, Any] = {
    "exseos": 1,
    "name": "one",
    "title": "One",
    "data": {"events": {"path": "events.csv", "format": "csv", "target": "kind"}},
    "prepare": ["standardize", {"one_hot": {"columns": ["x"]}}, {"call": "experiment.py:add", "power": 2.0}],
    "model": {"call": "experiment.py:build", "hidden": [16, 8], "scale": 1.0},
    "train": {"epochs": 3, "schedule": {"cosine_decay": {}}},
    "convert": {"clock_ns": 5.0},
    "simulate": {},
    "synthesize": {"toolchain": "open", "clock_ns": 10},
    "implement": {},
}


def stages(*, explicit: bool = False) -> dict[str, StagePlan]:
    return {stage.name: stage for stage in plan(Experiment.model_validate(SPEC), explicit=explicit)}


def found(stage: str, *path: Any, value: Any = None, drop: bool = False) -> list[tuple[str, bool]]:
    """The differences of a stage's parameters if the value at ``path`` was recorded otherwise."""
    said, default = stages(explicit=True)[stage].parameters, stages()[stage].parameters
    recorded = json.loads(canonical_json(default))
    part = recorded
    for key in path[:-1]:
        part = part[key]
    if drop:
        del part[path[-1]]
    elif path:
        part[path[-1]] = value
    return list(differences(said, recorded, default))


@pytest.mark.parametrize("stage", list(stages()))
def test_what_json_makes_of_parameters_is_no_difference(stage: str) -> None:
    assert found(stage) == []


@pytest.mark.parametrize(
    ("stage", "path", "value", "place", "said"),
    [
        ("train", ("train", "epochs"), 4, "train.epochs", True),
        ("train", ("train", "epochs"), "3", "train.epochs", True),
        ("train", ("train", "optimizer"), "sgd", "train.optimizer", False),
        ("train", ("train", "schedule", "cosine_decay", "alpha"), 0.5, "train.schedule.cosine_decay.alpha", False),
        ("train", ("train", "schedule", "cosine_decay"), None, "train.schedule.cosine_decay", True),
        ("train", ("train", "schedule"), None, "train.schedule", True),
        ("train", ("train", "schedule", "linear"), {}, "train.schedule.linear", False),
        ("train", ("model", "hidden", 1), 9, "model.hidden.1", True),
        ("train", ("model", "hidden"), [16], "model.hidden", True),
        ("train", ("model", "hidden"), [16, 8, 4], "model.hidden", True),
        ("train", ("model", "hidden"), [8, 16], "model.hidden.0", True),
        ("train", ("model", "hidden"), {"0": 16}, "model.hidden", True),
        ("train", ("model", "scale"), True, "model.scale", True),
        ("train", ("model", "scale"), 1, None, True),
        ("train", ("model", "call"), "experiment.py:other", "model.call", True),
        ("train", ("model", "evil"), 1, "model.evil", False),
        ("train", ("stream", "shuffle"), False, "stream.shuffle", False),
        ("train", ("stream", "shuffle"), 1, "stream.shuffle", False),
        ("train", ("stream",), {}, "stream.batch_size", False),
        ("train", ("more",), {"a": 1}, "more", False),
        ("prepare", ("data", "events", "target"), "x", "data.events.target", True),
        ("prepare", ("data", "events", "options", "header"), False, "data.events.options.header", False),
        ("prepare", ("data", "other"), {}, "data.other", False),
        ("prepare", ("split", "train"), 0.5, "split.train", False),
        ("prepare", ("prepare", 0), {"min_max": {}}, "prepare.0.min_max", False),
        ("prepare", ("prepare", 1, "one_hot", "columns", 0), "y", "prepare.1.one_hot.columns.0", True),
        ("prepare", ("prepare", 2, "power"), 3, "prepare.2.power", True),
        ("prepare", ("prepare",), [], "prepare", True),
        ("convert", ("convert", "clock_ns"), 4, "convert.clock_ns", True),
        ("convert", ("convert", "clock_ns"), 5, None, True),
        ("convert", ("convert", "precision"), "ap_fixed<8,3>", "convert.precision", False),
        ("simulate", ("simulate", "rows"), 1, "simulate.rows", False),
        ("synthesize", ("synthesize", "clock_ns"), 20, "synthesize.clock_ns", True),
        ("synthesize", ("synthesize", "latency_cutoff"), 4, "synthesize.latency_cutoff", False),
        ("implement", ("implement", "gate_rows"), 0, "implement.gate_rows", False),
        ("implement", ("synthesize", "clock_ns"), 20, "synthesize.clock_ns", True),
    ],
)
def test_where_they_differ_and_whether_the_spec_says_so(
    stage: str, path: tuple[Any, ...], value: Any, place: str | None, said: bool
) -> None:
    there = found(stage, *path, value=value)
    if place is None:
        assert there == []
    else:
        assert (place, said) in there


@pytest.mark.parametrize(
    ("stage", "path", "place", "said"),
    [
        ("train", ("train", "epochs"), "train.epochs", True),
        ("train", ("train", "optimizer"), "train.optimizer", False),
        ("train", ("model",), "model", True),
        ("train", ("stream",), "stream", False),
        ("prepare", ("prepare", 0), "prepare", True),
        ("prepare", ("data", "events"), "data.events", True),
        ("prepare", ("data", "events", "options"), "data.events.options", True),
    ],
)
def test_what_was_not_recorded(stage: str, path: tuple[Any, ...], place: str, said: bool) -> None:
    assert (place, said) in found(stage, *path, drop=True)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1, max_size=1), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text("ab", min_size=1, max_size=1), values, max_size=3)


@given(objects, objects, objects)
def test_no_difference_means_equal_as_json(explicit: Any, recorded: Any, default: Any) -> None:
    """Whatever a forger writes, nothing that differs goes untold; and any shape is compared without an error."""
    there = list(differences(explicit, recorded, default))
    if not there:
        assert canonical_json(recorded) == canonical_json(default)
    assert list(differences(default, default, default)) == list(differences({}, default, default)) == []


@given(objects, objects)
def test_restored_parameters_are_the_recorded_ones(recorded: Any, default: Any) -> None:
    """Only their kind of number changes, so that the key of the stage stays what it is."""
    assert canonical_json(restored(recorded, default)) == canonical_json(recorded)


def test_a_whole_number_is_the_float_that_the_spec_gives() -> None:
    """JSON does not tell 1.0 from 1, and the author's code may: its results would not be those of the build."""
    default = stages()["train"].parameters
    recorded = json.loads(canonical_json({**default, "train": {**default["train"], "learning_rate": 2}}))
    assert recorded["model"]["scale"] == 1 and isinstance(recorded["model"]["scale"], int)
    back = restored(recorded, default)
    assert isinstance(back["model"]["scale"], float)
    assert isinstance(back["train"]["learning_rate"], float) and back["train"]["learning_rate"] == 2.0
    assert isinstance(back["train"]["epochs"], int)
    assert [type(width) for width in back["model"]["hidden"]] == [int, int]
    assert restored([1, {"a": 2, "more": 3}], [1.0, {"a": 2.0}]) == [1.0, {"a": 2.0, "more": 3}]
    assert restored(True, 1.0) is True
