"""Replay's judgement of a capsule, with workers that give what the test says."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from exseos.capsule.index import ClaimRecord, CreatedWith, Index, MetricRecord, StageRecord, Trial
from exseos.capsule.judge import judge_capsule, known_failures
from exseos.capsule.sessions import Sessions
from exseos.capsule.verdict import Verdict, VerdictEntry, overall
from exseos.errors import CapsuleError, DigestMismatch, ExseosError, HostError, StageError, UsageError
from exseos.manifest import Manifest
from exseos.progress import Quiet
from exseos.spec.models import Experiment
from exseos.study.plan import StagePlan, plan

SPEC = {
    "exseos": 1,
    "name": "one",
    "title": "One",
    "data": {"events": {"path": "events.csv", "format": "csv"}},
    "model": {"call": "experiment.py:build"},
    "convert": {},
    "synthesize": {"toolchain": "open"},
}
PROBE = {"digest": "p" * 64}
Files = dict[str, dict[str, str]]


def metrics_json(*metrics: tuple[str, float, str]) -> str:
    return json.dumps(
        [
            {"name": name, "value": value, "unit": "1", "level": level, "origin": "o", "tool": "t", "version": "1"}
            for name, value, level in metrics
        ]
    )


OUTPUTS: Files = {
    "prepare": {"x_train.npy": "rows"},
    "train": {"model.keras": "weights", "metrics.json": metrics_json(("accuracy", 0.875, "float"), ("loss", 0.5, "float"))},
    "evaluate": {"predictions_test.npy": "outputs"},
    "convert": {"firmware/model.cpp": "code"},
    "synthesize": {"model.v": "verilog", "metrics.json": metrics_json(("accuracy", 0.872, "rtl"), ("lut", 749, "synthesized"))},
}


class FakeSessions:
    """Gives ``answers`` instead of running anything; remembers the inputs that each stage was given."""

    def __init__(
        self, folder: Path, answers: Mapping[str, dict[str, str] | ExseosError | Exception], probe: Any, data: dict[str, Path | str]
    ) -> None:
        self.folder, self.answers, self.probe, self.data = folder, answers, probe, data
        self.unknown: list[str] | None = [] if probe == PROBE else ["Erfinv (float32)"]
        self.inputs: dict[str, dict[str, str]] = {}

    def run(self, stage: StagePlan, seed: int, inputs: Mapping[str, tuple[Path, Manifest]]) -> tuple[Path, dict[str, Any]]:
        self.inputs[stage.name] = {name: (inputs[name][0] / sorted(inputs[name][1].as_dict())[-1]).read_text() for name in stage.inputs}
        answer = self.answers[stage.name]
        if isinstance(answer, Exception):
            raise answer
        write(self.folder / stage.name, answer)
        facts = {"probe": self.probe} if stage.name in ("prepare", "train") else {}
        if stage.name == "train" and self.unknown is not None:
            facts["numerics"] = {"operations": 9, "unknown": self.unknown}
        if stage.name == "evaluate":
            facts["numerics"] = {"operations": 5, "unknown": []}
        return self.folder / stage.name, facts


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


CLAIMS = [
    {"text": "accurate", "metric": "accuracy", "level": "rtl", "value": 0.87, "absolute": 0.005},
    {"text": "trains", "metric": "loss", "level": "float", "value": 0.5, "absolute": 0.004},
    {"text": "small", "metric": "lut", "level": "synthesized", "value": 749},
]


class Case:
    """A capsule unpacked in a folder, and its replay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "capsule"
        self.replayed = folder / "replayed"
        self.experiment = Experiment.model_validate(SPEC)
        self.claims: list[dict[str, Any]] = CLAIMS
        self.probes: dict[str, Any] = {"prepare": PROBE, "train": PROBE}
        self.sessions: FakeSessions | None = None

    def index(self) -> Index:
        plans = plan(self.experiment)
        for stage in plans:
            write(self.folder / "results" / stage.name, OUTPUTS[stage.name])
        manifests = {stage.name: Manifest.of_tree(self.folder / "results" / stage.name) for stage in plans}
        stages = tuple(
            StageRecord(
                trial="trial-0",
                stage=stage.name,
                key="0" * 64,
                exact=True,
                outputs_digest=manifests[stage.name].digest,
                outputs=manifests[stage.name].as_dict(),
                inputs={name: manifests[name].digest for name in stage.inputs},
                location=f"results/{stage.name}",
            )
            for stage in plans
        )
        metrics = tuple(
            MetricRecord.model_validate({**metric, "trial": "trial-0", "stage": stage})
            for stage, files in OUTPUTS.items()
            for metric in json.loads(files.get("metrics.json", "[]"))
        )
        values = {(metric.name, metric.level): metric.value for metric in metrics}
        claims = []
        for claim in self.claims:
            record = ClaimRecord.model_validate(
                {"trial": "trial-0", **claim, "recorded": values.get((claim["metric"], claim["level"])), "holds": False}
            )
            claims.append(record.model_copy(update={"holds": record.accepts(record.recorded)}))
        return Index(
            name="one",
            title="One",
            id="1" * 64,
            image_id="sha256:" + "2" * 64,
            created_with=CreatedWith(exseos="1"),
            trials=(Trial(name="trial-0", chosen=True, values={}),),
            stages=stages,
            metrics=metrics,
            claims=tuple(claims),
            probe=self.probes,
            optional={},
            parent=None,
            licence="MIT",
        )

    def replay(
        self,
        answers: Mapping[str, dict[str, str] | Exception] | None = None,
        *,
        probe: Any = PROBE,
        data: Path | str = Path("events.csv"),
        allow: bool = False,
        without: str = "",
    ) -> Verdict:
        index = self.index()
        if without:
            shutil.rmtree(self.folder / "results" / without)
        self.sessions = FakeSessions(self.replayed, {**OUTPUTS, **(answers or {})}, probe, {"events": data})
        entries, notes = judge_capsule(index, self.experiment, self.folder, self.sessions, Quiet())  # type: ignore[arg-type]
        known = known_failures(index, entries) if allow else []
        return Verdict(
            verdict=overall(entries, known),
            id="1" * 64,
            seal="3" * 64,
            image_id=index.image_id,
            engine="e",
            not_enforced=(),
            notes=tuple(notes),
            entries=tuple(entries),
        )


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def said(verdict: Verdict) -> dict[str, str]:
    return {entry.name: entry.verdict for entry in verdict.entries}


