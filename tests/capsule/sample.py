"""A small, complete and valid capsule, packed as a build packs it, and taken apart so that tests can make invalid ones too."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from exseos import __version__
from exseos.archive import ArchiveReader, ArchiveWriter
from exseos.capsule.build import Prepared
from exseos.capsule.claims import judge
from exseos.capsule.pack import pack
from exseos.digest import sha256_bytes
from exseos.image.dockerfile import own_config
from exseos.image.image import Image, image_config
from exseos.image.layer import Layer
from exseos.image.tar import tree_tar
from exseos.lock import STAND_IN, DataPin, ExseosPin, Lock, ToolchainPin, WheelPin
from exseos.manifest import Entry, Manifest
from exseos.progress import Quiet
from exseos.records.index import Index
from exseos.records.names import INDEX, MANIFEST, README, SEAL, is_exact, is_sealed
from exseos.records.parts import MetricRecord
from exseos.records.readme import render
from exseos.resolve.toolchains import vendor_toolchains
from exseos.spec import Spec, read_spec
from exseos.study.plan import TRIAL, plan
from exseos.study.trial import StageResult

SPEC = """\
exseos: 1
name: sample
title: A sample | with *marks*
environment: {requirements: [numpy==2.0]}
data:
  events: {path: ./tables/events.csv, format: csv, target: kind}
  elsewhere: {path: ../shared/more.csv, format: csv, target: kind}
files: [layers/dense.py]
model: {call: "experiment.py:build", width: 8}
train: {epochs: 3, learning_rate: 0.01}
synthesize: {toolchain: open, clock_ns: 10}
claims:
  - {text: "Table 1: accuracy", metric: accuracy, level: rtl, value: 0.87, absolute: 0.005}
  - {text: It is small, metric: lut, level: synthesized, value: 700, relative: 0.05}
