"""The commands that README and docs show: found, with their optional parts left out and given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.running import REPOSITORY

DOCUMENTS = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "examples").glob("*/README.md")),
]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(exseos [^`]*)`")
_OPTIONAL = re.compile(r" \[([^\]]+)\]")
_NO_COMMANDS = {"yaml", "json", "python"}


@dataclass(frozen=True)
class Shown:
    """A command as a document shows it, and what is typed for it: without its optional parts, and with each of them."""

    document: str
    line: str
    typed: tuple[str, ...]


def name_of(document: Path) -> str:
    """``docs/replay.md``."""
    return document.relative_to(REPOSITORY).as_posix()


def commands(document: Path) -> list[Shown]:
    """Every command of the fenced blocks, in order."""
    return [Shown(name_of(document), line, tuple(expanded(line))) for line in _lines(document.read_text(encoding="utf-8"))]


def inline(document: Path) -> list[str]:
    """Every ``exseos …`` in running text and in comments."""
    return [" ".join(found.split()) for found in _INLINE.findall(document.read_text(encoding="utf-8"))]


def expanded(line: str) -> Iterator[str]:
    """``a [--x] [--y b|c]`` as ``a``, ``a --x``, ``a --y b`` and ``a --y c``."""
    bare = _OPTIONAL.sub("", line)
    yield bare
    for optional in _OPTIONAL.findall(line):
        option, _, values = optional.partition(" ")
        for value in values.split("|"):
            yield f"{bare} {option} {value}".rstrip()


def _lines(text: str) -> Iterator[str]:
    for language, block in _BLOCK.findall(text):
        for line in block.splitlines():
            if language == "console":
                if line.startswith("$ "):
                    yield _without_comment(line[2:])
            elif language == "sh" and line.strip():
                yield _without_comment(line)
            elif language not in _NO_COMMANDS:
                assert not re.match(r"\$? ?exseos ", line), f"a command outside of a block of sh or console: {line}"


def _without_comment(line: str) -> str:
    """``line`` up to a ``#`` that begins a word: nobody quotes one here."""
    return re.split(r"\s+#", f" {line}")[0].strip()
