"""Vitis and Vitis HLS as they are installed: ``Vitis/<version>`` and, until 2023.2, ``Vitis_HLS/<version>`` beside it."""

from __future__ import annotations

from pathlib import Path

from tests.fake_tools.base import lay_out
from tests.fake_tools.vivado import MODULES, place, release, settings64


def install(folder: Path, version: str = "2023.2", behaviour: str = "good", *, unified: bool = False) -> Path:
    """Lay out ``version`` below ``folder``; returns the root that has the tool's main program.

    That is ``vitis-run`` since 2023.1 and ``vitis_hls`` before. ``unified`` is the layout of installers since 2025.1,
    ``<version>/Vitis``.
    """
    since = release(version)
    programs = dict(MODULES)
    if since >= (2023, 1):
        programs["bin/vitis-run"] = "vivado_hls.py"
    if since < (2025, 1):
        programs["bin/vitis_hls"] = "vivado_hls.py"
    root = place(folder, "Vitis", version, unified)
    lay_out(root, programs, tool="vitis", version=version, behaviour=behaviour, files=settings64("Vitis", root))
    if since >= (2024, 1):
        return root
    hls = place(folder, "Vitis_HLS", version, unified)
    files = settings64("Vitis_HLS", hls)
    lay_out(hls, {**MODULES, "bin/vitis_hls": "vivado_hls.py"}, tool="vitis_hls", version=version, behaviour=behaviour, files=files)
    return root if since >= (2023, 1) else hls
