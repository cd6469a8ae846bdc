"""Paths of this machine: absolute from where they enter on, so that no mount, worker or later working folder changes what they mean."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from exseos.text import is_plain, visible

_LIMIT = 4096
"""What Linux takes for a path."""


def absolute(path: str | os.PathLike[str]) -> Path:
    """``path`` from the root on, ``~`` replaced by the home folder. Neither links nor ``..`` are followed, and it need not exist."""
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 (pathlib would take the ./ off ./~ first)


def shown(path: Path) -> str:
    """``path`` to be read: relative if it is below the working folder, and with escapes for what a terminal obeys or hides."""
    return visible(_from_here(path), limit=_LIMIT)


def typed(path: Path) -> str:
    """``path`` to be typed here: quoted for a shell, and never taken for an option or a home.

    What a terminal obeys or hides is written as bash, zsh and ksh read it: ``$'a\\033'``.
    """
    text = _from_here(path)
    if is_plain(text):
        return shlex.quote(text)
    return "$'" + "".join(letter if is_plain(letter) and letter not in "\\'" else _bytes(letter) for letter in text) + "'"


def _from_here(path: Path) -> str:
    try:
        text = str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
    return f"./{text}" if text.startswith(("-", "~")) else text


def _bytes(letter: str) -> str:
    # Octal takes three digits and no more, so that a digit behind it stays one.
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(letter))
