"""Asking the Python package index, through uv: which wheels fit, and where they are.

uv knows the index (its own settings and environment decide which). Only wheels count, for one fixed target: CPython 3.11 on
Linux x86-64 with the C library of Debian bookworm (glibc 2.36), whatever this machine is.
"""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from exseos.errors import ExseosError, HostError, UsageError
from exseos.lock import ExseosPin, WheelPin
from exseos.network import EVERYTHING, Network
from exseos.process import run

PLATFORM = "x86_64-manylinux_2_36"
_GLIBC = 36
_SECONDS = 600
_MOST_TAGS = 256
"""Tags of one wheel; a file name may be short and mean millions of them."""


@dataclass(frozen=True)
class FoundWheel:
    """A wheel and where the index has it now."""

    pin: WheelPin
    url: str


class OtherWheelError(ExseosError):
    """The index has a wheel of the pinned name with other bytes."""


def resolve(
    requirements: Sequence[str],
    *,
    python: str,
    exclude_newer: str | None,
    with_dependencies: bool = True,
    network: Network = EVERYTHING,
) -> list[FoundWheel]:
    """The wheels that satisfy ``requirements`` (PEP 508) and, by default, all that they need; sorted by name.

    ``exclude_newer`` is an RFC 3339 time: what was uploaded later does not exist. Raises ``UsageError`` if nothing fits.
    """
    if network.offline:
        raise HostError("the package index is not asked offline", hint="Run it without --offline.")
    for requirement in requirements:
        try:
            Requirement(requirement)
        except InvalidRequirement as error:
            raise UsageError(f"not a requirement: {requirement!r}", hint="Write it like 'hls4ml==1.3.0' (PEP 508).") from error
    options = ["--exclude-newer", exclude_newer] if exclude_newer else []
    options += [] if with_dependencies else ["--no-deps"]
    return [_best(package, python) for package in _compiled(requirements, python, options)]


def named_tags(pin: WheelPin | ExseosPin, name: str) -> frozenset[Tag]:
    """The tags in the file name of a pinned wheel; raises ``ValueError`` if that is no wheel of ``name`` in the pinned version.

    A pin may come from a capsule, and name and version go to uv as a requirement: nothing else may stand there.
    """
    counts = [part.count(".") + 1 for part in pin.filename.split("-")[-3:]]
    if len(counts) < 3 or counts[0] * counts[1] * counts[2] > _MOST_TAGS:
        raise ValueError(f"{pin.filename} is not the file name of a wheel")
    try:
        of_name, of_version, _, tags = parse_wheel_filename(pin.filename)
        version = Version(pin.version)
    except InvalidWheelFilename as error:
        raise ValueError(f"{pin.filename} is not the file name of a wheel") from error
    except InvalidVersion as error:
        raise ValueError(f"{pin.version} is not the version of a wheel") from error
    if (of_name, of_version) != (name, version):
        raise ValueError(f"{pin.filename} is not a wheel of {name} {pin.version}")
    return tags


def locate(pins: Iterable[WheelPin], *, python: str, network: Network = EVERYTHING) -> list[FoundWheel]:
    """Where the index has these very wheels (file name and SHA-256) now.

    Raises ``OtherWheelError`` if it has another file of that name, ``ExseosError`` if it has none or cannot be reached.
    """
    wanted = list(pins)
    if not wanted:
        return []
    hint = "Use a capsule that carries its image, or make the lock anew with `exseos lock`."
    if network.offline:
        raise HostError("the package index is not asked offline", hint="Run it without --offline.")
    for pin in wanted:
        try:
            named_tags(pin, pin.name)
        except ValueError as error:
            raise ExseosError(f"the lock is damaged: {error}", hint=hint) from error
    try:
        found = _all_wheels([f"{pin.name}=={Version(pin.version)}" for pin in wanted], python)
    except UsageError as error:
        raise ExseosError(f"the package index no longer has what the lock pins\n{error.what}", hint=hint) from error
    digests = dict(found.keys())
    for pin in wanted:
        if (pin.filename, pin.sha256) not in found and pin.filename in digests:
            what = f"the package index has another {pin.filename}: SHA-256 {digests[pin.filename]}, the lock pins {pin.sha256}"
            raise OtherWheelError(what, hint=hint)
    missing = [pin.filename for pin in wanted if (pin.filename, pin.sha256) not in found]
    if missing:
        raise ExseosError(
            f"the package index no longer has: {', '.join(missing)}",
            hint=hint,
        )
    return [FoundWheel(pin, found[pin.filename, pin.sha256]) for pin in wanted]


