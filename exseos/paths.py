"""Paths of this machine: absolute from where they enter on, so that no mount, worker or later working folder changes what they mean."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


def absolute(path: str | os.PathLike[str]) -> Path:
    """``path`` from the root on, ``~`` replaced by the home folder. Neither links nor ``..`` are followed, and it need not exist."""
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 (pathlib would take the ./ off ./~ first)


def shown(path: Path) -> str:
    """``path`` as a person would type it here: relative if it is below the working folder, and never taken for an option or a home."""
    try:
        text = str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
    return f"./{text}" if text.startswith(("-", "~")) else text


def typed(path: Path) -> str:
    """``shown``, quoted for a shell."""
    return shlex.quote(shown(path))
