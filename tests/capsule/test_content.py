"""What a capsule says of itself is derived again: a forger who changes the index, and writes lists and seal anew, is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exseos.capsule.verify import VerifyReport, verify
from exseos.digest import sha256_bytes
from exseos.lock import parse_lock
from exseos.records.index import Index
from exseos.records.names import IMAGE_CONFIG, INDEX, LOCK, PYLOCK, README, WHEELS
from exseos.records.parts import Input, MetricRecord, OptionalFile, Probe, StageRecord
from tests.capsule.sample import SPEC, WHEEL, WHEEL_NAME, Entries, Sample, complete, forged, sealed, write

Change = Callable[[Index], dict[str, Any]]


@pytest.fixture(scope="module")
def entries() -> Entries:
    return Sample().entries()


@pytest.fixture(scope="module")
def vendors() -> Entries:
    """Of a capsule with a recorded stage."""
    return Sample.with_vendor().entries()


@pytest.fixture
def made_by_this(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel of the sample is that of the version that runs."""
    monkeypatch.setattr("exseos.capsule.content.wheel_bytes", lambda: WHEEL)


def check(folder: Path, entries: Entries) -> VerifyReport:
    return verify(write(folder / "a.capsule.zip", entries))


def problems(folder: Path, entries: Entries) -> list[str]:
    return [f"{problem.where}: {problem.what}" for problem in check(folder, entries).problems]


def stage(name: str, **changes: Any) -> Change:
    """Fields of one stage changed, and the inputs of later ones that follow from it."""

    def change(index: Index) -> dict[str, Any]:
        stages = [one.model_copy(update=changes) if one.stage == name else one for one in index.stages]
        return {"stages": linked(stages)}

    return change


def linked(stages: list[StageRecord]) -> tuple[StageRecord, ...]:
    """``stages`` with the digests of their inputs as the records have them."""
    outputs = {one.stage: one.outputs_digest for one in stages}
    return tuple(
        one.model_copy(
            update={"inputs": tuple(had.model_copy(update={"outputs": outputs.get(had.stage, had.outputs)}) for had in one.inputs)}
        )
        for one in stages
    )


def parameters(name: str, section: str, **changes: Any) -> Change:
    """Effective parameters of one stage changed in one section; None takes one away."""

    def change(index: Index) -> dict[str, Any]:
        (record,) = (one for one in index.stages if one.stage == name)
        values = {key: value for key, value in {**record.parameters[section], **changes}.items() if value is not None}
        return stage(name, parameters={**record.parameters, section: values})(index)

    return change


def swapped(index: Index) -> dict[str, Any]:
    """``evaluate`` reads the outputs of its two inputs under each other's name."""
    (record,) = (one for one in index.stages if one.stage == "evaluate")
    one, two = record.inputs
    inputs = (Input(name=one.name, stage=two.stage, outputs=two.outputs), Input(name=two.name, stage=one.stage, outputs=one.outputs))
    return stage("evaluate", inputs=inputs)(index)


def claim(number: int, **changes: Any) -> Change:
    """Fields of one claim changed, and what follows from them."""

    def change(index: Index) -> dict[str, Any]:
        claims = list(index.claims)
        changed = claims[number].model_copy(update=changes)
        claims[number] = changed.model_copy(update={"holds": changed.accepts(changed.recorded)})
        return {"claims": tuple(claims)}

    return change


def without(name: str) -> Change:
    """One stage, its metrics and the claims about them are gone."""

    def change(index: Index) -> dict[str, Any]:
        metrics = tuple(one for one in index.metrics if one.stage != name)
        claims = tuple(one for one in index.claims if any(metric in metrics for metric in index.measured(one)))
        return {"stages": tuple(one for one in index.stages if one.stage != name), "metrics": metrics, "claims": claims}

    return change


def metric(number: int, **changes: Any) -> Change:
    """Fields of one metric changed, and what claims record of it."""

    def change(index: Index) -> dict[str, Any]:
        metrics = list(index.metrics)
        metrics[number] = metrics[number].model_copy(update=changes)
        changed = index.model_copy(update={"metrics": tuple(metrics)})
        changed.__dict__.pop("_by_number", None)
        claims = []
        for one in index.claims:
            measured = changed.measured(one)
            record = one.model_copy(update={"recorded": measured[0].value if measured else None})
            claims.append(record.model_copy(update={"holds": record.accepts(record.recorded)}))
        return {"metrics": tuple(metrics), "claims": tuple(claims)}

    return change


