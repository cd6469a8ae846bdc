"""Vivado HLS as it was installed until 2020.1: ``Vivado/<version>/bin/vivado_hls``, beside ``vivado``."""

from __future__ import annotations

from pathlib import Path

from tests.fake_tools.base import lay_out
from tests.fake_tools.vivado import MODULES, place, settings64


def install(folder: Path, version: str = "2019.2", behaviour: str = "good") -> Path:
    """Lay out ``version`` (2018.2 to 2020.1) below ``folder``; returns ``Vivado/<version>``."""
    root = place(folder, "Vivado", version)
    programs = {**MODULES, "bin/vivado_hls": "vivado_hls.py", "bin/vivado": "vivado.py"}
    return lay_out(root, programs, tool="vivado_hls", version=version, behaviour=behaviour, files=settings64("Vivado", root))
