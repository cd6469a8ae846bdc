"""Spec to capsule: pin, assemble, run, judge, pack."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from exseos.capsule.claims import ClaimsError, judge
from exseos.capsule.comparison import differing
from exseos.capsule.host import host_facts
from exseos.capsule.pack import Packed, pack, parent_of
from exseos.engines import choose
from exseos.engines.base import Engine, Limits
from exseos.errors import ExseosError, UsageError
from exseos.image.image import Image
from exseos.lock import Lock, ToolchainPin
from exseos.manifest import Manifest
from exseos.paths import absolute
from exseos.progress import Progress
from exseos.records.index import Index
from exseos.records.parts import MetricRecord
from exseos.resolve import find_lock, lock_folder
from exseos.resolve.check import check_experiment
from exseos.resolve.data import bring_data
from exseos.resolve.image import image_of, own_wheel
from exseos.resolve.toolchains import find_installations
from exseos.spec import Spec, read_spec
from exseos.spec.models import Experiment
from exseos.store import Store
from exseos.study.plan import TRIAL, StagePlan, plan
from exseos.study.trial import StageResult, run_trial
from exseos.study.vendor import Vendor, described
from exseos.study.workers import Inputs, Outcome, Workers
from exseos.toolchains.vendor.installation import vendor
from exseos.worker.determinism import check_cpu, read_cpuinfo


@dataclass(frozen=True)
class BuildRequest:
    """What ``exseos capsule build`` was asked for."""

    spec: Path
    output: Path | None = None
    engine: str = "auto"
    without: frozenset[str] = frozenset()
    check: bool = False
    allow_failed_claims: bool = False
    data: Mapping[str, Path] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    toolchains: Mapping[str, Path] = field(default_factory=dict)
    """Vendors' toolchains by name → the folder of their installation."""
    network_for: frozenset[str] = frozenset()
    """Toolchains whose stages may use the host's network."""
    allow_inexact: bool = False
    """Train a model whose code gives other initial weights each time."""


@dataclass(frozen=True)
class Built:
    """A capsule that was written."""

    path: Path
    index: Index
    seal: str


@dataclass(frozen=True)
class Prepared:
    """All that is fixed before the first stage runs."""

    spec: Spec
    experiment: Experiment
    lock: Lock
    wheel: Path
    image: Image
    data: Mapping[str, Path]
    files: Path
    files_digest: str
    vendors: Mapping[str, Vendor] = field(default_factory=dict)
    """Toolchains that are mounted, by name."""


def build(request: BuildRequest, store: Store, progress: Progress) -> Built:
    """Build the capsule of ``request.spec``; raises ``ClaimsError`` if claims do not hold, ``ExseosError`` for anything else."""
    begin = time.time()
    spec = read_spec(request.spec, check_experiment(request.spec.parent, request.data))
    if spec.searches or (spec.experiment().search or None):
        raise UsageError(
            "this version builds one trial: a spec with searches cannot be built yet", where=str(request.spec), hint="Write the values out."
        )
    output = absolute(request.output or f"{spec.experiment().name}.capsule.zip")
    if output.is_dir():
        raise UsageError("this is a folder, not a file for the capsule", where=str(output))
    if not output.parent.is_dir():
        raise UsageError("there is no such folder for the capsule", where=str(output.parent))
    parent_of(spec.folder)  # what is wrong with it is told now, not when hours of work are to be packed
    check_cpu(read_cpuinfo())
    engine, why = choose(request.engine)
    progress.step(f"engine: {engine.version()} ({why})")
    with store.scratch() as scratch:
        ready = prepare(spec, request, scratch, store, progress)
        results = _run(ready, engine, request, scratch, store, progress)
        metrics = [MetricRecord.of(metric, TRIAL, result.plan.name) for result in results for metric in result.metrics]
        claims = judge(ready.experiment.claims, metrics, TRIAL)
        if not all(claim.holds for claim in claims) and not request.allow_failed_claims:
            raise ClaimsError(claims)
        host = host_facts(engine, begin)
        packed: Packed = pack(output, ready, results, metrics, claims, host, request.without, progress)
    return Built(output, packed.index, packed.seal)