def entry_of(verdict: Verdict, name: str) -> VerdictEntry:
    (entry,) = [entry for entry in verdict.entries if entry.name == name]
    return entry


def train(loss: float, accuracy: float = 0.875, weights: str = "other weights") -> dict[str, str]:
    return {"model.keras": weights, "metrics.json": metrics_json(("accuracy", accuracy, "float"), ("loss", loss, "float"))}


def synthesize(lut: float, accuracy: float = 0.872, code: str = "other verilog") -> dict[str, str]:
    return {"model.v": code, "metrics.json": metrics_json(("accuracy", accuracy, "rtl"), ("lut", lut, "synthesized"))}


def test_all_the_same(case: Case) -> None:
    verdict = case.replay()
    assert set(said(verdict).values()) == {"identical"}
    assert [entry.kind for entry in verdict.entries] == ["stage"] * 5 + ["metric"] * 4 + ["claim"] * 3
    assert (verdict.verdict, verdict.exit_code, verdict.notes) == ("reproduced", 0, ())
    accurate = entry_of(verdict, "accurate")
    assert (accurate.claimed, accurate.expected, accurate.found) == (0.87, 0.872, 0.872)


def test_other_bytes_in_one_stage_do_not_touch_the_others(case: Case) -> None:
    verdict = case.replay({"train": train(0.5)})
    assert entry_of(verdict, "train").detail == "other bytes in model.keras"
    assert [name for name, verdict in said(verdict).items() if verdict != "identical"] == ["train"]
    assert (verdict.verdict, verdict.exit_code) == ("different", 3)
    assert case.sessions is not None
    assert case.sessions.inputs["synthesize"] == {"prepare": "rows", "train": "weights", "evaluate": "outputs"}


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
    verdict = case.replay({"train": train(0.503)}, probe={"digest": "q" * 64})
    found = said(verdict)
    assert (found["train"], found["loss (float)"], found["accuracy (float)"]) == ("within tolerance", "within tolerance", "identical")
    assert {found[name] for name in ("prepare", "convert", "synthesize", "accuracy (rtl)", "lut (synthesized)")} == {"identical"}
    assert found["trains"] == "within tolerance"
    assert verdict.exit_code == 0
    assert len(verdict.notes) == 2
    assert verdict.notes[0].startswith("train ran on a CPU with another numerics probe")
    assert verdict.notes[1] == "train used what is not known to be exact on every CPU: Erfinv (float32)"
    assert case.sessions is not None
    assert case.sessions.inputs["convert"]["train"] == "weights"


def test_another_cpu_and_the_same_bytes(case: Case) -> None:
    verdict = case.replay(probe={"digest": "q" * 64})
    assert verdict.verdict == "reproduced"
    assert verdict.notes == ("train used what is not known to be exact on every CPU: Erfinv (float32)",)


