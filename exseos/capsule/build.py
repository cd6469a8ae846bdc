"""Spec to capsule: pin, assemble, run, judge, pack."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from exseos.capsule.claims import ClaimsError, judge
from exseos.capsule.host import host_facts
from exseos.capsule.index import Index, MetricRecord
from exseos.capsule.pack import Packed, pack
from exseos.engines import choose
from exseos.engines.base import Engine, Limits
from exseos.errors import ExseosError, UsageError
from exseos.image.image import Image
from exseos.lock import Lock
from exseos.manifest import Manifest
from exseos.paths import absolute
from exseos.progress import Progress
from exseos.resolve import find_lock, lock_folder
from exseos.resolve.check import check_experiment
from exseos.resolve.data import bring_data
from exseos.resolve.image import image_of, own_wheel
from exseos.resolve.toolchains import find_installations
from exseos.spec import Spec, read_spec
from exseos.spec.models import Experiment
from exseos.store import Store
from exseos.study.plan import TRIAL, StagePlan, plan
from exseos.study.session import Session
from exseos.study.trial import StageResult, run_stage, run_trial
from exseos.study.vendor import Vendor, described
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
    check_cpu(read_cpuinfo())
    engine, why = choose(request.engine)
    progress.step(f"engine: {engine.version()} ({why})")
    with store.scratch() as scratch, ExitStack() as stack:
        ready = prepare(spec, request, scratch, store, progress)
        results = _run(ready, engine, request, store, scratch, stack, progress)
        metrics = [
            MetricRecord.model_validate({**metric.model_dump(), "trial": TRIAL, "stage": result.plan.name})
            for result in results
            for metric in result.metrics
        ]
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
    image = image_of(lock, wheel, store.cache, progress)
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


def _run(
    ready: Prepared, engine: Engine, request: BuildRequest, store: Store, scratch: Path, stack: ExitStack, progress: Progress
) -> list[StageResult]:
    sessions: dict[str, Session] = {}

    def session(stage: StagePlan) -> Session:
        """One worker for all that runs in the image alone, and one for each toolchain that is mounted."""
        name = "" if stage.exact else stage.toolchain or ""
        if name not in sessions or sessions[name].ended:
            folder = scratch / f"session {len(sessions)}"
            vendor = _mounted(ready, stage) if name else None
            sessions[name] = open_session(ready, engine, request.limits, folder, store, stack, progress, vendor)
        return sessions[name]

    stages = plan(ready.experiment)
    results = run_trial(
        stages,
        seed=ready.experiment.seed,
        image_id=ready.image.id,
        data={name: pin.sha256 for name, pin in ready.lock.data.items()},
        files=ready.files_digest,
        toolchains={pin.name: pin.fingerprint for pin in ready.lock.toolchains},
        store=store,
        session=session,
        progress=progress,
    )
    if request.check:
        second = open_session(ready, engine, request.limits, scratch / "second run", store, stack, progress)
        check_exact(results, second, ready.experiment.seed, progress)
    return results


def _mounted(ready: Prepared, stage: StagePlan) -> Vendor:
    """The installation that a stage needs; raises ``UsageError`` if it was not given."""
    name = stage.toolchain or ""
    if name in ready.vendors:
        return ready.vendors[name]
    pin = next(pin for pin in ready.lock.toolchains if pin.name == name)
    raise UsageError(
        f"this stage needs {vendor(name).title} {pin.version}, which is not mounted",
        where=stage.name,
        hint=f"Give its installation with --toolchain {name}=DIR. Finished stages are kept; `exseos doctor` lists what is here.",
    )


def open_session(
    ready: Prepared,
    engine: Engine,
    limits: Limits,
    folder: Path,
    store: Store,
    stack: ExitStack,
    progress: Progress,
    vendor: Vendor | None = None,
) -> Session:
    """Start a worker that sees the experiment; it ends with ``stack``."""
    folder.mkdir()
    session = Session(
        engine,
        ready.image,
        folder=folder,
        files=ready.files,
        data=ready.data,
        limits=limits,
        store=store,
        progress=progress,
        vendor=vendor,
    )
    return stack.enter_context(session)


def check_exact(results: list[StageResult], session: Session, seed: int, progress: Progress) -> None:
    """Run every exact stage a second time, elsewhere and later; raises ``ExseosError`` naming each output that differs."""
    different: list[str] = []
    archived = {result.plan.name: (result.folder, result.manifest) for result in results}
    for result in results:
        if not result.plan.exact:
            progress.step(f"{result.plan.name}: not run again, its outputs are recorded")
            continue
        output, _ = run_stage(session, result.plan, seed, archived)
        names = differing(result.manifest, Manifest.of_tree(output))
        progress.step(f"{result.plan.name}: second run {'identical' if not names else 'DIFFERENT'}")
        different += [f"{result.plan.name}/{name}" for name in names]
    if different:
        listed = "\n".join(f"  {name}" for name in different[:20])
        raise ExseosError(
            f"not exact: a second run gave other bytes for\n{listed}", hint="Look for unseeded randomness, time or paths in your code."
        )


def differing(one: Manifest, two: Manifest) -> list[str]:
    """Paths whose digests differ, or that only one of the two has."""
    first, second = one.as_dict(), two.as_dict()
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
