"""Replaying a stage of a vendor's tool: with the tool if it is mounted, else as far as its archived reports go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from exseos.capsule.comparison import UNJUDGED, Numbers, Replayed, all_close, key_of, missing
from exseos.errors import ExseosError, HostError
from exseos.manifest import Manifest
from exseos.records.parts import StageRecord
from exseos.study.plan import StagePlan
from exseos.study.trial import read_metrics
from exseos.study.workers import Workers


def replay_recorded(
    stage: StagePlan,
    record: StageRecord,
    recorded: Numbers,
    archived: Mapping[str, tuple[Path, Manifest]],
    workers: Workers,
    then: StagePlan | None = None,
) -> Replayed:
    """A stage of a vendor's tool: run again where the tool is mounted; else its archived reports are read again.

    The bytes of two runs differ (reports carry dates), so the metrics are compared with the ``recorded`` ones.
    """
    here = stage.toolchain in workers.vendors
    if not here:
        parameters = {"toolchain": stage.toolchain, "role": stage.kind}
        stage = StagePlan("reread", parameters, {"recorded": record.stage})
    if lacking := missing(stage, archived):
        return lacking
    try:
        outcome = workers.run(stage, record.seed, archived, then)
        metrics = {key_of(metric): metric.value for metric in read_metrics(outcome.folder)}
    except (OSError, MemoryError) as error:
        return Replayed("not checkable here", f"it failed: {error}")
    except (ExseosError, ValueError) as error:
        # A tool that did not run here gave no number that could contradict; a report that cannot be read is another matter.
        failed_here = here or isinstance(error, HostError)
        return Replayed("not checkable here" if failed_here else "different", f"it failed: {error}")
    if not here:
        if metrics == recorded:
            return Replayed("not checkable here", f"needs {record.needs}; its archived reports give the recorded numbers", None, metrics)
        return Replayed("different", "its archived reports give other numbers than the index", None, metrics)
    judged, found = ({key: value for key, value in numbers.items() if key[0] not in UNJUDGED} for numbers in (recorded, metrics))
    if judged == found:
        return Replayed("identical", "the same metrics; reports carry dates", None, metrics, loose=True)
    near = bool(judged) and all_close(recorded, metrics)
    return Replayed("within tolerance" if near else "different", "other metrics", None, metrics, loose=True)
