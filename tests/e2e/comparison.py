"""Two capsules that should have been the same: what differs, and which circumstance is to blame."""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from exseos.records.index import MANIFEST

_MOST_LINES = 40


def differences(one: Path, two: Path) -> str:
    """The entries of the experiment id that differ between two capsules, those of text with a diff; empty if there are none."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(two) as second:
        return "\n".join(_differences(first, second))


def _differences(first: zipfile.ZipFile, second: zipfile.ZipFile) -> Iterator[str]:
    left, right = _digests(first), _digests(second)
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            yield f"{name}: {left.get(name, 'absent')[:16]} and {right.get(name, 'absent')[:16]}"
            yield from _diff(_text(first, name), _text(second, name))


def _digests(archive: zipfile.ZipFile) -> dict[str, str]:
    lines = archive.read(MANIFEST).decode().splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def _text(archive: zipfile.ZipFile, name: str) -> list[str]:
    """The lines of a text entry; none if it is absent or not text."""
    try:
        return archive.read(name).decode().replace(",", ",\n").splitlines()
    except (KeyError, UnicodeDecodeError):
        return []


def _diff(left: Sequence[str], right: Sequence[str]) -> Iterator[str]:
    lines = [line for line in difflib.unified_diff(left, right, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]
    yield from (f"    {line[:300]}" for line in lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield f"    and {len(lines) - _MOST_LINES} lines more"


def culprits(factors: Sequence[str], differs: Callable[[frozenset[str]], bool]) -> frozenset[str]:
    """The smallest part of ``factors`` that halving finds for which ``differs`` is true; it must be true for all of them.

    With one factor to blame this takes about log2(n) calls. If a difference needs several factors at once, what remains are those.
    """
    found = list(factors)
    pieces = 2
    while len(found) > 1:
        size = -(-len(found) // pieces)
        parts = [found[start : start + size] for start in range(0, len(found), size)]
        rests = [[factor for factor in found if factor not in part] for part in parts]
        smaller = next((part for part in [*parts, *(rests if len(parts) > 2 else [])] if differs(frozenset(part))), None)
        if smaller is not None:
            found, pieces = smaller, 2
        elif size == 1:
            break
        else:
            pieces = min(len(found), 2 * pieces)
    return frozenset(found)
