"""Reports that are made to take time and memory: ``head`` and a unit that is repeated, or a function that makes all of it."""

from __future__ import annotations

from collections.abc import Callable

from exseos.readers.collect import LARGEST

VIVADO = "| Tool Version : Vivado v.2020.1\n| Command      : report_{}\n| Design State : Routed\n"
SMARTHLS = "// Smart High-Level Synthesis Tool Version 2023.1\n"
CSYNTH = "== Vitis HLS Report for 'x'\n\n== Performance Estimates\n+ Timing (ns):\n    * Summary:\n"
HIERARCHY = VIVADO.format("utilization") + "1. Utilization by Hierarchy\n+-+-+-+\n| Instance | Module | Total LUTs |\n+-+-+-+\n"
EXPORT = "== Vivado RTL Synthesis Results\n== RTL Synthesis Resources\n+-+\n| Name | LUT |\n+-+\n"
TOP = '{"num_cells":1,"creator":"Yosys'
REPORTS: dict[str, tuple[str, str]] = {
    "tables": (VIVADO.format("utilization -file a.rpt"), "| a | 1 |\n"),
    "rules": (VIVADO.format("utilization -file a.rpt"), "+-+\n"),
    "newlines": (VIVADO.format("timing_summary"), "\n"),
    "one line": (VIVADO.format("power"), "|" + " " * 50),
    "labels": ("Fitter Status : Successful - a\n", "Total DSP Blocks : 2 / 30 ( 7 % )                            \n"),
    "clocks": ("TimeQuest Timing Analyzer Summary\nQuartus\n", "Type  : Slow 85C Model Setup 'clk'\nSlack : 1.5\nTNS   : 0.0\n"),
    "functions": ("// SmartHLS\n====== 1. Simulation ======\n", "| Function: a takes 1 cycles |\n"),
    "elements": ("<profile><ReportVersion>", "<a/>"),
    "attributes": ("<profile><ReportVersion ", 'a=""'),
    "blanks in XML": ("<profile><ReportVersion>", " "),
    "quotes that no string ends": ("var areaJSON={", '\\"'),
    "strings": ("var areaJSON={", '"'),
    "brackets": ("var areaJSON=", "["),
    "closing brackets": ("var areaJSON=", "]"),
    "lines that are no JSON": ('{"name":"loop_attributes"\n', "Slack : 1\n"),
    "lines that are JSON": ('{"name":"loop_attributes"}\n', "{}\n"),
    "numbers": ('{"fmax":[', "1,"),
    "digits": ('{"fmax":', "1"),
    "characters of four bytes": ('{"num_cells":1,"creator":"Yosys","a":"', "\U0001f600"),
    "headings": (SMARTHLS, "====== 1. " + " (" * 8000 + ")x\n"),
    "rows": (SMARTHLS + "====== 1. Timing Result ======\n| Clock Domain | Period |\n", "| a | 1 ns |\n"),
    "columns": (CSYNTH, "+-+\n" + "|" * 250 + "\n+-+\n" + "|" * 250 + "\n+-+\n\n"),
    "too many columns": (CSYNTH, "+-+\n" + "|" * 16_000 + "\n+-+\n"),
    "lines of a header": (CSYNTH, "+-+\n" + "+a|a+\n" * 15 + "+-+\n+-+\n\n"),
    "shares": ("Fitter Status : Successful - a\n", "Total DSP Blocks : " + "/" * 16_000 + " x x\n"),
    "blanks in cells": (CSYNTH + "+-+-+\n|Clock|Target|\n+-+-+\n", "|a|1" + " " * 16_000 + "X|\n"),
    "quotes of clocks": ("Timing Analyzer Summary\nQuartus\n", "Type : " + "Setup '" * 2000 + "x\n"),
    "a clock of many totals": ("Timing Analyzer Summary\nQuartus\nType : Setup '" + "a" * 3900 + "'\nSlack : 1\n", "TNS : 1\n"),
    "columns of dashes": ("-- Catapult Synthesis: Report\nProcesses/Blocks in Design\na\n" + " -" * 200 + "\n", "    \n"),
    "escapes": ("var areaJSON='", "\\'"),
    "one label": ('var areaJSON=["', "a"),
    "rows of JSON": ('{"name":"loop_attributes","nodes":[', '{"name":"a","ii":1},'),
    "references in XML": ("<profile><UserAssignments></UserAssignments><a>", "&#65;"),
}


def endless(unit: str, head: str) -> bytes:
    return (head + unit * (LARGEST // len(unit))).encode()


def many(unit: str, count: int, head: str = "", tail: str = "") -> Callable[[], bytes]:
    """``unit`` with another number each time."""
    return lambda: (head + "".join([unit.replace("%d", str(number)) for number in range(count)]) + tail).encode()


def stairs(head: str, step: str, rest: str, depth: int) -> Callable[[], bytes]:
    """Rows, each indented by one ``step`` more than the one before, then as many of the innermost as there is room for."""
    rows = [step * number + rest for number in range(depth)]
    return lambda: endless("| " + rows[-1], head + "".join(["| " + row for row in rows]))


MADE: dict[str, Callable[[], bytes]] = {
    "objects that are merged": many('{"k%d":1}\n', 120_000, '{"quartusFitClockSummary":{"nodes":[]}}\n'),
    "a deep hierarchy": stairs(HIERARCHY, "  ", "x | m | 1 |\n", 1900),
    "a deep hierarchy of long names": stairs(HIERARCHY, "  ", "x" * 300 + " | m | 1 |\n", 12),
    "a deep export": stairs(
        "== Vivado RTL Synthesis Results\n== RTL Synthesis Resources\n+-+\n| Name | LUT |\n+-+\n", "  ", "x | 1 |\n", 1900
    ),
    "elements that are merged": many('<resources a%d="1"/>', 120_000, '<application><resources REGISTERS="1"/>', "</application>"),
    "attributes of one element": many(' a%d="1"', 240_000, "<bambu_results><resources", "/></bambu_results>"),
    "names of namespaces": many(' xmlns:a%d="b"', 240_000, "<profile><UserAssignments></UserAssignments><a", "/></profile>"),
    "columns of many rows": many(
        '{"name":"%d","data":[1]},', 30_000, '{"estimatedResources":{"columns":[' + '"ALUTs",' * 60_000 + '1],"children":[', "{}]}}"
    ),
    "modules": many('"m%d":{"num_cells":1},', 49_000, TOP + '","modules":{', '"x":{}}}'),
    "modules of other scripts": many('"' + "\U0001f600" * 900 + '%d":{"num_cells":1},', 700, TOP + '","modules":{', '"x":{}}}'),
    "a character of four bytes": lambda: endless("a", TOP + "\U0001f600"),
    "clocks that are apart": many("c%d {0 1} 1.5 1.0\n", 49_000, VIVADO.format("timing_summary") + "| Clock Summary\n"),
    "attributes that recognise": lambda: endless("<resources a ", "<application>"),
    "blanks that recognise": lambda: endless(" ", "var quartusJSON="),
}