def more_metrics(index: Index) -> dict[str, Any]:
    """A number that no stage wrote down."""
    more = MetricRecord.model_validate({**index.metrics[0].model_dump(), "name": "auc", "value": 0.99})
    return {"metrics": (*index.metrics, more)}


def optional(name: str, **changes: Any) -> Change:
    """Fields of one optional file changed."""
    return lambda index: {"optional": tuple(one.model_copy(update=changes) if one.name == name else one for one in index.optional)}


NOT_THE_CLAIMS = "its claims are not those of the spec, in their order"
FORGERIES: dict[str, tuple[Change, str]] = {
    "name": (lambda index: {"name": "other"}, "the name is 'other', and the spec gives 'sample'"),
    "title": (lambda index: {"title": "Better"}, "the title is 'Better', and the spec gives"),
    "version": (lambda index: {"made_with": "9.9"}, "it was made with exseos 9.9, and the lock pins"),
    "no claims": (lambda index: {"claims": ()}, NOT_THE_CLAIMS),
    "the failing claim dropped": (lambda index: {"claims": index.claims[:1]}, NOT_THE_CLAIMS),
    "claims in another order": (lambda index: {"claims": index.claims[::-1]}, NOT_THE_CLAIMS),
    "a claim twice": (lambda index: {"claims": (*index.claims, index.claims[0])}, NOT_THE_CLAIMS),
    "a wider tolerance": (claim(1, relative=0.5), NOT_THE_CLAIMS),
    "a tolerance of another kind": (claim(0, absolute=None, relative=0.5), NOT_THE_CLAIMS),
    "another claimed value": (claim(1, value=749), NOT_THE_CLAIMS),
    "another sentence": (claim(1, text="It is tiny"), NOT_THE_CLAIMS),
    "another level": (claim(0, level="float", recorded=0.875), NOT_THE_CLAIMS),
    "another metric": (claim(1, metric="parameters", level="float", recorded=145), NOT_THE_CLAIMS),
    "another stage of a claim": (claim(0, stage="synthesize"), NOT_THE_CLAIMS),
    "a stage dropped": (
        without("synthesize"),
        "its stages are prepare, train, evaluate, and the spec plans prepare, train, evaluate, synth",
    ),
    "stages in another order": (
        lambda index: {"stages": (*index.stages[:2], index.stages[3], index.stages[2])},
        "its stages are prepare, train, synthesize, evaluate, and the spec plans",
    ),
    "exact declared recorded": (stage("synthesize", exact=False, needs="a tool"), "stage synthesize: its exact is False"),
    "inputs swapped": (swapped, "stage evaluate: its inputs is"),
    "an input dropped": (stage("evaluate", inputs=()), "stage evaluate: its inputs is [], and spec and lock give"),
    "what the spec says of the training": (parameters("train", "train", epochs=300), "stage train: its parameter train.epochs is not what"),
    "what the spec says of the model": (parameters("train", "model", width=9), "stage train: its parameter model.width is not what"),
    "what the spec says of the design": (
        parameters("synthesize", "synthesize", clock_ns=20),
        "its parameter synthesize.clock_ns is not what",
    ),
    "what the spec says, left out": (parameters("train", "train", epochs=None), "stage train: its parameter train.epochs is not what"),
    "which column is learnt": (parameters("prepare", "data", events={"format": "csv"}), "stage prepare: its parameter data.events.target"),
    "a kind": (stage("evaluate", kind="train"), "stage evaluate: its kind is train, and spec and lock give evaluate"),
    "a place": (stage("train", location="results/trial-0/trian"), "stage train: its location is results/trial-0/trian"),
    "a tool that it needs": (stage("synthesize", needs="Vitis HLS 2023.2"), "stage synthesize: its needs is Vitis HLS 2023.2"),
    "data that a stage read": (stage("prepare", data=()), "stage prepare: its data is [], and spec and lock give"),
    "the author's files": (stage("train", files="3" * 64), f"stage train: its files is {'3' * 64}, and spec and lock give"),
    "no author's files": (stage("train", files=None), "stage train: its files is None, and spec and lock give"),
    "files that no code of the author's runs on": (stage("evaluate", files="3" * 64), "stage evaluate: its files is"),
    "a toolchain": (stage("synthesize", toolchain="vitis"), "stage synthesize: its toolchain is vitis, and spec and lock give open"),
    "outputs": (stage("train", outputs_digest="1" * 64), "stage train of trial-0: the entries below results/trial-0/train/ do not give"),
    "prepared outputs": (
        stage("prepare", outputs_digest="1" * 64),
        "stage prepare of trial-0: the entries below data/prepared/trial-0/ do not",
    ),
    "a trial": (lambda index: {"trials": (index.trials[0].model_copy(update={"values": {"width": 9}}),)}, "its trials are not the one of"),
    "more trials": (
        lambda index: {"trials": (index.trials[0], index.trials[0].model_copy(update={"name": "trial-1", "chosen": False}))},
        "its trials are not the one of a spec without searches, trial-0",
    ),
    "a number": (metric(2, value=0.999), "the metrics of stage synthesize of trial-0 are not those of its metrics.json"),
    "a unit": (metric(3, unit="k"), "the metrics of stage synthesize of trial-0 are not those of its metrics.json"),
    "where a number is from": (metric(0, tool="silicon"), "the metrics of stage evaluate of trial-0 are not those of its metrics.json"),
    "a number more": (more_metrics, "the metrics of stage evaluate of trial-0 are not those of its metrics.json"),
    "a number of another stage": (metric(0, stage="train"), "the metrics of stage train of trial-0 are not those of its metrics.json"),
    "numbers in another order": (
        lambda index: {"metrics": index.metrics[::-1]},
        "the metrics of stage synthesize of trial-0 are not those",
    ),
    "numbers of stages in another order": (
        lambda index: {"metrics": tuple(sorted(index.metrics, key=lambda one: one.stage, reverse=True))},
        "the metrics of stage synthesize of trial-0 are not those of its metrics.json, in the order of the stages",
    ),
    "probes in another order": (
        lambda index: {"probes": (*(one.model_copy(update={"stage": "evaluate"}) for one in index.probes), *index.probes)},
        "its numerics probes are not those of distinct stages that have one, in their order",
    ),
    "optional files in another order": (
        lambda index: {"optional": index.optional[::-1]},
        "its optional files are not in the order of their names",
    ),
    "a probe of a stage that has none": (
        lambda index: {"probes": (*index.probes, Probe(stage="prepare", digest="1" * 64, cpu=""))},
        "its numerics probes are not those of distinct stages that have one",
    ),
    "two probes of a stage": (
        lambda index: {"probes": (index.probes[0].model_copy(update={"digest": "1" * 64}), *index.probes)},
        "its numerics probes are not those of distinct stages that have one",
    ),
    "an optional file of nothing": (
        lambda index: {"optional": (*index.optional, OptionalFile(name="data/x/y", sha256="1" * 64, size=1))},
        "data/x/y: the index has it with a digest or size that neither the lock nor a stage gives",
    ),
    "an optional file of a stage": (
        lambda index: {"optional": (*index.optional, OptionalFile(name="data/prepared/trial-0/y", sha256="1" * 64, size=1))},
        "stage prepare of trial-0: the entries below data/prepared/trial-0/ do not give its outputs_digest",
    ),
    "a data file dropped": (
        lambda index: {"optional": tuple(one for one in index.optional if one.name != "data/events/events.csv")},
        "data/events/events.csv: not in the index: it was added or renamed",
    ),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_index(tmp_path: Path, entries: Entries, what: str) -> None:
    change, expected = FORGERIES[what]
    found = problems(tmp_path, forged(entries, **change(Index.parse(entries[INDEX]))))
    assert any(expected in problem for problem in found), found


def test_every_field_of_the_index_is_forged_above() -> None:
    """A field that is added must be derived again, or be listed here as what nothing can be derived for."""
    told = {"exseos_capsule": "the format", "parent": "a statement of the author's"}
    elsewhere = {"id", "image_id", "licence"}  # in test_verify, and below
    forged_fields = {"name", "title", "made_with", "trials", "stages", "metrics", "claims", "probes", "optional"}
    assert set(Index.model_fields) == told.keys() | elsewhere | forged_fields
    assert set(StageRecord.model_fields) == {
        *("trial", "stage", "kind", "exact", "parameters", "seed", "inputs", "data", "files", "toolchain", "needs", "key"),
        *("outputs_digest", "location"),
    }


def test_a_stage_of_another_trial(tmp_path: Path, entries: Entries) -> None:
    index = Index.parse(entries[INDEX])
    stages = tuple(one.model_copy(update={"trial": "trial-9"}) for one in index.stages)
    metrics = tuple(one.model_copy(update={"trial": "trial-9"}) for one in index.metrics)
    claims = tuple(one.model_copy(update={"trial": "trial-9"}) for one in index.claims)
    found = "\n".join(problems(tmp_path, forged(entries, stages=stages, metrics=metrics, claims=claims)))
    assert "stage train: its trial is trial-9, and spec and lock give trial-0" in found
    assert NOT_THE_CLAIMS in found


def test_a_key_of_nothing(tmp_path: Path, entries: Entries) -> None:
    index = Index.parse(entries[INDEX])
    stages = (index.stages[0], index.stages[1].model_copy(update={"key": "5" * 64}), *index.stages[2:])
    found = problems(tmp_path, complete(entries, index.model_copy(update={"stages": stages})))
    assert found == [f"{INDEX}: stage train of trial-0: its key does not follow from its parameters and inputs"]


def test_outputs_of_an_exact_stage_moved_out_of_the_id(tmp_path: Path, entries: Entries) -> None:
    """A recorded stage is compared within tolerance, so nobody may declare one."""
    old, new = "results/trial-0/synthesize/", "run/trial-0/synthesize/"
    moved = {name.replace(old, new): data for name, data in entries.items()}
    change = stage("synthesize", exact=False, location=new[:-1], needs="a tool")
    found = problems(tmp_path, forged(moved, **change(Index.parse(entries[INDEX]))))
    assert "capsule.json: stage synthesize: its exact is False, and spec and lock give True" in found


def test_outputs_of_a_vendor_declared_exact(tmp_path: Path, vendors: Entries) -> None:
    old, new = "run/trial-0/synthesize-vitis/", "results/trial-0/synthesize-vitis/"
    moved = {name.replace(old, new): data for name, data in vendors.items()}
    change = stage("synthesize-vitis", exact=True, location=new[:-1], needs=None)
    found = problems(tmp_path, forged(moved, **change(Index.parse(vendors[INDEX]))))
    assert "capsule.json: stage synthesize-vitis: its exact is True, and spec and lock give False" in found


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"needs": None}, "its needs is None, and spec and lock give Vitis HLS 2023.2 (STAND-IN, not the real tool)"),
        ({"needs": "Vitis HLS 2023.2"}, "its needs is Vitis HLS 2023.2, and spec and lock give Vitis HLS 2023.2 (STAND-IN"),
        ({"toolchain": "sha256:" + "7" * 64}, f"its toolchain is sha256:{'7' * 64}, and spec and lock give stand-in:{'7' * 64}"),
    ],
)
def test_the_tool_of_a_recorded_stage(tmp_path: Path, vendors: Entries, changes: dict[str, Any], what: str) -> None:
    index = Index.parse(vendors[INDEX])
    found = problems(tmp_path, forged(vendors, **stage("synthesize-vitis", **changes)(index)))
    assert any(problem.startswith(f"{INDEX}: stage synthesize-vitis: {what}") for problem in found)


