"""An engine whose workers run on another CPU: bubblewrap, with Python in qemu's user emulation.

qemu-user comes from Debian 13: its version 10 emulates AVX2 as a real CPU computes, which that of
Debian 12 does not. The package is one static program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from exseos.engines.base import Command, ImageSource, Limits, Mount, Process
from exseos.engines.bubblewrap import Bubblewrap
from tests.e2e.second_system import unpack_packages

CPUS = ("Haswell", "EPYC")
"""One of each maker, both with AVX2; qemu's own reciprocals are those of neither."""
_INSIDE = "/qemu-x86_64"
_PYTHON = "/usr/bin/python3"


def get_emulator(folder: Path, cache: Path) -> Path:
    """The program ``qemu-x86_64``, fetched by way of ``cache`` and unpacked in ``folder``."""
    unpack_packages(["qemu-user"], folder, cache)
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
