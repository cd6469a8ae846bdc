"""A small, complete and valid capsule, made entry by entry so that tests can make invalid ones too."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exseos.capsule.index import (
    IMAGE_CONFIG,
    INDEX,
    LOCK,
    MANIFEST,
    README,
    SEAL,
    ClaimRecord,
    CreatedWith,
    Index,
    MetricRecord,
    OptionalFile,
    StageRecord,
    Trial,
    is_exact,
    is_sealed,
)
from exseos.capsule.readme import render
from pydantic import TypeAdapter

from exseos.archive import ArchiveWriter
from exseos.digest import canonical_json, sha256_bytes
from exseos.image.dockerfile import own_config
from exseos.image.image import Image, image_config
from exseos.image.layer import Layer
from exseos.image.tar import tree_tar
from exseos.lock import STAND_IN, DataPin, ExseosPin, Lock, ToolchainPin, WheelPin
from exseos.manifest import Entry, Manifest
from exseos.metrics import Metric

SPEC = """\
exseos: 1
name: sample
title: A sample | with *marks*
data:
  events: {path: ./tables/events.csv, format: csv, target: kind}
  elsewhere: {path: ../shared/more.csv, format: csv, target: kind}
model: {call: experiment.py:build}
"""
EVENTS = b"x,kind\n1,a\n2,b\n"
MORE = b"x,kind\n3,a\n"

Entries = dict[str, bytes]
NEEDS = f"Vitis HLS 2023.2 {STAND_IN}"
CLAIMS = (
    ClaimRecord(
        text="Table 1: accuracy",
        trial="trial-0",
        metric="accuracy",
        level="rtl",
        value=0.87,
        absolute=0.005,
        recorded=0.872,
        holds=True,
    ),
    ClaimRecord(
        text="It is small",
        trial="trial-0",
        metric="lut",
        level="synthesized",
        value=700,
        relative=0.05,
        recorded=749,
        holds=False,
    ),
)


@dataclass
class Sample:
    """Stage outputs and further files; ``entries()`` derives the index, the lists and the README from them."""

    stages: dict[str, dict[str, bytes]] = field(
        default_factory=lambda: {
            "prepare": {"x_train.npy": b"array" * 20, "prepared.json": b'{"task":"binary"}\n'},
            "train": {
                "model.keras": b"weights" * 30,
                "metrics.json": _metrics(("accuracy", 0.875, "1", "float"), ("parameters", 145, "count", "float")),
            },
            "synthesize": {
                "rtl/model.v": b"module model;\n",
                "metrics.json": _metrics(("accuracy", 0.872, "1", "rtl"), ("lut", 749, "count", "synthesized")),
            },
        }
    )
    files: Entries = field(
        default_factory=lambda: {
            "spec/spec.yaml": SPEC.encode(),
            "spec/experiment.py": b"def build(): ...\n",
            "spec/layers/dense.py": b"WIDTH = 8\n",
            "run/host.json": b'{"engine":"none"}\n',
            "attestations/statement.json": b'{"_type":"https://in-toto.io/Statement/v1"}\n',
            "data/events/events.csv": EVENTS,
            "data/elsewhere/more.csv": MORE,
        }
    )
    image_config: bytes = b'{"architecture":"amd64"}'
    recorded: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Outputs of stages that a vendor's tool ran, after all exact ones."""
    claims: tuple[ClaimRecord, ...] = field(default_factory=lambda: CLAIMS)

    def entries(self) -> Entries:
        """Every entry of the capsule by name."""
        lock = _lock()
        entries = {**self.files, LOCK: lock.json_bytes(), "lock/pylock.toml": lock.pylock_bytes(), IMAGE_CONFIG: self.image_config}
        outputs = {**self.stages, **self.recorded}
        records = [self._record(name) for name in outputs]
        for record in records:
            entries |= {f"{record.location}/{path}": data for path, data in outputs[record.stage].items()}
            if record.listing:
                entries[record.listing[0]] = record.listing[1].encode()
        return complete(entries, self._index(records, entries))

    def _record(self, name: str) -> StageRecord:
        outputs = {**self.stages, **self.recorded}
        digests = {stage: Manifest.of(Entry(path, sha256_bytes(data)) for path, data in files.items()) for stage, files in outputs.items()}
        names, exact = list(outputs), name in self.stages
        return StageRecord(
            trial="trial-0",
            stage=name,
            key=sha256_bytes(name.encode()),
            exact=exact,
            needs=None if exact else NEEDS,
            outputs_digest=digests[name].digest,
            outputs=digests[name].as_dict(),
            inputs={before: digests[before].digest for before in names[: names.index(name)]},
            location="data/prepared/trial-0" if name == "prepare" else f"{'results' if exact else 'run'}/trial-0/{name}",
        )

    def _index(self, records: list[StageRecord], entries: Entries) -> Index:
        metrics = tuple(
            MetricRecord(**metric.model_dump(), trial="trial-0", stage=stage)
            for stage, files in {**self.stages, **self.recorded}.items()
            for metric in read_metrics(files.get("metrics.json", b"[]"))
        )
        return Index(
            name="sample",
            title="A sample | with *marks*",
            id="0" * 64,
            image_id=f"sha256:{sha256_bytes(self.image_config)}",
            created_with=CreatedWith(exseos="0.1.0"),
            trials=(Trial(name="trial-0", chosen=True, values={}),),
            stages=tuple(records),
            metrics=metrics,
            claims=self.claims,
            probe={"train": {"digest": "ab" * 32}},
            optional={
                name: OptionalFile(sha256=sha256_bytes(data), size=len(data)) for name, data in entries.items() if name.startswith("data/")
            },
            parent=None,
            licence="CC-BY-4.0",
        )


