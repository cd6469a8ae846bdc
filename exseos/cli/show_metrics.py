"""How the numbers of reports look: a table with levels side by side, or JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from exseos.cli.console import cell, say
from exseos.cli.show import _console
from exseos.metrics import Level
from exseos.readers.base import Number, Report
from exseos.readers.collect import NOT_A_REPORT, Collected
from exseos.text import visible

_MOST_LINES = 20
_MOST_COLUMNS = 6
_MOST_NAME = 60
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
    return json.dumps(entries, indent=1, allow_nan=False)


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
        say(console, cell(f"{path}: {about}{more}" + ("" if numbers else "; no numbers of the whole design")))
    columns.sort(key=lambda column: _ORDER.index(column[0]))
    for start in range(0, len(columns), _MOST_COLUMNS):
        _show_table(console, folder, columns[start : start + _MOST_COLUMNS])


def _show_table(console: Console, folder: Path, columns: list[_Column]) -> None:
    titled = [(Text.assemble(level, "\n", cell(path.name)), numbers) for level, path, numbers in columns]
    say(console, cell(folder, style="italic"))
    _print_table(console, [name for _, numbers in titled for name in numbers], titled)


def _print_table(console: Console, names: Iterable[str], columns: list[tuple[Text, dict[str, Number]]]) -> None:
    """A row for each of the names that a column has."""
    table = Table(Column("metric", no_wrap=True), "unit")
    for heading, _ in columns:
        table.add_column(heading, justify="right", overflow="fold")
    for name in dict.fromkeys(names):
        found = [numbers.get(name) for _, numbers in columns]
        units = [each.unit for each in found if each]
        if units:
            labels = (cell(name, limit=_MOST_NAME), cell(units[0], limit=_MOST_NAME))
            table.add_row(*labels, *[_exact(each.value) if each else "" for each in found])
    console.print(table)


def show_comparison(apart: dict[Path, Collected]) -> None:
    """One table over all paths that were given: a row for each metric of the whole designs, a column for each path and level.

    A metric on which reports of one path and level disagree is in a column of its own for each of them, headed by the file's name.
    """
    columns: list[tuple[Text, dict[str, Number]]] = []
    for given, collected in apart.items():
        for level in _ORDER:
            found = [(path, report, _of_design(report, level)) for path, report in collected.reports]
            columns += [(Text.assemble(cell(given), "\n", title), numbers) for title, numbers in _side_by_side(level, found) if numbers]
    console = _console()
    names = list(dict.fromkeys(name for _, numbers in columns for name in numbers))
    for start in range(0, len(columns), _MOST_COLUMNS):
        _print_table(console, names, columns[start : start + _MOST_COLUMNS])


def _of_design(report: Report, level: str) -> dict[str, Number]:
    return {each.name: each for each in report.numbers if each.scope == "design" and each.level == level}


def _side_by_side(level: str, found: list[tuple[Path, Report, dict[str, Number]]]) -> Iterator[tuple[Text, dict[str, Number]]]:
    """The column on which all reports agree, and one for each report with what is not agreed."""
    values: dict[str, set[float | int]] = {}
    for name, number in ((name, number) for _, _, numbers in found for name, number in numbers.items()):
        values.setdefault(name, set()).add(number.value)
    agreed = {name for name, different in values.items() if len(different) == 1}
    merged = {name: number for _, _, numbers in reversed(found) for name, number in numbers.items() if name in agreed}
    yield Text.assemble(level, "\n", _tools([report for _, report, numbers in found if agreed & set(numbers)])), merged
    for path, report, numbers in found:
        apart = {name: number for name, number in numbers.items() if name not in agreed}
        yield Text.assemble(level, "\n", _tools([report]), "\n", cell(path.name)), apart


def _tools(reports: list[Report]) -> Text:
    """Tools and versions; a tool that one report names with its version is not named again without, nor as ``v.2023.2``."""
    names = dict.fromkeys(f"{report.tool} {report.version.removeprefix('v.')}".strip() for report in reports)
    return Text("\n").join(cell(name) for name in names if not any(other.startswith(f"{name} ") for other in names))


def show_skipped(collected: Collected) -> None:
    """On standard error: each damaged report, and the first few files of every other reason."""
    count: Counter[str] = Counter()
    for each in collected.skipped:
        reason = each.reason if each.damaged else "skipped"
        count[reason] += 1
        if each.damaged or count[reason] <= _MOST_LINES:
            click.echo(f"skipped {visible(each.path)}: {visible(each.reason, escaped=True)}", err=True)
    if count["skipped"] > _MOST_LINES:
        click.echo(f"skipped {count['skipped'] - _MOST_LINES} more files, most of them {NOT_A_REPORT}", err=True)


def _exact(value: float | int) -> str:
    return str(value) if isinstance(value, int) else f"{value:.12g}"
