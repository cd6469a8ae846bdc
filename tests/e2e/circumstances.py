"""Everything around a build that must not matter, each of it switchable by name."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from exseos.engines.docker import addresses
from tests.e2e.running import SOURCES, Ended, Exseos
from tests.e2e.second_system import SecondSystem

FACTORS = (
    "engine",
    "user",
    "umask",
    "time zone",
    "home",
    "locale",
    "hash seed",
    "path",
    "file order",
    "system",
    "clock",
    "processors",
)
"""``system`` is another Debian with another Python and C library, and exseos installed from its wheel instead of run from a checkout.
``user`` and ``clock`` happen on that system, so they bring it with them."""
USER = 12345


@dataclass(frozen=True)
class Laboratory:
    """What builds under any circumstances need: the sources, the second system, and a folder for all they make."""

    exseos: Exseos
    system: SecondSystem
    folder: Path

    def build(self, name: str, varied: frozenset[str]) -> tuple[Ended, Path]:
        """Build ``examples/tiny`` with the ``varied`` factors changed; how it ended, and the capsule.

        The store holds the downloads of the warm one, which are named by their digests, and nothing made of them.
        """
        home = self.folder / (f"{name}, an öther place" if "path" in varied else name)
        spec = _copy(self.exseos.sources, home / "checkout", shuffled="file order" in varied) / "examples/tiny/spec.yaml"
        cache = home / "store/cache"
        cache.mkdir(parents=True)
        for part in ("downloads", "origins"):
            shutil.copytree(self.exseos.store / "cache" / part, cache / part)
        for folder in ("home", "cwd", "tmp"):
            (home / folder).mkdir()
        command = self._command(home, varied)
        capsule = home / "cwd/tiny.capsule.zip"
        arguments = ("capsule", "build", spec, "-o", capsule, "--without", "image")
        return command(*arguments, "--engine", "bubblewrap" if "engine" in varied else "docker", seconds=1200), capsule

    def _command(self, home: Path, varied: frozenset[str]) -> Exseos:
        variables = {
            "TMPDIR": str(home / "tmp"),  # the second system's /tmp is its own, which a Docker daemon does not see
            "TZ": "EAST-13:45" if "time zone" in varied else "UTC",
            "PYTHONHASHSEED": "4242" if "hash seed" in varied else "0",
            **({"HOME": str(home / "home")} if "home" in varied else {}),
            **({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"} if "locale" in varied else {"LC_ALL": "C.UTF-8"}),
        }
        umask = "077" if "umask" in varied else "022"
        wrapper = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))] if "processors" in varied else []
        own = Exseos(home / "checkout", home / "store", home / "cwd", variables)
        if not varied & {"system", "user", "clock"}:
            return own.but(wrapper=[*wrapper, "/bin/sh", "-c", f'umask {umask}; exec "$@"', "sh"])
        socket = next((Path(one.removeprefix("unix://")) for one in addresses() if one.startswith("unix://")), None)
        shown = [home, *([socket] if socket is not None and "engine" not in varied else [])]
        user = USER if "user" in varied and os.geteuid() == 0 else None
        if user is not None:
            _give(home, user)
        clock = "+1500d" if "clock" in varied else None
        wrapper += self.system.wrapper(shown, umask, user, socket.stat().st_gid if socket else None, clock)
        return own.but(wrapper=wrapper, python=self.system.python, environment=self.system.variables)


def _copy(sources: Path, target: Path, *, shuffled: bool) -> Path:
    """A copy of ``sources``; ``shuffled``: its files are made in another order and bear other times and modes."""
    files = sorted(path for name in SOURCES for path in [sources / name, *(sources / name).rglob("*")] if path.is_file())
    chance = random.Random(1)
    if shuffled:
        chance.shuffle(files)
    for path in files:
        copy = target / path.relative_to(sources)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        if shuffled:
            time = chance.randrange(10**9, 2 * 10**9)
            os.utime(copy, (time, time))
            copy.chmod(chance.choice((0o600, 0o644, 0o755)))
    return target


def _give(folder: Path, user: int) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.lchown(path, user, user)
