"""Replaying a stage of a vendor's tool: with the tool if it is mounted, else as far as its archived reports go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from exseos.capsule.comparison import UNJUDGED, Replayed, close, key_of, missing
from exseos.capsule.index import Index, StageRecord
from exseos.capsule.sessions import Sessions, this_host
from exseos.errors import ExseosError, HostError
from exseos.manifest import Manifest
from exseos.study.plan import StagePlan
from exseos.study.trial import read_metrics


def replay_recorded(
    stage: StagePlan,
    record: StageRecord,
    location: Path,
    manifest: Manifest,
    seed: int,
    archived: Mapping[str, tuple[Path, Manifest]],
    sessions: Sessions,
    index: Index,
) -> Replayed:
    """A stage of a vendor's tool: run again where the tool is mounted; else its archived reports are read again.

    The bytes of two runs differ (reports carry dates), so the metrics are compared.
    """
    recorded = {key_of(metric): metric.value for metric in index.metrics if metric.stage == record.stage and metric.trial == record.trial}
    here = stage.toolchain in sessions.vendors
    parameters = {"toolchain": stage.toolchain, "role": stage.kind}
    if not here:
        stage = StagePlan("reread", parameters, {"recorded": record.stage})
        archived = {record.stage: (location, manifest)}
    if lacking := missing(stage, archived):
        return lacking
    try:
        with this_host("the stage cannot be run here"):
            output, _ = sessions.run(stage, seed, archived)
            metrics = {(metric.name, metric.level, metric.scope): metric.value for metric in read_metrics(output)}
    except (ExseosError, ValueError) as error:
        # A tool that did not run here gave no number that could contradict; a report that cannot be read is another matter.
        failed_here = here or isinstance(error, HostError)
        return Replayed("not checkable here" if failed_here else "different", f"it failed: {error}")
    if not here:
        if metrics == recorded:
            return Replayed("not checkable here", f"needs {record.needs}; its archived reports give the recorded numbers", None, metrics)
        return Replayed("different", "its archived reports give other numbers than the index", None, metrics)
    judged = {key: value for key, value in recorded.items() if key[0] not in UNJUDGED}
    if all(metrics.get(key) == value for key, value in judged.items()):
        return Replayed("identical", "the same metrics; reports carry dates", None, metrics, loose=True)
    near = all(close(value, metrics.get(key)) for key, value in judged.items())
    return Replayed("within tolerance" if near else "different", "other metrics", None, metrics, loose=True)