def write_stages(folder: Path, sample: Sample, index: Index) -> None:
    """Every stage's outputs twice: where a capsule has them, and in ``plain/<stage>``, as a worker gives them."""
    outputs = {**sample.stages, **sample.recorded}
    for record in index.stages:
        for root in (folder / record.location, folder / "plain" / record.stage):
            for name, data in outputs[record.stage].items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(data)


def tiny_image(folder: Path) -> Image:
    """A canonical image of one small layer."""
    tree = folder / "tree"
    for name, data in {"bin/tool": b"#!/bin/sh\n", "etc/name": b"tiny\n", f"usr/{'long' * 30}": b"x" * 1500}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    (tree / "bin" / "link").symlink_to("tool")
    tar = b"".join(tree_tar(tree))
    layer = Layer(sha256_bytes(tar), len(tar), tree)
    config = image_config(own_config(), [("tiny", layer.sha256)])
    return Image(config, (layer,), folder)


def with_image(folder: Path) -> Entries:
    """The sample's entries, with a real image."""
    image = tiny_image(folder)
    sample = Sample(image_config=image.config_bytes)
    sample.files["image.tar"] = b"".join(image.archive())
    return sample.entries()


def complete(entries: Entries, index: Index) -> Entries:
    """``entries`` with the lists, the index (under its right id) and the README that belong to them."""
    manifest = _listed({name: data for name, data in entries.items() if is_exact(name)})
    index = index.model_copy(update={"id": manifest.digest})
    derived = {MANIFEST: manifest.text.encode(), INDEX: index.to_bytes(), README: render(index).encode()}
    return sealed({**entries, **derived})


def sealed(entries: Entries) -> Entries:
    """``entries`` with a fresh seal: what a forger can always make."""
    return {**entries, SEAL: _listed({name: data for name, data in entries.items() if is_sealed(name)}).text.encode()}


def write(path: Path, entries: Mapping[str, bytes]) -> Path:
    """The capsule file with ``entries``."""
    with ArchiveWriter(path) as writer:
        for name in sorted(entries, key=str.encode):
            writer.add_bytes(name, entries[name])
    return path


def opened(data: bytes) -> io.BytesIO:
    """``data`` as a file."""
    return io.BytesIO(data)


def read_metrics(data: bytes) -> list[Metric]:
    """The metrics of a ``metrics.json``."""
    return TypeAdapter(list[Metric]).validate_json(data)


def _metrics(*rows: tuple[str, float, str, str]) -> bytes:
    common = {"origin": "report.json", "tool": "tool", "version": "1.2", "scope": "design"}
    return (
        canonical_json([{"name": name, "value": value, "unit": unit, "level": level, **common} for name, value, unit, level in rows])
        + b"\n"
    )


def _listed(entries: Entries) -> Manifest:
    return Manifest.of(Entry(name, sha256_bytes(data)) for name, data in entries.items())


def _lock() -> Lock:
    return Lock(
        request={"requirements": "0" * 64},
        python="3.11",
        platform="linux",
        exclude_newer="2026-01-01T00:00:00Z",
        packages=(),
        data={
            "events": DataPin(filename="events.csv", size=len(EVENTS), sha256=sha256_bytes(EVENTS)),
            "elsewhere": DataPin(filename="more.csv", size=len(MORE), sha256=sha256_bytes(MORE)),
        },
        toolchains=(ToolchainPin(name="vitis", version="2023.2", fingerprint="stand-in:" + "7" * 64),),
        exseos=ExseosPin(version="0.1.0", filename="exseos-0.1.0-py3-none-any.whl", sha256="1" * 64),
        wheels=(WheelPin(name="numpy", version="2.0", filename="numpy-2.0-py3-none-any.whl", size=7, sha256="2" * 64),),
    )
