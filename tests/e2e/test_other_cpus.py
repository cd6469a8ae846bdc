"""The same bits on every CPU: trainings on this one and on emulated ones, in the real image.

Without the kernels, and with other cache sizes, the same trainings give other bits: so these tests
can fail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from exseos.capsule import replay as replaying
from exseos.capsule.replay import ReplayRequest
from exseos.engines.bubblewrap import Bubblewrap
from exseos.progress import Quiet
from exseos.store import Store
from exseos.study.plan import StagePlan
from exseos.study.session import Session
from exseos.study.workers import Inputs, Outcome, Workers
from exseos.worker.numerics.audit import exact_table, not_in
from tests.e2e.conftest import CAPSULE, require_engine
from tests.e2e.running import Exseos
from tests.e2e.trainings import WHOLE_MAGIC, Changes, Ran, Trainings, example, goldens, is_measured, measured, small_models
from tests.numerics.emulator import Emulated, get_emulator
from tests.numerics.inside import WORK, run_inside
from tests.numerics.table import judge
from tests.numerics.without import Without

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network, pytest.mark.timeout(2400)]

HERE = "this CPU"
OTHER_CACHES = "EPYC,legacy-cache=on"
CPUS = ("Haswell", "EPYC", OTHER_CACHES)
KINDS = (
    *("dense", "convolution", "normalization", "attention", "gelu", "lstm", "embedding"),
    *("contraction64", "contraction512", "contraction2048"),
)
BY_CACHES = ("contraction512", "contraction2048")
"""Models that compute differently where caches have other sizes, if nothing is done about it."""
MEASURED = ("convolution", "attention", "lstm", "as it is", "five epochs")
"""Trainings after which ``evaluate`` runs as well."""
INEXACT = {"bessel": ["BesselI0e (float32)", "BesselI1e (float32)"]}
"""A model of which the audit must name operations."""
Results = dict[str, dict[str, Ran]]


def _kind(name: str) -> Changes:
    return {"model": {"kind": name}}


@pytest.fixture(scope="module")
def store(warm: Exseos) -> Store:
    return Store(warm.store)


@pytest.fixture(scope="module")
def emulator(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_engine("bubblewrap")
    return get_emulator(tmp_path_factory.mktemp("emulator") / "root", store.cache)


@pytest.fixture(scope="module")
def tiny(warm: Exseos, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return example(warm.sources / "examples/tiny/spec.yaml", store, tmp_path_factory.mktemp("tiny") / "scratch")


@pytest.fixture(scope="module")
def models(tiny: Trainings, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return small_models(tiny, store, tmp_path_factory.mktemp("models") / "scratch")


@pytest.fixture(scope="module")
def trained(
    warm: Exseos,
    store: Store,
    emulator: Path,
    tiny: Trainings,
    models: Trainings,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Results]:
    """Experiment → CPU → what each of its trainings made there."""
    magic = example(warm.sources / "examples/magic/spec.yaml", store, tmp_path_factory.mktemp("magic") / "scratch")
    kinds = {name: _kind(name) for name in (*KINDS, *INEXACT)}
    five: Mapping[str, Changes] = {"five epochs": {"train": {"epochs": 5}}}
    runs: dict[str, tuple[Trainings, Mapping[str, Changes]]] = {
        "magic": (magic, five),
        "models": (models, kinds),
        "tiny": (tiny, {"as it is": {}}),
    }
    engines = {HERE: Bubblewrap(), **{cpu: Emulated(emulator, cpu) for cpu in CPUS}}
    with ThreadPoolExecutor(2) as pool:
        futures: dict[str, dict[str, Future[dict[str, Ran]]]] = {name: {} for name in runs}
        for name, (trainings, changes) in runs.items():
            for cpu, engine in engines.items():
                some = {kind: changes[kind] for kind in BY_CACHES} if (name, cpu) == ("models", OTHER_CACHES) else changes
                futures[name][cpu] = pool.submit(trainings.run, engine, some, MEASURED)
        try:
            return {name: {cpu: future.result() for cpu, future in each.items()} for name, each in futures.items()}
        finally:  # after an error no further one is begun
            pool.shutdown(wait=False, cancel_futures=True)


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("name", ("tiny", "magic", "models"))
def test_equal_outputs(trained: dict[str, Results], name: str, cpu: str) -> None:
    here, there = trained[name][HERE], trained[name][cpu]
    assert here.keys() == there.keys() or (name, cpu) == ("models", OTHER_CACHES)
    assert {"prepare"} < there.keys() <= here.keys()
    different = {run: _differing(here[run], there[run]) for run in there if run not in INEXACT}
    assert not any(different.values()), different


def _differing(one: Ran, two: Ran) -> list[str]:
    return sorted(path for path in one.outputs.keys() | two.outputs.keys() if one.outputs.get(path) != two.outputs.get(path))


def test_known_to_be_exact(trained: dict[str, Results]) -> None:
    for name, results in trained.items():
        for cpu, runs in results.items():
            for run, ran in runs.items():
                if run != "prepare":
                    assert ran.facts["numerics"]["unknown"] == INEXACT.get(run, []), (name, cpu, run)
                    assert ran.facts["numerics"]["operations"] > (10 if is_measured(run) else 30)


def test_probe_tells_the_cpus_apart_only_where_they_compute_differently(trained: dict[str, Results]) -> None:
    for run in ("as it is", measured("as it is")):
        probes = {cpu: runs[run].facts["probe"]["digest"] for cpu, runs in trained["tiny"].items()}
        assert len(set(probes.values())) == 1, probes


def test_replay_with_what_tensorflow_computes_on_a_haswell(
    warm: Exseos, store: Store, emulator: Path, trained: dict[str, Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    class OnHaswell(Workers):
        """Runs training and measurement on the emulated CPU, all else here."""

        def _start(self, stage: StagePlan, *, warm: bool = False) -> Session:
            here = self.engine
            if stage.declared.numerics:
                ran.append(stage.name)
                self.engine = Emulated(emulator, "Haswell")
            try:
                return super()._start(stage, warm=warm)
            finally:
                self.engine = here

        def run(self, stage: StagePlan, seed: int, inputs: Inputs, then: StagePlan | None = None) -> Outcome:
            return super().run(stage, seed, inputs)  # one at a time: all share the engine

    monkeypatch.setattr(replaying, "Workers", OnHaswell)
    request = ReplayRequest(warm.folder / CAPSULE, engine="bubblewrap")
    verdict = replaying.replay(request, store, Quiet())
    assert ran == ["train", "evaluate"]
    assert verdict.verdict == "reproduced"
    assert {entry.verdict for entry in verdict.entries} == {"identical"}
    assert not any("known to be exact" in note for note in verdict.notes)


@pytest.mark.parametrize("part", ["kernels", "caches"])
def test_other_bits_without(trained: dict[str, Results], models: Trainings, part: str) -> None:
    """TensorFlow's own kernels, and other cache sizes, are seen in these trainings on any CPU."""
    kinds = {"kernels": ("normalization", "attention"), "caches": BY_CACHES}[part]
    found = models.run(Without(part), {kind: _kind(kind) for kind in kinds})
    here = trained["models"][HERE]
    assert found["prepare"].outputs == here["prepare"].outputs
    for kind in kinds:
        assert "model.keras" in _differing(found[kind], here[kind]), kind


