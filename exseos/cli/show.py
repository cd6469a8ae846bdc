"""How results look on standard output."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from exseos.capsule.claims import describe
from exseos.capsule.inspect import Inspection
from exseos.capsule.verdict import Judgement, Overall, Verdict, VerdictEntry
from exseos.cli.console import cell, say
from exseos.lock import STAND_IN
from exseos.metrics import Level
from exseos.paths import shown

HARDWARE = ("estimated", "cosimulated", "synthesized", "routed")
"""Levels of a design's size and speed."""
DETAILS = ("_available", "_endpoints", "_utilization_percent")
"""Endings of metrics that tables leave to ``--json``."""
_MOST_COLUMNS = 8
_MOST_NAME = 60
"""Letters of a name of a metric or design, for the numbers beside it to keep their room."""
_STYLES: dict[Judgement, str] = {
    "identical": "green",
    "within tolerance": "yellow",
    "different": "bold red",
    "not checkable here": "magenta",
    "trusted": "yellow",
}
_OVERALL: dict[Overall, tuple[str, str]] = {
    "reproduced": ("green", "reproduced: every claim was replayed and holds, every number is identical"),
    "reproduced within tolerance": (
        "yellow",
        "reproduced within tolerance: every claim holds, but not every number is identical",
    ),
    "different": ("bold red", "does not reproduce: something differs"),
    "not fully checkable": ("magenta", "holds so far, but not everything could be checked here"),
    "nothing claimed": ("magenta", "nothing to judge: every output and metric is as recorded, and no claim is left to judge"),
}


def _console() -> Console:
    console = Console(highlight=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, emoji=False, width=140)


def inspection_json(inspection: Inspection, **more: str) -> str:
    """An inspection as JSON, with further keys."""
    return json.dumps({**inspection.model_dump(mode="json"), **more}, indent=1)


def verdict_json(verdict: Verdict) -> str:
    """A verdict as JSON; a number that JSON does not know is null."""
    return json.dumps(json.loads(verdict.model_dump_json()), indent=1)


def show_inspection(inspection: Inspection, path: Path) -> None:
    """Ids, metrics by level and claims."""
    console = _console()
    say(console, cell(shown(path), escaped=True, style="bold"), f"  {inspection.size / 1e6:,.1f} MB")
    say(console, "  ", cell(inspection.title))
    for label, value in (("experiment id", inspection.id), ("seal", inspection.seal), ("image", inspection.image_id)):
        say(console, f"  {label:13}  ", cell(value))
    if inspection.left_out:
        say(console, "  not inside     ", cell(", ".join(inspection.left_out)))
    for stage in inspection.stages:
        if stage.needs and STAND_IN in stage.needs:
            not_real = Text.assemble("not real       ", cell(stage.stage), " ran with ", cell(stage.needs), style="bold red")
            say(console, "  ", not_real)
    _show_metrics(console, inspection)
    if inspection.claims:
        claims = Table("claim", "claimed", "recorded", "", title="Claims", title_justify="left")
        for claim in inspection.claims:
            claims.add_row(
                cell(claim.text),
                cell(describe(claim)),
                _number(claim.recorded),
                Text("holds", "green") if claim.holds else Text("fails", "bold red"),
            )
        console.print(claims)


_Column = tuple[str, Level, dict[str, float | int]]
"""Stage, level, and the metrics there by name."""