"""
WITH_VENDOR = SPEC.replace(
    "synthesize: {toolchain: open, clock_ns: 10}",
    "convert: {backend: Vitis}\nsynthesize: [{toolchain: open}, {toolchain: vitis}]",
).replace("metric: lut,", "stage: synthesize-open, metric: lut,")
NEEDS = f"Vitis HLS 2023.2 {STAND_IN}"
TOOLCHAINS = {
    "vitis": ToolchainPin(name="vitis", version="2023.2", fingerprint="stand-in:" + "7" * 64),
    "vivado": ToolchainPin(name="vivado", version="2023.2", fingerprint="stand-in:" + "8" * 64),
}
WHEEL = b"not a wheel, but what the lock pins as one"
WHEEL_NAME = f"lock/wheels/exseos-{__version__}-py3-none-any.whl"
EVENTS = b"x,kind\n1,a\n2,b\n"
MORE = b"x,kind\n3,a\n"
PROBE = {"digest": "ab" * 32, "cpu": "an old one"}

Entries = dict[str, bytes]


def metrics_file(*rows: tuple[str, float, str], tool: str = "tool", version: str = "1.2") -> bytes:
    """``metrics.json`` of (name, value, level)."""
    common = {"unit": "1", "origin": "report.json", "tool": tool, "version": version, "scope": "design"}
    return json.dumps([{"name": name, "value": value, "level": level, **common} for name, value, level in rows]).encode()


def _outputs() -> dict[str, Entries]:
    return {
        "prepare": {"x_train.npy": b"array" * 20, "prepared.json": b'{"task":"binary"}\n'},
        "train": {"model.keras": b"weights" * 30, "initial.json": b"{}\n"},
        "evaluate": {"metrics.json": metrics_file(("accuracy", 0.875, "float"), ("parameters", 145, "float"))},
        "synthesize": {
            "rtl/model.v": b"module model;\n",
            "metrics.json": metrics_file(("accuracy", 0.872, "rtl"), ("lut", 749, "synthesized")),
        },
    }


@dataclass
class Sample:
    """A spec and what its stages gave; ``entries()`` has all that follows from them."""

    spec: str = SPEC
    outputs: dict[str, Entries] = field(default_factory=_outputs)
    """Of each stage of the spec, files by name."""
    files: Entries = field(default_factory=lambda: {"experiment.py": b"def build(): ...\n", "layers/dense.py": b"WIDTH = 8\n"})
    """The author's, beside the spec."""
    data: Entries = field(default_factory=lambda: {"events": EVENTS, "elsewhere": MORE})
    """The file of each data source."""
    lock: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the lock that are otherwise than here."""
    more: Entries = field(default_factory=lambda: {"attestations/statement.json": b'{"_type":"https://in-toto.io/Statement/v1"}\n'})
    """Entries besides those that a build packs."""
    image: Image | None = None
    """With which it travels; default: none, and of the image only the configuration is there."""

    @staticmethod
    def with_vendor(**numbers: float) -> Sample:
        """Two designs, of which a stand-in for Vitis made the second; ``numbers`` are its metrics."""
        sample = Sample(spec=WITH_VENDOR)
        sample.outputs["synthesize-open"] = sample.outputs.pop("synthesize")
        sample.outputs["convert"] = {"firmware/model.cpp": b"code\n"}
        rows = [(name, value, "estimated") for name, value in (numbers or {"lut": 8123}).items()]
        metrics = metrics_file(*rows, tool="vitis_hls", version="2023.2 (stand-in)")
        sample.outputs["synthesize-vitis"] = {"reports/csynth.xml": b"<profile/>\n", "metrics.json": metrics}
        return sample

    def entries(self) -> Entries:
        """Every entry of the capsule by name."""
        with tempfile.TemporaryDirectory() as folder:
            packed = self._packed(Path(folder))
            with ArchiveReader(packed) as reader:
                entries = {name: reader.read(name) for name in reader.names}
        return complete({**entries, **self.more}, Index.parse(entries[INDEX])) if self.more else entries

    def _packed(self, folder: Path) -> Path:
        _write_all(folder / "spec", {**self.files, "spec.yaml": self.spec.encode()})
        spec = read_spec(folder / "spec" / "spec.yaml")
        ready = self._prepared(folder, spec)
        results = self._results(folder, ready)
        metrics = [MetricRecord.of(metric, TRIAL, result.plan.name) for result in results for metric in result.metrics]
        claims = judge(ready.experiment.claims, metrics, TRIAL)
        without = frozenset() if self.image else frozenset({"image"})
        pack(folder / "sample.capsule.zip", ready, results, metrics, claims, {"engine": "none"}, without, Quiet())
        return folder / "sample.capsule.zip"

    def _prepared(self, folder: Path, spec: Spec) -> Prepared:
        experiment = spec.experiment()
        data = self.data
        names = {name: PurePosixPath(source.path or "").name for name, source in experiment.data.items()}
        _write_all(folder / "data", {name: data[name] for name in names})
        wheel = folder / PurePosixPath(WHEEL_NAME).name
        wheel.write_bytes(WHEEL)
        image = self.image or Image(image_config(own_config(), [("one layer", "9" * 64)]), (), folder)
        digests = {name: sha256_bytes(self.files[name]) for name in experiment.user_files}
        lock = Lock(
            request={"environment": "0" * 64},
            python="3.11",
            platform="x86_64-manylinux_2_36",
            exclude_newer="2026-01-01T00:00:00Z",
            packages=(),
            data={name: DataPin(filename=names[name], size=len(data[name]), sha256=sha256_bytes(data[name])) for name in names},
            toolchains=tuple(TOOLCHAINS[name] for name in vendor_toolchains(experiment)),
            exseos=ExseosPin(version=__version__, filename=wheel.name, sha256=sha256_bytes(WHEEL)),
            wheels=(WheelPin(name="numpy", version="2.0", filename="numpy-2.0-py3-none-any.whl", size=7, sha256="2" * 64),),
        ).model_copy(update=self.lock)
        files_digest = Manifest.of(Entry(name, sha256) for name, sha256 in digests.items()).digest
        there = {name: folder / "data" / name for name in names}
        return Prepared(spec, experiment, lock, wheel, image, there, folder / "spec", files_digest)

    def _results(self, folder: Path, ready: Prepared) -> list[StageResult]:
        results: list[StageResult] = []
        for stage in plan(ready.experiment):
            _write_all(folder / "outputs" / stage.name, self.outputs[stage.name])
            key = stage.key(
                seed=ready.experiment.seed,
                image_id=ready.image.id,
                inputs={result.plan.name: result.manifest.digest for result in results},
                data={name: pin.sha256 for name, pin in ready.lock.data.items()},
                files=ready.files_digest,
                toolchains={pin.name: pin.fingerprint for pin in ready.lock.toolchains},
            )
            facts = {"probe": PROBE} if stage.declared.numerics else {}
            manifest = Manifest.of_tree(folder / "outputs" / stage.name)
            results.append(StageResult(stage, key, manifest, folder / "outputs" / stage.name, facts, reused=False))
        return results


def _write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def tiny_image(folder: Path) -> Image:
    """A canonical image of one small layer."""
    tree = folder / "tree"
    _write_all(tree, {"bin/tool": b"#!/bin/sh\n", "etc/name": b"tiny\n", f"usr/{'long' * 30}": b"x" * 1500})
    (tree / "bin" / "link").symlink_to("tool")
    tar = b"".join(tree_tar(tree))
    layer = Layer(sha256_bytes(tar), len(tar), tree)
    config = image_config(own_config(), [("tiny", layer.sha256)])
    return Image(config, (layer,), folder)


def with_image(folder: Path) -> Entries:
    """The sample's entries, with a real image."""
    return Sample(image=tiny_image(folder)).entries()


def complete(entries: Entries, index: Index) -> Entries:
    """``entries`` with the lists, the index (under its right id) and the README that belong to them."""
    manifest = _listed({name: data for name, data in entries.items() if is_exact(name)})
    index = index.model_copy(update={"id": manifest.digest})
    derived = {MANIFEST: manifest.text.encode(), INDEX: index.to_bytes(), README: render(index).encode()}
    return sealed({**entries, **derived})


def sealed(entries: Entries) -> Entries:
    """``entries`` with a fresh seal: what a forger can always make."""
    return {**entries, SEAL: _listed({name: data for name, data in entries.items() if is_sealed(name)}).text.encode()}


def forged(entries: Entries, **changes: Any) -> Entries:
    """``entries`` with fields of the index replaced, and keys, lists, README and seal that fit it again."""
    index = Index.parse(entries[INDEX])
    index = Index.model_validate({**index.model_dump(), **changes})
    stages = tuple(stage.model_copy(update={"key": stage.key_of(index.image_id)}) for stage in index.stages)
    return complete(entries, index.model_copy(update={"stages": stages}))


def write(path: Path, entries: Mapping[str, bytes]) -> Path:
    """The capsule file with ``entries``."""
    with ArchiveWriter(path) as writer:
        for name in sorted(entries, key=str.encode):
            writer.add_bytes(name, entries[name])
    return path


def opened(data: bytes) -> io.BytesIO:
    """``data`` as a file."""
    return io.BytesIO(data)


def _listed(entries: Entries) -> Manifest:
    return Manifest.of(Entry(name, sha256_bytes(data)) for name, data in entries.items())
