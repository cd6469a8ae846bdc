"""Replay's judgement of a capsule, with workers that give what the test says."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from exseos.capsule.judge import Judge, known_failures
from exseos.capsule.verdict import Verdict, VerdictEntry, overall
from exseos.capsule.verify import verify_open
from exseos.errors import CapsuleError, DigestMismatch, HostError, StageError, UsageError
from exseos.progress import Quiet
from exseos.records.capsule import Capsule
from exseos.records.index import Index
from exseos.records.parts import Probe
from exseos.study.plan import StagePlan
from exseos.study.workers import Inputs, Workers
from tests.capsule.sample import Entries, Sample, metrics_file, write
from tests.capsule.workers import Answer, FakeWorkers

SPEC = {
    "exseos": 1,
    "name": "one",
    "title": "One",
    "data": {"events": {"path": "events.csv", "format": "csv"}},
    "environment": {"requirements": ["numpy"]},
    "model": {"call": "experiment.py:build"},
    "convert": {},
    "synthesize": {"toolchain": "open"},
}
PROBE = {"digest": "ab" * 32, "cpu": "this one"}
OTHER = {"digest": "cd" * 32, "cpu": "another one"}
CLAIMS = [
    {"text": "accurate", "metric": "accuracy", "level": "rtl", "value": 0.87, "absolute": 0.005},
    {"text": "trains", "metric": "loss", "level": "float", "value": 0.5, "absolute": 0.004},
    {"text": "small", "metric": "lut", "level": "synthesized", "value": 749},
]


def evaluate(loss: float, accuracy: float = 0.875, predictions: bytes = b"other outputs") -> Entries:
    metrics = metrics_file(("accuracy", accuracy, "float"), ("loss", loss, "float"))
    return {"predictions_test.npy": predictions, "metrics.json": metrics}


def synthesize(lut: float, accuracy: float = 0.872, code: bytes = b"other verilog") -> Entries:
    return {"model.v": code, "metrics.json": metrics_file(("accuracy", accuracy, "rtl"), ("lut", lut, "synthesized"))}


OUTPUTS: dict[str, Entries] = {
    "prepare": {"x_train.npy": b"rows"},
    "train": {"initial.json": b"first weights", "model.keras": b"weights"},
    "evaluate": evaluate(0.5, predictions=b"outputs"),
    "convert": {"firmware/model.cpp": b"code"},
    "synthesize": synthesize(749, code=b"verilog"),
}
OTHER_TRAINING = {**OUTPUTS["train"], "model.keras": b"other weights"}


class Case:
    """A capsule, and its replay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.claims: list[dict[str, Any]] = CLAIMS
        self.unknown: dict[str, Any] = {"train": ["Erfinv (float32)"], "evaluate": []}
        """What each stage used that is not known to be exact."""
        self.changes: dict[str, Any] = {}
        """Of the index, behind the back of ``verify``."""

    def replay(
        self,
        answers: Mapping[str, Answer] | None = None,
        *,
        measured: Answer | None = None,
        probe: Any = PROBE,
        data: str | None = None,
        allow: bool = False,
        without: str = "-",
    ) -> Verdict:
        """``measured`` is what ``evaluate`` gives of another model than the archived one."""

        def answer(stage: StagePlan, inputs: Inputs) -> Answer:
            if stage.kind == "evaluate" and (inputs["train"][0] / "model.keras").read_bytes() != b"weights":
                assert measured is not None
                return measured
            return {**OUTPUTS, **(answers or {})}[stage.name]

        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.workers = FakeWorkers(folder / "replayed", answer)
        for name, unknown in self.unknown.items():
            self.workers.facts[name] = {"probe": probe, "numerics": {"operations": 9, "unknown": unknown}}
        sample = Sample(json.dumps({**SPEC, "claims": self.claims}), OUTPUTS, more={})
        entries = {name: data for name, data in sample.entries().items() if not name.startswith(without)}
        with Capsule(write(folder / "one.capsule.zip", entries)) as capsule:
            content = verify_open(capsule).content
            assert content is not None
            content = replace(content, index=Index.model_validate({**content.index.model_dump(), **self.changes}))
            lacking = {"events": data} if data else {}
            judge = Judge(capsule, content, folder / "archived", cast(Workers, self.workers), lacking, Quiet())
            entries_, notes = judge.run()
        known = known_failures(content.index, entries_) if allow else []
        return Verdict(
            verdict=overall(entries_, known),
            id="1" * 64,
            seal="3" * 64,
            image_id=content.index.image_id,
            engine="e",
            not_enforced=(),
            notes=tuple(notes),
            entries=tuple(entries_),
        )

    def given(self, stage: str) -> dict[str, bytes]:
        """The last file of each input of a stage, as it was given to it."""
        return {name: (folder / sorted(listed.as_dict())[-1]).read_bytes() for name, (folder, listed) in self.workers.inputs[stage].items()}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def said(verdict: Verdict) -> dict[str, str]:
    return {entry.name: entry.verdict for entry in verdict.entries}