def test_what_is_exact_has_no_excuse_to_differ(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def exact(stage: StagePlan, facts: Mapping[str, Any]) -> tuple[str, ...]:
        return ()

    monkeypatch.setattr("exseos.capsule.judge.unknown_operations", exact)
    verdict = case.replay({"train": train(0.503)}, probe={"digest": "q" * 64})
    assert said(verdict)["train"] == "different"
    assert verdict.exit_code == 3


def test_another_cpu_excuses_no_far_number(case: Case) -> None:
    verdict = case.replay({"train": train(0.52)}, probe={"digest": "q" * 64})
    assert (said(verdict)["train"], said(verdict)["loss (float)"], verdict.exit_code) == ("different", "different", 3)


def test_another_cpu_excuses_no_missing_number(case: Case) -> None:
    answer = {"model.keras": "x", "metrics.json": metrics_json(("loss", 0.5, "float"))}
    verdict = case.replay({"train": answer}, probe={"digest": "q" * 64})
    assert (said(verdict)["train"], said(verdict)["accuracy (float)"], verdict.exit_code) == ("different", "different", 3)


@pytest.mark.parametrize("stage", ["prepare", "convert", "synthesize"])
def test_another_cpu_excuses_no_other_stage(case: Case, stage: str) -> None:
    verdict = case.replay({stage: {**OUTPUTS[stage], "more": "x"}}, probe={"digest": "q" * 64})
    assert (said(verdict)[stage], verdict.exit_code) == ("different", 3)


def test_the_probe_of_one_stage_is_not_compared_with_that_of_another(case: Case) -> None:
    case.probes = {"prepare": {"digest": "q" * 64}, "train": PROBE}
    verdict = case.replay({"train": train(0.503)})
    assert (said(verdict)["train"], verdict.exit_code) == ("different", 3)


@pytest.mark.parametrize("probe", [None, 3, {}, {"digest": None}])
def test_a_probe_of_no_known_form_is_another_probe(case: Case, probe: Any) -> None:
    assert said(case.replay({"train": train(0.503)}, probe=probe))["train"] == "within tolerance"


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
    verdict = case.replay({"train": HostError("out of memory")})
    assert {said(verdict)[name] for name in ("train", "loss (float)", "trains")} == {"not checkable here"}
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
@pytest.mark.parametrize("stage", ["prepare", "train", "evaluate", "convert", "synthesize"])
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


def test_outputs_that_cannot_be_hashed_here(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(root: Path) -> Manifest:
        raise OSError(errno.EIO, "Input/output error", str(root / "model.v"))

    index = case.index()
    case.index = lambda: index  # type: ignore[method-assign]
    monkeypatch.setattr("exseos.capsule.judge.Manifest.of_tree", fails)
    verdict = case.replay()
    assert "Input/output error" in entry_of(verdict, "synthesize").detail
    assert verdict.exit_code == 4


def test_an_output_that_is_no_file_is_a_difference(case: Case, tmp_path: Path) -> None:
    (case.replayed / "convert").mkdir(parents=True)
    (case.replayed / "convert" / "link").symlink_to("/etc/passwd")
    verdict = case.replay()
    assert (said(verdict)["convert"], verdict.exit_code) == ("different", 3)


def test_a_difference_outweighs_what_could_not_be_checked(case: Case) -> None:
    assert case.replay({"train": HostError("out of memory"), "convert": {"x": "y"}}).exit_code == 3


def test_missing_data_is_named_and_the_archived_arrays_serve_the_rest(case: Case) -> None:
    verdict = case.replay(data="needs the data file events.csv: give it with --data events=FILE")
    assert entry_of(verdict, "prepare").detail == "needs the data file events.csv: give it with --data events=FILE"
    assert [name for name, verdict in said(verdict).items() if verdict != "identical"] == ["prepare"]
    assert verdict.exit_code == 4


def test_neither_data_nor_prepared_arrays(case: Case) -> None:
    verdict = case.replay(data="not here", without="prepare")
    assert entry_of(verdict, "train").detail == "needs the outputs of prepare, which are not in the capsule"
    assert set(said(verdict).values()) == {"not checkable here"}
    assert verdict.exit_code == 4


def test_prepared_arrays_made_again_serve_if_they_are_the_same(case: Case) -> None:
    assert case.replay(without="prepare").exit_code == 0


def test_other_prepared_arrays_serve_nobody(case: Case) -> None:
    verdict = case.replay({"prepare": {"x_train.npy": "other"}}, without="prepare")
    assert (said(verdict)["prepare"], said(verdict)["train"], verdict.exit_code) == ("different", "not checkable here", 3)


def test_a_stage_that_the_spec_does_not_have(case: Case) -> None:
    index_of: Callable[[], Index] = case.index
    index = index_of()
    case.experiment = Experiment.model_validate({key: value for key, value in SPEC.items() if key != "convert"})
    case.index = lambda: index  # type: ignore[method-assign]
    verdict = case.replay()
    assert entry_of(verdict, "convert").detail == "the spec has no such stage"
    assert verdict.exit_code == 4


@pytest.mark.parametrize("text", ["3", "{}", "nonsense", "[" * 100_000])
def test_metrics_of_a_hostile_worker(case: Case, text: str) -> None:
    verdict = case.replay({"synthesize": {**OUTPUTS["synthesize"], "metrics.json": text}})
    assert entry_of(verdict, "synthesize").detail.startswith("it failed: metrics.json: not a list of metrics")
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
    answers = {"train": train(0.503)}
    assert case.replay(answers, probe={"digest": "q" * 64}).exit_code == 3
    assert case.replay(answers, probe={"digest": "q" * 64}, allow=True).exit_code == 0


def test_a_claim_about_a_trial_that_is_not_replayed(case: Case) -> None:
    case.claims = [{**CLAIMS[0], "trial": "trial-9"}]
    verdict = case.replay()
    accurate = entry_of(verdict, "accurate")
    assert (accurate.verdict, accurate.found, accurate.detail) == (
        "not checkable here",
        None,
        "trial-9 is not the chosen trial: it is not replayed",
    )
    assert verdict.exit_code == 4


class Dying:
    """Stands for ``Session``: dies or fails as told."""

    made: list[Dying]
    script: list[tuple[str, bool]]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.ended = False
        self.closed = False
        Dying.made.append(self)

    def __enter__(self) -> Dying:
        return self

    def __exit__(self, *arguments: object) -> None:
        self.closed = True

    def run(self, *arguments: Any) -> tuple[Path, dict[str, Any]]:
        outcome, self.ended = Dying.script.pop(0)
        if outcome == "good":
            return Path("out"), {}
        raise (HostError if outcome == "host" else StageError)(outcome)


class Unstartable(Dying):
    """Fails at its start, as told."""

    error: Exception

    def __enter__(self) -> Dying:
        raise Unstartable.error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UsageError("a mount's source must be an absolute path", where="d.csv"), HostError),
        (DigestMismatch("docker stored the image under another id"), HostError),
        (ExseosError("no"), HostError),
        (HostError("bwrap: Can't bind mount"), HostError),
        (StageError("the worker broke the protocol"), StageError),
    ],
)
def test_a_worker_that_cannot_be_started_says_nothing_of_the_capsule(
    error: Exception, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exseos.capsule.sessions.Session", Unstartable)
    Dying.made, Unstartable.error = [], error
    stage = plan(Experiment.model_validate(SPEC))[0]
    nothing: Any = None
    with (
        Sessions(nothing, nothing, tmp_path, {}, nothing, tmp_path, nothing, Quiet()) as sessions,
        pytest.raises(kind, match=re.escape(str(error).partition(": ")[2] or str(error))) as caught,
    ):
        sessions.run(stage, 0, {})
    assert type(caught.value) is kind


def test_an_engine_that_is_gone_at_the_end_takes_no_verdict_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(Dying):
        def __exit__(self, *arguments: object) -> None:
            raise HostError("lost the container")

    monkeypatch.setattr("exseos.capsule.sessions.Session", Stuck)
    Dying.made, Dying.script = [], [("good", False)]
    nothing: Any = None
    with Sessions(nothing, nothing, tmp_path, {}, nothing, tmp_path, nothing, Quiet()) as sessions:
        sessions.run(plan(Experiment.model_validate(SPEC))[0], 0, {})


@pytest.mark.parametrize(
    ("script", "workers"),
    [
        ([("good", False), ("good", False)], 1),
        ([("stage", False), ("good", False)], 1),
        ([("stage", True), ("good", False)], 2),
        ([("host", True), ("good", False)], 2),
        ([("host", False), ("good", False)], 1),
    ],
)
def test_a_dead_worker_is_replaced_and_a_living_one_kept(
    script: list[tuple[str, bool]], workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exseos.capsule.sessions.Session", Dying)
    Dying.made, Dying.script = [], list(script)
    stage = plan(Experiment.model_validate(SPEC))[0]
    nothing: Any = None
    with Sessions(nothing, nothing, tmp_path, {}, nothing, tmp_path, nothing, Quiet()) as sessions:
        for outcome, _ in script:
            if outcome == "good":
                sessions.run(stage, 0, {})
            else:
                with pytest.raises(ExseosError):
                    sessions.run(stage, 0, {})
    assert len(Dying.made) == workers
    assert all(one.closed for one in Dying.made)
