"""EXSEOS-STAND-IN: what Vivado's commands do once their arguments are known: check the sources, write reports."""

from __future__ import annotations

import re
from pathlib import Path

from . import vivado_reports as reports
from .design import digest, part_named
from .session import Settings, misbehave, say, write_report

Facts = dict[str, str]


def run(found: Settings, action: str, facts: Facts) -> int:
    """The exit code: 1 where the command fails, and has said why."""
    if action == "part":
        return 0 if part_named(facts["name"]) else 1
    if action == "ports":
        say(" ".join(_ports(facts)))
        return 0
    if action == "synthesize":
        return 0 if _synthesize(found, facts) else 1
    return 0 if _report(found, action, facts) else 1


def _texts(facts: Facts) -> dict[str, str]:
    return {name: Path(name).read_text(errors="replace") for name in facts["files"].split()}


def _module(facts: Facts, name: str) -> str:
    """The text of a module, or of an entity; empty if there is none."""
    for text in _texts(facts).values():
        plain = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
        if found := re.search(rf"\bmodule\s+{re.escape(name)}\b.*?\bendmodule\b", plain, re.DOTALL):
            return found[0]
        if found := re.search(rf"\bentity\s+{re.escape(name)}\s+is\b.*?\bend\b", plain, re.DOTALL | re.IGNORECASE):
            return found[0]
    return ""


def _ports(facts: Facts) -> list[str]:
    declared = re.findall(r"\b(?:input|output|inout)\b\s*(?:wire|reg|logic)?\s*(?:\[[^\]]*\])?\s*(\w+)", _module(facts, facts["top"]))
    return declared or re.findall(r"(\w+)\s*:\s*(?:in|out|inout)\b", _module(facts, facts["top"]), re.IGNORECASE)


def _inner(facts: Facts) -> list[str]:
    """The modules that the top module has instances of."""
    body = _module(facts, facts["top"])
    return re.findall(r"^\s*(?!module\b)(\w+)\s+\w+_U\d+\s*\(", body, re.MULTILINE)


def _synthesize(found: Settings, facts: Facts) -> bool:
    part = part_named(facts["part"])
    assert part is not None
    if found.licensed:
        say(f"INFO: [Common 17-349] Got license for feature 'Synthesis' and/or device '{part.device}'")
    if misbehave(found, part.device, "Starting Synthesize : Time (s): cpu = 00:00:02 ; elapsed = 00:00:02 ."):
        return False
    top = facts["top"]
    if not top or not _module(facts, top):
        say(f"ERROR: [Synth 8-439] module '{top}' not found")
        return False
    for name in _inner(facts):
        if not _module(facts, name):
            say(f"ERROR: [Synth 8-439] module '{name}' not found")
            say(f"ERROR: [Synth 8-6156] failed synthesizing module '{top}'")
            return False
    if found.behaviour in ("syntax", "bad-exit"):
        name, text = next(iter(_texts(facts).items()))
        say(f"ERROR: [Synth 8-2715] syntax error near endmodule [{Path(name).absolute()}:{len(text.splitlines())}]")
        return False
    say(f"INFO: [Synth 8-6157] synthesizing module '{top}'\nINFO: [Synth 8-6155] done synthesizing module '{top}'")
    return True


def design_of(facts: Facts) -> reports.Design:
    part = part_named(facts["part"])
    assert part is not None
    clocks = facts["clocks"].split()
    return reports.Design(
        top=facts["top"],
        part=part,
        stage=facts["stage"],
        clocks=dict(zip(clocks[::2], map(float, clocks[1::2]), strict=True)),
        digest=digest([text.encode() for text in _texts(facts).values()]),
        directives=facts["directives"],
        submodule=next(iter(_inner(facts)), ""),
    )


def _report(found: Settings, kind: str, facts: Facts) -> bool:
    design, command = design_of(facts), facts["command"]
    if kind == "report_timing_summary":
        text = reports.timing_summary(found, design, command, misses=found.behaviour == "timing")
    else:
        of_kind = {"report_utilization": reports.utilization, "report_utilization_hierarchical": reports.hierarchy}
        text = of_kind.get(kind, reports.power_text)(found, design, command)
    if not facts["file"]:
        say(text)
        return True
    try:
        write_report(found, Path(facts["file"]), text)
    except OSError as error:
        say(f"ERROR: [Common 17-37] Cannot write '{facts['file']}': {error.strerror}")
        return False
    return True
