"""How a build runs its stages: once, and with ``--check`` every exact one a second time, otherwise timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from exseos.capsule import build as building
from exseos.capsule.build import BuildRequest, Prepared
from exseos.engines.base import Engine
from exseos.errors import ExseosError, UsageError
from exseos.lock import ToolchainPin
from exseos.manifest import Manifest
from exseos.progress import Quiet
from exseos.spec.models import Experiment
from exseos.store import Store
from exseos.study.plan import StagePlan
from exseos.study.trial import StageResult
from exseos.study.workers import Inputs, Outcome
from tests.study.test_plan import ALL, DATA, SPEC

PINS = tuple(
    ToolchainPin(name=name, version="2023.2", fingerprint=f"sha256:{'a' * 64}", licence_variables=()) for name in ("vitis", "vivado")
)


class Fake(building.BuildWorkers):
    """Writes a file for each stage without any container; ``differing`` stages write another in the second run."""

    ran: ClassVar[list[tuple[str, str | None, str | None, bool]]] = []
    differing: ClassVar[frozenset[str]] = frozenset()

    def run(self, stage: StagePlan, seed: int, inputs: Inputs, then: StagePlan | None = None) -> Outcome:
        with nothing_runs():
            super().run(stage, seed, inputs, then)
        self.ran.append((stage.name, None if then is None else then.name, self.timing, self.allow_inexact))
        folder = self.folder / f"outputs-{len(self.ran)}"
        folder.mkdir()
        (folder / "file").write_text(stage.name if self.timing is None or stage.name not in self.differing else "other")
        return Outcome(folder, Manifest.of_tree(folder), {"seconds": 0.1})


class ContainerError(Exception):
    """A container would be started."""


@contextmanager
def nothing_runs() -> Iterator[None]:
    def start(*arguments: object, **options: object) -> None:
        raise ContainerError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(ContainerError):
        patch.setattr(building.Workers, "_session", start)
        yield


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    monkeypatch.setattr(Fake, "ran", [])
    monkeypatch.setattr(building, "BuildWorkers", Fake)
    return Fake


def run(folder: Path, request: BuildRequest, spec: dict[str, Any] = SPEC) -> list[StageResult]:
    lock = SimpleNamespace(data={name: SimpleNamespace(sha256=sha256) for name, sha256 in DATA.items()}, toolchains=PINS)
    image = SimpleNamespace(id="sha256:" + "1" * 64)
    given: Any = {"spec": None, "lock": lock, "wheel": folder, "image": image}
    ready = Prepared(**given, experiment=Experiment.model_validate(spec), data={}, files=folder, files_digest="f" * 64)
    store = Store(folder / "store")
    with store.scratch() as scratch:
        return building._run(ready, cast(Engine, None), request, scratch, store, Quiet())


def test_without_check_each_stage_runs_once_and_knows_the_next(fake: type[Fake], tmp_path: Path) -> None:
    run(tmp_path, BuildRequest(Path("spec.yaml")))
    assert fake.ran == [(name, then, None, False) for name, then in zip(ALL, [*ALL[1:], None], strict=True)]


def test_check_runs_exact_stages_again_with_all_threads_on_one_cpu(fake: type[Fake], tmp_path: Path) -> None:
    run(tmp_path, BuildRequest(Path("spec.yaml"), check=True))
    assert fake.ran[len(ALL) :] == [(name, then, "one cpu", False) for name, then in zip(ALL, [*ALL[1:], None], strict=True)]


def test_check_names_what_differs(fake: type[Fake], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "differing", frozenset({"train", "simulate"}))
    with pytest.raises(ExseosError, match=r"not exact: a second run gave other bytes for\n  train/file\n  simulate/file\n  Look"):
        run(tmp_path, BuildRequest(Path("spec.yaml"), check=True))


@pytest.mark.parametrize("check", [False, True])
def test_what_is_inexact_may_be_allowed(fake: type[Fake], tmp_path: Path, check: bool) -> None:
    run(tmp_path, BuildRequest(Path("spec.yaml"), check=check, allow_inexact=True))
    assert {allowed for *_, allowed in fake.ran} == {True}


def test_a_stage_whose_toolchain_is_not_mounted_is_refused_before_a_container_starts(tmp_path: Path) -> None:
    stage = StagePlan("synthesize-vitis", {}, {}, role="synthesize", toolchain="vitis", exact=False)
    given: Any = [None, None, tmp_path, {}, BuildRequest(Path("x")).limits, tmp_path / "workers", Store(tmp_path / "store"), Quiet()]
    workers = building.BuildWorkers(*given, pins={pin.name: pin for pin in PINS})
    with workers, pytest.raises(UsageError, match=r"this stage needs Vitis HLS 2023\.2, which is not mounted") as caught:
        workers.run(stage, 0, {})
    assert caught.value.hint is not None and "--toolchain vitis=DIR" in caught.value.hint
