"""How an examination looks: sections of findings, what would stop a build at the end; or JSON."""

from __future__ import annotations

import json
import re
import textwrap
from itertools import groupby

from rich.console import Console
from rich.text import Text

from exseos import __version__
from exseos.capsule.doctor import Examination, Finding
from exseos.cli.show import _console
from exseos.paths import shown
from exseos.text import visible

_WIDTH = 100
_NAME = 16
_KEPT = "\0"
"""A blank at which no line is broken."""
_STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}


def examination_json(examination: Examination) -> str:
    """The object that docs/doctor.md describes."""
    value = {
        "exseos": __version__,
        "ok": not examination.stops,
        "spec": None if examination.spec is None else str(examination.spec),
        "engine": examination.engine,
        "findings": [
            {"section": one.section, "name": one.name, "state": one.state, "text": one.text, "next_step": one.next_step}
            for one in examination.findings
        ],
        "installations": [
            {
                "toolchain": one.toolchain.name,
                "version": one.version,
                "root": str(one.root),
                "fingerprint": one.fingerprint,
                "stand_in": one.stand_in,
            }
            for one in examination.installations
        ],
    }
    return json.dumps(value, indent=1)


def show_examination(examination: Examination) -> None:
    """Every finding, then the list of what would stop a build. Words are never broken, so that paths and commands can be copied."""
    console = _console()
    for section, findings in groupby(examination.findings, lambda one: one.section):
        console.print(Text(section, style="bold"))
        for one in findings:
            _show(console, one)
    console.print()
    what = "a build with the open toolchain" if examination.spec is None else f"a build of {shown(examination.spec)}"
    if not examination.stops:
        _lines(console, Text("", style="green"), f"Nothing here would stop {what}.", "")
        return
    _lines(console, Text("", style="bold red"), f"What would stop {what}:", "")
    for number, one in enumerate(examination.stops, 1):
        _lines(console, Text(f"  {number}. "), f"{one.name}: {one.text}", one.next_step)


def _show(console: Console, finding: Finding) -> None:
    label = Text("  ")
    label.append(f"{finding.state:8}", style=_STYLES[finding.state])
    label.append(f"{visible(finding.name):{_NAME}} ")
    _lines(console, label, finding.text, finding.next_step)


def _lines(console: Console, label: Text, text: str, next_step: str) -> None:
    """``text`` behind ``label``, and under it the next step behind an arrow."""
    margin = label.cell_len or 4  # no name of a file begins a line
    room = max(30, min(console.width, _WIDTH) - margin)
    lines = [line for part in visible(text, lines=True).split("\n") for line in _wrapped(part, room)]
    arrow = "→ "
    for part in filter(None, visible(next_step, lines=True).split("\n")):
        lines += [f"{arrow if number == 0 else '  '}{line}" for number, line in enumerate(_wrapped(part, room - 2))]
        arrow = "  "
    for number, line in enumerate(lines or [""]):
        start = label if number == 0 else Text(" " * margin)
        console.print(start + Text(visible(line, escaped=True), style=label.style), soft_wrap=True)


def _wrapped(text: str, room: int) -> list[str]:
    """Lines of at most ``room`` where that is possible without breaking a word, a command in backticks or a line of code."""
    if text.startswith("    "):
        return [text]
    kept = re.sub(r"`[^`]*`|--[\w-]+ (?=\S)", lambda match: match[0].replace(" ", _KEPT), text)
    lines = textwrap.wrap(kept, room, break_long_words=False, break_on_hyphens=False) or [""]
    return [line.replace(_KEPT, " ") for line in lines]
