"""An engine whose workers run on another CPU: bubblewrap, with Python in qemu's user emulation.

qemu-user comes from Debian 13: its version 10 emulates AVX2 as a real CPU computes, which that of
Debian 12 does not. The package is one static program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from exseos.engines.base import Command, ImageSource, Limits, Mount, Process
from exseos.engines.bubblewrap import Bubblewrap
from exseos.fetch import fetch
from exseos.image import mirror
from exseos.image.base_layer import fill_base
from exseos.image.base_lock import base_lock
from exseos.image.resolver import resolve_packages
from exseos.progress import Quiet

CPUS = ("Haswell", "EPYC")
"""One of each maker, both with AVX2; qemu's own reciprocals are those of neither."""
_SUITE = "trixie"
_INSIDE = "/qemu-x86_64"
_PYTHON = "/usr/bin/python3"


def get_emulator(folder: Path, cache: Path) -> Path:
    """The program ``qemu-x86_64``, fetched by way of ``cache`` and unpacked in ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        if found := mirror.mirrors():
            patch.setenv("EXSEOS_DEBIAN_MIRROR", found[0])
        patch.setattr(mirror, "SUITE", _SUITE)
        index = mirror.load_index(cache, Quiet(), base_lock().date)
        packages = resolve_packages(["qemu-user"], index)
        files = fetch(mirror.package_downloads(packages, index.date), cache, Quiet())
    folder.mkdir(parents=True)
    fill_base(folder, list(zip(packages, files, strict=True)), Quiet())
    return folder / "usr/bin/qemu-x86_64"


class Emulated(Bubblewrap):
    """Runs Python on ``cpu``, as qemu's ``-cpu`` takes it (``EPYC,legacy-cache=on``)."""

    name: ClassVar[str] = "emulated"

    def __init__(self, program: Path, cpu: str) -> None:
        self._qemu, self._cpu = program, cpu

    def start(self, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> Process:
        assert command.argv[0] == _PYTHON, command.argv
        argv = [_INSIDE, "-cpu", self._cpu, *command.argv]
        mounts = [*mounts, Mount(self._qemu, _INSIDE)]
        return super().start(image, replace(command, argv=argv), mounts, limits)
