"""Running each stage of a capsule again and comparing: stage outputs, metrics, claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from exseos.capsule.claims import describe
from exseos.capsule.comparison import RELATIVE_TOLERANCE, UNJUDGED, Numbers, Replayed, all_close, close, differing, few, key_of, missing
from exseos.capsule.content import Content
from exseos.capsule.recorded import replay_recorded
from exseos.capsule.verdict import Judgement, VerdictEntry
from exseos.errors import ExseosError, HostError
from exseos.manifest import Manifest
from exseos.progress import Progress
from exseos.records.capsule import Capsule
from exseos.records.index import Index
from exseos.records.parts import ClaimRecord, MetricRecord, StageRecord
from exseos.study.plan import StagePlan
from exseos.study.trial import listed, read_metrics, unknown_operations
from exseos.study.workers import Outcome, Workers
from exseos.text import visible

INITIAL = "initial.json"
"""The output of a training that tells of the weights before it."""


@contextmanager
def this_host(doing: str) -> Iterator[None]:
    """Turn what only this machine can be blamed for into a ``HostError``: it says nothing of the capsule."""
    try:
        yield
    except OSError as error:
        place = str(error.filename) if error.filename else None
        raise HostError(f"{doing}: {error.strerror or error}", where=place, hint="Mend that and replay again.") from error
    except MemoryError as error:
        raise HostError(f"{doing}: out of memory", hint="Free some memory and replay again.") from error


class Judge:
    """The replay of the chosen trial of a capsule whose archived outputs go to ``folder``.

    ``lacking`` says of a data source why its file is not here.
    """

    def __init__(
        self, capsule: Capsule, content: Content, folder: Path, workers: Workers, lacking: Mapping[str, str], progress: Progress
    ) -> None:
        self.capsule, self.content, self.index = capsule, content, content.index
        self.folder, self.workers, self.lacking, self.progress = folder, workers, lacking, progress
        self.archived: dict[str, tuple[Path, Manifest]] = {}
        self.replayed: dict[str, Replayed] = {}
        self.notes: list[str] = []

    def run(self) -> tuple[list[VerdictEntry], list[str]]:
        """Replay every stage, in order; entries in the capsule's order, and notes for the reader."""
        records = self.index.stages_of(self.index.chosen)
        for record in records:
            if self.capsule.has(record):
                location = self.capsule.extract_below(f"{record.location}/", self.folder / record.location)
                self.archived[record.stage] = (location, self.capsule.outputs(record))
        plans = [self.content.plans[record.stage] for record in records]
        for record, stage, then in zip(records, plans, [*plans[1:], None], strict=True):
            result = self._stage(record, stage, then)
            self.replayed[record.stage] = result
            self.progress.step(f"{record.stage}: {result.verdict}" + (f" ({visible(result.detail)})" if result.detail else ""))
            self._note(record, stage, result)
        entries = [_stage_entry(record, self.replayed[record.stage]) for record in records]
        entries += _metric_entries(self.index, self.replayed)
        entries += _claim_entries(self.index, self.replayed)
        return entries, self.notes

    def _note(self, record: StageRecord, stage: StagePlan, result: Replayed) -> None:
        percent = f"{100 * RELATIVE_TOLERANCE:g} %"
        if result.loose and not stage.exact:
            self.notes.append(f"{record.stage} is recorded, not exact: its metrics were compared within {percent}, its files not")
        elif result.loose:
            self.notes.append(
                f"{record.stage} ran on a CPU with another numerics probe than the author's: its outputs were compared within "
                f"{percent}, every later stage exactly, on the archived weights"
            )
        if result.unknown:
            self.notes.append(f"{record.stage} used what is not known to be exact on every CPU: {listed(result.unknown)}")

    def _stage(self, record: StageRecord, stage: StagePlan, then: StagePlan | None) -> Replayed:
        for name in stage.data:
            if name in self.lacking:
                return Replayed("not checkable here", self.lacking[name])
        if not stage.exact:
            recorded = self._recorded(record)
            return replay_recorded(stage, record, recorded, self.archived, self.workers, then)
        if lacking := missing(stage, self.archived):
            return lacking
        try:
            with this_host("the stage cannot be run here"):
                outcome = self.workers.run(stage, record.seed, self.archived, then)
                unknown = unknown_operations(stage, outcome.facts)
                metrics = _numbers(outcome)
        except HostError as error:
            return Replayed("not checkable here", str(error))
        except (ExseosError, ValueError) as error:
            return Replayed("different", f"it failed: {error}")
        expected = self.capsule.outputs(record)
        names = differing(expected, outcome.manifest)
        digest = outcome.manifest.digest
        if not names:
            if record.stage not in self.archived:
                self.archived[record.stage] = (outcome.folder, outcome.manifest)
            return Replayed("identical", digest=digest, metrics=metrics, unknown=unknown)
        detail = f"other bytes in {few(names)}"
        if INITIAL in names:
            detail = f"other initial weights: the code of the model draws without a seed; {detail}"
        # What is exact on every CPU has no excuse to differ, whatever the probe says.
        loose = bool(unknown) and _probe(outcome) != self.index.probe_of(record.stage)
        try:
            near = loose and INITIAL not in names and self._near(record, expected, outcome, metrics)
        except HostError as error:
            return Replayed("not checkable here", f"{detail}, and {error}", digest, metrics, loose, unknown)
        return Replayed("within tolerance" if near else "different", detail, digest, metrics, loose, unknown)

    def _near(self, record: StageRecord, expected: Manifest, outcome: Outcome, metrics: Numbers) -> bool:
        """Whether the outputs are the same files, and the numbers measured on them all within tolerance of the recorded ones.

        Raises ``HostError`` if this machine cannot measure them.
        """
        if {entry.path for entry in expected} != {entry.path for entry in outcome.manifest}:
            return False
        if metrics or (measuring := self._measuring(record.stage)) is None:
            recorded = self._recorded(record)
            return bool(recorded) and all_close(recorded, metrics)
        # A training measures nothing itself: its model is measured as the archived one was.
        later = next(one for one in self.index.stages_of(record.trial) if one.stage == measuring.name)
        try:
            with this_host("the model trained here cannot be measured"):
                inputs = {**self.archived, record.stage: (outcome.folder, outcome.manifest)}
                found = _numbers(self.workers.run(measuring, later.seed, inputs))
        except HostError:
            raise
        except (ExseosError, ValueError):
            return False
        return all_close(self._recorded(later), found)

    def _measuring(self, stage: str) -> StagePlan | None:
        """The stage that measures what ``stage`` trained."""
        plans = self.content.plans.values()
        return next((one for one in plans if one.declared.numerics and one.declared.levels and stage in one.inputs.values()), None)

    def _recorded(self, record: StageRecord) -> Numbers:
        return {key_of(one): one.value for one in self.index.metrics if (one.trial, one.stage) == (record.trial, record.stage)}


