"""Replaying what a vendor's tool gave: with the tool, and from its archived reports alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from exseos.capsule.comparison import Replayed
from exseos.capsule.index import Index, StageRecord
from exseos.capsule.judge import judge_capsule
from exseos.capsule.recorded import replay_recorded
from exseos.capsule.sessions import Sessions
from exseos.capsule.verdict import overall
from exseos.errors import HostError, StageError
from exseos.manifest import Manifest
from exseos.progress import Quiet
from exseos.spec.models import Experiment
from exseos.study.plan import StagePlan
from tests.capsule.sample import NEEDS, Sample, write_stages

NUMBERS: dict[str, float] = {"lut": 749, "wns_ns": 0.25, "tool_run_time_s": 3600.5}


def metrics_file(numbers: Mapping[str, float]) -> str:
    common = {"unit": "1", "level": "estimated", "origin": "csynth.xml", "tool": "vitis_hls", "version": "2023.2 (stand-in)"}
    return json.dumps([{**common, "name": name, "value": value} for name, value in numbers.items()])


class Workers:
    """Gives ``answer`` for whatever is run; ``vendors`` are the toolchains that are mounted."""

    def __init__(self, folder: Path, answer: Mapping[str, float] | Exception, *vendors: str) -> None:
        self.folder, self.answer, self.vendors, self.ran = folder, answer, dict.fromkeys(vendors), ""

    def run(self, stage: StagePlan, seed: int, inputs: Mapping[str, tuple[Path, Manifest]]) -> tuple[Path, dict[str, Any]]:
        self.ran, self.inputs = stage.kind, inputs
        if isinstance(self.answer, Exception):
            raise self.answer
        (self.folder / "metrics.json").write_text(metrics_file(self.answer))
        return self.folder, {}


@pytest.fixture
def index() -> Index:
    sample = Sample()
    sample.recorded["synthesize-vitis"] = {"csynth.xml": b"<profile/>", "metrics.json": metrics_file(NUMBERS).encode()}
    return Index.parse(sample.entries()["capsule.json"])


def judged(index: Index, folder: Path, answer: Mapping[str, float] | Exception, *vendors: str) -> tuple[Replayed, Workers]:
    workers = Workers(folder, answer, *vendors)
    record = next(record for record in index.stages if not record.exact)
    stage = StagePlan("synthesize-vitis", {}, {"train": "train"}, role="synthesize", toolchain="vitis", exact=False)
    archived = {"train": (folder, Manifest.of([]))}
    result = replay_recorded(stage, record, folder, Manifest.of([]), 0, archived, cast(Sessions, workers), index)
    return result, workers


def test_without_the_tool_its_reports_are_read_again(index: Index, tmp_path: Path) -> None:
    result, workers = judged(index, tmp_path, NUMBERS)
    assert result.verdict == "not checkable here"
    assert result.detail == f"needs {NEEDS}; its archived reports give the recorded numbers"
    assert (workers.ran, list(workers.inputs)) == ("reread", ["synthesize-vitis"])
    assert result.metrics["lut", "estimated", "design"] == 749


@pytest.mark.parametrize("changed", [{"lut": 750}, {"tool_run_time_s": 1}])
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
    assert (result.verdict, workers.ran) == (verdict, "synthesize")


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


SPEC = {
    "exseos": 1,
    "name": "sample",
    "title": "A sample",
    "data": {"events": {"path": "events.csv", "format": "csv"}},
    "model": {"call": "experiment.py:build"},
    "convert": {"backend": "Vitis"},
    "synthesize": [{"toolchain": "open"}, {"toolchain": "vitis"}],
    "implement": {"design": "vitis", "toolchain": "vivado"},
}


class Echo(Workers):
    """Gives back what the capsule recorded for each stage."""

    data: dict[str, Path | str]

    def run(self, stage: StagePlan, seed: int, inputs: Mapping[str, tuple[Path, Manifest]]) -> tuple[Path, dict[str, Any]]:
        self.ran += f" {stage.name}"
        name = next(iter(stage.inputs.values())) if stage.kind == "reread" else stage.name
        return self.folder / name, {"numerics": {"unknown": []}} if stage.name in ("train", "evaluate") else {}


def test_a_whole_capsule_without_the_tools(tmp_path: Path) -> None:
    sample = Sample()
    sample.stages = {
        "prepare": {"x.npy": b"1"},
        "train": {"model.keras": b"2"},
        "evaluate": {"predictions_test.npy": b"5"},
        "convert": {"a.cpp": b"3"},
        "synthesize-open": {"metrics.json": metrics_file({"lut": 7}).encode()},
    }
    sample.recorded = {name: {"a.rpt": b"4", "metrics.json": metrics_file(NUMBERS).encode()} for name in ("synthesize-vitis", "implement")}
    sample.claims = ()
    index = Index.parse(sample.entries()["capsule.json"])
    write_stages(tmp_path, sample, index)
    echo = Echo(tmp_path / "plain", {})
    echo.data = {"events": Path("events.csv")}
    entries, notes = judge_capsule(index, Experiment.model_validate(SPEC), tmp_path, cast(Sessions, echo), Quiet())
    assert overall(entries) == "not fully checkable"
    assert echo.ran.split() == ["prepare", "train", "evaluate", "convert", "synthesize-open", "reread", "reread"]
    found = {entry.name: (entry.verdict, entry.expected == entry.found) for entry in entries if entry.kind == "metric"}
    assert found == {
        "lut (estimated, synthesize-open)": ("identical", True),
        "lut (estimated, synthesize-vitis)": ("not checkable here", True),
        "wns_ns (estimated, synthesize-vitis)": ("not checkable here", True),
        "lut (estimated, implement)": ("not checkable here", True),
        "wns_ns (estimated, implement)": ("not checkable here", True),
    }
    assert notes == []


def test_a_record_needs_its_toolchain(index: Index) -> None:
    record = next(record for record in index.stages if not record.exact)
    assert isinstance(record, StageRecord)
    assert record.needs == NEEDS
    assert b'"needs"' not in next(record for record in index.stages if record.exact).model_dump_json().encode()
