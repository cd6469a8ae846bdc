"""Whether a lock pins what a spec asks for, told from the two alone: a capsule of any release is judged by its own words.

Both are hostile: whoever forges a capsule may write a spec that says one thing and a lock that pins another.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from exseos.errors import ExseosError
from exseos.lock import DataPin, ExseosPin, Lock, WheelPin
from exseos.resolve.index import named_tags, wheel_tags
from exseos.resolve.toolchains import vendor_toolchains, wanted_versions
from exseos.spec.models import Experiment, Source
from exseos.text import visible

_LONGEST = 500
"""Characters of a requirement that is judged: what is longer could take long."""
_PYTHON = re.compile(r"3\.[0-9]{1,2}")
_PLATFORM = re.compile(r"x86_64-manylinux_2_([0-9]{1,2})")


def misfit(lock: Lock, experiment: Experiment) -> list[str]:
    """Where the lock of a capsule is not a lock of ``experiment``: one sentence each, which names the place; empty if it fits.

    Never raises, and takes no longer than the two are long.
    """
    return [
        *_target(lock, experiment),
        *_requirements(lock, experiment),
        *_wheels(lock),
        *_packages(lock, experiment),
        *_data(lock, experiment),
        *_toolchains(lock, experiment),
        *_own(lock.exseos, lock),
    ]


def wheel_problem(pin: WheelPin | ExseosPin, name: str, lock: Lock) -> str:
    """What is wrong with a pin of the distribution ``name``: its file name against name, version and target; empty if nothing."""
    try:
        tags = named_tags(pin, name)
    except ValueError as error:
        return str(error)
    known = _tags(lock)
    if not any(tag in known for tag in tags):
        return f"{pin.filename} does not run on Python {lock.python} on {_shown(lock.platform)}"
    return ""


def _tags(lock: Lock) -> Mapping[Tag, int]:
    platform = _PLATFORM.fullmatch(lock.platform)
    if platform is None or not _PYTHON.fullmatch(lock.python):
        return {}
    return wheel_tags(lock.python, int(platform[1]))


def _target(lock: Lock, experiment: Experiment) -> Iterator[str]:
    if lock.python != experiment.environment.python:
        yield f"environment.python: {experiment.environment.python} is not what the lock pins ({lock.python})"
    if not _PLATFORM.fullmatch(lock.platform):
        yield f"lock: the platform {_shown(lock.platform)} is none that images are made for"


def _requirements(lock: Lock, experiment: Experiment) -> Iterator[str]:
    pinned = {pin.name: pin for pin in lock.wheels}
    for index, text in enumerate(experiment.environment.requirements):
        place = f"environment.requirements[{index}]: {_shown(text)}"
        try:
            if len(text) > _LONGEST:
                raise ValueError("longer than is judged")
            wanted = Requirement(text)
            if wanted.marker is not None and not wanted.marker.evaluate(target_environment(lock.python)):
                continue
            pin = pinned.get(canonicalize_name(wanted.name))
            fits = pin is not None and wanted.specifier.contains(Version(pin.version), prereleases=True)
        except (InvalidRequirement, InvalidVersion, ValueError, LookupError):
            # Markers and versions that cannot be compared raise further subclasses of ValueError.
            yield f"{place} cannot be compared with the lock"
            continue
        if pin is None:
            yield f"{place} is not in the lock"
        elif not fits:
            yield f"{place} is not what the lock pins ({_shown(pin.version)})"


def target_environment(python: str) -> dict[str, str]:
    """What markers are evaluated for: the image and not this machine (PEP 508), as uv sees it."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


def _wheels(lock: Lock) -> Iterator[str]:
    for name in _twice(pin.name for pin in lock.wheels):
        yield f"lock: {_shown(name)} is pinned by several wheels"
    for pin in lock.wheels:
        if problem := wheel_problem(pin, pin.name, lock):
            yield f"lock: {problem}"
        elif pin.name == "exseos":
            yield "lock: exseos is among the wheels; it has a pin of its own"


