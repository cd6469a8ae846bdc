"""The lock: everything an experiment resolves to, in exact versions and SHA-256, without a URL, path or time of the host.

Two files: ``lock.json`` (canonical JSON of ``Lock``) and ``pylock.toml`` (the wheels, after PEP 751, normalised: one wheel per
package by file name and SHA-256, sorted; no URLs, since where a file was fetched from is no part of what it is). PEP 751 asks
for ``path`` or ``url``: ``path`` is the bare file name, so that ``pip`` installs from a folder that holds lock and wheels.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from exseos.digest import canonical_json
from exseos.errors import HostError, UsageError
from exseos.text import is_plain

LOCK_FILE = "lock.json"
PYLOCK_FILE = "pylock.toml"


def _file_name(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\\" in name or not is_plain(name):
        raise ValueError(f"{name!r} is not a plain file name")
    return name


def _pool_path(path: str) -> str:
    for part in path.split("/"):
        _file_name(part)
    return path


# A lock may come from a capsule, which nobody vouches for: its names and digests become parts of paths.
FileName = Annotated[str, AfterValidator(_file_name)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, lt=2**53)]
PackageName = Annotated[str, Field(pattern="^[A-Za-z0-9]([A-Za-z0-9+._-]*[A-Za-z0-9+])?$")]
Version = Annotated[str, Field(pattern="^[A-Za-z0-9.+!~:_-]+$")]
WheelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._+!-]+\.whl$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DebPackage(_Part):
    """A Debian binary package; ``path`` is its path in the archive's pool."""

    name: PackageName
    version: Version
    path: Annotated[str, AfterValidator(_pool_path)]
    size: Size
    sha256: Sha256


class WheelPin(_Part):
    """A wheel by file name."""

    name: PackageName
    version: Version
    filename: WheelName
    size: Size
    sha256: Sha256


class DataPin(_Part):
    """A data file. ``archive`` is the wheel that holds it, if any."""

    filename: FileName
    size: Size
    sha256: Sha256
    archive: WheelPin | None = None


STAND_IN = "(STAND-IN, not the real tool)"
"""Behind the name of a toolchain that only takes the place of the real one."""


STAND_IN_VERSION = " (stand-in)"
"""Behind the version of the tool, in every metric that came from such a toolchain."""


class ToolchainPin(_Part):
    """A toolchain by version and fingerprint; licence variables by name, never by value."""

    name: Annotated[str, Field(pattern="^[a-z0-9_]+$")]
    version: Annotated[str, Field(pattern="^[0-9][0-9A-Za-z._ -]*$")]
    fingerprint: Annotated[str, Field(pattern="^(sha256|stand-in):[0-9a-f]{64}$")]
    licence_variables: tuple[Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]*$")], ...] = ()

    @property
    def stand_in(self) -> bool:
        """Whether it takes the place of the real tool, so that no number of it is about hardware."""
        return self.fingerprint.startswith("stand-in:")


class ExseosPin(_Part):
    """The wheel of ExSeOS-HLS itself that is in the image."""

    version: Version
    filename: WheelName
    sha256: Sha256


class Lock(_Part):
    """What a spec resolved to. ``request`` holds digests of what was asked for, part by part, to see whether a lock still fits."""

    exseos_lock: Literal[1] = 1
    request: dict[str, Sha256]
    python: Annotated[str, Field(pattern=r"^3\.[0-9]+$")]
    platform: Annotated[str, Field(pattern="^[a-z0-9_-]+$")]
    exclude_newer: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]
    packages: tuple[DebPackage, ...]
    data: dict[str, DataPin]
    toolchains: tuple[ToolchainPin, ...] = ()
    exseos: ExseosPin | None = None
    """Only in a capsule: beside a spec the running version is used."""
    wheels: tuple[WheelPin, ...] = Field(exclude=True)

    def write(self, folder: Path) -> None:
        """Write both files as ``folder``, by renames: whoever is killed meanwhile never leaves the halves of two locks."""
        try:
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
                whole = Path(temporary, "new")
                whole.mkdir()
                (whole / LOCK_FILE).write_bytes(self.json_bytes())
                (whole / PYLOCK_FILE).write_bytes(self.pylock_bytes())
                if folder.exists():
                    for other in folder.iterdir():
                        if other.name not in (LOCK_FILE, PYLOCK_FILE):
                            (shutil.copytree if other.is_dir() else shutil.copy2)(other, whole / other.name)
                    folder.rename(Path(temporary, "old"))
                whole.rename(folder)
        except OSError as error:
            raise HostError(f"cannot write the lock: {error.strerror or error}", where=str(folder)) from error

    def json_bytes(self) -> bytes:
        """``lock.json``: indented for readers and diffs, keys sorted, one form only."""
        plain = json.loads(canonical_json(self.model_dump(mode="json")))
        return (json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    def pylock_bytes(self) -> bytes:
        """``pylock.toml`` in its one form."""
        lines = ['lock-version = "1.0"', 'created-by = "exseos"', f'requires-python = "=={self.python}.*"']
        lines += [] if self.wheels else ["packages = []"]
        for wheel in sorted(self.wheels, key=lambda pin: (pin.name, pin.filename)):
            lines += ["", "[[packages]]", f'name = "{wheel.name}"', f'version = "{wheel.version}"', "[[packages.wheels]]"]
            lines += [f'path = "{wheel.filename}"', f"size = {wheel.size}", f'hashes = {{sha256 = "{wheel.sha256}"}}']
        return ("\n".join(lines) + "\n").encode()


def read_lock(folder: Path) -> Lock:
    """Read both files of ``folder``; raises ``UsageError`` if they are missing, damaged or of another format."""
    try:
        plain, pylock = (folder / LOCK_FILE).read_bytes(), (folder / PYLOCK_FILE).read_bytes()
    except OSError as error:
        raise UsageError(
            f"the lock cannot be read: {error.strerror}", where=str(error.filename), hint="Make it anew with `exseos lock`."
        ) from error
    return parse_lock(plain, pylock, str(folder))


def parse_lock(plain: bytes, pylock: bytes, where: str) -> Lock:
    """The lock of the bytes of both files; ``where`` is named in errors."""
    try:
        return Lock.model_validate({**json.loads(plain), "wheels": _wheels(pylock.decode())})
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
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
                filename=wheel["path"],
                size=wheel["size"],
                sha256=wheel["hashes"]["sha256"],
            )
        )
    return tuple(pins)
