"""Running each stage of a capsule again and comparing: stage outputs, metrics, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from exseos.capsule.build import differing
from exseos.capsule.claims import describe
from exseos.capsule.index import ClaimRecord, Index, StageRecord
from exseos.capsule.verdict import Judgement, VerdictEntry
from exseos.engines.base import Engine, Limits
from exseos.errors import ExseosError, HostError
from exseos.image.image import Image
from exseos.manifest import Entry, Manifest
from exseos.metrics import Level, Metric
from exseos.progress import Progress
from exseos.spec.models import Experiment
from exseos.store import Store
from exseos.study.plan import StagePlan, plan
from exseos.study.session import Session
from exseos.study.trial import read_metrics, run_stage

RELATIVE_TOLERANCE = 0.02
"""How far a metric of a training on a CPU with another numerics probe may be from the recorded one, relative to it."""

TRAINING = "train"
"""The one stage whose numbers may depend on the kind of CPU: every other is compared exactly."""

Key = tuple[str, Level, str]
"""Name, level and scope of a metric."""


class Sessions:
    """Workers for a replay: one at a time, another after one died. A data source may be a reason why it is not here."""

    def __init__(
        self,
        engine: Engine,
        image: Image,
        files: Path,
        data: Mapping[str, Path | str],
        limits: Limits,
        folder: Path,
        store: Store,
        progress: Progress,
    ) -> None:
        self._store = store
        self._engine, self._image, self._files, self._limits = engine, image, files, limits
        self.data, self._folder, self._progress = data, folder, progress
        self._session: Session | None = None
        self._count = 0

    def __enter__(self) -> Sessions:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            self._session.__exit__(kind, error, trace)
            self._session = None

    def run(self, stage: StagePlan, seed: int, inputs: Mapping[str, tuple[Path, Manifest]]) -> tuple[Path, dict[str, Any]]:
        """Run one stage; raises ``ExseosError``."""
        try:
            return run_stage(self._current(), stage, seed, inputs)
        except ExseosError as error:
            if self._session is None or self._session.ended:
                self.__exit__(type(error), error, error.__traceback__)
            raise

    def _current(self) -> Session:
        if self._session is None:
            self._count += 1
            folder = self._folder / f"session-{self._count}"
            folder.mkdir()
            data = {name: path for name, path in self.data.items() if isinstance(path, Path)}
            session = Session(
                self._engine,
                self._image,
                folder=folder,
                files=self._files,
                data=data,
                limits=self._limits,
                store=self._store,
                progress=self._progress,
            )
            self._session = session.__enter__()
        return self._session


@dataclass
class _Replayed:
    """What one stage gave this time, or why it could not be run."""

    verdict: Judgement
    detail: str = ""
    digest: str | None = None
    metrics: dict[Key, float | int] = field(default_factory=dict)
    loose: bool = False
    """Trained on a CPU with another numerics probe: compared within tolerance."""


def judge_capsule(
    index: Index, experiment: Experiment, folder: Path, sessions: Sessions, progress: Progress
) -> tuple[list[VerdictEntry], list[str]]:
    """Replay the chosen trial of the capsule unpacked in ``folder``; entries in the capsule's order, and notes for the reader."""
    plans = {stage.name: stage for stage in plan(experiment)}
    archived: dict[str, tuple[Path, Manifest]] = {}
    replayed: dict[str, _Replayed] = {}
    notes: list[str] = []
    records = [record for record in index.stages if record.trial == index.chosen]
    for record in records:
        stage = plans.get(record.stage)
        if stage is None:
            replayed[record.stage] = _Replayed("not checkable here", "the spec has no such stage")
            continue
        manifest = Manifest.of(Entry(path, digest) for path, digest in record.outputs.items())
        location = folder / record.location
        result, output = _replay_stage(stage, record, manifest, experiment.seed, archived, sessions, index)
        replayed[record.stage] = result
        progress.step(f"{record.stage}: {result.verdict}" + (f" ({result.detail})" if result.detail else ""))
        if location.is_dir():
            archived[record.stage] = (location, manifest)
        elif output is not None and result.verdict == "identical":
            archived[record.stage] = (output, manifest)
        if result.loose:
            notes.append(
                f"{record.stage} ran on a CPU with another numerics probe than the author's: its outputs were compared within "
                f"{100 * RELATIVE_TOLERANCE:g} %, every later stage exactly, on the archived weights"
            )
    entries = [_stage_entry(record, replayed[record.stage]) for record in records]
    entries += _metric_entries(index, replayed)
    entries += _claim_entries(index, replayed)
    return entries, notes


