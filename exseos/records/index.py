"""``capsule.json``: the one index of a capsule, as format 1 has it.

It says what ran, with every parameter that counted, what came out and what the paper claims. Nothing in it is believed:
``exseos.capsule.verify`` derives it again from the spec, the lock and the outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, FiniteFloat, ValidationError, field_validator, model_validator
from rfc8785 import CanonicalizationError

from exseos.digest import canonical_json, sha256_json
from exseos.errors import CapsuleError
from exseos.manifest import check_path
from exseos.metrics import Level, Metric
from exseos.records import FORMAT
from exseos.records.bounded import read_json
from exseos.records.names import INDEX, listing_of

INDEX_LIMIT_BYTES = 8 << 20

TRUST: tuple[Level, ...] = ("routed", "synthesized", "gate", "cosimulated", "rtl", "csim", "estimated", "float")
"""Levels from the one nearest to the hardware to the farthest."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
EntryName = Annotated[str, Field(max_length=1024), AfterValidator(check_path)]
ImageId = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$")]
Word = Annotated[str, Field(max_length=1000)]
Sentence = Annotated[str, Field(max_length=10_000)]
Seed = Annotated[int, Field(ge=0, lt=2**53)]


class Part(BaseModel):
    """A part of the index: frozen, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _no_further_keys(cls, value: Any) -> Any:
        """Stop at the first unknown key: pydantic would tell of each, and a forger may have written a million."""
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    raise ValueError(f"there is no key {key[:80]!r} in this format")
        return value


class Trial(Part):
    """One assignment of the search space; ``chosen`` is the one that the paper is about."""

    name: Name
    chosen: bool
    values: dict[str, Any]


class Input(Part):
    """An earlier stage that a stage read: what it calls it, which one, and the digest of its outputs."""

    name: Name
    stage: Name
    outputs: Sha256


class DataFile(Part):
    """A data source that a stage read, and the digest of its file."""

    name: Name
    sha256: Sha256


class StageRecord(Part):
    """One stage of one trial, with all that its result depends on: ``key`` is the digest of that.

    Its outputs are the entries below ``location``; ``outputs_digest`` is that of their list.
    """

    trial: Name
    stage: Name
    kind: Name
    exact: bool
    parameters: dict[str, Any]
    """The effective ones: those of the spec, and the defaults of the version that made the capsule."""
    seed: Seed
    inputs: Annotated[tuple[Input, ...], FailFast()]
    data: Annotated[tuple[DataFile, ...], FailFast()]
    files: Sha256 | None
    """Digest of the list of the author's files, for a stage that runs them."""
    toolchain: Word | None
    """Name of the one in the image, fingerprint of one that was mounted."""
    needs: Word | None
    """The toolchain of a recorded stage, with its version; it says so if that is a stand-in."""
    key: Sha256
    outputs_digest: Sha256
    location: EntryName

    @property
    def listing(self) -> str | None:
        """The exact entry that lists outputs which may be left out."""
        return listing_of(self.location)

    def key_of(self, image_id: str) -> str:
        """The key that follows from the rest of the record: where a store has this result."""
        return stage_key(
            kind=self.kind,
            parameters=self.parameters,
            seed=self.seed,
            image_id=image_id,
            inputs={one.name: one.outputs for one in self.inputs},
            data={one.name: one.sha256 for one in self.data},
            files=self.files,
            toolchain=self.toolchain,
        )


def stage_key(
    *,
    kind: str,
    parameters: Mapping[str, Any],
    seed: int,
    image_id: str,
    inputs: Mapping[str, str],
    data: Mapping[str, str],
    files: str | None,
    toolchain: str | None,
) -> str:
    """SHA-256 of all that the result of a stage depends on; never of engine, host, worker or time."""
    return sha256_json(
        {
            "stage": kind,
            "parameters": parameters,
            "seed": seed,
            "image": image_id,
            "inputs": inputs,
            "data": data,
            "files": files,
            "toolchain": toolchain,
        }
    )


class MetricRecord(Part):
    """A number of one stage of one trial, as its ``metrics.json`` has it."""

    trial: Name
    stage: Name
    name: Word
    value: FiniteFloat | int
    unit: Word
    level: Level
    origin: Word
    tool: Word
    version: Word
    scope: Word

    @field_validator("value")
    @classmethod
    def _json_number(cls, value: float | int) -> float | int:
        return float(value) if abs(value) >= 2**53 else value

    @staticmethod
    def of(metric: Metric, trial: str, stage: str) -> MetricRecord:
        """The record of a metric that a stage wrote."""
        return MetricRecord(trial=trial, stage=stage, **metric.model_dump())


class ClaimRecord(Part):
    """A claim of the paper and what this capsule recorded for it; ``trial`` is a trial's name, never ``best``."""

    text: Sentence
    trial: Name
    stage: Name | None
    metric: Word
    level: Level
    value: FiniteFloat
    absolute: FiniteFloat | None
    relative: FiniteFloat | None
    recorded: FiniteFloat | int | None
    holds: bool

    def accepts(self, number: float | None) -> bool:
        """Whether ``number`` lies within the tolerance, in decimal arithmetic: 0.875 is within 0.005 of 0.88."""
        if number is None:
            return False
        claimed = Decimal(repr(self.value))
        allowed = Decimal(repr(self.relative)) * abs(claimed) if self.relative is not None else Decimal(repr(self.absolute or 0))
        return abs(Decimal(repr(float(number))) - claimed) <= allowed


class Probe(Part):
    """The numerics probe of one stage on the author's machine."""

    stage: Name
    digest: Sha256
    cpu: Word


class OptionalFile(Part):
    """Digest and size in bytes of an entry under ``data/``, there or left out."""

    name: EntryName
    sha256: Sha256
    size: Annotated[int, Field(ge=0, lt=2**53)]


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
            index = Index.model_validate_json(data)
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
        if len({one.name for one in self.optional}) != len(self.optional):
            yield "an optional file is there twice"
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
