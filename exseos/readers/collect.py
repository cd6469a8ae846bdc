"""From paths to reports: files, folders and whole trees, each file recognised by what it says."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from exseos.errors import UsageError
from exseos.readers.base import Reader, Report, ReportError, readers
from exseos.readers.bounds import few

HEAD_CHARACTERS = 64 * 1024
LARGEST = 16 * 1024 * 1024
"""Bytes; timing summaries of big designs have a few megabytes."""
MOST_PIECES = 250_000
"""Lines, elements and values, each of which takes memory and time; the largest report seen has 15,000."""
TOO_LARGE = "larger than 16 MiB"
TOO_WIDE = f"{TOO_LARGE} in memory, for characters beyond Latin-1"
TOO_MANY = f"more than {MOST_PIECES:,} lines, elements and values"
PIECES = (b"\n", b"<", b"=", b"[", b"{", b",")
LINK = "a link"
LONGEST_FACT = 200
"""Characters of a version or device."""
NOT_A_REPORT = "not a report of a kind known here"


@dataclass(frozen=True)
class Skipped:
    """A file without numbers, and why; ``damaged`` where it was recognised but could not be read."""

    path: Path
    reason: str
    damaged: bool = False


@dataclass
class Collected:
    """Reports and what was skipped, both in the order of the paths; a tree is in the order of its names."""

    reports: list[tuple[Path, Report]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


@cache
def _readers() -> tuple[Reader, ...]:
    return tuple(readers())


def read_report(path: Path) -> Report | None:
    """The report in a file, or None if it is of no kind known here.

    Raises ``ReportError`` for a report that is damaged, and for a file that is binary, empty or larger than any report.
    A version or device that is too long for one is left out.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ReportError("not a regular file", where=str(path))
    if status.st_size > LARGEST:
        raise ReportError(TOO_LARGE, where=str(path))
    with path.open("rb") as file:
        start = file.read(HEAD_CHARACTERS)
        if not start.strip():
            raise ReportError("empty", where=str(path))
        # A shell of Windows writes what it redirects as UTF-16.
        encoding = "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        if b"\0" in start and encoding != "utf-16":
            raise ReportError("binary", where=str(path))
        head = start.decode(encoding, "replace")
        for reader in _readers():
            if reader.recognises(head, path.name):
                data = start + file.read(LARGEST + 1 - len(start))
                if len(data) > LARGEST:  # it grew
                    raise ReportError(TOO_LARGE, where=str(path))
                if sum(map(data.count, PIECES)) > MOST_PIECES:
                    raise ReportError(TOO_MANY, where=str(path))
                text = data.decode(encoding, "replace")
                del data
                # One character beyond Latin-1 makes all of them take twice or four times the memory.
                if sys.getsizeof(text) > LARGEST + HEAD_CHARACTERS:
                    raise ReportError(TOO_WIDE, where=str(path))
                return _read(reader, text, path)
    return None


def _read(reader: Reader, text: str, path: Path) -> Report:
    try:
        report = reader.read(text, path.name)
    except ReportError as error:
        error.where = error.where or str(path)
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # No reader should, but whoever wrote the report may have found a way.
        raise ReportError(f"the report is damaged ({reader.name}: {type(error).__name__})", where=str(path)) from error
    version, device = (text if len(text) <= LONGEST_FACT else "" for text in (report.version, report.device))
    return replace(report, version=version, device=device, numbers=tuple(few(report.numbers)))


def collect(paths: Iterable[Path]) -> Collected:
    """Every report at or under ``paths``; raises ``UsageError`` for a path that is not there."""
    collected = Collected()
    seen: set[tuple[int, int]] = set()
    for given in paths:
        if not given.exists():
            raise UsageError("no such file or folder", where=str(given), hint="name a report, a project folder or a tree of them")
        for path in _files(given):
            # Whoever made the tree may have put a link to the reader's own reports into it.
            if path != given and path.is_symlink():
                collected.skipped.append(Skipped(path, LINK))
            else:
                _add(path, seen, collected)
    return collected


def _files(given: Path) -> Iterator[Path]:
    """Files of a tree by name; links to folders are not followed, so that no loop is."""
    if not given.is_dir():
        yield given
        return
    for folder, folders, names in os.walk(given):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(names))


def _add(path: Path, seen: set[tuple[int, int]], collected: Collected) -> None:
    try:
        status = path.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        report = read_report(path)
    except ReportError as error:
        collected.skipped.append(
            Skipped(path, error.what, damaged=error.what not in ("empty", "binary", TOO_LARGE, TOO_WIDE, TOO_MANY, "not a regular file"))
        )
    except OSError as error:
        collected.skipped.append(Skipped(path, error.strerror or str(error)))
    else:
        if report is None:
            collected.skipped.append(Skipped(path, NOT_A_REPORT))
        else:
            collected.reports.append((path, report))
