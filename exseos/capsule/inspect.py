"""What a capsule says of itself, from the few entries that say it: nothing is hashed through, so nothing is proven; see ``verify``."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from exseos.digest import sha256_bytes
from exseos.errors import CapsuleError
from exseos.metrics import Level
from exseos.records.capsule import Capsule
from exseos.records.index import Index
from exseos.records.names import IMAGE, INDEX, MANIFEST, SEAL
from exseos.records.parts import ClaimRecord, Part, Trial


class StageSummary(Part):
    """One stage: how many files it gave, and the digest of them all."""

    trial: str
    stage: str
    exact: bool
    needs: str | None
    """The toolchain that a recorded stage ran with."""
    files: int
    outputs_digest: str


class Inspection(Part):
    """What ``exseos capsule inspect`` shows. Sizes are in bytes."""

    id: str
    seal: str
    image_id: str
    name: str
    title: str
    licence: str
    created_with: str
    parent: str | None
    size: int
    sizes: dict[str, int]
    """First part of the entry names → bytes of their content."""
    has_image: bool
    has_data: bool
    left_out: tuple[str, ...]
    """Optional files of the index that are not in this file."""
    trials: tuple[Trial, ...]
    chosen: str
    metrics: dict[str, float | int]
    """The chosen trial's metrics, each at the level nearest to the hardware."""
    metrics_by_level: dict[str, dict[Level, float | int]]
    designs: dict[str, dict[Level, dict[str, float | int]]]
    """Stage → level → metrics: of several designs, each with its own."""
    claims: tuple[ClaimRecord, ...]
    stages: tuple[StageSummary, ...]


def inspect(source: Path | str | BinaryIO) -> Inspection:
    """Read the index and the two lists of the capsule at ``source``, a path or a seekable file.

    Raises ``CapsuleError`` if it is no capsule or its index does not fit the experiment id.
    """
    with Capsule(source) as capsule:
        index = capsule.index  # first: what has none is no capsule, whatever else it lacks
        if sha256_bytes(capsule.text(MANIFEST)) != index.id:
            raise CapsuleError(f"the experiment id is not that of {MANIFEST}", where=INDEX, hint="Run `exseos capsule verify` to see more.")
        return _inspection(capsule)


def _inspection(capsule: Capsule) -> Inspection:
    index, reader = capsule.index, capsule.reader
    sizes: dict[str, int] = {}
    for member in reader.members:
        part = member.name.partition("/")[0]
        sizes[part] = sizes.get(part, 0) + member.size
    by_level = index.metrics_of(index.chosen)
    return Inspection(
        id=index.id,
        seal=sha256_bytes(capsule.text(SEAL)),
        image_id=index.image_id,
        name=index.name,
        title=index.title,
        licence=index.licence,
        created_with=index.made_with,
        parent=index.parent,
        size=reader.file_size,
        sizes=sizes,
        has_image=IMAGE in reader,
        has_data=all(one.name in reader for one in index.optional),
        left_out=tuple(name for name in [*(one.name for one in index.optional), IMAGE] if name not in reader),
        trials=index.trials,
        chosen=index.chosen,
        metrics={name: next(iter(levels.values())) for name, levels in by_level.items()},
        metrics_by_level=by_level,
        designs=_by_stage(index),
        claims=index.claims,
        stages=tuple(
            StageSummary(
                trial=one.trial,
                stage=one.stage,
                exact=one.exact,
                needs=one.needs,
                files=len(capsule.outputs(one)),
                outputs_digest=one.outputs_digest,
            )
            for one in index.stages
        ),
    )


def _by_stage(index: Index) -> dict[str, dict[Level, dict[str, float | int]]]:
    found: dict[str, dict[Level, dict[str, float | int]]] = {}
    for metric in index.design_metrics(index.chosen):
        found.setdefault(metric.stage, {}).setdefault(metric.level, {})[metric.name] = metric.value
    return found