def _all_wheels(requirements: list[str], python: str) -> dict[tuple[str, str], str]:
    """File name and SHA-256 → address."""
    packages = _compiled(requirements, python, ["--no-deps"])
    wheels = [wheel for package in packages for wheel in package.get("wheels", [])]
    return {(_filename(wheel), wheel["hashes"]["sha256"]): _url(wheel) for wheel in wheels if "sha256" in wheel.get("hashes", {})}


def _compiled(requirements: Sequence[str], python: str, options: list[str]) -> list[dict[str, Any]]:
    """The packages of the pylock that uv makes of ``requirements``."""
    from uv import find_uv_bin

    command = [find_uv_bin(), "pip", "compile", "-", "--format", "pylock.toml", "--no-header", "--no-annotate", "--quiet"]
    command += ["--python-version", python, "--python-platform", PLATFORM, "--only-binary", ":all:", *options]
    with tempfile.TemporaryDirectory() as folder:
        done = run(command, seconds=_SECONDS, folder=Path(folder), text="\n".join(requirements) + "\n")
        if done.returncode != 0:
            raise _explained(done.stderr)
        packages: list[dict[str, Any]] = tomllib.loads(done.stdout).get("packages", [])
        for wheel in (wheel for package in packages for wheel in package.get("wheels", [])):
            if "path" in wheel:  # a folder of wheels as the index: relative to where uv ran
                wheel["path"] = str(Path(folder, wheel["path"]).resolve())
    return packages


def _explained(stderr: str) -> ExseosError:
    text = re.sub(r"\x1b\[[0-9;]*m", "", stderr).strip()
    offline = re.search(r"dns error|error sending request|Failed to fetch|Could not connect|Network connectivity", text)
    if offline:
        hint = "Check the network; behind a mirror set UV_DEFAULT_INDEX."
        return ExseosError(f"the package index cannot be reached\n{_tail(text)}", hint=hint)
    return UsageError(
        f"the requirements cannot be resolved to wheels for Python on {PLATFORM}\n{_tail(text)}",
        hint="Change 'environment.requirements' in the spec; every package needs a wheel for this platform.",
    )


def _tail(text: str) -> str:
    return "\n".join(f"  | {line}" for line in text.splitlines()[-25:])


@cache
def wheel_tags(python: str, glibc: int = _GLIBC) -> dict[Tag, int]:
    """The tags of wheels that run on CPython ``python`` on Linux x86-64 with glibc 2.``glibc``, with their ranks: 0 fits best."""
    version = tuple(int(part) for part in python.split("."))
    aliases = {17: ["manylinux2014_x86_64"], 12: ["manylinux2010_x86_64"], 5: ["manylinux1_x86_64"]}
    platforms = [name for minor in range(glibc, 4, -1) for name in [f"manylinux_2_{minor}_x86_64", *aliases.get(minor, [])]]
    platforms.append("linux_x86_64")
    tags = [
        *cpython_tags(version, [f"cp{version[0]}{version[1]}"], platforms),
        *compatible_tags(version, f"cp{version[0]}{version[1]}", platforms),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def _best(package: dict[str, Any], python: str) -> FoundWheel:
    ranks = wheel_tags(python)

    def rank(wheel: dict[str, Any]) -> tuple[int, str]:
        tags = parse_wheel_filename(_filename(wheel))[3]
        return min(ranks.get(tag, len(ranks)) for tag in tags), _filename(wheel)

    wheel = min(package.get("wheels", []), key=rank, default=None)
    if wheel is None or rank(wheel)[0] == len(ranks):
        raise UsageError(f"{package['name']} {package['version']} has no wheel for {PLATFORM}", hint="Choose another version.")
    pin = WheelPin(
        name=canonicalize_name(package["name"]),
        version=package["version"],
        filename=_filename(wheel),
        size=wheel.get("size") or 0,
        sha256=wheel["hashes"]["sha256"],
    )
    return FoundWheel(pin, _url(wheel))


def _filename(wheel: dict[str, Any]) -> str:
    name: str = wheel.get("name") or wheel.get("path") or unquote(urlsplit(wheel["url"]).path)
    return name.rsplit("/", 1)[-1]


def _url(wheel: dict[str, Any]) -> str:
    return wheel["url"] if "url" in wheel else Path(wheel["path"]).as_uri()