def _replay_stage(
    stage: StagePlan,
    record: StageRecord,
    manifest: Manifest,
    seed: int,
    archived: Mapping[str, tuple[Path, Manifest]],
    sessions: Sessions,
    index: Index,
) -> tuple[_Replayed, Path | None]:
    for name in stage.data:
        reason = sessions.data[name]
        if isinstance(reason, str):
            return _Replayed("not checkable here", reason), None
    for name in stage.inputs:
        if name not in archived:
            return _Replayed("not checkable here", f"needs the outputs of {name}, which are not in the capsule"), None
    try:
        output, facts = sessions.run(stage, seed, archived)
        found = Manifest.of_tree(output)
        metrics = {(metric.name, metric.level, metric.scope): metric.value for metric in read_metrics(output)}
    except HostError as error:
        return _Replayed("not checkable here", str(error)), None
    except (ExseosError, ValueError) as error:
        return _Replayed("different", f"it failed: {error}"), None
    names = differing(manifest, found)
    if not names:
        return _Replayed("identical", digest=found.digest, metrics=metrics), output
    loose = record.stage == TRAINING and _digest(facts.get("probe")) != _digest(index.probe.get(record.stage))
    recorded = [metric for metric in index.metrics if metric.stage == record.stage and metric.trial == record.trial]
    close = loose and all(_close(metric.value, metrics.get(_key(metric))) for metric in recorded)
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    verdict: Judgement = "within tolerance" if close else "different"
    return _Replayed(verdict, f"other bytes in {shown}", found.digest, metrics, loose), output


def _digest(probe: Any) -> Any:
    return probe.get("digest") if isinstance(probe, dict) else None


def _key(metric: Metric) -> Key:
    return metric.name, metric.level, metric.scope


def _close(recorded: float, found: float | None) -> bool:
    return found is not None and abs(found - recorded) <= RELATIVE_TOLERANCE * abs(recorded)


def _stage_entry(record: StageRecord, result: _Replayed) -> VerdictEntry:
    return VerdictEntry(
        kind="stage", name=record.stage, verdict=result.verdict, expected=record.outputs_digest, found=result.digest, detail=result.detail
    )


def _metric_entries(index: Index, replayed: Mapping[str, _Replayed]) -> list[VerdictEntry]:
    entries = []
    for metric in index.metrics:
        if metric.trial != index.chosen:
            continue
        result = replayed[metric.stage]
        found = result.metrics.get(_key(metric))
        if result.verdict == "not checkable here":
            verdict: Judgement = "not checkable here"
        elif found == metric.value:
            verdict = "identical"
        else:
            verdict = "within tolerance" if result.loose and _close(metric.value, found) else "different"
        scope = "" if metric.scope == "design" else f" of {metric.scope}"
        name = f"{metric.name} ({metric.level}){scope}"
        entries.append(VerdictEntry(kind="metric", name=name, verdict=verdict, expected=metric.value, found=found, detail=metric.unit))
    return entries


def _claim_entries(index: Index, replayed: Mapping[str, _Replayed]) -> list[VerdictEntry]:
    entries = []
    for claim in index.claims:
        stage = next(
            (m.stage for m in index.metrics if (m.name, m.level, m.trial, m.scope) == (claim.metric, claim.level, claim.trial, "design")),
            None,
        )
        result = replayed.get(stage) if stage is not None and claim.trial == index.chosen else None
        found = result.metrics.get((claim.metric, claim.level, "design")) if result else None
        if result is None or result.verdict == "not checkable here":
            verdict: Judgement = "not checkable here"
        elif not claim.accepts(found):
            verdict = "different"
        else:
            verdict = "identical" if found == claim.recorded else "within tolerance"
        entries.append(
            VerdictEntry(
                kind="claim",
                name=claim.text,
                verdict=verdict,
                expected=claim.recorded,
                found=found,
                claimed=claim.value,
                detail=_why_not(claim, index, result) if verdict == "not checkable here" else describe(claim),
            )
        )
    return entries


def _why_not(claim: ClaimRecord, index: Index, result: _Replayed | None) -> str:
    if result is not None:
        return result.detail
    return (
        "no stage of the capsule measures it"
        if claim.trial == index.chosen
        else f"{claim.trial} is not the chosen trial: it is not replayed"
    )


def known_failures(index: Index, entries: Sequence[VerdictEntry]) -> list[VerdictEntry]:
    """Claims that did not hold when the capsule was built, if their number is the recorded one: the author packed them knowingly."""
    same = {entry.name for entry in entries if entry.kind == "metric" and entry.verdict in ("identical", "within tolerance")}
    failed = {claim.text for claim in index.claims if not claim.holds and f"{claim.metric} ({claim.level})" in same}
    return [entry for entry in entries if entry.kind == "claim" and entry.name in failed and not _holds(index, entry)]


def _holds(index: Index, entry: VerdictEntry) -> bool:
    """Whether the claim of ``entry`` was recorded to hold; several claims may have one text."""
    return any(
        claim.holds and (claim.text, claim.recorded, claim.value) == (entry.name, entry.expected, entry.claimed) for claim in index.claims
    )