def prepare(spec: Spec, request: BuildRequest, scratch: Path, store: Store, progress: Progress) -> Prepared:
    """Lock, toolchains, image, data and user files of ``spec``."""
    experiment, given = spec.experiment(), request.data
    mounted = find_installations(experiment, request.toolchains, request.network_for, progress)
    unknown = sorted(set(given) - set(experiment.data))
    if unknown:
        raise UsageError(f"--data names {unknown[0]!r}, which is no data source of the spec", hint=f"It has: {', '.join(experiment.data)}.")
    lock = find_lock(spec, store.cache, progress, mounted)
    pins = {pin.name: pin for pin in lock.toolchains}
    vendors = {name: Vendor(there, pins[name], name in request.network_for) for name, there in mounted.items()}
    for there in vendors.values():
        there.mounts()  # raises now what would be wrong hours later
    for name in sorted(pins.keys() - mounted.keys()):
        progress.step(
            f"not mounted: {described(pins[name])}; the build stops at its first stage that is not in the store (--toolchain {name}=DIR)"
        )
    wheel, pin = own_wheel(store.cache)
    lock = lock.model_copy(update={"exseos": pin})
    image = image_of(lock, experiment, wheel, store.cache, progress).image
    progress.step(f"image: {image.id}")
    data = {
        name: bring_data(name, source, lock.data[name], spec.folder, python=lock.python, cache=store.cache, progress=progress, given=given)
        for name, source in sorted(experiment.data.items())
    }
    files = scratch / "files"
    _copy_user_files(spec, experiment, files, progress)
    digest = Manifest.of_tree(files).digest
    return Prepared(spec, experiment, lock, wheel, image, data, files, digest, vendors)


def _copy_user_files(spec: Spec, experiment: Experiment, target: Path, progress: Progress) -> None:
    """Copy what travels of the user's folder; everything else stays at home."""
    target.mkdir()
    for name in experiment.user_files:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((spec.folder / name).read_bytes())
    listed = ", ".join([spec.path.name, f"{lock_folder(spec.path).name}/", *experiment.user_files])
    progress.step(f"travels in the capsule: {listed}")


def _run(ready: Prepared, engine: Engine, request: BuildRequest, scratch: Path, store: Store, progress: Progress) -> list[StageResult]:
    """Every stage that is not in the store, and with ``--check`` every exact one once more."""
    stages = plan(ready.experiment)
    seed = ready.experiment.seed
    with workers_of(ready, engine, request, scratch / "workers", store, progress) as workers:
        results = run_trial(
            stages,
            seed=seed,
            image_id=ready.image.id,
            data={name: pin.sha256 for name, pin in ready.lock.data.items()},
            files=ready.files_digest,
            toolchains={pin.name: pin.fingerprint for pin in ready.lock.toolchains},
            workers=workers,
            progress=progress,
        )
    if request.check:
        with workers_of(ready, engine, request, scratch / "second run", store, progress, timing="one cpu") as workers:
            check_exact(results, workers, seed, progress)
    return results


def workers_of(
    ready: Prepared,
    engine: Engine,
    request: BuildRequest,
    folder: Path,
    store: Store,
    progress: Progress,
    timing: Literal["one cpu"] | None = None,
) -> Workers:
    """Workers that see the experiment; a stage whose toolchain is not mounted is a ``UsageError``."""
    return BuildWorkers(
        engine,
        ready.image,
        ready.files,
        ready.data,
        request.limits,
        folder,
        store,
        progress,
        vendors=ready.vendors,
        allow_inexact=request.allow_inexact,
        timing=timing,
        pins={pin.name: pin for pin in ready.lock.toolchains},
    )


@dataclass
class BuildWorkers(Workers):
    """Workers that refuse a stage whose toolchain is not mounted."""

    pins: Mapping[str, ToolchainPin] = field(default_factory=dict)

    def run(self, stage: StagePlan, seed: int, inputs: Inputs, then: StagePlan | None = None) -> Outcome:
        """As ``Workers.run``; raises ``UsageError`` for an installation that was not given."""
        name = stage.toolchain or ""
        if not stage.exact and name not in self.vendors:
            raise UsageError(
                f"this stage needs {vendor(name).title} {self.pins[name].version}, which is not mounted",
                where=stage.name,
                hint=f"Give its installation with --toolchain {name}=DIR. Finished stages are kept; `exseos doctor` lists what is here.",
            )
        return super().run(stage, seed, inputs, then)


def check_exact(results: list[StageResult], workers: Workers, seed: int, progress: Progress) -> None:
    """Run every exact stage a second time, elsewhere and later; raises ``ExseosError`` naming each output that differs."""
    different: list[str] = []
    archived = {result.plan.name: (result.folder, result.manifest) for result in results}
    exact = [result.plan for result in results if result.plan.exact]
    for result in results:
        if not result.plan.exact:
            progress.step(f"{result.plan.name}: not run again, its outputs are recorded")
            continue
        then = next(iter(exact[exact.index(result.plan) + 1 :]), None)
        outcome = workers.run(result.plan, seed, archived, then)
        names = differing(result.manifest, outcome.manifest)
        progress.step(f"{result.plan.name}: second run {'identical' if not names else 'DIFFERENT'}")
        different += [f"{result.plan.name}/{name}" for name in names]
    if different:
        listed = "\n".join(f"  {name}" for name in different[:20])
        raise ExseosError(
            f"not exact: a second run gave other bytes for\n{listed}", hint="Look for unseeded randomness, time or paths in your code."
        )
