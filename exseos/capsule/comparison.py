"""What a replayed stage gave, and when two numbers count as the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exseos.capsule.verdict import Judgement
from exseos.manifest import Manifest
from exseos.metrics import Level, Metric
from exseos.records.parts import MetricRecord
from exseos.study.plan import StagePlan
from exseos.toolchains.vendor.reports import RUN_TIME

RELATIVE_TOLERANCE = 0.02
"""How far a number that is judged by tolerance may be from the recorded one, relative to it."""

UNJUDGED = (RUN_TIME,)
"""Metrics that differ from run to run by their nature."""
_OF_A_MODEL = ("parameters",)
"""Numbers without a tolerance: a model has as many parameters as it has."""

Key = tuple[str, Level, str]
"""Name, level and scope of a metric."""
Numbers = Mapping[Key, float | int]


@dataclass
class Replayed:
    """What one stage gave this time, or why it could not be run."""

    verdict: Judgement
    detail: str = ""
    digest: str | None = None
    metrics: Numbers = field(default_factory=dict)
    loose: bool = False
    """Computed with unknown operations on a CPU with another numerics probe, or by a vendor's tool: compared within tolerance."""
    unknown: tuple[str, ...] = ()
    """What it used that is not known to be exact on every CPU."""


def key_of(metric: Metric | MetricRecord) -> Key:
    """What tells a metric of a stage from its others."""
    return metric.name, metric.level, metric.scope


def close(recorded: float, found: float | None) -> bool:
    """Whether ``found`` is within the tolerance of ``recorded``."""
    return found is not None and abs(found - recorded) <= RELATIVE_TOLERANCE * abs(recorded)


def all_close(recorded: Numbers, found: Numbers) -> bool:
    """Whether ``found`` is the whole set of numbers, each within tolerance; sizes of the model have none."""
    one, two = ({key: value for key, value in numbers.items() if key[0] not in UNJUDGED} for numbers in (recorded, found))
    return one.keys() == two.keys() and all(
        two[key] == value if key[0] in _OF_A_MODEL else close(value, two[key]) for key, value in one.items()
    )


def missing(stage: StagePlan, archived: Mapping[str, tuple[Path, Manifest]]) -> Replayed | None:
    """Why a stage has not got its inputs, if so."""
    for name in stage.inputs.values():
        if name not in archived:
            return Replayed("not checkable here", f"needs the outputs of {name}, which are not in the capsule")
    return None


def differing(one: Manifest, two: Manifest) -> list[str]:
    """Paths whose digests differ, or that only one of the two has."""
    first, second = one.as_dict(), two.as_dict()
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def few(names: list[str], most: int = 5) -> str:
    """The first of ``names``, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
