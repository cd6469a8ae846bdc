"""Replaying what a vendor's tool gave: with the tool, and from its archived reports alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from exseos.capsule.comparison import Replayed, key_of
from exseos.capsule.judge import Judge
from exseos.capsule.recorded import replay_recorded
from exseos.capsule.verdict import overall
from exseos.capsule.verify import verify_open
from exseos.errors import HostError, StageError
from exseos.manifest import Manifest
from exseos.progress import Quiet
from exseos.records.capsule import Capsule
from exseos.records.index import Index
from exseos.study.plan import StagePlan
from exseos.study.workers import Inputs, Workers
from tests.capsule.sample import NEEDS, Sample, metrics_file, write
from tests.capsule.workers import Answer, FakeWorkers

NUMBERS: dict[str, float] = {"lut": 749, "wns_ns": 0.25, "tool_run_time_s": 3600.5}


def metrics(numbers: Mapping[str, float], level: str = "estimated") -> dict[str, bytes]:
    rows = [(name, value, level) for name, value in numbers.items()]
    return {"metrics.json": metrics_file(*rows, tool="vitis_hls", version="2023.2 (stand-in)")}


@pytest.fixture(scope="module")
def index() -> Index:
    return Index.parse(Sample.with_vendor(**NUMBERS).entries()["capsule.json"])


def judged(index: Index, folder: Path, answer: Mapping[str, float] | Exception, *vendors: str) -> tuple[Replayed, FakeWorkers]:
    workers = FakeWorkers(folder, lambda stage, inputs: answer if isinstance(answer, Exception) else metrics(answer), *vendors)
    record = next(record for record in index.stages if not record.exact)
    recorded = {key_of(metric): metric.value for metric in index.metrics if metric.stage == record.stage}
    stage = StagePlan("synthesize-vitis", {}, {"train": "train"}, role="synthesize", toolchain="vitis", exact=False)
    archived = dict.fromkeys(("train", "synthesize-vitis"), (folder, Manifest.of([])))
    return replay_recorded(stage, record, recorded, archived, cast(Workers, workers)), workers


def test_without_the_tool_its_reports_are_read_again(index: Index, tmp_path: Path) -> None:
    result, workers = judged(index, tmp_path, NUMBERS)
    assert result.verdict == "not checkable here"
    assert result.detail == f"needs {NEEDS}; its archived reports give the recorded numbers"
    assert workers.ran == ["reread"]
    assert list(workers.inputs["reread"]) == ["synthesize-vitis"]
    assert workers.stages["reread"].parameters == {"toolchain": "vitis", "role": "synthesize"}
    assert result.metrics["lut", "estimated", "design"] == 749


@pytest.mark.parametrize("changed", [{"lut": 750}, {"tool_run_time_s": 1}, {"ff": 1}])
def test_reports_that_say_something_else_are_found(index: Index, tmp_path: Path, changed: dict[str, float]) -> None:
    result, _ = judged(index, tmp_path, {**NUMBERS, **changed})
    assert (result.verdict, result.detail) == ("different", "its archived reports give other numbers than the index")


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "identical"),
        ({"tool_run_time_s": 1}, "identical"),
        ({"lut": 750}, "within tolerance"),
        ({"lut": 780}, "different"),
        ({"wns_ns": -0.25}, "different"),
    ],
)
def test_with_the_tool_its_metrics_are_compared(index: Index, tmp_path: Path, changed: dict[str, float], verdict: str) -> None:
    result, workers = judged(index, tmp_path, {**NUMBERS, **changed}, "vitis")
    assert (result.verdict, workers.ran) == (verdict, ["synthesize"])


def test_a_number_that_is_missing_now_differs(index: Index, tmp_path: Path) -> None:
    assert judged(index, tmp_path, {"lut": 749}, "vitis")[0].verdict == "different"


@pytest.mark.parametrize(
    "error", [StageError("no licence"), HostError("killed"), ValueError("x"), OSError(28, "full")], ids=lambda error: type(error).__name__
)
def test_a_tool_that_fails_here_contradicts_nothing(index: Index, tmp_path: Path, error: Exception) -> None:
    result, _ = judged(index, tmp_path, error, "vitis")
    assert result.verdict == "not checkable here"
    assert str(getattr(error, "strerror", None) or error) in result.detail


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (StageError("cut off"), "different"),
        (ValueError("x"), "different"),
        (HostError("killed"), "not checkable here"),
        (PermissionError(13, "no"), "not checkable here"),
    ],
)
def test_reports_that_cannot_be_read_again(index: Index, tmp_path: Path, error: Exception, verdict: str) -> None:
    assert judged(index, tmp_path, error)[0].verdict == verdict


SPEC = """
exseos: 1
name: sample
title: A sample
data: {events: {path: events.csv, format: csv}}
environment: {requirements: [numpy]}
model: {call: "experiment.py:build"}
convert: {backend: Vitis}
synthesize: [{toolchain: open}, {toolchain: vitis}]
implement: {design: vitis, toolchain: vivado}
"""


def test_a_whole_capsule_without_the_tools(tmp_path: Path) -> None:
    outputs = {
        "prepare": {"x.npy": b"1"},
        "train": {"model.keras": b"2"},
        "evaluate": {"metrics.json": metrics_file(("auc", 0.5, "float"))},
        "convert": {"a.cpp": b"3"},
        "synthesize-open": {"metrics.json": metrics_file(("lut", 7, "estimated"))},
        "synthesize-vitis": {"a.rpt": b"4", **metrics(NUMBERS)},
        "implement": {"a.rpt": b"5", **metrics(NUMBERS, "routed")},
    }

    def echo(stage: StagePlan, inputs: Inputs) -> Answer:
        return outputs[next(iter(stage.inputs.values())) if stage.kind == "reread" else stage.name]

    workers = FakeWorkers(tmp_path / "replayed", echo)
    workers.facts = {name: {"numerics": {"unknown": []}} for name in ("train", "evaluate")}
    with Capsule(write(tmp_path / "a.zip", Sample(SPEC, outputs, more={}).entries())) as capsule:
        content = verify_open(capsule).content
        assert content is not None
        entries, notes = Judge(capsule, content, tmp_path / "archived", cast(Workers, workers), {}, Quiet()).run()
    assert overall(entries) == "not fully checkable"
    assert workers.ran == ["prepare", "train", "evaluate", "convert", "synthesize", "reread", "reread"]
    found = {entry.name: (entry.verdict, entry.expected == entry.found) for entry in entries if entry.kind == "metric"}
    assert found == {
        "auc (float)": ("identical", True),
        "lut (estimated, synthesize-open)": ("identical", True),
        "lut (estimated, synthesize-vitis)": ("not checkable here", True),
        "wns_ns (estimated)": ("not checkable here", True),
        "lut (routed)": ("not checkable here", True),
        "wns_ns (routed)": ("not checkable here", True),
    }
    assert notes == []


def test_a_record_needs_its_toolchain(index: Index) -> None:
    assert {record.stage: record.needs for record in index.stages if record.needs} == {"synthesize-vitis": NEEDS}