def changes_of_defaults(index: Index) -> dict[str, Change]:
    seeds = tuple(one.model_copy(update={"seed": 7}) for one in index.stages)
    return {
        "the licence is 'MIT', and the spec gives 'CC-BY-4.0'": lambda index: {"licence": "MIT"},
        "stage train: its seed is 7, and the spec gives 0": lambda index: {"stages": seeds},
        "stage train: its parameter train.optimizer is not what the spec gives": parameters("train", "train", optimizer="sgd"),
        "stage train: its parameter train.momentum is not what the spec gives": parameters("train", "train", momentum=0.5),
        "stage train: its parameter stream.shuffle is not what the spec gives": parameters("train", "stream", shuffle=None),
        "stage synthesize: its parameter synthesize.part is not what the spec gives": parameters("synthesize", "synthesize", part="x"),
    }


def test_a_default_of_another_version_is_told(tmp_path: Path, entries: Entries) -> None:
    """What the spec leaves to the version that builds cannot be derived by another, so a reader is told."""
    index = Index.parse(entries[INDEX])
    for said, change in changes_of_defaults(index).items():
        report = check(tmp_path, forged(entries, **change(index)))
        assert report.problems == ()
        assert f"{INDEX}: {said}; the spec does not say, and another version made the capsule" in report.notes