def test_goldens(trained: dict[str, Results]) -> None:
    """What these trainings made on the machine where the digests were committed."""
    found = {f"{name}: {run}": ran.digest for name in trained for run, ran in trained[name][HERE].items() if run not in INEXACT}
    assert found == {name: digest for name, digest in goldens().items() if name != WHOLE_MAGIC}


def test_the_scan_behind_the_table(store: Store, emulator: Path, tiny: Trainings, tmp_path: Path) -> None:
    """``make exact-ops`` at its smallest: it finds no more than what the table holds, for the same libraries."""
    (tmp_path / "plan.json").write_text("{}")
    found = {}
    for name, engine in ((HERE, Bubblewrap()), ("Haswell", Emulated(emulator, "Haswell"))):
        found[name] = []
        for group in ("chains", "rows"):
            module = ["tests.numerics.scan", group, f"{WORK}/plan.json", f"{WORK}/result.json"]
            code, said = run_inside(engine, tiny.ready.image, store, module, tmp_path, seconds=600)
            assert code == 0, said[-3000:]
            found[name].append(json.loads((tmp_path / "result.json").read_text()))
    table, remarks = judge(found)
    assert not [remark for remark in remarks if "differ" in remark]
    known = exact_table()
    assert table["libraries"] == known["libraries"]
    assert table["packages"].items() <= known["packages"].items()
    assert len(table["exact"]) > 100
    assert list(not_in(table["exact"], known["exact"])) == []
