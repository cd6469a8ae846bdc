"""Trainings of small models, of ``examples/tiny`` and of ``examples/magic`` on this CPU and on others."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exseos.capsule.build import BuildRequest, Prepared, open_session, prepare
from exseos.engines.base import Engine, Limits
from exseos.manifest import Manifest
from exseos.progress import Quiet
from exseos.spec import read_spec
from exseos.store import Store
from exseos.study.plan import plan

MODELS = Path(__file__).parent / "small_models"
ROWS, FEATURES = 1152, 64
Changes = Mapping[str, Mapping[str, Any]]
"""Section of the stage's parameters → parameter → value."""


EVALUATED = ", evaluated"
"""Behind the name of a training: what ``evaluate`` made of it."""
WHOLE_MAGIC = "magic: as it is"


def goldens() -> dict[str, str]:
    """Experiment and training → digest of all outputs of ``train``, or ``evaluate``; ``prepare`` among them. The same on every CPU."""
    found: dict[str, str] = json.loads(Path(__file__).with_name("goldens.json").read_text())
    return found


@dataclass(frozen=True)
class Ran:
    """What one stage made."""

    outputs: dict[str, str]
    """File → SHA-256."""
    facts: dict[str, Any]
    digest: str


class Trainings:
    """One experiment whose training runs again and again: with other parameters, on other CPUs."""

    def __init__(self, ready: Prepared, store: Store, scratch: Path) -> None:
        self.ready, self._store, self._scratch = ready, store, scratch
        scratch.mkdir()

    def run(self, engine: Engine, runs: Mapping[str, Changes], own_code: Collection[str] = ()) -> dict[str, Ran]:
        """What the stages made: ``prepare``, and a training for each name in ``runs``; its evaluation too, but of ``own_code``."""
        stages = {stage.name: stage for stage in plan(self.ready.experiment)}
        seed = self.ready.experiment.seed
        found = {}
        with ExitStack() as stack:
            folder = self._scratch / f"session {len(list(self._scratch.iterdir()))}"
            session = open_session(self.ready, engine, Limits(seconds=1800), folder, self._store, stack, Quiet())
            output, facts = session.run("prepare", stages["prepare"].parameters, seed, {})
            prepared = Manifest.of_tree(output)
            found["prepare"] = _ran(prepared, facts)
            for name, changes in runs.items():
                given = {section: {**(own or {}), **changes.get(section, {})} for section, own in stages["train"].parameters.items()}
                trained, facts = session.run("train", given, seed, {"prepare": (output, prepared)})
                found[name] = _ran(Manifest.of_tree(trained), facts)
                if name not in own_code:
                    inputs = {"prepare": (output, prepared), "train": (trained, Manifest.of_tree(trained))}
                    evaluated, facts = session.run("evaluate", stages["evaluate"].parameters, seed, inputs)
                    found[name + EVALUATED] = _ran(Manifest.of_tree(evaluated), facts)
        return found


def _ran(manifest: Manifest, facts: dict[str, Any]) -> Ran:
    return Ran({entry.path: entry.sha256 for entry in manifest}, facts, manifest.digest)


def example(spec: Path, store: Store, scratch: Path) -> Trainings:
    """The experiment of ``spec``, which has a lock."""
    scratch.mkdir()
    ready = prepare(read_spec(spec), BuildRequest(spec), scratch, store, Quiet())
    return Trainings(ready, store, scratch / "sessions")


def small_models(like: Trainings, store: Store, scratch: Path) -> Trainings:
    """The experiment in ``MODELS`` on made-up rows, in the image of another."""
    files, data = scratch / "files", scratch / "rows.csv"
    files.mkdir(parents=True)
    (files / "models.py").write_bytes((MODELS / "models.py").read_bytes())
    data.write_text("\n".join(_rows()) + "\n")
    experiment = read_spec(MODELS / "spec.yaml").experiment()
    ready = replace(like.ready, experiment=experiment, files=files, data={"rows": data})
    return Trainings(ready, store, scratch / "sessions")


def _rows() -> Iterable[str]:
    """CSV: multiples of 1/16 from -2 to 2, of a fixed generator, and one of four classes."""
    yield ",".join([*(f"f{column}" for column in range(FEATURES)), "label"])
    state = 1
    for row in range(ROWS):
        sixteenths = []
        for _ in range(FEATURES):
            state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            sixteenths.append((state >> 40) % 65 - 32)
        label = sum(value > 0 for value in sixteenths[:2]) + row % 2
        yield ",".join([*(str(value / 16) for value in sixteenths), f"class{label}"])