@pytest.mark.usefixtures("made_by_this")
def test_a_default_of_this_very_version_is_no_excuse(tmp_path: Path, entries: Entries) -> None:
    index = Index.parse(entries[INDEX])
    assert check(tmp_path, entries).problems == ()
    for said, change in changes_of_defaults(index).items():
        assert f"{INDEX}: {said}" in problems(tmp_path, forged(entries, **change(index)))


def test_what_the_spec_says_is_no_default(tmp_path: Path) -> None:
    entries = Sample(spec=SPEC + "license: CC-BY-4.0\nseed: 0\nstream: {shuffle: true}\n").entries()
    index = Index.parse(entries[INDEX])
    assert f"{INDEX}: the licence is 'MIT', and the spec gives 'CC-BY-4.0'" in problems(tmp_path, forged(entries, licence="MIT"))
    changed = {"stages": tuple(one.model_copy(update={"seed": 7}) for one in index.stages)}
    assert f"{INDEX}: stage train: its seed is 7, and the spec gives 0" in problems(tmp_path, forged(entries, **changed))
    changed = parameters("train", "stream", shuffle=False)(index)
    expected = f"{INDEX}: stage train: its parameter stream.shuffle is not what the spec gives"
    assert problems(tmp_path, forged(entries, **changed)) == [expected]


