"""Spec to lock: making a lock, and telling whether one still fits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

from exseos.digest import sha256_bytes, sha256_json
from exseos.errors import UsageError
from exseos.image.base_lock import base_lock
from exseos.image.mirror import load_index
from exseos.image.resolver import resolve_packages
from exseos.lock import DebPackage, Lock, read_lock
from exseos.network import EVERYTHING, Network
from exseos.progress import Progress
from exseos.resolve.data import pin_data
from exseos.resolve.index import PLATFORM, resolve
from exseos.resolve.toolchains import check_mounted, pin_toolchains, vendor_toolchains, wanted_versions
from exseos.spec import Spec
from exseos.spec.models import Experiment
from exseos.toolchains.designs import toolchains as used_toolchains
from exseos.toolchains.vendor.installation import Installation


def lock_folder(spec: Path) -> Path:
    """Where the lock of the spec at ``spec`` stands: ``spec.lock/`` beside ``spec.yaml``."""
    return spec.with_suffix(".lock")


def make_lock(
    spec: Spec, cache: Path, progress: Progress, mounted: Mapping[str, Installation] | None = None, network: Network = EVERYTHING
) -> Lock:
    """Resolve everything anew, as of now. ``mounted`` are the installations of the vendors' toolchains that the spec names."""
    experiment = spec.experiment()
    pins = pin_toolchains(experiment, mounted or {})
    python = experiment.environment.python
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    progress.step("resolving Python packages")
    wheels = resolve(_requirements(experiment), python=python, exclude_newer=now, network=network)
    data = {}
    for name, source in sorted(experiment.data.items()):
        progress.step(f"pinning data {name}")
        data[name] = pin_data(name, source, spec.folder, python=python, cache=cache, progress=progress, network=network)
    return Lock(
        request=request_digests(experiment),
        python=python,
        platform=PLATFORM,
        exclude_newer=now,
        packages=tuple(_packages(experiment, cache, progress, network)),
        data=data,
        toolchains=pins,
        wheels=tuple(wheel.pin for wheel in wheels),
    )


def find_lock(
    spec: Spec, cache: Path, progress: Progress, mounted: Mapping[str, Installation] | None = None, network: Network = EVERYTHING
) -> Lock:
    """The lock beside the spec if it fits; a new one, written there, if there is none.

    Raises ``UsageError`` naming what changed if there is one that does not fit, or if an installation that is ``mounted`` is not the
    one it pins: a lock is never changed silently.
    """
    folder = lock_folder(spec.path)
    if not folder.exists():
        lock = make_lock(spec, cache, progress, mounted, network)
        lock.write(folder)
        progress.step(f"wrote the lock to {folder.name}/: keep it with the spec")
        return lock
    lock = read_lock(folder)
    changed = misfits(lock, spec.experiment())
    if changed:
        raise UsageError(
            f"the lock no longer fits the spec: {', '.join(changed)} changed",
            where=str(folder),
            hint=f"Make it anew with `{_lock_command(spec)}`, or undo the change.",
        )
    check_mounted(lock, mounted or {}, f"Mount the one locked, or lock the spec to this one with `{_lock_command(spec)}`.")
    return lock


def _lock_command(spec: Spec) -> str:
    flags = [f"--toolchain {name}=DIR" for name in vendor_toolchains(spec.experiment())]
    return " ".join(["exseos lock", spec.path.name, *flags])


def misfits(lock: Lock, experiment: Experiment) -> list[str]:
    """The parts of the request that a lock was not made for, or does not pin."""
    now = request_digests(experiment)
    changed = {part for part in now.keys() | lock.request.keys() if now.get(part) != lock.request.get(part)}
    return sorted(changed | set(unpinned(lock, experiment)))


def unpinned(lock: Lock, experiment: Experiment) -> list[str]:
    """Data sources (``data.events``) and mounted toolchains that ``experiment`` uses and the lock does not pin."""
    pins = {pin.name for pin in lock.toolchains}
    lacking = [f"data.{name}" for name in experiment.data if name not in lock.data]
    return [*lacking, *(f"toolchain {name}" for name in vendor_toolchains(experiment) if name not in pins)]


def request_digests(experiment: Experiment) -> dict[str, str]:
    """Digests of all that a lock depends on, by the name of the part of the spec."""
    parts: dict[str, object] = {
        "environment": experiment.environment.model_dump(mode="json"),
        "toolchain": sorted({*_extra_packages(experiment), *_tool_requirements(experiment)}),
        "exseos's own requirements": [_own_requirements(), sha256_bytes(base_lock().text().encode())],
    }
    if vendors := vendor_toolchains(experiment):
        parts["vendor toolchains"] = {name: wanted_versions(experiment, name) for name in vendors}
    for name, source in experiment.data.items():
        parts[f"data.{name}"] = source.model_dump(mode="json", include={"pypi", "path", "url", "member", "sha256"})
    return {part: sha256_json(value) for part, value in parts.items()}


def _requirements(experiment: Experiment) -> list[str]:
    return [*experiment.environment.requirements, *_own_requirements(), *_tool_requirements(experiment)]


def _tool_requirements(experiment: Experiment) -> tuple[str, ...]:
    return tuple(requirement for tool in used_toolchains(experiment).values() for requirement in tool.requirements)


def _packages(experiment: Experiment, cache: Path, progress: Progress, network: Network) -> list[DebPackage]:
    """The base layer's packages as shipped, and what the spec's further ones need besides."""
    base = base_lock()
    extra = _extra_packages(experiment)
    pinned = {package.name: package for package in base.packages}
    if pinned.keys() >= set(extra):
        return list(base.packages)
    resolved = resolve_packages([*base.roots, *extra], load_index(cache, progress, base.date, network))
    if virtual := sorted(set(extra) - {package.name for package in resolved}):
        # A lock is compared with the spec by names alone (``fit``), without the index that knows who provides what.
        raise UsageError(f"{virtual[0]} is a virtual package", where="environment.packages", hint="Name the package that provides it.")
    return sorted(
        (pinned | {package.name: package for package in resolved if package.name not in pinned}).values(), key=lambda one: one.name
    )


def _extra_packages(experiment: Experiment) -> list[str]:
    tools = {package for tool in used_toolchains(experiment).values() for package in tool.packages}
    return sorted({*experiment.environment.packages, *tools})


def _own_requirements() -> list[str]:
    """What the worker needs inside the image: the extra ``experiment`` of the running version."""
    found = []
    for line in requires("exseos") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and requirement.marker.evaluate({"extra": "experiment"}) and "extra" in str(requirement.marker):
            requirement.marker = None
            found.append(str(requirement))
    return sorted(found)
