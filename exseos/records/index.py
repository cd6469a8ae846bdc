"""``capsule.json``: the one index of a capsule, as format 1 has it.

It says what ran, with every parameter that counted, what came out and what the paper claims. Nothing in it is believed:
``exseos.capsule.verify`` derives it again from the spec, the lock and the outputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import FailFast, Field, ValidationError, field_validator
from rfc8785 import CanonicalizationError

from exseos.digest import canonical_json
from exseos.errors import CapsuleError
from exseos.metrics import Level
from exseos.records import FORMAT
from exseos.records.bounded import read_json
from exseos.records.names import INDEX
from exseos.records.parts import (
    ClaimRecord,
    ImageId,
    MetricRecord,
    Name,
    OptionalFile,
    Part,
    Probe,
    Sentence,
    Sha256,
    StageRecord,
    Trial,
    Word,
)

INDEX_LIMIT_BYTES = 8 << 20

TRUST: tuple[Level, ...] = ("routed", "synthesized", "gate", "cosimulated", "rtl", "csim", "estimated", "float")
"""Levels from the one nearest to the hardware to the farthest."""


class Index(Part):
    """The whole of ``capsule.json``."""

    exseos_capsule: Literal[1] = 1
    name: Name
    title: Sentence
    licence: Word
    id: Sha256
    image_id: ImageId
    made_with: Word
    """The version of ExSeOS-HLS."""
    parent: Sha256 | None
    trials: Annotated[tuple[Trial, ...], FailFast()]
    stages: Annotated[tuple[StageRecord, ...], FailFast()]
    metrics: Annotated[tuple[MetricRecord, ...], FailFast(), Field(max_length=20_000)]
    claims: Annotated[tuple[ClaimRecord, ...], FailFast(), Field(max_length=300)]
    probes: Annotated[tuple[Probe, ...], FailFast()]
    optional: Annotated[tuple[OptionalFile, ...], FailFast()]

    @field_validator("stages")
    @classmethod
    def _apart(cls, stages: tuple[StageRecord, ...]) -> tuple[StageRecord, ...]:
        if len({record.location for record in stages}) != len(stages):
            raise ValueError("two stages have one location")
        return stages

    @field_validator("trials")
    @classmethod
    def _one_chosen(cls, trials: tuple[Trial, ...]) -> tuple[Trial, ...]:
        if len({trial.name for trial in trials}) != len(trials) or sum(trial.chosen for trial in trials) != 1:
            raise ValueError("trials need distinct names, and exactly one of them is the chosen one")
        return trials

    @staticmethod
    def parse(data: bytes) -> Index:
        """Read ``capsule.json``; anything but the canonical form of a valid index raises ``CapsuleError``."""
        plain = read_json(data, INDEX, most_bytes=INDEX_LIMIT_BYTES)
        _check_format(plain)
        try:
            index = Index.model_validate(plain)
            canonical = index.to_bytes()
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise CapsuleError(f"not a valid index: {first['msg']}" + (f" ({place})" if place else ""), where=INDEX) from error
        except (CanonicalizationError, ValueError, OverflowError, RecursionError) as error:
            raise CapsuleError(f"not a valid index: {error}", where=INDEX) from error
        if canonical != data:
            raise CapsuleError("the index is not in canonical form (RFC 8785 and a newline)", where=INDEX)
        return index

    def to_bytes(self) -> bytes:
        """Canonical JSON and a newline."""
        return canonical_json(self.model_dump(mode="json")) + b"\n"

    @property
    def chosen(self) -> str:
        """Name of the chosen trial."""
        return next(trial.name for trial in self.trials if trial.chosen)

    def stages_of(self, trial: str) -> list[StageRecord]:
        """The stages of one trial, in their order."""
        return [record for record in self.stages if record.trial == trial]

    def probe_of(self, stage: str) -> str | None:
        """Digest of the author's numerics probe of a stage."""
        return next((probe.digest for probe in self.probes if probe.stage == stage), None)

    def metrics_of(self, trial: str) -> dict[str, dict[Level, float | int]]:
        """Name → level → value of the whole design's metrics, most trusted level first; of several stages, the first's."""
        found: dict[str, dict[Level, float | int]] = {}
        for metric in sorted(self.design_metrics(trial), key=lambda metric: (metric.name, TRUST.index(metric.level))):
            found.setdefault(metric.name, {}).setdefault(metric.level, metric.value)
        return found

    def design_metrics(self, trial: str) -> list[MetricRecord]:
        """The whole design's metrics, in the order of the index."""
        return [metric for metric in self.metrics if metric.trial == trial and metric.scope == "design"]

    def is_measured_twice(self, metric: MetricRecord) -> bool:
        """Whether several stages of its trial measured what ``metric`` is."""
        return self._times[metric.trial, metric.name, metric.level, metric.scope] > 1

    @cached_property
    def _times(self) -> Counter[tuple[str, str, Level, str]]:
        return Counter((one.trial, one.name, one.level, one.scope) for one in self.metrics)

    def measured(self, claim: ClaimRecord) -> list[MetricRecord]:
        """The metrics that a claim may be about: of its trial, name and level, and of its stage if it names one."""
        found = self._by_number.get((claim.trial, claim.metric, claim.level), ())
        return [metric for metric in found if claim.stage in (None, metric.stage)]

    @cached_property
    def _by_number(self) -> dict[tuple[str, str, Level], list[MetricRecord]]:
        found: dict[tuple[str, str, Level], list[MetricRecord]] = {}
        for metric in self.metrics:
            if metric.scope == "design":
                found.setdefault((metric.trial, metric.name, metric.level), []).append(metric)
        return found

    def problems(self) -> Iterator[str]:
        """What the index says against itself."""
        stages = {(record.trial, record.stage): record for record in self.stages}
        if len(stages) != len(self.stages):
            yield "a stage of a trial is there twice"
        for record in self.stages:
            label = f"stage {record.stage} of {record.trial}"
            for one in record.inputs:
                before = stages.get((record.trial, one.stage))
                if before is None or before.outputs_digest != one.outputs:
                    yield f"{label}: its input {one.stage} is not what that stage gave"
            try:
                if record.key_of(self.image_id) != record.key:
                    yield f"{label}: its key does not follow from its parameters and inputs"
            except (CanonicalizationError, ValueError) as error:
                yield f"{label}: its parameters have no canonical form ({error})"
        for optional in self.optional:
            if not optional.name.startswith("data/"):
                yield f"{optional.name} cannot be an optional file"
        if any(one.name >= two.name for one, two in pairwise(self.optional)):
            yield "its optional files are not in the order of their names, or one is there twice"
        for metric in self.metrics:
            if (metric.trial, metric.stage) not in stages:
                yield f"metric {metric.name}: there is no stage {metric.stage} of {metric.trial}"
        for claim in self.claims:
            measured = self.measured(claim)
            if len(measured) > 1:
                yield f"claim {claim.text!r}: several stages measured it, and it names none"
            recorded = measured[0].value if measured else None
            if claim.recorded != recorded:
                yield f"claim {claim.text!r}: recorded is {claim.recorded}, and the metric is {recorded}"
            if claim.holds != claim.accepts(recorded):
                yield f"claim {claim.text!r}: it is said {'' if claim.holds else 'not '}to hold, which is not so"


def _check_format(plain: Any) -> None:
    """Tell a capsule of another format from a damaged one."""
    found = plain.get("exseos_capsule") if isinstance(plain, dict) else None
    if found == FORMAT and "made_with" not in plain and "created_with" in plain:
        raise CapsuleError(
            "a capsule of the time before format 1, which no released version wrote",
            where=INDEX,
            hint="Build it again from its spec: `unzip FILE 'spec/*'`.",
        )
    if isinstance(found, int) and found > FORMAT:
        raise CapsuleError(f"a capsule of format {found}; this version reads format {FORMAT}", where=INDEX, hint="Install a newer exseos.")
