"""The lock: everything an experiment resolves to, in exact versions and SHA-256, without a URL, path or time of the host.

Two files: ``lock.json`` (canonical JSON of ``Lock``) and ``pylock.toml`` (the wheels, after PEP 751, normalised: one wheel per
package by file name and SHA-256, sorted; no URLs, since where a file was fetched from is no part of what it is). PEP 751 asks
for ``path`` or ``url``: ``path`` is the bare file name, so that ``pip`` installs from a folder that holds lock and wheels.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, ValidationError

from exseos.digest import canonical_json
from exseos.errors import HostError, UsageError
from exseos.text import is_plain, visible

LOCK_FILE = "lock.json"
PYLOCK_FILE = "pylock.toml"
LIMIT_BYTES = 8 << 20
"""Bytes of each of the two files; an experiment of a hundred packages and wheels needs 40 kB."""
_LIMIT_VALUES = 100_000
_HEAD = 'lock-version = "1.0"\ncreated-by = "exseos"\nrequires-python = "==%s.*"\n'
_NO_PACKAGES = "packages = []\n"
_BLOCK = """
[[packages]]
name = "%(name)s"
version = "%(version)s"
[[packages.wheels]]
path = "%(filename)s"
size = %(size)d
hashes = {sha256 = "%(sha256)s"}
"""
# Read by its one form and not as TOML in general: that can be written so that reading it takes hours.
_PACKAGE = re.compile(
    r'\n\[\[packages\]\]\nname = "(?P<name>[^"\\\n]*)"\nversion = "(?P<version>[^"\\\n]*)"\n'
    r'\[\[packages\.wheels\]\]\npath = "(?P<filename>[^"\\\n]*)"\nsize = (?P<size>[0-9]{1,16})\n'
    r'hashes = \{sha256 = "(?P<sha256>[^"\\\n]*)"\}\n'
)


def _file_name(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\\" in name or not is_plain(name):
        raise ValueError(f"{name!r} is not a plain file name")
    if len(name.encode()) > 255:
        raise ValueError("the file name is longer than 255 bytes")
    return name


def _pool_path(path: str) -> str:
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(f"{path!r} is not a path in the archive's pool")
    return path


# A lock may come from a capsule, which nobody vouches for: its names and digests become parts of paths, addresses and requirements.
FileName = Annotated[str, Field(max_length=255), AfterValidator(_file_name)]
PoolPath = Annotated[str, Field(max_length=500, pattern="^pool/[A-Za-z0-9+._~/-]+$"), AfterValidator(_pool_path)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, lt=2**53)]
PackageName = Annotated[str, Field(max_length=128, pattern="^[A-Za-z0-9]([A-Za-z0-9+._-]*[A-Za-z0-9+])?$")]
Version = Annotated[str, Field(max_length=128, pattern="^[A-Za-z0-9.+!~:_-]+$")]
WheelName = Annotated[str, Field(max_length=255, pattern=r"^[A-Za-z0-9._+!-]+\.whl$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DebPackage(_Part):
    """A Debian binary package; ``path`` is its path in the archive's pool."""

    name: PackageName
    version: Version
    path: PoolPath
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

    name: Annotated[str, Field(max_length=64, pattern="^[a-z0-9_]+$")]
    version: Annotated[str, Field(max_length=128, pattern="^[0-9][0-9A-Za-z._ -]*$")]
    fingerprint: Annotated[str, Field(pattern="^(sha256|stand-in):[0-9a-f]{64}$")]
    licence_variables: Annotated[
        tuple[Annotated[str, Field(max_length=128, pattern="^[A-Z][A-Z0-9_]*$")], ...], Field(max_length=100), FailFast()
    ] = ()

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
    request: Annotated[dict[Annotated[str, Field(max_length=128)], Sha256], Field(max_length=2000)]
    python: Annotated[str, Field(pattern=r"^3\.[0-9]{1,3}$")]
    platform: Annotated[str, Field(max_length=64, pattern="^[a-z0-9_-]+$")]
    exclude_newer: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]
    packages: Annotated[tuple[DebPackage, ...], Field(max_length=10_000), FailFast()]
    data: Annotated[dict[Annotated[str, Field(max_length=128)], DataPin], Field(max_length=1000)]
    toolchains: Annotated[tuple[ToolchainPin, ...], Field(max_length=100), FailFast()] = ()
    exseos: ExseosPin | None = None
    """Only in a capsule: beside a spec the running version is used."""
    wheels: Annotated[tuple[WheelPin, ...], Field(exclude=True, max_length=10_000)]

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
        return _json_form(self, whole=True)

    def pylock_bytes(self) -> bytes:
        """``pylock.toml`` in its one form."""
        wheels = sorted(self.wheels, key=lambda pin: (pin.name, pin.filename))
        blocks = [_BLOCK % wheel.model_dump() for wheel in wheels] or [_NO_PACKAGES]
        return (_HEAD % self.python + "".join(blocks)).encode()