def _packages(lock: Lock, experiment: Experiment) -> Iterator[str]:
    for name in _twice(one.name for one in lock.packages):
        yield f"lock: the Debian package {_shown(name)} is pinned several times"
    for one in lock.packages:
        version = one.version.rpartition(":")[2]
        if one.path.rpartition("/")[2] not in (f"{one.name}_{version}_amd64.deb", f"{one.name}_{version}_all.deb"):
            yield f"lock: {_shown(one.path)} is not the Debian package {_shown(one.name)} {_shown(one.version)}"
    there = {one.name for one in lock.packages}
    for index, name in enumerate(experiment.environment.packages):
        if name not in there:
            yield f"environment.packages[{index}]: {_shown(name)} is not in the lock"


def _data(lock: Lock, experiment: Experiment) -> Iterator[str]:
    for name in sorted(lock.data.keys() - experiment.data.keys()):
        yield f"lock: it pins the data {_shown(name)}, which the spec does not name"
    for name, source in sorted(experiment.data.items()):
        pin = lock.data.get(name)
        if pin is None:
            yield f"data.{name}: it is not in the lock"
            continue
        if source.sha256 not in (None, pin.sha256):
            yield f"data.{name}.sha256: {source.sha256} is not what the lock pins ({pin.sha256})"
        if what := data_problem(source, pin):
            yield f"data.{name}.{what}"
        elif pin.archive is not None and (what := wheel_problem(pin.archive, pin.archive.name, lock)):
            yield f"data.{name}.pypi: {what}"


def data_problem(source: Source, pin: DataPin) -> str:
    """What is wrong with the pin of ``source`` besides its SHA-256, from the key of the spec on; empty if nothing."""
    if source.pypi is None:
        key, expected = ("path", PurePosixPath(source.path).name) if source.path is not None else ("url", None)
        if pin.archive is not None:
            return f"{key}: the lock says that the file is out of a wheel, {_shown(pin.archive.filename)}"
        if expected not in (None, pin.filename):
            return f"path: {_shown(expected or '')} is not the file that the lock pins ({_shown(pin.filename)})"
        return ""
    if pin.archive is None:
        return "pypi: the lock does not say which wheel the file is out of"
    pinned = f"{_shown(pin.archive.name)} {_shown(pin.archive.version)}"
    try:
        wanted = Requirement(source.pypi[: _LONGEST + 1])
        fits = len(source.pypi) <= _LONGEST and wanted.specifier.contains(Version(pin.archive.version), prereleases=True)
    except (InvalidRequirement, InvalidVersion, ValueError):
        return f"pypi: {_shown(source.pypi)} cannot be compared with the wheel that the lock pins ({pinned})"
    if not fits or canonicalize_name(wanted.name) != pin.archive.name:
        return f"pypi: {_shown(source.pypi)} is not the wheel that the lock pins ({pinned})"
    try:
        named_tags(pin.archive, pin.archive.name)
    except ValueError as error:
        return f"pypi: {error}"
    if (source.member or "").rpartition("/")[2] != pin.filename:
        return f"member: {_shown(source.member or '')} is not the file that the lock pins ({_shown(pin.filename)})"
    return ""


def _toolchains(lock: Lock, experiment: Experiment) -> Iterator[str]:
    try:
        wanted = {name: wanted_versions(experiment, name) for name in vendor_toolchains(experiment)}
    except (ExseosError, ValueError) as error:
        yield f"synthesize: which toolchains the spec needs cannot be told: {_shown(str(error))}"
        return
    pins = {pin.name: pin for pin in lock.toolchains}
    for name in _twice(pin.name for pin in lock.toolchains):
        yield f"lock: the toolchain {_shown(name)} is pinned several times"
    for name in sorted(pins.keys() - wanted.keys()):
        yield f"lock: it pins the toolchain {_shown(name)}, which the spec does not use"
    for name, versions in wanted.items():
        if name not in pins:
            yield f"synthesize: the toolchain {name} is not in the lock"
        elif versions not in ([], [pins[name].version]):
            asked = " and ".join(map(_shown, versions[:3]))
            yield f"synthesize: {name} {asked} is not what the lock pins ({_shown(pins[name].version)})"


def _own(pin: ExseosPin | None, lock: Lock) -> Iterator[str]:
    if pin is None:
        yield "lock: it does not pin ExSeOS-HLS itself"
    elif problem := wheel_problem(pin, "exseos", lock):
        yield f"lock: {problem}"


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _shown(text: str) -> str:
    """A text of the capsule as it may stand in a message: short, and without what moves a cursor."""
    return visible(text, escaped=True, limit=80)
