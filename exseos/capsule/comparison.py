"""What a replayed stage gave, and when two numbers count as the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exseos.capsule.verdict import Judgement
from exseos.manifest import Manifest
from exseos.metrics import Level, Metric
from exseos.study.plan import StagePlan
from exseos.toolchains.vendor.reports import RUN_TIME

RELATIVE_TOLERANCE = 0.02
"""How far a metric of a training on a CPU with another numerics probe may be from the recorded one, relative to it."""

UNJUDGED = (RUN_TIME,)
"""Metrics that differ from run to run by their nature."""

Key = tuple[str, Level, str]
"""Name, level and scope of a metric."""


@dataclass
class Replayed:
    """What one stage gave this time, or why it could not be run."""

    verdict: Judgement
    detail: str = ""
    digest: str | None = None
    metrics: dict[Key, float | int] = field(default_factory=dict)
    loose: bool = False
    """Trained with unknown operations on a CPU with another numerics probe, or run by a vendor's tool: compared within tolerance."""
    unknown: tuple[str, ...] = ()
    """What the training used that is not known to be exact on every CPU."""


def key_of(metric: Metric) -> Key:
    return metric.name, metric.level, metric.scope


def close(recorded: float, found: float | None) -> bool:
    return found is not None and abs(found - recorded) <= RELATIVE_TOLERANCE * abs(recorded)


def missing(stage: StagePlan, archived: Mapping[str, tuple[Path, Manifest]]) -> Replayed | None:
    for name in stage.inputs.values():
        if name not in archived:
            return Replayed("not checkable here", f"needs the outputs of {name}, which are not in the capsule")
    return None
