"""How the numbers of reports look: a table with levels side by side, or JSON."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import get_args

import click
from rich.console import Console
from rich.table import Table

from exseos.cli.show import _console, _plain
from exseos.metrics import Level
from exseos.readers.base import Number, Report
from exseos.readers.collect import NOT_A_REPORT, Collected

_MOST_LINES = 20
_MOST_COLUMNS = 6
_Column = tuple[str, Path, dict[str, Number]]
"""Level, report, and its numbers at that level by name."""
_ORDER = get_args(Level)


def metrics_json(collected: Collected) -> str:
    """``[{path, tool, version, device, metrics: [{name, value, unit, level, scope}]}]``; what a report does not have is not there."""
    entries = [
        {
            "path": str(path),
            "tool": report.tool,
            "version": report.version,
            "device": report.device,
            "metrics": [
                {"name": each.name, "value": each.value, "unit": each.unit, "level": each.level, "scope": each.scope}
                for each in report.numbers
            ],
        }
        for path, report in collected.reports
    ]
    return json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False)


def show_metrics(collected: Collected) -> None:
    """A table for each folder: a row for each metric of the whole design, a column for each level and report."""
    console = _console()
    folders: dict[Path, list[tuple[Path, Report]]] = {}
    for path, report in collected.reports:
        folders.setdefault(path.parent, []).append((path, report))
    for folder, reports in folders.items():
        _show_folder(console, folder, reports)


def _show_folder(console: Console, folder: Path, reports: list[tuple[Path, Report]]) -> None:
    columns: list[_Column] = []
    for path, report in reports:
        numbers = [each for each in report.numbers if each.scope == "design"]
        columns += [
            (level, path, {n.name: n for n in numbers if n.level == level}) for level in _ORDER if any(n.level == level for n in numbers)
        ]
        scopes = len({each.scope for each in report.numbers} - {"design"})
        about = " ".join(filter(None, (report.tool, report.version, report.device)))
        more = f"; {scopes} more scopes in --json" if scopes else ""
        console.print(_plain(f"{path}: {about}{more}" + ("" if numbers else "; no numbers of the whole design")), soft_wrap=True)
    columns.sort(key=lambda column: _ORDER.index(column[0]))
    for start in range(0, len(columns), _MOST_COLUMNS):
        _show_table(console, folder, columns[start : start + _MOST_COLUMNS])


def _show_table(console: Console, folder: Path, columns: list[_Column]) -> None:
    names = list(dict.fromkeys(name for _, _, numbers in columns for name in numbers))
    table = Table("metric", "unit", title=_plain(folder), title_justify="left")
    for level, path, _ in columns:
        table.add_column(f"{level}\n{_plain(path.name)}", justify="right", overflow="fold")
    for name in names:
        found = [numbers.get(name) for _, _, numbers in columns]
        unit = next(each.unit for each in found if each)
        table.add_row(_plain(name), unit, *[_exact(each.value) if each else "" for each in found])
    console.print(table)


def show_skipped(collected: Collected) -> None:
    """On standard error: each damaged report, and the first few files of every other reason."""
    count: Counter[str] = Counter()
    for each in collected.skipped:
        reason = each.reason if each.damaged else "skipped"
        count[reason] += 1
        if each.damaged or count[reason] <= _MOST_LINES:
            click.echo(f"skipped {_line(each.path)}: {_line(each.reason)}", err=True)
    if count["skipped"] > _MOST_LINES:
        click.echo(f"skipped {count['skipped'] - _MOST_LINES} more files, most of them {NOT_A_REPORT}", err=True)


def _exact(value: float | int) -> str:
    return str(value) if isinstance(value, int) else f"{value:.12g}"


def _line(value: object) -> str:
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(value))