def _json_form(lock: Lock, *, whole: bool) -> bytes:
    """The one form of ``lock.json``; unless ``whole``, without the fields that the file it came from does not have."""
    plain = json.loads(canonical_json(lock.model_dump(mode="json", exclude_unset=not whole)))
    return (json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_lock(folder: Path) -> Lock:
    """Read both files of ``folder``; raises ``UsageError`` if they are missing, damaged or of another format."""
    try:
        plain, pylock = (_read(folder / name) for name in (LOCK_FILE, PYLOCK_FILE))
    except OSError as error:
        raise UsageError(
            f"the lock cannot be read: {error.strerror}", where=str(error.filename), hint="Make it anew with `exseos lock`."
        ) from error
    return parse_lock(plain, pylock, str(folder))


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(LIMIT_BYTES + 1)


def parse_lock(plain: bytes, pylock: bytes, where: str) -> Lock:
    """The lock of the bytes of both files, which must be in their one form; ``where`` is named in errors.

    Bounded in time and memory, whatever the bytes are.
    """
    try:
        for name, data in ((LOCK_FILE, plain), (PYLOCK_FILE, pylock)):
            if len(data) > LIMIT_BYTES:
                raise ValueError(f"{name} is larger than {LIMIT_BYTES} bytes")
        # Each value but the first stands behind one of these, so what is read of the file stays small.
        if sum(map(plain.count, (b",", b":", b"["))) > _LIMIT_VALUES:
            raise ValueError(f"{LOCK_FILE} has more than {_LIMIT_VALUES} values")
        lock = Lock.model_validate({**json.loads(plain), "wheels": _wheels(pylock.decode())})
        for name, data, form in ((LOCK_FILE, plain, _json_form(lock, whole=False)), (PYLOCK_FILE, pylock, lock.pylock_bytes())):
            if data != form:
                raise ValueError(f"{name} is not in the form in which exseos writes it")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"the lock is damaged: {_reason(error)}", where=where, hint="Make it anew with `exseos lock`.") from error
    return lock


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error}"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    parts = [visible(part, escaped=True, limit=64) for part in first["loc"]]
    return f"{'.'.join(map(str, parts))}: {first['msg']}"


def _wheels(text: str) -> tuple[WheelPin, ...]:
    """The wheels of ``pylock.toml`` in its one form."""
    start = text.find("\n", text.find("requires-python")) + 1
    if text[start:] == _NO_PACKAGES:
        return ()
    pins = []
    while start < len(text):
        found = _PACKAGE.match(text, start)
        if found is None:
            raise ValueError(f"{PYLOCK_FILE}, line {text.count(chr(10), 0, start) + 1}, is not in the form in which exseos writes it")
        pins.append(WheelPin.model_validate({**found.groupdict(), "size": int(found["size"])}))
        start = found.end()
    return tuple(pins)