def _show_metrics(console: Console, inspection: Inspection) -> None:
    """A row for each metric, a column for each level. Several designs stand side by side in a table of their own."""
    columns: list[_Column] = [(stage, level, values) for stage, levels in inspection.designs.items() for level, values in levels.items()]
    columns.sort(key=lambda column: get_args(Level).index(column[1]))
    taken = Counter((name, level) for _, level, values in columns for name in values)
    if all(count == 1 for count in taken.values()):
        merged: dict[Level, dict[str, float | int]] = {}
        for _, level, values in columns:
            merged.setdefault(level, {}).update(values)
        _metrics_table(console, "Metrics by level", [("", level, values) for level, values in merged.items()])
    else:
        _metrics_table(console, "Metrics by level", [column for column in columns if column[1] not in HARDWARE])
        designs = [column for column in columns if column[1] in HARDWARE]
        for start in range(0, len(designs), _MOST_COLUMNS):
            _metrics_table(console, "Designs side by side" if start == 0 else "", designs[start : start + _MOST_COLUMNS])
    left_out = {name for _, _, values in columns for name in values if name.endswith(DETAILS)}
    if left_out:
        console.print(f"  {len(left_out)} more metrics (what the device has, shares of it, endpoints) in --json")


def _metrics_table(console: Console, title: str, columns: Sequence[_Column]) -> None:
    table = Table(title=title or None, title_justify="left")
    table.add_column("metric", no_wrap=True)
    for stage, level, _ in columns:
        design = stage.partition("-")[2] or stage
        heading = Text.assemble(level, "\n", cell(design, limit=_MOST_NAME)) if stage else level
        table.add_column(heading, justify="right", overflow="fold")
    for name in sorted({name for _, _, values in columns for name in values if not name.endswith(DETAILS)}):
        table.add_row(cell(name, limit=_MOST_NAME), *[_number(values.get(name)) for _, _, values in columns])
    console.print(table)


def show_verdict(verdict: Verdict) -> None:
    """The table of a replay and the verdict under it."""
    console = _console()
    table = Table("", "name", "claimed", "recorded", "replayed", "verdict", "")
    kind = ""
    shown = [entry for entry in verdict.entries if not _is_detail(entry)]
    for entry in shown:
        if entry.kind != kind and kind:
            _add_details(table, verdict.entries if kind == "metric" else ())
            table.add_section()
        table.add_row(
            entry.kind if entry.kind != kind else "",
            cell(entry.name),
            _number(entry.claimed),
            _number(entry.expected),
            _number(entry.found),
            Text(entry.verdict, _STYLES[entry.verdict]),
            cell(_detail(entry), escaped=True),
        )
        kind = entry.kind
    if kind == "metric":
        _add_details(table, verdict.entries)
    console.print(table)
    for note in verdict.notes:
        say(console, "note: ", cell(note, escaped=True))
    for limit in verdict.not_enforced:
        say(console, "not enforced by ", cell(verdict.engine), ": ", cell(limit, escaped=True))
    style, text = _OVERALL[verdict.verdict]
    if trusted := [entry.name.split()[0] for entry in verdict.entries if entry.verdict == "trusted"]:
        text += f"; taken on trust: {', '.join(dict.fromkeys(trusted))}"
    if verdict.verdict != "different" and (failed := sum(entry.verdict == "different" for entry in verdict.entries)):
        text += f"; claims that the capsule itself records as failed do not count: {failed}"
    say(console, (text, style))
    say(console, "  experiment id  ", cell(verdict.id))
    say(console, "  engine         ", cell(verdict.engine))


def _is_detail(entry: VerdictEntry) -> bool:
    """A metric of secondary interest that is as it should be."""
    return entry.kind == "metric" and entry.verdict in ("identical", "not checkable here") and entry.name.split()[0].endswith(DETAILS)


def _add_details(table: Table, entries: Sequence[VerdictEntry]) -> None:
    """One line for all that are not shown, by verdict."""
    for verdict, count in Counter(entry.verdict for entry in entries if _is_detail(entry)).items():
        table.add_row("", f"{count} more, in --json", "", "", "", Text(verdict, _STYLES[verdict]), "")


def _detail(entry: VerdictEntry) -> str:
    return "" if entry.kind == "claim" and entry.verdict in ("identical", "within tolerance") else entry.detail


def _number(value: str | float | None) -> str | Text:
    if value is None:
        return ""
    if isinstance(value, str):
        return cell(value[:12])
    try:
        return f"{value:.6g}"
    except OverflowError:  # a whole number that no float holds
        return "too large"
