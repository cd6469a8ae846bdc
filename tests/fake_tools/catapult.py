"""Stand-in for Catapult, laid out as ``Mgc_home``."""

from __future__ import annotations

from pathlib import Path

from tests.fake_tools.base import lay_out


def install(folder: Path, version: str = "2024.1_1", behaviour: str = "good") -> Path:
    """Lay out the installation and return its root, the folder that ``MGC_HOME`` names."""
    return lay_out(
        folder / "Mgc_home",
        {"bin/catapult": "catapult.py", "bin/stand_in.py": "stand_in.py", "bin/catapult.tcl": "catapult.tcl"},
        tool="catapult",
        version=version,
        behaviour=behaviour,
    )
