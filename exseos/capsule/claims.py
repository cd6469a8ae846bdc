"""Claims: what the paper says against what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exseos.errors import ExseosError, UsageError
from exseos.records.parts import ClaimRecord, MetricRecord
from exseos.spec.models import Claim
from exseos.spec.problems import nearest
from exseos.text import visible


class ClaimsError(ExseosError):
    """Claims do not hold; ``records`` are all of them."""

    def __init__(self, records: Sequence[ClaimRecord]) -> None:
        self.records = tuple(records)
        failed = [record for record in records if not record.holds]
        lines = [f"  {visible(record.text)}: claimed {describe(record)}, measured {record.recorded:g}" for record in failed]
        super().__init__(
            f"{len(failed)} of {len(records)} claims do not hold\n" + "\n".join(lines),
            hint="Correct the claims or the experiment, or build with --allow-failed-claims. Finished stages are kept.",
        )


def describe(claim: Claim | ClaimRecord) -> str:
    """``0.87 ± 0.005`` or ``740 ± 5 %``, with the metric and level."""
    tolerance = f" ± {claim.absolute:g}" if claim.absolute else ""
    if claim.relative is not None:
        tolerance = f" ± {100 * claim.relative:g} %"
    return f"{claim.metric} ({claim.level}) {claim.value:g}{tolerance}"


def judge(claims: Iterable[Claim], metrics: Sequence[MetricRecord], trial: str) -> tuple[ClaimRecord, ...]:
    """Each claim with the recorded number and whether it holds; a claim about a number or trial that is not there is an error."""
    there = [metric for metric in metrics if metric.trial == trial and metric.scope == "design"]
    records = []
    for index, claim in enumerate(claims):
        if claim.trial not in ("best", trial):
            raise UsageError(f"there is no trial {claim.trial!r}", where=f"claims[{index}].trial", hint=f"There is: best, {trial}.")
        recorded = _measured(claim, there, f"claims[{index}]").value
        record = record_of(claim, trial, recorded)
        records.append(record)
    return tuple(records)


def record_of(claim: Claim, trial: str, recorded: float | int | None) -> ClaimRecord:
    """What a capsule keeps of a claim of the spec about ``trial``, for which ``recorded`` was measured."""
    record = ClaimRecord(
        text=claim.text,
        trial=trial,
        stage=claim.stage,
        metric=claim.metric,
        level=claim.level,
        value=claim.value,
        absolute=claim.absolute,
        relative=claim.relative,
        recorded=recorded,
        holds=False,
    )
    return record.model_copy(update={"holds": record.accepts(recorded)})


def _measured(claim: Claim, metrics: Sequence[MetricRecord], where: str) -> MetricRecord:
    """The one metric that ``claim`` is about; raises ``UsageError`` if there is none, or if several stages measured it."""
    stages = list(dict.fromkeys(metric.stage for metric in metrics))
    if claim.stage is not None and claim.stage not in stages:
        hint = f"Stages that did: {', '.join(stages)}{nearest(claim.stage, stages)}"
        raise UsageError(f"no stage {claim.stage!r} measured anything", where=f"{where}.stage", hint=hint)
    own = [metric for metric in metrics if claim.stage in (None, metric.stage)]
    found = [metric for metric in own if (metric.name, metric.level) == (claim.metric, claim.level)]
    if len(found) > 1:
        several = " or ".join(f"`stage: {metric.stage}`" for metric in found)
        raise UsageError(f"several stages measured {claim.metric} at level {claim.level}", where=where, hint=f"Say which: {several}.")
    if not found:
        levels = sorted({metric.level for metric in own if metric.name == claim.metric})
        names = sorted({metric.name for metric in own if metric.level == claim.level})
        hint = f"At level {claim.level} there is: {', '.join(names) or 'nothing'}{nearest(claim.metric, names)}"
        hint = f"{claim.metric} has the level {', '.join(levels)}." if levels else hint
        by = "no stage" if claim.stage is None else claim.stage
        what = f"{by} measured {claim.metric} at level {claim.level}" if claim.stage is None else f"{by} did not measure {claim.metric} so"
        raise UsageError(what, where=where, hint=hint)
    return found[0]
