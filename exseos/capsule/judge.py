"""Running each stage of a capsule again and comparing: stage outputs, metrics, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from exseos.capsule.build import differing
from exseos.capsule.claims import describe
from exseos.capsule.comparison import RELATIVE_TOLERANCE, UNJUDGED, Replayed, close, key_of, missing
from exseos.capsule.index import ClaimRecord, Index, MetricRecord, StageRecord
from exseos.capsule.recorded import replay_recorded
from exseos.capsule.sessions import Sessions, this_host
from exseos.capsule.verdict import Judgement, VerdictEntry
from exseos.errors import ExseosError, HostError
from exseos.manifest import Entry, Manifest
from exseos.progress import Progress
from exseos.spec.models import Experiment
from exseos.study.plan import StagePlan, plan
from exseos.study.trial import listed, read_metrics, unknown_operations


def judge_capsule(
    index: Index, experiment: Experiment, folder: Path, sessions: Sessions, progress: Progress
) -> tuple[list[VerdictEntry], list[str]]:
    """Replay the chosen trial of the capsule unpacked in ``folder``; entries in the capsule's order, and notes for the reader."""
    plans = {stage.name: stage for stage in plan(experiment)}
    archived: dict[str, tuple[Path, Manifest]] = {}
    replayed: dict[str, Replayed] = {}
    notes: list[str] = []
    records = [record for record in index.stages if record.trial == index.chosen]
    for record in records:
        stage = plans.get(record.stage)
        if stage is None:
            replayed[record.stage] = Replayed("not checkable here", "the spec has no such stage")
            continue
        manifest = Manifest.of(Entry(path, digest) for path, digest in record.outputs.items())
        location = folder / record.location
        if stage.exact:
            result, output = _replay_stage(stage, record, manifest, experiment.seed, archived, sessions, index)
        else:
            result, output = replay_recorded(stage, record, location, manifest, experiment.seed, archived, sessions, index), None
        replayed[record.stage] = result
        progress.step(f"{record.stage}: {result.verdict}" + (f" ({result.detail})" if result.detail else ""))
        if location.is_dir():
            archived[record.stage] = (location, manifest)
        elif output is not None and result.verdict == "identical":
            archived[record.stage] = (output, manifest)
        if result.loose and not stage.exact:
            notes.append(
                f"{record.stage} is recorded, not exact: its metrics were compared within {100 * RELATIVE_TOLERANCE:g} %, its files not"
            )
        elif result.loose:
            notes.append(
                f"{record.stage} ran on a CPU with another numerics probe than the author's: its outputs were compared within "
                f"{100 * RELATIVE_TOLERANCE:g} %, every later stage exactly, on the archived weights"
            )
        if result.unknown:
            notes.append(f"{record.stage} used what is not known to be exact on every CPU: {listed(result.unknown)}")
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
) -> tuple[Replayed, Path | None]:
    for name in stage.data:
        reason = sessions.data[name]
        if isinstance(reason, str):
            return Replayed("not checkable here", reason), None
    if lacking := missing(stage, archived):
        return lacking, None
    try:
        with this_host("the stage cannot be run here"):
            output, facts = sessions.run(stage, seed, archived)
            found = Manifest.of_tree(output)
            unknown = unknown_operations(stage, facts)
            metrics = {(metric.name, metric.level, metric.scope): metric.value for metric in read_metrics(output)}
    except HostError as error:
        return Replayed("not checkable here", str(error)), None
    except (ExseosError, ValueError) as error:
        return Replayed("different", f"it failed: {error}"), None
    names = differing(manifest, found)
    if not names:
        return Replayed("identical", digest=found.digest, metrics=metrics, unknown=unknown), output
    # What is exact on every CPU has no excuse to differ, whatever the probe says.
    other = _digest(facts.get("probe")) != _digest(index.probe.get(record.stage))
    loose = bool(unknown) and other
    recorded = [metric for metric in index.metrics if metric.stage == record.stage and metric.trial == record.trial]
    near = loose and all(close(metric.value, metrics.get(key_of(metric))) for metric in recorded)
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    verdict: Judgement = "within tolerance" if near else "different"
    return Replayed(verdict, f"other bytes in {shown}", found.digest, metrics, loose, unknown), output


def _digest(probe: Any) -> Any:
    return probe.get("digest") if isinstance(probe, dict) else None


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
    several = sum(key_of(other) == key_of(metric) for other in index.metrics if other.trial == metric.trial) > 1
    by = f", {metric.stage}" if several else ""
    scope = "" if metric.scope == "design" else f" of {metric.scope}"
    return f"{metric.name} ({metric.level}{by}){scope}"


def _claim_entries(index: Index, replayed: Mapping[str, Replayed]) -> list[VerdictEntry]:
    entries = []
    for claim in index.claims:
        stage = next((metric.stage for metric in index.measured(claim, claim.trial)), None)
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


def _why_not(claim: ClaimRecord, index: Index, result: Replayed | None) -> str:
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
    failed = {
        claim.text
        for claim in index.claims
        if not claim.holds and any(_name(index, metric) in same for metric in index.measured(claim, claim.trial))
    }
    return [entry for entry in entries if entry.kind == "claim" and entry.name in failed and not _holds(index, entry)]


def _holds(index: Index, entry: VerdictEntry) -> bool:
    """Whether the claim of ``entry`` was recorded to hold; several claims may have one text."""
    return any(
        claim.holds and (claim.text, claim.recorded, claim.value) == (entry.name, entry.expected, entry.claimed) for claim in index.claims
    )
