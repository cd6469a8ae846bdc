"""``metrics.json`` of a stage, read as what it is: text that user code may have written."""

from __future__ import annotations

from pydantic import ValidationError

from exseos.errors import CapsuleError
from exseos.metrics import Metric
from exseos.records.bounded import read_json

_LIMIT_BYTES = 4 << 20
_MOST = 20_000
_LONGEST = 1000
"""Characters of a text of a metric, as in the index."""


def parse_metrics(data: bytes, where: str) -> list[Metric]:
    """The metrics of the text ``data``; raises ``CapsuleError`` at the first that is none, or if a number is there twice."""
    plain = read_json(data, where, most_bytes=_LIMIT_BYTES)
    if not isinstance(plain, list) or len(plain) > _MOST:
        raise CapsuleError("not a list of metrics", where=where)
    found: dict[tuple[str, str, str], Metric] = {}
    for number, one in enumerate(plain):
        if not isinstance(one, dict) or len(one) > len(Metric.model_fields):
            raise CapsuleError(f"not a list of metrics: {number} is none", where=where)
        try:
            metric = Metric.model_validate(one, strict=True)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, (number, *first["loc"])))
            raise CapsuleError(f"not a list of metrics: {place}: {first['msg']}", where=where) from error
        except OverflowError as error:
            raise CapsuleError(f"not a list of metrics: {number}.value: {error}", where=where) from error
        if long := [name for name, value in metric if isinstance(value, str) and len(value) > _LONGEST]:
            raise CapsuleError(f"not a list of metrics: {number}.{long[0]} has more than {_LONGEST} characters", where=where)
        if found.setdefault((metric.name, metric.level, metric.scope), metric) is not metric:
            raise CapsuleError(f"{metric.name} ({metric.level}) of {metric.scope} is measured twice", where=where)
    return list(found.values())
