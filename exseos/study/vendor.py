"""A vendor's toolchain in a worker: mounted read-only at its own path, with licences and network only as the user said."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exseos.engines.base import Mount
from exseos.errors import UsageError
from exseos.lock import STAND_IN, ToolchainPin
from exseos.toolchains.vendor.installation import Installation, vendor
from exseos.toolchains.vendor.licence import NETWORK, licence_set
from exseos.worker.protocol import Mounted

_OURS = ("/dev", "/in", "/out", "/proc", "/sys", "/warm")
"""What a worker sees at these paths and below is ours."""
_IMAGE = {"/", "/bin", "/etc", "/lib", "/lib64", "/opt", "/opt/exseos", "/sbin", "/tmp", "/usr", "/var"}
_IMAGE |= {f"/usr/{name}" for name in ("bin", "lib", "local", "sbin", "share")}
"""Folders of the image: other things may stand in most of them, but not in their place."""


def described(pin: ToolchainPin) -> str:
    """``Vitis HLS 2023.2``, and that it is a stand-in if it is one."""
    return f"{vendor(pin.name).title} {pin.version}" + (f" {STAND_IN}" if pin.stand_in else "")


@dataclass(frozen=True)
class Vendor:
    """An installation for the stages of one toolchain. ``pin`` is what the lock, or the reviewer who accepted another, says it is."""

    installation: Installation
    pin: ToolchainPin
    host_network: bool = False

    @property
    def mounted(self) -> dict[str, Mounted]:
        """For the task, by the toolchain's name."""
        return {self.pin.name: Mounted(root=str(self.installation.root), version=self.pin.version, fingerprint=self.pin.fingerprint)}

    @property
    def variables(self) -> Mapping[str, str]:
        """Licence variables as they are set where exseos was called, and whether there is a network: for this worker alone."""
        network = {NETWORK: "host"} if self.host_network else {}
        return {**licence_set(self.installation.toolchain, os.environ), **network}

    def mounts(self) -> list[Mount]:
        """The installation, its companions and its licence files, each at its own path.

        Raises ``UsageError`` for a path that would hide what the image has.
        """
        for path in self.installation.mounts:
            if not _mountable(path):
                raise UsageError(
                    f"{self.installation.toolchain.title} cannot be mounted at its own path: a worker has something there",
                    where=str(path),
                    hint="Bind-mount it at another path, such as /tools/…, and name that.",
                )
        paths = [*self.installation.mounts, *self._licence_files()]
        outermost = [path for path in dict.fromkeys(paths) if not any(path != other and path.is_relative_to(other) for other in paths)]
        return [Mount(path, str(path)) for path in outermost]

    def _licence_files(self) -> list[Path]:
        """Files that the licence variables name, and those of folders that they name; ``port@host`` is none.

        Raises ``UsageError`` for one that cannot be mounted, without its value.
        """
        found = []
        for name, value in licence_set(self.installation.toolchain, os.environ).items():
            for part in value.split(os.pathsep):
                path = Path(os.path.normpath(part)) if part.startswith("/") else None
                files = sorted([*path.glob("*.lic"), *path.glob("*.dat")]) if path and path.is_dir() else [path] if path else []
                there = [file for file in files if file.is_file()]
                if not all(map(_mountable, there)):
                    raise UsageError(
                        f"{name} names a file that cannot be mounted: a worker has something at its path",
                        where=self.installation.toolchain.name,
                        hint="Copy the licence file to another folder and name that.",
                    )
                found += there
        return found


def _mountable(path: Path) -> bool:
    return str(path) not in _IMAGE and not any(path.is_relative_to(ours) for ours in _OURS)