def entry_of(verdict: Verdict, name: str) -> VerdictEntry:
    (entry,) = [entry for entry in verdict.entries if entry.name == name]
    return entry


def test_all_the_same(case: Case) -> None:
    verdict = case.replay()
    assert set(said(verdict).values()) == {"identical"}
    assert [entry.kind for entry in verdict.entries] == ["stage"] * 5 + ["metric"] * 4 + ["claim"] * 3
    assert (verdict.verdict, verdict.exit_code) == ("reproduced", 0)
    assert verdict.notes == ("train used what is not known to be exact on every CPU: Erfinv (float32)",)
    accurate = entry_of(verdict, "accurate")
    assert (accurate.claimed, accurate.expected, accurate.found) == (0.87, 0.872, 0.872)


def test_a_capsule_that_claims_nothing(case: Case) -> None:
    case.claims = []
    verdict = case.replay()
    assert set(said(verdict).values()) == {"identical"}
    assert (verdict.verdict, verdict.exit_code) == ("nothing claimed", 4)


def test_other_bytes_in_one_stage_do_not_touch_the_others(case: Case) -> None:
    verdict = case.replay({"train": OTHER_TRAINING})
    assert entry_of(verdict, "train").detail == "other bytes in model.keras"
    assert [name for name, verdict in said(verdict).items() if verdict != "identical"] == ["train"]
    assert (verdict.verdict, verdict.exit_code) == ("different", 3)
    assert case.given("synthesize") == {"prepare": b"rows", "train": b"weights", "evaluate": b"outputs"}


def test_every_stage_runs_with_what_was_recorded(case: Case) -> None:
    case.replay()
    assert case.workers.ran == ["prepare", "train", "evaluate", "convert", "synthesize"]
    assert case.workers.seeds == dict.fromkeys(case.workers.ran, 0)
    assert case.workers.stages["synthesize"].parameters["synthesize"]["latency_cutoff"] == 2.0


def test_another_number_within_the_claims_tolerance(case: Case) -> None:
    verdict = case.replay({"synthesize": synthesize(749, accuracy=0.873)})
    found = said(verdict)
    assert (found["accuracy (rtl)"], found["accurate"], found["small"]) == ("different", "within tolerance", "identical")
    assert verdict.exit_code == 3


def test_a_claim_that_no_longer_holds(case: Case) -> None:
    verdict = case.replay({"synthesize": synthesize(750)})
    small = entry_of(verdict, "small")
    assert (small.verdict, small.expected, small.found, small.claimed) == ("different", 749, 750, 749)
    assert verdict.exit_code == 3


def test_another_cpu_trains_within_tolerance_and_all_later_is_exact(case: Case) -> None:
    """A training measures nothing: its model is measured as the archived one was, and only that number may be near."""
    verdict = case.replay({"train": OTHER_TRAINING}, measured=evaluate(0.503), probe=OTHER)
    found = said(verdict)
    assert found.pop("train") == "within tolerance"
    assert set(found.values()) == {"identical"}
    assert (verdict.verdict, verdict.exit_code) == ("reproduced within tolerance", 5)
    assert len(verdict.notes) == 2
    assert verdict.notes[0].startswith("train ran on a CPU with another numerics probe")
    assert verdict.notes[1] == "train used what is not known to be exact on every CPU: Erfinv (float32)"
    assert case.given("convert")["train"] == b"weights"


