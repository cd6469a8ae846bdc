"""Running the stages of one trial: each once, from the store if it is there."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from exseos.errors import ExseosError, StageError
from exseos.manifest import Manifest
from exseos.metrics import Metric
from exseos.progress import Progress
from exseos.store import Finished, Store, host_errors
from exseos.study.plan import StagePlan
from exseos.study.session import Session
from exseos.toolchains.vendor.run import HOME, LOG

_METRICS = TypeAdapter(list[Metric])
_MAX_METRICS = 16 << 20
_LONGEST_NAME = 300
TRAINING = "train"
AUDITED = (TRAINING, "evaluate")
"""The kinds of stage whose numbers may depend on the CPU, unless they are known to be exact: every other is compared exactly."""


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
    """The metrics in a stage's outputs; none if it measures nothing. Raises ``StageError`` if they are not of the known form."""
    where = folder / "metrics.json"
    try:
        descriptor = os.open(where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would be waited for
    except FileNotFoundError:
        return []
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            raise
        raise StageError("the metrics are no regular file", where=where.name) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StageError("the metrics are no regular file", where=where.name)
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(_MAX_METRICS + 1)
    if len(data) > _MAX_METRICS:
        raise StageError("the metrics are longer than any stage writes", where=where.name)
    try:
        return _METRICS.validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise StageError(f"not a list of metrics: {'.'.join(map(str, first['loc']))}: {first['msg']}", where=where.name) from error


def unknown_operations(stage: StagePlan, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What a model was computed with that is not known to be exact on every CPU, by the facts of the run; empty for other stages.

    The facts are a worker's: where they do not tell, nothing is known to be exact.
    """
    if stage.kind not in AUDITED:
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


def run_stage(session: Session, stage: StagePlan, seed: int, inputs: Mapping[str, tuple[Path, Manifest]]) -> tuple[Path, dict[str, Any]]:
    """Run one stage in the worker; adds its wall time to the facts."""
    begin = time.monotonic()
    output, facts = session.run(stage.kind, stage.parameters, seed, {name: inputs[given] for name, given in stage.inputs.items()})
    return output, {**facts, "seconds": round(time.monotonic() - begin, 3)}


def run_trial(
    stages: list[StagePlan],
    *,
    seed: int,
    image_id: str,
    data: Mapping[str, str],
    files: str,
    toolchains: Mapping[str, str],
    store: Store,
    session: Callable[[StagePlan], Session],
    progress: Progress,
) -> list[StageResult]:
    """Run ``stages`` in order; a stage whose key is in the store does not run again.

    ``session`` gives the worker for a stage and is called only when there is something to run; ``toolchains`` maps those that are
    mounted to their fingerprints. Each finished stage is in the store
    before the next begins, so that a build killed at any moment resumes behind it.
    """
    results: list[StageResult] = []
    for stage in stages:
        digests = {result.plan.name: result.manifest.digest for result in results}
        key = stage.key(seed=seed, image_id=image_id, inputs=digests, data=data, files=files, toolchains=toolchains)
        with host_errors(store.root):
            found = store.find(key)
        if found is None:
            progress.step(f"{stage.name}: running")
            finished = _run(session(stage), stage, key, seed, results, store)
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


def _run(session: Session, stage: StagePlan, key: str, seed: int, before: list[StageResult], store: Store) -> Finished:
    inputs = {result.plan.name: (result.folder, result.manifest) for result in before}
    try:
        output, facts = run_stage(session, stage, seed, inputs)
    except ExseosError as error:
        if (log := _keep_log(session.failed_output, stage, store)) is None:
            raise
        hint = f"{error.hint}\n  The whole log: {log}" if error.hint else f"The whole log: {log}"
        raise type(error)(error.what, where=error.where, hint=hint) from error
    return store.put(key, output, facts)


def _keep_log(output: Path | None, stage: StagePlan, store: Store) -> Path | None:
    """The whole log of a failed stage, kept in the store, since its tools may have run for hours; None if there is none."""
    logs = [output / LOG, *sorted(output.glob(f"{HOME}/*.log"))] if output is not None else []
    logs = [log for log in logs if log.is_file() and not log.is_symlink()]
    if not logs:
        return None
    kept = store.root / "logs" / f"{stage.name}-{time.strftime('%Y%m%dT%H%M%S')}.log"
    try:
        kept.parent.mkdir(exist_ok=True)
        with kept.open("wb") as whole:
            for log in logs:
                with log.open("rb") as part:
                    shutil.copyfileobj(part, whole)
    except OSError:
        return None
    return kept