def test_a_replay_runs_with_the_parameters_that_were_recorded(tmp_path: Path, entries: Entries) -> None:
    index = Index.parse(entries[INDEX])
    content = check(tmp_path, forged(entries, **parameters("train", "train", optimizer="sgd", learning_rate=0.01)(index))).content
    assert content is not None
    assert content.plans["train"].parameters["train"]["optimizer"] == "sgd"
    assert content.plans["train"].parameters["train"]["epochs"] == 3


def test_a_readme_is_rendered_again_by_the_version_that_made_it(tmp_path: Path, entries: Entries, request: pytest.FixtureRequest) -> None:
    other = sealed({**entries, README: entries[README].replace(b"0.872", b"0.999")})
    report = check(tmp_path, other)
    assert report.problems == ()
    assert (
        report.notes[0] == f"{README}: it is not what the index renders to in this version, and another made the capsule: go by `inspect`"
    )
    request.getfixturevalue("made_by_this")
    assert problems(tmp_path, other) == [f"{README}: it is not what the index renders to"]


@pytest.mark.parametrize("more", [b"\x1b[2J", "\u202e".encode(), b"\xff"], ids=["control", "direction", "no text"])
def test_a_readme_of_another_version_is_text(tmp_path: Path, entries: Entries, more: bytes) -> None:
    other = sealed({**entries, README: entries[README] + more})
    assert problems(tmp_path, other) == [f"{README}: it is no text, or holds characters that are not seen"]


def test_another_version_than_the_wheel_s(tmp_path: Path, entries: Entries, made_by_this: None) -> None:
    """A wheel of this version, said to be of another one."""
    pin = parse_lock(entries[LOCK], entries[PYLOCK], LOCK).exseos
    assert pin is not None
    name = "exseos-9.9.9-py3-none-any.whl"
    other = relocked(entries, exseos=pin.model_copy(update={"version": "9.9.9", "filename": name}))
    other[f"{WHEELS}{name}"] = other.pop(f"{WHEELS}{pin.filename}")
    found = problems(tmp_path, forged(other, made_with="9.9.9"))
    assert "capsule.json: it was made with exseos 9.9.9, and its wheel is that of 0.1.0" in found, found