def test_another_cpu_measures_within_tolerance(case: Case) -> None:
    case.unknown["evaluate"] = ["Erf (float32)"]
    verdict = case.replay({"evaluate": evaluate(0.503)}, probe=OTHER)
    found = said(verdict)
    assert (found["evaluate"], found["loss (float)"], found["trains"]) == ("within tolerance",) * 3
    assert {found[name] for name in ("train", "accuracy (float)", "synthesize", "accurate", "small")} == {"identical"}
    assert verdict.exit_code == 5


def test_another_cpu_and_the_same_bytes(case: Case) -> None:
    verdict = case.replay(probe=OTHER)
    assert verdict.verdict == "reproduced"
    assert verdict.notes == ("train used what is not known to be exact on every CPU: Erfinv (float32)",)


def test_what_is_exact_has_no_excuse_to_differ(case: Case) -> None:
    case.unknown["train"] = []
    verdict = case.replay({"train": OTHER_TRAINING}, measured=evaluate(0.5), probe=OTHER)
    assert said(verdict)["train"] == "different"
    assert verdict.exit_code == 3


def test_a_worker_that_does_not_tell_what_it_used(case: Case) -> None:
    case.unknown["train"] = None
    verdict = case.replay({"train": OTHER_TRAINING}, measured=evaluate(0.5), probe=OTHER)
    assert said(verdict)["train"] == "within tolerance"
    assert "its operations, of which the worker does not tell" in verdict.notes[1]


@pytest.mark.parametrize(
    "measured",
    [
        evaluate(0.52),
        evaluate(0.5, accuracy=0.8),
        {"metrics.json": metrics_file(("loss", 0.5, "float"))},
        {"metrics.json": metrics_file(("accuracy", 0.875, "float"), ("loss", 0.5, "float"), ("auc", 0.5, "float"))},
        {},
        {"metrics.json": b"nonsense"},
        StageError("no such layer"),
        ValueError("x"),
    ],
    ids=["a far loss", "a far accuracy", "one too few", "one too many", "none", "nonsense", "refused", "broken"],
)
def test_another_cpu_excuses_no_other_model(case: Case, measured: Answer) -> None:
    verdict = case.replay({"train": OTHER_TRAINING}, measured=measured, probe=OTHER)
    assert (said(verdict)["train"], verdict.exit_code) == ("different", 3)


@pytest.mark.parametrize("error", [HostError("killed"), OSError(errno.ENOSPC, "No space left"), MemoryError()], ids=repr)
def test_a_host_that_cannot_measure_another_model_blames_nobody(case: Case, error: Exception) -> None:
    verdict = case.replay({"train": OTHER_TRAINING}, measured=error, probe=OTHER)
    assert (said(verdict)["train"], verdict.exit_code) == ("not checkable here", 4)
    assert entry_of(verdict, "train").detail.startswith("other bytes in model.keras")


@pytest.mark.parametrize("training", [{**OTHER_TRAINING, "more": b""}, {"model.keras": b"other weights"}], ids=["more", "fewer"])
def test_another_cpu_excuses_no_other_files(case: Case, training: Entries) -> None:
    verdict = case.replay({"train": training}, measured=evaluate(0.5), probe=OTHER)
    assert (said(verdict)["train"], verdict.exit_code) == ("different", 3)


def test_another_cpu_excuses_no_other_beginning(case: Case) -> None:
    verdict = case.replay({"train": {**OTHER_TRAINING, "initial.json": b"drawn"}}, measured=evaluate(0.5), probe=OTHER)
    assert entry_of(verdict, "train").detail.startswith("other initial weights: the code of the model draws without a seed")
    assert verdict.exit_code == 3


def test_another_cpu_excuses_no_far_number(case: Case) -> None:
    case.unknown["evaluate"] = ["Erf (float32)"]
    verdict = case.replay({"evaluate": evaluate(0.52)}, probe=OTHER)
    assert (said(verdict)["evaluate"], said(verdict)["loss (float)"], verdict.exit_code) == ("different", "different", 3)


