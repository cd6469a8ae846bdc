"""A spec: is it right, does its lock fit, are data and toolchains there, is there room? All that would stop its build, at once."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

from exseos.capsule.doctor.findings import SECONDS, Check, Finding, failed, gather, together
from exseos.capsule.doctor.licences import licences
from exseos.capsule.doctor.needed import needed, unused
from exseos.capsule.doctor.space import Space, image_files, in_store, megabytes
from exseos.capsule.doctor.toolchains import Toolchains, flag
from exseos.digest import sha256_file
from exseos.errors import ExseosError
from exseos.lock import Lock, read_lock
from exseos.resolve import lock_folder, misfits
from exseos.resolve.check import check_experiment
from exseos.resolve.toolchains import vendor_toolchains
from exseos.spec import Spec, SpecError, read_spec
from exseos.spec.models import Experiment, Source
from exseos.study.plan import plan

_HASHED = 512 << 20
"""Bytes up to which a data file is hashed here; a build hashes every one."""


def examine_spec(
    path: Path,
    given: Collection[str],
    tools: Toolchains,
    environment: Mapping[str, str],
    seconds: float = SECONDS,
) -> list[Finding]:
    """What there is to say of the spec at ``path``; ``given`` names the toolchains that the user gave a folder for."""
    spec = together({"spec": lambda: read_spec(path, check_experiment(path.parent))}, seconds)["spec"]
    if isinstance(spec, ExseosError):
        return _wrong(path, spec)
    experiment = spec.experiment()
    folder = lock_folder(path)
    lock = together({"lock": partial(read_lock, folder)}, seconds)["lock"] if folder.exists() else None
    pinned = lock if isinstance(lock, Lock) else None
    vendors = list(vendor_toolchains(experiment).values())
    checks = [
        Check("spec", "spec", lambda: _spec(spec, experiment), "problem"),
        Check("spec", "lock", lambda: _lock(path, experiment, lock, tools), "problem"),
        *(Check("spec", f"data {name}", partial(_data, name, source, path.parent, pinned)) for name, source in experiment.data.items()),
        *(Check("spec", tool.name, partial(needed, tool, experiment, given, tools, pinned, path), "problem") for tool in vendors),
        Check("spec", "licences", lambda: licences(vendors, environment, "spec")),
        Check("spec", "room", lambda: Space(experiment, pinned, path.parent).findings()),
    ]
    return [*gather(checks, seconds), *unused(experiment, given)]


def _wrong(path: Path, error: ExseosError) -> list[Finding]:
    if not isinstance(error, SpecError):
        return [failed("spec", "spec", "problem", error)]
    return [Finding("spec", "spec", "problem", line, error.hint or "") for line in error.what.splitlines()[1:]]


def _spec(spec: Spec, experiment: Experiment) -> Iterator[Finding]:
    if spec.searches or experiment.search:
        text = "it has searches, and this version builds one trial"
        yield Finding("spec", "spec", "problem", text, "Write the values out.")
        return
    stages = [stage.name if stage.exact else f"{stage.name} (recorded)" for stage in plan(experiment)]
    yield Finding("spec", "spec", "ok", f"{experiment.name} is right; stages: {', '.join(stages)}")


def _lock(path: Path, experiment: Experiment, lock: Lock | ExseosError | None, tools: Toolchains) -> Iterator[Finding]:
    flags = [flag(tools.given[name]) if name in tools.given else f"--toolchain {name}=DIR" for name in vendor_toolchains(experiment)]
    again = f"`{' '.join(['exseos lock', shlex.quote(str(path)), *flags])}`"
    if lock is None:
        yield Finding("spec", "lock", "note", "there is none beside the spec: a build makes it, from the network", f"Make it with {again}.")
    elif isinstance(lock, ExseosError):
        yield failed("spec", "lock", "problem", lock)
    elif changed := misfits(lock, experiment):
        text = f"it no longer fits the spec: {', '.join(changed)} changed"
        yield Finding("spec", "lock", "problem", text, f"Make it anew with {again}, or undo the change.")
    else:
        files = image_files(lock)
        absent = [size for sha256, size in files if not in_store(sha256, size)]
        text = f"it fits the spec; {len(files)} Debian packages and wheels, "
        text += f"{len(absent)} of them ({sum(absent) / 1e6:,.0f} MB) to download" if absent else "all in the store"
        yield Finding("spec", "lock", "ok", text)


def _data(name: str, source: Source, folder: Path, lock: Lock | None) -> Iterator[Finding]:
    pin = lock.data.get(name) if lock else None
    title, again = f"data {name}", "Bring the right file; if the change is meant, make the lock anew with `exseos lock`."
    if source.path is None:
        if pin is None:
            yield Finding("spec", title, "ok", "is fetched from the network when the lock is made")
        elif in_store(pin.sha256, pin.size):
            yield Finding("spec", title, "ok", f"{pin.filename}, {megabytes(pin.size)}, is in the store")
        else:
            yield Finding("spec", title, "ok", f"{pin.filename}, {megabytes(pin.size)}, is to be downloaded")
        return
    path = folder / Path(source.path).expanduser()
    size, expected = path.stat().st_size, pin.sha256 if pin else source.sha256
    text = f"{path}, {megabytes(size)}"
    if pin is not None and size != pin.size:
        yield Finding("spec", title, "problem", f"{text}, is not what the lock pins: that has {megabytes(pin.size)}", again)
    elif expected is None:
        yield Finding("spec", title, "ok", f"{text}, is here; the lock will pin it")
    elif size > _HASHED:
        yield Finding("spec", title, "ok", f"{text}, is here; too large to be hashed now, a build does it")
    elif sha256_file(path) != expected:
        which = "the lock pins" if pin else "the spec says"
        yield Finding("spec", title, "problem", f"{text}, is not what {which}: its SHA-256 is another", again)
    else:
        yield Finding("spec", title, "ok", f"{text}, is the one pinned" if pin else f"{text}, is the one that the spec names")