def test_statements_of_others_are_named_as_unchecked(tmp_path: Path, entries: Entries) -> None:
    assert check(tmp_path, entries).notes == ("the files below attestations/ are statements of somebody; this version does not check them",)
    assert check(tmp_path, {name: data for name, data in entries.items() if not name.startswith("attestations/")}).notes == ()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("spec/more.py", "neither the spec nor this format names it: it was added"),
        ("spec/layers/more.py", "neither the spec nor this format names it: it was added"),
        ("lock/more", "neither the lock nor this format names it: it was added"),
        ("lock/wheels/more-1-py3-none-any.whl", "neither the lock nor this format names it: it was added"),
        ("results/trial-0/more/x", "no stage of the index gave it"),
        ("results/trial-0/synthesize-other/x", "no stage of the index gave it"),
        ("results/more", "no stage of the index gave it"),
        ("run/more", "no stage of the index gave it"),
        ("run/trial-0/train/x", "no stage of the index gave it"),
        ("more", "no capsule has such an entry: it was added, or a newer version of exseos made it"),
        ("more/x", "no capsule has such an entry: it was added, or a newer version of exseos made it"),
        ("report.html", "no capsule has such an entry: it was added, or a newer version of exseos made it"),
        ("attestations/.git/config", "no capsule has such an entry: it was added, or a newer version of exseos made it"),
        ("spec/.git/config", "no capsule has such an entry: it was added, or a newer version of exseos made it"),
        ("run/a/.Hg/hgrc", "no capsule has such an entry: it was added, or a newer version of exseos made it"),
    ],
)
def test_an_entry_that_nothing_names(tmp_path: Path, entries: Entries, name: str, what: str) -> None:
    """Lists, id and seal are made for it: nothing in this file is changed but that it is there."""
    assert f"{name}: {what}" in problems(tmp_path, complete({**entries, name: b"x"}, Index.parse(entries[INDEX])))


@pytest.mark.parametrize(
    "name", ["spec/layers/dense.py", LOCK, PYLOCK, IMAGE_CONFIG, WHEEL_NAME, "spec/spec.yaml", "results/prepared/trial-0-sha256.txt"]
)
def test_an_entry_that_must_be_there(tmp_path: Path, entries: Entries, name: str) -> None:
    rest = {other: data for other, data in entries.items() if other != name}
    assert name in {problem.where for problem in check(tmp_path, complete(rest, Index.parse(entries[INDEX]))).problems}


def test_another_worker_than_the_lock_pins(tmp_path: Path, entries: Entries) -> None:
    other = complete({**entries, WHEEL_NAME: b"an evil worker"}, Index.parse(entries[INDEX]))
    assert problems(tmp_path, other) == [f"{WHEEL_NAME}: it is not the wheel that the lock pins"]


def test_other_code_of_the_author(tmp_path: Path, entries: Entries) -> None:
    found = problems(tmp_path, complete({**entries, "spec/experiment.py": b"import os\n"}, Index.parse(entries[INDEX])))
    assert len(found) == 2
    assert found[0].startswith(f"{INDEX}: stage prepare: its files is ")


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (b"epochs: 3", b"epochs: 4", INDEX),
        (b"value: 700", b"value: 749", INDEX),
        (b"relative: 0.05", b"relative: 0.5", INDEX),
        (b"numpy==2.0", b"numpy==2.1", LOCK),
        (b"target: kind", b"target: x", INDEX),
        (b"toolchain: open", b"toolchain: vitis", "spec/spec.yaml"),
        (b"synthesize: {toolchain: open, clock_ns: 10}\n", b"convert: {}\nsynthesize: {toolchain: vitis}\n", LOCK),
        (b"epochs: 3", b"epochs: {search: choice, of: [3, 4]}", "spec/spec.yaml"),
        (b"train:", b"search: {trials: 2}\ntrain:", "spec/spec.yaml"),
        (b"name: sample", b"name: [sample", "spec/spec.yaml"),
        (b"format: csv", b"format: csvv", "spec/spec.yaml"),
        (b"toolchain: open", b"toolchain: opne", "spec/spec.yaml"),
    ],
)
def test_a_spec_that_says_something_else(tmp_path: Path, entries: Entries, old: bytes, new: bytes, where: str) -> None:
    text = entries["spec/spec.yaml"]
    assert old in text
    other = complete({**entries, "spec/spec.yaml": text.replace(old, new, 1)}, Index.parse(entries[INDEX]))
    assert where in {problem.where for problem in check(tmp_path, other).problems}