def test_another_cpu_excuses_no_missing_number(case: Case) -> None:
    case.unknown["evaluate"] = ["Erf (float32)"]
    answer = {"predictions_test.npy": b"x", "metrics.json": metrics_file(("loss", 0.5, "float"))}
    verdict = case.replay({"evaluate": answer}, probe=OTHER)
    assert (said(verdict)["evaluate"], said(verdict)["accuracy (float)"], verdict.exit_code) == ("different", "different", 3)


@pytest.mark.parametrize("stage", ["prepare", "evaluate", "convert", "synthesize"])
def test_another_cpu_excuses_no_other_stage(case: Case, stage: str) -> None:
    verdict = case.replay({stage: {**OUTPUTS[stage], "more": b"x"}}, probe=OTHER)
    assert (said(verdict)[stage], verdict.exit_code) == ("different", 3)


def test_the_probe_of_one_stage_is_not_compared_with_that_of_another(case: Case) -> None:
    case.changes["probes"] = (Probe(stage="evaluate", digest=OTHER["digest"], cpu=""), Probe(stage="train", digest=PROBE["digest"], cpu=""))
    verdict = case.replay({"train": OTHER_TRAINING}, measured=evaluate(0.5))
    assert (said(verdict)["train"], verdict.exit_code) == ("different", 3)


@pytest.mark.parametrize("probe", [None, 3, {}, {"digest": None}])
def test_a_probe_of_no_known_form_is_another_probe(case: Case, probe: Any) -> None:
    assert said(case.replay({"train": OTHER_TRAINING}, measured=evaluate(0.503), probe=probe))["train"] == "within tolerance"


def test_a_stage_that_fails(case: Case) -> None:
    verdict = case.replay({"synthesize": StageError("no such part", where="synthesize")})
    entry = entry_of(verdict, "synthesize")
    assert (entry.verdict, entry.found, entry.detail) == ("different", None, "it failed: synthesize: no such part")
    assert said(verdict)["accurate"] == said(verdict)["lut (synthesized)"] == "different"
    assert said(verdict)["trains"] == "identical"
    assert verdict.exit_code == 3


def test_a_failing_stage_does_not_stop_later_ones(case: Case) -> None:
    verdict = case.replay({"prepare": StageError("no"), "train": StageError("no")})
    assert (said(verdict)["convert"], said(verdict)["synthesize"], verdict.exit_code) == ("identical", "identical", 3)


def test_the_host_is_at_fault(case: Case) -> None:
    verdict = case.replay({"evaluate": HostError("out of memory")})
    assert {said(verdict)[name] for name in ("evaluate", "loss (float)", "trains")} == {"not checkable here"}
    assert entry_of(verdict, "trains").detail == "out of memory"
    assert said(verdict)["synthesize"] == "identical"
    assert (verdict.verdict, verdict.exit_code) == ("not fully checkable", 4)


