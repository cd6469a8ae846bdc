"""``base.lock``: the Debian packages of the base layer, shipped with ExSeOS-HLS so that an image is the same everywhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from exseos.errors import HostError
from exseos.image.mirror import SUITE, load_index
from exseos.image.packages import DebPackage
from exseos.image.resolver import resolve_packages
from exseos.progress import Progress

PATH = Path(__file__).with_name("base.lock")
ROOTS = (
    "bash",
    "coreutils",
    "dash",
    "diffutils",
    "findutils",
    "g++",
    "grep",
    "gzip",
    "libc-bin",
    "make",
    "mawk",
    "python3",
    "sed",
    "tar",
)
"""What experiments need of a system: Python, a C++ compiler for simulations, make, a shell and its tools."""


@dataclass(frozen=True)
class BaseLock:
    """The packages of the base layer, and a moment (``20250520T000000Z``) at which the suite had them."""

    suite: str
    date: str
    roots: tuple[str, ...]
    packages: tuple[DebPackage, ...]

    def text(self) -> str:
        """The file: JSON, one package a line."""
        head = {"suite": self.suite, "date": self.date, "roots": list(self.roots)}
        lines = [json.dumps(one.model_dump(), sort_keys=True) for one in sorted(self.packages, key=lambda one: one.name)]
        return json.dumps(head, indent=1)[:-2] + ',\n "packages": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"


def base_lock(path: Path = PATH) -> BaseLock:
    """Read ``base.lock``."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        packages = tuple(DebPackage(**one) for one in plain["packages"])
        return BaseLock(plain["suite"], plain["date"], tuple(plain["roots"]), packages)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"base.lock cannot be read: {error}", where=str(path), hint="Install exseos again, or `exseos image lock-base`."
        ) from error


def lock_base(cache: Path, progress: Progress, path: Path = PATH) -> BaseLock:
    """Resolve ``ROOTS`` anew from the Debian mirror and write ``path``."""
    cache.mkdir(parents=True, exist_ok=True)
    index = load_index(cache, progress)
    lock = BaseLock(SUITE, index.date, ROOTS, tuple(resolve_packages(ROOTS, index)))
    half = path.with_name(path.name + ".new")
    try:
        half.write_text(lock.text(), encoding="utf-8")
        half.replace(path)
    except OSError as error:
        raise HostError(
            f"cannot write base.lock: {error.strerror}", where=str(path), hint="Run this in a checkout you may write to."
        ) from error
    return lock
