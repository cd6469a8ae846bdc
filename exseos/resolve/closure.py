"""Which pinned wheels are there for whom: what exseos itself needs, what the spec asks for, and what nothing requires.

The code of every wheel can run in every stage: a library imports what it finds. So a wheel that nobody asked for is refused, and a
replay names those that are the author's choice. All of it is told from the wheels' own ``Requires-Dist``, read as hostile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from exseos.errors import ExseosError
from exseos.image.base_lock import base_lock
from exseos.lock import Lock
from exseos.resolve.fit import target_environment

EXTRA = "experiment"
"""The extra of exseos that an image has."""
_LONGEST = 2000
"""Characters of a requirement that is parsed; of a longer one only the name counts."""
_MOST_STEPS = 50_000
"""Requirements that are followed in all; an environment of a hundred wheels has some thousand."""
_NAME = re.compile(r"\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,127}))")

Requires = Mapping[str, Sequence[str]]
"""Normalised name of a wheel → its ``Requires-Dist``."""


@dataclass
class Closure:
    """What some requirements need of the pinned wheels: ``names``, and of what is not pinned, who needs it."""

    names: set[str] = field(default_factory=set)
    lacking: dict[str, str] = field(default_factory=dict)


def closure(roots: Iterable[str], requires: Requires, python: str, asked_by: str = "the spec") -> Closure:
    """All that ``roots`` (PEP 508) need, for the image's Python."""
    found = Closure()
    seen: set[tuple[str, str]] = set()
    waiting = [(need, asked_by) for text in roots for need in _needs(text, "", python)]
    steps = 0
    while waiting:
        (name, extras, certain), needed_by = waiting.pop()
        if name not in requires:
            if certain:
                found.lacking.setdefault(name, needed_by)
            continue
        found.names.add(name)
        for extra in ("", *extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                if (steps := steps + len(requires[name])) > _MOST_STEPS:
                    raise ExseosError("the wheels of the lock require more than can be followed", where=name, hint="No real ones do.")
                waiting += [(need, name) for text in requires[name] for need in _needs(text, extra, python)]
    return found


def own_requirements(requires: Sequence[str], python: str) -> list[str]:
    """What the worker needs beside it, of the ``Requires-Dist`` of a wheel of exseos: those of its extra alone."""
    environment = target_environment(python)
    found = []
    for text in requires[:_MOST_STEPS]:
        try:
            need = Requirement(text[: _LONGEST + 1])
            marker = need.marker
            if marker is None or marker.evaluate({**environment, "extra": ""}) or not marker.evaluate({**environment, "extra": EXTRA}):
                continue
        except (InvalidRequirement, ValueError, LookupError, RecursionError):
            continue
        need.marker = None
        found.append(str(need))
    return found


def _needs(text: str, extra: str, python: str) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Name and extras of a requirement if it applies, and whether that is certain: what cannot be read may be needed or not."""
    try:
        if len(text) > _LONGEST:
            raise InvalidRequirement("too long")
        need = Requirement(text)
        if need.marker is None:
            applies = not extra  # with the wheel itself, whatever the extra
        else:
            environment = target_environment(python)
            applies = need.marker.evaluate({**environment, "extra": extra})
        if applies:
            yield canonicalize_name(need.name), tuple(sorted(canonicalize_name(one) for one in need.extras)), True
    except (InvalidRequirement, InvalidVersion, ValueError, LookupError, RecursionError):
        if (match := _NAME.match(text)) is not None:
            yield canonicalize_name(match["name"]), (), False


def environment_problems(
    lock: Lock, asked: Sequence[str], own: Sequence[str], requires: Requires, further: Sequence[str] = ()
) -> list[str]:
    """What is wrong with the wheels of ``lock``, one sentence each: what nothing requires, and what is required and not there.

    ``asked`` is what the spec requires, ``own`` what the worker and its toolchains do, ``further`` what another worker may.
    """
    by_own = closure(own, requires, lock.python, "exseos")
    by_spec = closure(asked, requires, lock.python)
    names = by_own.names | by_spec.names | closure(further, requires, lock.python).names
    stray = [f"{pin.name} {pin.version}: nothing requires it" for pin in lock.wheels if pin.name not in names]
    lacking = {**by_spec.lacking, **by_own.lacking}
    return [*stray, *(f"{name} is not pinned, and {needed_by} needs it" for name, needed_by in sorted(lacking.items())), *_unfit(lock, own)]


def _unfit(lock: Lock, own: Sequence[str]) -> Iterator[str]:
    """Where the lock pins another version than ``own`` allows; what the spec asks for ``misfit`` compares."""
    versions = {pin.name: pin.version for pin in lock.wheels}
    for text in own:
        need = Requirement(text)
        version = versions.get(canonicalize_name(need.name))
        if version is not None and not need.specifier.contains(version, prereleases=True):
            yield f"{need.name} {version} is pinned, and exseos needs {need.name}{need.specifier}"


def authors_packages(lock: Lock, own: Sequence[str], requires: Requires) -> list[str]:
    """Name and version of each wheel of ``lock`` that is the author's choice: that ``own``, what the worker needs, does not need."""
    names = closure(own, requires, lock.python).names
    return [f"{pin.name} {pin.version}" for pin in lock.wheels if pin.name not in names]


def further_packages(lock: Lock) -> list[str]:
    """Name and version of each Debian package of ``lock`` that is not of the base layer as this version ships it."""
    shipped = {one.sha256 for one in base_lock().packages}
    return [f"{one.name} {one.version}" for one in lock.packages if one.sha256 not in shipped]