OF_THIS_HOST = [
    HostError("a mount's source cannot be used: Stale file handle", where="/nfs/events.csv"),
    OSError(errno.ENOSPC, "No space left on device", "/store/scratch/x"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    PermissionError(errno.EACCES, "Permission denied", "/store/scratch/x"),
    FileNotFoundError(errno.ENOENT, "No such file or directory", "bwrap"),
    BrokenPipeError(errno.EPIPE, "Broken pipe"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OF_THIS_HOST, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stage", list(OUTPUTS))
def test_no_failure_of_this_host_is_a_difference(case: Case, stage: str, error: Exception) -> None:
    verdict = case.replay({stage: error})
    entry = entry_of(verdict, stage)
    assert (entry.verdict, entry.found) == ("not checkable here", None)
    assert entry.detail
    assert "different" not in said(verdict).values()
    assert (verdict.verdict, verdict.exit_code) == ("not fully checkable", 4)


@pytest.mark.parametrize(
    "error", [StageError("no"), CapsuleError("a link"), DigestMismatch("other bytes"), UsageError("bad"), ValueError("x")]
)
def test_what_the_experiment_does_is_a_difference(case: Case, error: Exception) -> None:
    verdict = case.replay({"convert": error})
    assert (said(verdict)["convert"], verdict.exit_code) == ("different", 3)


def test_a_difference_outweighs_what_could_not_be_checked(case: Case) -> None:
    assert case.replay({"train": HostError("out of memory"), "convert": {"x": b"y"}}).exit_code == 3


def test_missing_data_is_named_and_the_archived_arrays_serve_the_rest(case: Case) -> None:
    verdict = case.replay(data="needs the data file events.csv: give it with --data events=FILE")
    assert entry_of(verdict, "prepare").detail == "needs the data file events.csv: give it with --data events=FILE"
    assert [name for name, verdict in said(verdict).items() if verdict != "identical"] == ["prepare"]
    assert verdict.exit_code == 4


def test_neither_data_nor_prepared_arrays(case: Case) -> None:
    verdict = case.replay(data="not here", without="data/")
    assert entry_of(verdict, "train").detail == "needs the outputs of prepare, which are not in the capsule"
    assert set(said(verdict).values()) == {"not checkable here"}
    assert verdict.exit_code == 4


def test_prepared_arrays_made_again_serve_if_they_are_the_same(case: Case) -> None:
    assert case.replay(without="data/").exit_code == 0


def test_other_prepared_arrays_serve_nobody(case: Case) -> None:
    verdict = case.replay({"prepare": {"x_train.npy": b"other"}}, without="data/")
    assert (said(verdict)["prepare"], said(verdict)["train"], verdict.exit_code) == ("different", "not checkable here", 3)


@pytest.mark.parametrize("text", [b"3", b"{}", b"nonsense", b"[" * 100_000, b"\xff", b" " * (5 << 20)], ids=range(6))
def test_metrics_of_a_hostile_worker(case: Case, text: bytes) -> None:
    verdict = case.replay({"synthesize": {**OUTPUTS["synthesize"], "metrics.json": text}})
    assert entry_of(verdict, "synthesize").detail.startswith("it failed: metrics.json: ")
    assert verdict.exit_code == 3


FAILING = {"text": "tiny", "metric": "lut", "level": "synthesized", "value": 10}
LOW_LOSS = {"text": "low loss", "metric": "loss", "level": "float", "value": 0.1}


def test_a_claim_packed_although_it_fails(case: Case) -> None:
    case.claims = [*CLAIMS, FAILING]
    assert case.replay().exit_code == 3
    verdict = case.replay(allow=True)
    assert (said(verdict)["tiny"], verdict.exit_code) == ("different", 0)


def test_a_known_failure_excuses_no_other_number(case: Case) -> None:
    case.claims = [*CLAIMS, FAILING]
    assert case.replay({"synthesize": synthesize(750)}, allow=True).exit_code == 3


def test_a_known_failure_excuses_no_new_one(case: Case) -> None:
    case.claims = [*CLAIMS, {**FAILING, "text": "small"}]
    assert case.replay({"synthesize": synthesize(750)}, allow=True).exit_code == 3


def test_a_known_failure_on_another_cpu(case: Case) -> None:
    case.claims = [*CLAIMS, LOW_LOSS]
    case.unknown["evaluate"] = ["Erf (float32)"]
    answers = {"evaluate": evaluate(0.503)}
    assert case.replay(answers, probe=OTHER).exit_code == 3
    assert case.replay(answers, probe=OTHER, allow=True).exit_code == 5


def test_a_claim_about_a_trial_that_is_not_replayed(case: Case) -> None:
    claim = {"stage": None, "absolute": None, "relative": None, **CLAIMS[0], "trial": "trial-9", "recorded": None, "holds": False}
    case.changes["claims"] = (claim,)
    accurate = entry_of(verdict := case.replay(), "accurate")
    assert (accurate.verdict, accurate.found, accurate.detail) == (
        "not checkable here",
        None,
        "trial-9 is not the chosen trial: it is not replayed",
    )
    assert verdict.exit_code == 4
