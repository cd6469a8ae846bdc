"""Trainings of small models, of ``examples/tiny`` and of ``examples/magic`` on this CPU and on others."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exseos.capsule.build import BuildRequest, Prepared, prepare
from exseos.engines.base import Engine, Limits
from exseos.manifest import Manifest
from exseos.progress import Quiet
from exseos.removal import remove_tree
from exseos.spec import read_spec
from exseos.store import Store, plain_modes
from exseos.study.outputs import Bounds, collect
from exseos.study.plan import StagePlan, plan
from exseos.study.session import Session

MODELS = Path(__file__).parent / "small_models"
ROWS, FEATURES = 1152, 64
_SECONDS = 1200.0
"""For one run, on an emulated CPU."""
Changes = Mapping[str, Mapping[str, Any]]
"""Section of the stage's parameters → parameter → value."""


WHOLE_MAGIC = "magic: as it is"


def goldens() -> dict[str, str]:
    """Experiment and run → digest of all outputs: of ``prepare``, of each training, and of its measurement. The same on every CPU."""
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

    def run(self, engine: Engine, runs: Mapping[str, Changes], measure: Collection[str] = ()) -> dict[str, Ran]:
        """What the stages made: ``prepare``, a training for each name in ``runs``, and for those in ``measure`` what ``evaluate`` made.

        The latter is called ``NAME, evaluated``; it takes no model of the user's own layers.
        """
        stages = {stage.name: stage for stage in plan(self.ready.experiment)}
        prepare, train, evaluate = stages["prepare"], stages["train"], stages["evaluate"]
        jobs: list[tuple[str, StagePlan]] = [("prepare", prepare)]
        for name, changes in runs.items():
            given = {section: {**(own or {}), **changes.get(section, {})} for section, own in train.parameters.items()}
            jobs.append((name, replace(train, parameters=given)))
            jobs += [(measured(name), evaluate)] if name in measure else []
        found: dict[str, Ran] = {}
        inputs: dict[str, tuple[Path, Manifest]] = {}
        folder = Path(tempfile.mkdtemp(prefix="session-", dir=self._scratch))  # several may run at once
        (folder / "worker").mkdir()
        plain_modes(self.ready.files)
        # One worker for all: on an emulated CPU TensorFlow takes half a minute to load.
        with Session(
            engine,
            self.ready.image,
            folder=folder / "worker",
            files=self.ready.files,
            data=self.ready.data,
            limits=Limits(seconds=_SECONDS),
            store=self._store,
            progress=Quiet(),
        ) as session:
            for number, (name, stage) in enumerate(jobs):
                own = {given: inputs[earlier] for given, earlier in stage.inputs.items()}
                facts = session.run(stage.kind, stage.parameters, self.ready.experiment.seed, own)
                made = folder / f"outputs-{number}"
                manifest = collect(session.output, made, Bounds(), name)
                for left in session.output.iterdir():
                    remove_tree(left)
                inputs[stage.name] = made, manifest
                found[name] = Ran({entry.path: entry.sha256 for entry in manifest}, facts, manifest.digest)
        return found


_MEASURED = ", evaluated"


def measured(name: str) -> str:
    """The measurement of the training ``name``."""
    return name + _MEASURED


def is_measured(run: str) -> bool:
    """Whether a run is the measurement of a training."""
    return run.endswith(_MEASURED)


def example(spec: Path, store: Store, scratch: Path) -> Trainings:
    """The experiment of ``spec``, which has a lock."""
    scratch.mkdir()
    ready = prepare(read_spec(spec), BuildRequest(spec), scratch, store, Quiet())
    return Trainings(ready, store, scratch / "runs")


def small_models(like: Trainings, store: Store, scratch: Path) -> Trainings:
    """The experiment in ``MODELS`` on made-up rows, in the image of another."""
    files, data = scratch / "files", scratch / "rows.csv"
    files.mkdir(parents=True)
    (files / "models.py").write_bytes((MODELS / "models.py").read_bytes())
    data.write_text("\n".join(_rows()) + "\n")
    experiment = read_spec(MODELS / "spec.yaml").experiment()
    ready = replace(like.ready, experiment=experiment, files=files, data={"rows": data})
    return Trainings(ready, store, scratch / "runs")


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
