"""How a stand-in is laid out: a folder like that of the real installation, with programs written in Python.

Each program names itself with ``MARKER`` in its first lines, so a fingerprint over it can never pass for a real tool's.
What the stand-in does is baked in when it is laid out (``stand-in.json``): inside a sandbox no variable of a test arrives.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

MARKER = "EXSEOS-STAND-IN"
SETTINGS = "stand-in.json"
PROGRAMS = Path(__file__).parent / "programs"


def lay_out(
    root: Path, programs: Mapping[str, str], *, tool: str, version: str, behaviour: str = "good", files: Mapping[str, str] | None = None
) -> Path:
    """Make ``root`` an installation of ``tool``; returns it.

    ``programs`` maps paths below ``root`` to files of ``PROGRAMS``; ``files`` holds further files (version files, say) as text.
    """
    root.mkdir(parents=True, exist_ok=True)
    for place, source in programs.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROGRAMS / source, path)
        path.chmod(0o755)
    for place, text in (files or {}).items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / SETTINGS).write_text(json.dumps({"tool": tool, "version": version, "behaviour": behaviour}))
    return root
