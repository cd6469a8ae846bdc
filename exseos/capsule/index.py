"""``capsule.json``: the one index of a capsule, and the names of its entries.

==================== ============================================================ ======================
entries              content                                                      covered by
==================== ============================================================ ======================
spec/ lock/ results/ exact                                                        id and seal
capsule.json …       the index, its rendering, the list of exact entries, run/    seal
data/                what can be left out: data files and prepared arrays         digests in the index
image.tar            what can be left out: a function of ``lock/image.json``      the image id
attestations/        statements about the two ids                                 signatures of their own
==================== ============================================================ ======================

The seal is not in the index, since the index is sealed.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from rfc8785 import CanonicalizationError

from exseos.digest import canonical_json
from exseos.errors import CapsuleError
from exseos.manifest import Entry, Manifest, check_path
from exseos.metrics import Level, Metric
from exseos.spec.models import Claim
from exseos.spec.values import Name

INDEX = "capsule.json"
README = "README.md"
MANIFEST = "manifest-sha256.txt"
SEAL = "seal-sha256.txt"
IMAGE = "image.tar"
IMAGE_CONFIG = "lock/image.json"
LOCK = "lock/lock.json"
TEXT_LIMIT_BYTES = 64 << 20
"""The largest index, list or README that is read into memory."""

TRUST: tuple[Level, ...] = ("routed", "synthesized", "gate", "cosimulated", "rtl", "csim", "estimated", "float")
"""Levels from the one nearest to the hardware to the farthest."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
EntryName = Annotated[str, AfterValidator(check_path)]
ImageId = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


def is_exact(name: str) -> bool:
    """Whether the entry enters the experiment id."""
    return name.startswith(("spec/", "lock/", "results/"))


def is_optional(name: str) -> bool:
    """Whether the capsule may travel without the entry, with both ids unchanged."""
    return name == IMAGE or name.startswith("data/")


def is_sealed(name: str) -> bool:
    """Whether the entry enters the seal."""
    return not (name == SEAL or name.startswith("attestations/") or is_optional(name))


class Part(BaseModel):
    """A part of the index: frozen, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Trial(Part):
    """One assignment of the search space; ``chosen`` is the one that the paper is about."""

    name: Name
    chosen: bool
    values: dict[str, Any]


class StageRecord(Part):
    """One stage of one trial. ``outputs`` are relative to ``location``, a folder of the capsule; trials may share one."""

    trial: Name
    stage: Name
    key: Sha256
    exact: bool
    needs: str | None = Field(None, exclude_if=lambda needs: needs is None)
    """The toolchain of a recorded stage, with its version; it says so if that is a stand-in."""
    outputs_digest: Sha256
    outputs: dict[EntryName, Sha256]
    inputs: dict[Name, Sha256]
    location: EntryName

    @property
    def entries(self) -> dict[str, str]:
        """Entry name → SHA-256 of each output."""
        return {f"{self.location}/{path}": sha256 for path, sha256 in self.outputs.items()}

    @property
    def listing(self) -> tuple[str, str] | None:
        """For outputs under ``data/``: name and text of the exact list that keeps their digests in the id, even when they are left out."""
        if not self.location.startswith("data/"):
            return None
        text = Manifest.of(Entry(name, sha256) for name, sha256 in self.entries.items()).text
        return f"results/{self.location.removeprefix('data/')}-sha256.txt", text


class MetricRecord(Metric):
    """A metric, and the stage whose ``metrics.json`` holds it."""

    trial: str
    stage: str


class ClaimRecord(Claim):
    """A claim of the paper and what this capsule recorded for it; ``trial`` is a trial's name, never ``best``."""

    recorded: float | None
    holds: bool

    def accepts(self, number: float | None) -> bool:
        """Whether ``number`` lies within the tolerance, in decimal arithmetic: 0.875 is within 0.005 of 0.88."""
        if number is None:
            return False
        claimed = Decimal(repr(self.value))
        allowed = Decimal(repr(self.relative)) * abs(claimed) if self.relative is not None else Decimal(repr(self.absolute or 0))
        return abs(Decimal(repr(float(number))) - claimed) <= allowed


