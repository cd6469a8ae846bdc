"""Running the stages of one trial: each once, from the store if it is there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exseos.errors import CapsuleError, ExseosError, StageError
from exseos.manifest import Manifest
from exseos.metrics import Metric
from exseos.progress import Progress
from exseos.records.metrics import parse_metrics
from exseos.records.names import METRICS_FILE
from exseos.store import Finished, Store, host_errors
from exseos.study.plan import StagePlan
from exseos.study.workers import Workers
from exseos.toolchains.vendor.run import HOME, LOG

_MAX_METRICS = 4 << 20
_LOG_BYTES = 64 << 20
_LONGEST_NAME = 300


@dataclass(frozen=True)
class StageResult:
    """A finished stage of a trial."""

    plan: StagePlan
    key: str
    manifest: Manifest
    folder: Path
    facts: Mapping[str, Any]
    reused: bool

    @property
    def metrics(self) -> list[Metric]:
        """What the stage measured."""
        return read_metrics(self.folder)


def read_metrics(folder: Path) -> list[Metric]:
    """The metrics among a stage's outputs (copied by ``collect``); none if it measures nothing.

    Raises ``StageError`` if they are not of the known form.
    """
    path = folder / METRICS_FILE
    if not path.is_file():
        return []
    if path.stat().st_size > _MAX_METRICS:
        raise StageError("the metrics are longer than any stage writes", where=METRICS_FILE)
    try:
        return parse_metrics(path.read_bytes(), METRICS_FILE)
    except CapsuleError as error:
        raise StageError(error.what, where=METRICS_FILE) from error


def unknown_operations(stage: StagePlan, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What a stage used that is not known to be exact on every CPU, by the facts of its run; empty where TensorFlow does not compute.

    The facts are a worker's: where they do not tell, nothing is known to be exact.
    """
    if not stage.declared.numerics:
        return ()
    audit = facts.get("numerics")
    unknown = audit.get("unknown") if isinstance(audit, dict) else None
    if not isinstance(unknown, list):
        return ("its operations, of which the worker does not tell",)
    return tuple(str(name)[:_LONGEST_NAME] for name in unknown)


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first ``most`` of ``names`` and how many more there are."""
    more = len(names) - most
    return "; ".join(names[:most]) + (f"; and {more} more" if more > 0 else "")


def run_trial(
    stages: Sequence[StagePlan],
    *,
    seed: int,
    image_id: str,
    data: Mapping[str, str],
    files: str,
    toolchains: Mapping[str, str],
    workers: Workers,
    progress: Progress,
) -> list[StageResult]:
    """Run ``stages`` in order; a stage whose key is in the store does not run again.

    ``workers`` start a container only when there is something to run; ``toolchains`` maps those that are mounted to their
    fingerprints. Each finished stage is in the store before the next begins, so that a build killed at any moment resumes
    behind it.
    """
    results: list[StageResult] = []
    store = workers.store
    for stage, then in zip(stages, [*stages[1:], None], strict=True):
        digests = {result.plan.name: result.manifest.digest for result in results}
        key = stage.key(seed=seed, image_id=image_id, inputs=digests, data=data, files=files, toolchains=toolchains)
        with host_errors(store.root):
            found = store.find(key)
        if found is None:
            progress.step(f"{stage.name}: running")
            finished = _run(workers, stage, then, key, seed, results)
            progress.step(
                f"{stage.name}: done in {finished.facts['seconds']:.1f} s, {len(finished.manifest)} files, {finished.manifest.digest[:12]}"
            )
        else:
            finished = found
            progress.step(f"{stage.name}: already in the store, {finished.manifest.digest[:12]}")
        if unknown := unknown_operations(stage, finished.facts):
            progress.step(f"{stage.name}: not known to be exact on every CPU: {listed(unknown)}; a replay judges by the numerics probe")
        results.append(StageResult(stage, key, finished.manifest, finished.folder, finished.facts, reused=found is not None))
    return results


def _run(workers: Workers, stage: StagePlan, then: StagePlan | None, key: str, seed: int, before: list[StageResult]) -> Finished:
    inputs = {result.plan.name: (result.folder, result.manifest) for result in before}
    try:
        outcome = workers.run(stage, seed, inputs, then)
    except ExseosError as error:
        if (log := _keep_log(workers.failed, stage, workers.store)) is None:
            raise
        hint = f"{error.hint}\nThe whole log: {log}" if error.hint else f"The whole log: {log}"
        raise type(error)(error.what, where=error.where, hint=hint) from error
    for metric in read_metrics(outcome.folder):
        if not stage.declared.may_measure(metric.level):
            raise StageError(
                f"it measured {metric.name} at level {metric.level}, which no stage {stage.kind} does",
                where=stage.name,
                hint=f"Let the code of the experiment write no {METRICS_FILE}: `evaluate` measures the model.",
            )
    return workers.store.put(key, outcome.folder, dict(outcome.facts))


def _keep_log(output: Path | None, stage: StagePlan, store: Store) -> Path | None:
    """The whole log of a failed stage, kept in the store, since its tools may have run for hours; None if there is none."""
    logs = [] if output is None else [output / LOG]
    if output is not None and not (output / HOME).is_symlink():
        logs += sorted((output / HOME).glob("*.log"))
    logs = [log for log in logs if log.is_file() and not log.is_symlink()]
    if not logs:
        return None
    kept = store.root / "logs" / f"{stage.name}-{time.strftime('%Y%m%dT%H%M%S')}.log"
    try:
        kept.parent.mkdir(exist_ok=True)
        with kept.open("wb") as whole:
            for log in logs:
                with log.open("rb") as part:
                    whole.write(part.read(_LOG_BYTES))
    except OSError:
        return None
    return kept
