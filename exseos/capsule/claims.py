"""Claims: what the paper says against what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exseos.capsule.index import ClaimRecord, MetricRecord
from exseos.errors import ExseosError, UsageError
from exseos.spec.models import Claim
from exseos.spec.problems import nearest


class ClaimsError(ExseosError):
    """Claims do not hold; ``records`` are all of them."""

    def __init__(self, records: Sequence[ClaimRecord]) -> None:
        self.records = tuple(records)
        failed = [record for record in records if not record.holds]
        lines = [f"  {record.text}: claimed {describe(record)}, measured {record.recorded:g}" for record in failed]
        super().__init__(
            f"{len(failed)} of {len(records)} claims do not hold\n" + "\n".join(lines),
            hint="Correct the claims or the experiment, or build with --allow-failed-claims. Finished stages are kept.",
        )


def describe(claim: Claim) -> str:
    """``0.87 ± 0.005`` or ``740 ± 5 %``, with the metric and level."""
    tolerance = f" ± {claim.absolute:g}" if claim.absolute else ""
    if claim.relative is not None:
        tolerance = f" ± {100 * claim.relative:g} %"
    return f"{claim.metric} ({claim.level}) {claim.value:g}{tolerance}"


def judge(claims: Iterable[Claim], metrics: Sequence[MetricRecord], trial: str) -> tuple[ClaimRecord, ...]:
    """Each claim with the recorded number and whether it holds; a claim about a number or trial that is not there is an error."""
    values = {(metric.name, metric.level): metric.value for metric in metrics if metric.trial == trial and metric.scope == "design"}
    records = []
    for index, claim in enumerate(claims):
        if claim.trial not in ("best", trial):
            raise UsageError(f"there is no trial {claim.trial!r}", where=f"claims[{index}].trial", hint=f"There is: best, {trial}.")
        recorded = values.get((claim.metric, claim.level))
        if recorded is None:
            levels = sorted(level for name, level in values if name == claim.metric)
            names = sorted({name for name, level in values if level == claim.level})
            hint = f"At level {claim.level} there is: {', '.join(names) or 'nothing'}{nearest(claim.metric, names)}"
            hint = f"{claim.metric} has the level {', '.join(levels)}." if levels else hint
            raise UsageError(f"no stage measured {claim.metric} at level {claim.level}", where=f"claims[{index}]", hint=hint)
        record = ClaimRecord.model_validate({**claim.model_dump(), "trial": trial, "recorded": recorded, "holds": False})
        records.append(record.model_copy(update={"holds": record.accepts(recorded)}))
    return tuple(records)