def _numbers(outcome: Outcome) -> Numbers:
    return {key_of(metric): metric.value for metric in read_metrics(outcome.folder)}


def _probe(outcome: Outcome) -> str | None:
    probe = outcome.facts.get("probe")
    return str(probe.get("digest")) if isinstance(probe, dict) else None


def _stage_entry(record: StageRecord, result: Replayed) -> VerdictEntry:
    return VerdictEntry(
        kind="stage", name=record.stage, verdict=result.verdict, expected=record.outputs_digest, found=result.digest, detail=result.detail
    )


def _metric_entries(index: Index, replayed: Mapping[str, Replayed]) -> list[VerdictEntry]:
    entries = []
    for metric in index.metrics:
        if metric.trial != index.chosen or metric.name in UNJUDGED:
            continue
        result = replayed[metric.stage]
        found = result.metrics.get(key_of(metric))
        if result.verdict == "not checkable here":
            verdict: Judgement = "not checkable here"
        elif found == metric.value:
            verdict = "identical"
        else:
            verdict = "within tolerance" if result.loose and close(metric.value, found) else "different"
        name = _name(index, metric)
        entries.append(VerdictEntry(kind="metric", name=name, verdict=verdict, expected=metric.value, found=found, detail=metric.unit))
    return entries


def _name(index: Index, metric: MetricRecord) -> str:
    """``lut (synthesized)``; with the stage where several measured it, and the scope if it is not the whole design."""
    by = f", {metric.stage}" if index.is_measured_twice(metric) else ""
    scope = "" if metric.scope == "design" else f" of {metric.scope}"
    return f"{metric.name} ({metric.level}{by}){scope}"


def _claim_entries(index: Index, replayed: Mapping[str, Replayed]) -> list[VerdictEntry]:
    entries = []
    for claim in index.claims:
        measured = index.measured(claim)
        result = replayed.get(measured[0].stage) if measured and claim.trial == index.chosen else None
        found = result.metrics.get((claim.metric, claim.level, "design")) if result else None
        if result is None or result.verdict == "not checkable here":
            verdict: Judgement = "not checkable here"
        elif not claim.accepts(found):
            verdict = "different"
        else:
            verdict = "identical" if found == claim.recorded else "within tolerance"
        detail = _why_not(claim, index, result) if verdict == "not checkable here" else describe(claim)
        numbers = {"expected": claim.recorded, "found": found, "claimed": claim.value}
        entries.append(VerdictEntry(kind="claim", name=claim.text, verdict=verdict, detail=detail, **numbers))
    return entries


def _why_not(claim: ClaimRecord, index: Index, result: Replayed | None) -> str:
    if result is not None:
        return result.detail
    if claim.trial == index.chosen:
        return "no stage of the capsule measures it"
    return f"{claim.trial} is not the chosen trial: it is not replayed"


def known_failures(index: Index, entries: Sequence[VerdictEntry]) -> list[VerdictEntry]:
    """Claims that did not hold when the capsule was built, if their number is the recorded one: the author packed them knowingly."""
    same = {entry.name for entry in entries if entry.kind == "metric" and entry.verdict in ("identical", "within tolerance")}
    failed = {
        claim.text for claim in index.claims if not claim.holds and any(_name(index, metric) in same for metric in index.measured(claim))
    }
    return [entry for entry in entries if entry.kind == "claim" and entry.name in failed and not _holds(index, entry)]


def _holds(index: Index, entry: VerdictEntry) -> bool:
    """Whether the claim of ``entry`` was recorded to hold; several claims may have one text."""
    return any(
        claim.holds and (claim.text, claim.recorded, claim.value) == (entry.name, entry.expected, entry.claimed) for claim in index.claims
    )