class OptionalFile(Part):
    """Digest and size of an entry under ``data/``, there or left out."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class CreatedWith(Part):
    """What wrote the capsule."""

    exseos: str


class Index(Part):
    """The whole of ``capsule.json``."""

    exseos_capsule: Literal[1] = 1
    name: Name
    title: str
    id: Sha256
    image_id: ImageId
    created_with: CreatedWith
    trials: tuple[Trial, ...]
    stages: tuple[StageRecord, ...]
    metrics: tuple[MetricRecord, ...]
    claims: tuple[ClaimRecord, ...]
    probe: dict[str, Any]
    """Stage → the numerics probe of the author's machine."""
    optional: dict[EntryName, OptionalFile]
    parent: Sha256 | None
    licence: str

    @field_validator("trials")
    @classmethod
    def _one_chosen(cls, trials: tuple[Trial, ...]) -> tuple[Trial, ...]:
        if len({trial.name for trial in trials}) != len(trials) or sum(trial.chosen for trial in trials) != 1:
            raise ValueError("trials need distinct names, and exactly one of them is the chosen one")
        return trials

    @staticmethod
    def parse(data: bytes) -> Index:
        """Read ``capsule.json``; anything but the canonical form of a valid index raises ``CapsuleError``."""
        try:
            index = Index.model_validate_json(data)
            canonical = index.to_bytes()
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise CapsuleError(f"not a valid index: {first['msg']}" + (f" ({place})" if place else ""), where=INDEX) from error
        except (CanonicalizationError, UnicodeError, RecursionError) as error:
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

    def metrics_of(self, trial: str) -> dict[str, dict[Level, float | int]]:
        """Name → level → value of the whole design's metrics, most trusted level first; of several stages, the first's."""
        found: dict[str, dict[Level, float | int]] = {}
        for metric in sorted(self.design_metrics(trial), key=lambda metric: (metric.name, TRUST.index(metric.level))):
            found.setdefault(metric.name, {}).setdefault(metric.level, metric.value)
        return found

    def design_metrics(self, trial: str) -> list[MetricRecord]:
        """The whole design's metrics, in the order of the index."""
        return [metric for metric in self.metrics if metric.trial == trial and metric.scope == "design"]

    def measured(self, claim: Claim, trial: str) -> list[MetricRecord]:
        """The metrics that a claim may be about: of its name and level, and of its stage if it names one."""
        return [
            metric
            for metric in self.design_metrics(trial)
            if (metric.name, metric.level) == (claim.metric, claim.level) and claim.stage in (None, metric.stage)
        ]

    def problems(self) -> Iterator[str]:
        """What the index says against itself."""
        trials = {trial.name for trial in self.trials}
        stages = {(record.trial, record.stage): record for record in self.stages}
        if len(stages) != len(self.stages):
            yield "a stage of a trial is there twice"
        owners: dict[str, tuple[str, str]] = {}
        for record in self.stages:
            for name, sha256 in record.entries.items():
                if owners.setdefault(name, (record.location, sha256)) != (record.location, sha256):
                    yield f"stage {record.stage} of {record.trial}: another stage has {name} too"
        for record in self.stages:
            label = f"stage {record.stage} of {record.trial}"
            if record.trial not in trials:
                yield f"{label}: there is no such trial"
            yield from (f"{label}: {problem}" for problem in _stage_problems(record))
            for name, digest in record.inputs.items():
                before = stages.get((record.trial, name))
                if before is None or before.outputs_digest != digest:
                    yield f"{label}: its input {name} is not what that stage gave"
        for name in self.optional:
            if not name.startswith("data/"):
                yield f"{name} cannot be an optional file"
        for metric in self.metrics:
            if (metric.trial, metric.stage) not in stages:
                yield f"metric {metric.name}: there is no stage {metric.stage} of {metric.trial}"
        yield from self._claim_problems(trials)

    def _claim_problems(self, trials: set[str]) -> Iterator[str]:
        for claim in self.claims:
            if claim.trial not in trials:
                yield f"claim {claim.text!r}: there is no trial {claim.trial}"
            measured = self.measured(claim, claim.trial)
            if len(measured) > 1:
                yield f"claim {claim.text!r}: several stages measured it, and it names none"
            recorded = measured[0].value if measured else None
            if claim.recorded != recorded:
                yield f"claim {claim.text!r}: recorded is {claim.recorded}, and the metric is {recorded}"
            if claim.holds != claim.accepts(recorded):
                yield f"claim {claim.text!r}: it is said {'' if claim.holds else 'not '}to hold, which is not so"


def _stage_problems(record: StageRecord) -> Iterator[str]:
    manifest = Manifest.of(Entry(path, sha256) for path, sha256 in record.outputs.items())
    if manifest.digest != record.outputs_digest:
        yield "its outputs do not give outputs_digest"
    room = record.location.partition("/")[0]
    if room not in (("results", "data") if record.exact else ("run",)):
        yield f"{'exact' if record.exact else 'recorded'} outputs cannot be in {record.location!r}"
