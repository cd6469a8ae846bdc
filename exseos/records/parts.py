"""What the index of a capsule is made of, as format 1 has it: stages, metrics, claims, probes, files."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, FiniteFloat, field_validator, model_validator

from exseos.digest import sha256_json
from exseos.manifest import check_path
from exseos.metrics import Level, Metric
from exseos.records.names import listing_of

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
EntryName = Annotated[str, Field(max_length=1024), AfterValidator(check_path)]
ImageId = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$")]
Word = Annotated[str, Field(max_length=1000)]
Sentence = Annotated[str, Field(max_length=10_000)]
Tolerance = Annotated[float, Field(ge=0, le=1e300)]
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
    absolute: Tolerance | None
    relative: Tolerance | None
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