def relocked(entries: Entries, **changes: Any) -> Entries:
    lock = parse_lock(entries[LOCK], entries[PYLOCK], LOCK).model_copy(update=changes)
    return complete({**entries, LOCK: lock.json_bytes(), PYLOCK: lock.pylock_bytes()}, Index.parse(entries[INDEX]))


def test_a_lock_that_pins_something_else(tmp_path: Path, entries: Entries) -> None:
    lock = parse_lock(entries[LOCK], entries[PYLOCK], LOCK)
    events = lock.data["events"].model_copy(update={"sha256": "4" * 64})
    found = problems(tmp_path, relocked(entries, data={**lock.data, "events": events}))
    assert any(problem.startswith(f"{INDEX}: stage prepare: its data is") for problem in found)
    assert "data/events/events.csv: the index has it with a digest or size that neither the lock nor a stage gives" in found
    assert "lock: it does not pin ExSeOS-HLS itself" in "\n".join(problems(tmp_path, relocked(entries, exseos=None)))
    assert any(f"{LOCK}: environment.requirements[0]" in problem for problem in problems(tmp_path, relocked(entries, wheels=())))
    numpy = lock.wheels[0].model_copy(update={"filename": "numpy-2.0-cp27-cp27m-win32.whl"})
    assert any("does not run on Python 3.11" in problem for problem in problems(tmp_path, relocked(entries, wheels=(numpy,))))


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 100_000, b"{" + b" " * (9 << 20) + b"}"])
def test_a_lock_that_is_none(tmp_path: Path, entries: Entries, data: bytes) -> None:
    assert LOCK in {problem.where for problem in check(tmp_path, complete({**entries, LOCK: data}, Index.parse(entries[INDEX]))).problems}


@pytest.mark.parametrize("data", [b"a: " * 100_000, b"#" * (300 << 10), b"&a [*a, *a]", b"exseos: 1\nname: x\n", b"\x00"])
def test_a_spec_that_is_none(tmp_path: Path, entries: Entries, data: bytes) -> None:
    other = complete({**entries, "spec/spec.yaml": data}, Index.parse(entries[INDEX]))
    assert {problem.where for problem in check(tmp_path, other).problems} == {"spec/spec.yaml"}


def test_the_size_of_a_data_file_that_was_left_out(tmp_path: Path, entries: Entries) -> None:
    name = "data/events/events.csv"
    rest = {other: data for other, data in entries.items() if other != name}
    assert check(tmp_path, rest).problems == ()
    found = problems(tmp_path, forged(rest, **optional(name, size=7)(Index.parse(entries[INDEX]))))
    assert found == [f"{name}: the index has it with a digest or size that neither the lock nor a stage gives"]


def test_digests_of_prepared_arrays_that_were_left_out(tmp_path: Path, entries: Entries) -> None:
    """The list of them is exact: a forger who gives others changes the id, and the index must still fit it."""
    name = "data/prepared/trial-0/x_train.npy"
    rest = {other: data for other, data in entries.items() if not other.startswith("data/prepared")}
    assert check(tmp_path, rest).problems == ()
    index = Index.parse(entries[INDEX])
    found = problems(tmp_path, forged(rest, **optional(name, sha256="9" * 64)(index)))
    assert f"{INDEX}: stage prepare of trial-0: the entries below data/prepared/trial-0/ do not give its outputs_digest" in found
    listing = "results/prepared/trial-0-sha256.txt"
    other = entries[listing].replace(sha256_bytes(entries[name]).encode(), b"9" * 64)
    assert problems(tmp_path, complete({**rest, listing: other}, index)) == [
        f"{listing}: it is not the list of what stage prepare of trial-0 gave"
    ]


def test_all_problems_are_bounded(tmp_path: Path, entries: Entries) -> None:
    report = check(tmp_path, complete({**entries, **{f"spec/{number}": b"" for number in range(500)}}, Index.parse(entries[INDEX])))
    assert len(report.problems) == 100
