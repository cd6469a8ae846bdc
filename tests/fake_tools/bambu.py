"""Stand-in for Bambu of PandA, laid out as ``bambu``."""

from __future__ import annotations

from pathlib import Path

from tests.fake_tools.base import lay_out


def install(folder: Path, version: str = "2024.10", behaviour: str = "good") -> Path:
    """Lay out the installation and return its root, which holds ``bin/bambu``."""
    return lay_out(
        folder / "bambu",
        {"bin/bambu": "bambu.py", "bin/stand_in.py": "stand_in.py"},
        tool="bambu",
        version=version,
        behaviour=behaviour,
    )
