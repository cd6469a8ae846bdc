"""How results look on standard output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from exseos.capsule.claims import describe
from exseos.capsule.inspect import Inspection
from exseos.capsule.verdict import Verdict, VerdictEntry
from exseos.metrics import Level

_STYLES = {"identical": "green", "within tolerance": "yellow", "different": "bold red", "not checkable here": "magenta"}
_OVERALL = {
    "reproduced": ("green", "reproduced: every claim was replayed and holds"),
    "different": ("bold red", "does not reproduce: something differs"),
    "not fully checkable": ("magenta", "holds so far, but not everything could be checked here"),
}


def _console() -> Console:
    console = Console(highlight=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, emoji=False, width=140)


def inspection_json(inspection: Inspection, **more: str) -> str:
    """An inspection as JSON, with further keys."""
    return json.dumps({**inspection.model_dump(mode="json"), **more}, indent=1, ensure_ascii=False)


def show_inspection(inspection: Inspection, path: Path) -> None:
    """Ids, metrics by level and claims."""
    console = _console()
    console.print(f"[bold]{_plain(path)}[/bold]  {inspection.size / 1e6:,.1f} MB", soft_wrap=True)
    console.print(f"  {_plain(inspection.title)}", soft_wrap=True)
    console.print(f"  experiment id  {inspection.id}\n  seal           {inspection.seal}\n  image          {inspection.image_id}")
    if inspection.left_out:
        console.print(f"  not inside     {_plain(', '.join(inspection.left_out))}", soft_wrap=True)
    measured = {level for values in inspection.metrics_by_level.values() for level in values}
    levels = [level for level in get_args(Level) if level in measured]
    table = Table("metric", *[*levels], title="Metrics by level", title_justify="left")
    for name, values in inspection.metrics_by_level.items():
        table.add_row(_plain(name), *[_number(values.get(level)) for level in levels])
    console.print(table)
    if inspection.claims:
        claims = Table("claim", "claimed", "recorded", "", title="Claims", title_justify="left")
        for claim in inspection.claims:
            claims.add_row(
                _plain(claim.text),
                _plain(describe(claim)),
                _number(claim.recorded),
                "[green]holds[/green]" if claim.holds else "[bold red]fails[/bold red]",
            )
        console.print(claims)


def show_verdict(verdict: Verdict) -> None:
    """The table of a replay and the verdict under it."""
    console = _console()
    table = Table("", "name", "claimed", "recorded", "replayed", "verdict", "")
    kind = ""
    for entry in verdict.entries:
        if entry.kind != kind and kind:
            table.add_section()
        table.add_row(
            entry.kind if entry.kind != kind else "",
            _plain(entry.name),
            _number(entry.claimed),
            _number(entry.expected),
            _number(entry.found),
            f"[{_STYLES[entry.verdict]}]{entry.verdict}[/]",
            _plain(_detail(entry)),
        )
        kind = entry.kind
    console.print(table)
    for note in verdict.notes:
        console.print(f"note: {_plain(note)}", soft_wrap=True)
    for limit in verdict.not_enforced:
        console.print(_plain(f"not enforced by {verdict.engine}: {limit}"), soft_wrap=True)
    style, text = _OVERALL[verdict.verdict]
    if verdict.verdict == "reproduced" and not any(entry.kind == "claim" for entry in verdict.entries):
        text = "reproduced: every output and metric is as recorded; the capsule makes no claims"
    console.print(f"[{style}]{text}[/]\n  experiment id  {verdict.id}\n  engine         {_plain(verdict.engine)}", soft_wrap=True)


def _detail(entry: VerdictEntry) -> str:
    return "" if entry.kind == "claim" and entry.verdict in ("identical", "within tolerance") else entry.detail


def _number(value: str | float | None) -> str:
    if value is None:
        return ""
    return value[:12] if isinstance(value, str) else f"{value:.6g}"


def _plain(value: object) -> str:
    """Text of a capsule, which anybody may have written: neither markup nor commands to a terminal."""
    text = "".join(letter if letter == "\n" or letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(value))
    return escape(text)
