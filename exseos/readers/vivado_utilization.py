"""Vivado ``report_utilization``: after synthesis or placement, by hierarchy, of kernels; hls4ml's ``vivado_synth.rpt`` is one.

Read are tables by site type (their ``Used``, ``Available`` and ``Util%`` columns), the carry chains among the primitives, the table of
super logic regions, and those by hierarchy. ``bram36`` is in tiles of 36 Kb with halves, and ``bram_18k`` is twice that.
"""

from __future__ import annotations

import re

from exseos.readers.base import Reader, Report, ReportError
from exseos.readers.bounds import Nesting
from exseos.readers.cells import Gathered, number
from exseos.readers.tables import Table, complete_lines, key
from exseos.readers.vivado_text import facts, headed, is_vivado, level_told, version_of

_SITES = {
    "sliceluts": "lut",
    "clbluts": "lut",
    "sliceregisters": "ff",
    "clbregisters": "ff",
    "registers": "ff",
    "blockramtile": "bram36",
    "ramb36/fifo": "ramb36",
    "ramb18": "ramb18",
    "uram": "uram",
    "dsps": "dsp",
    "dspslices": "dsp",
    "dsp58": "dsp",
    "ramb36e5": "ramb36",
    "ramb18e5": "ramb18",
    "carry4": "carry",
    "carry8": "carry",
    "lookahead8": "carry",
    "lutaslogic": "lut_logic",
    "lutasmemory": "lut_memory",
    "lutasshiftregister": "srl",
    "registeraslatch": "latch",
    "slice": "slice",
    "clb": "clb",
}
_CARRY = re.compile(r"CARRY4|CARRY8|LOOKAHEAD8")
_HIERARCHY = {
    "totalluts": "lut",
    "sliceluts": "lut",
    "clbluts": "lut",
    "ffs": "ff",
    "dsp48blocks": "dsp",
    "dspblocks": "dsp",
    "dspslices": "dsp",
    "uram": "uram",
}
_KERNELS = {"reg": "ff", "lut": "lut", "bram": "bram36", "uram": "uram", "dsp": "dsp"}


class Utilization(Reader):
    """Level ``synthesized``, or ``routed`` for a placed or routed design. Scopes: super logic regions, instances, kernels."""

    name = "Vivado utilization"

    def recognises(self, head: str, file_name: str) -> bool:
        return is_vivado(head, "report(_accelerator)?_utilization") or (
            "| Tool Version" in head and ("Utilization Design Information" in head or "Utilization by Hierarchy" in head)
        )

    def read(self, text: str, file_name: str) -> Report:
        if not self.recognises(text, file_name):
            raise ReportError("this is no utilization report of Vivado", where=file_name)
        lines = complete_lines(text)
        found = facts(lines)
        gathered = Gathered(level_told(found) or "synthesized")
        tables = list(headed(lines))
        slices = any("sliceluts" in map(key, row[:1]) for _, table in tables for row in table.rows)
        for heading, table in tables:
            names = table.columns()
            if names[:2] == ["sitetype", "used"] and not heading.startswith("SLR"):
                _sites(table, gathered)
            elif names[:1] == ["sitetype"] and heading.startswith("SLR"):
                _regions(table, gathered)
            elif names[:2] == ["refname", "used"] and heading == "Primitives" and slices:
                _carries(table, gathered)
            elif names[:2] == ["instance", "module"]:
                _hierarchy(table, gathered)
            elif names[:2] in (["name", "reg"], ["name", "lut"]):
                _kernels(table, gathered)
        return Report("vivado", version_of(found), found.get("Device", ""), gathered.numbers())


def _tiles(name: str, value: float | int | None, scope: str, gathered: Gathered) -> None:
    gathered.add(name, value, scope)
    if name.startswith("bram36") and value is not None:
        gathered.add(name.replace("bram36", "bram_18k"), round(value * 2), scope)


def _sites(table: Table, gathered: Gathered) -> None:
    for record in table.records():
        part = record["sitetype"].startswith("  ")
        name = _SITES.get(key(record["sitetype"]))
        if name and not (part and name == "dsp"):
            _tiles(name, number(record["used"]), "design", gathered)
            _tiles(f"{name}_available", number(record.get("available")), "design", gathered)
            gathered.add(f"{name}_utilization_percent", number(record.get("util%")))


def _carries(table: Table, gathered: Gathered) -> None:
    """In families with slices, carry chains are no sites of their own: how many there are is told among the primitives."""
    for record in table.records():
        if _CARRY.fullmatch(record["refname"].strip()):
            gathered.add("carry", number(record["used"]))


def _regions(table: Table, gathered: Gathered) -> None:
    """Columns are ``SLR0`` with a count and ``SLR0 %``, which is left out."""
    for record in table.records():
        name = _SITES.get(key(record["sitetype"]))
        for column, cell in record.items():
            if name and column.startswith("slr") and column[3:].isdigit():
                _tiles(name, number(cell), column.upper(), gathered)


def _hierarchy(table: Table, gathered: Gathered) -> None:
    """Rows are indented by two blanks a level; ``(name)`` is what an instance has beside its children, and left out."""
    nesting = Nesting()
    for place, record in enumerate(table.records()):
        label = record["instance"].removeprefix(" ")
        depth, name = (len(label) - len(label.lstrip())) // 2, label.strip()
        if name.startswith("(") or depth > len(nesting) or (depth == 0 and place > 0):
            continue
        path = nesting.path(depth, name)
        scope = path if depth else "design"
        for column, cell in record.items():
            gathered.add(_HIERARCHY.get(column, ""), number(cell) if column in _HIERARCHY else None, scope)
        wide, narrow = number(record.get("ramb36")), number(record.get("ramb18"))
        if wide is not None and narrow is not None:
            gathered.add("ramb36", wide, scope)
            gathered.add("ramb18", narrow, scope)
            _tiles("bram36", wide + narrow / 2, scope, gathered)


def _kernels(table: Table, gathered: Gathered) -> None:
    """The design is what the kernels use together of the user's budget; rows at the margin are kernels, indented ones their instances."""
    for record in table.records():
        label = record["name"].removeprefix(" ")
        if label in ("Platform", "User Budget", "   Unused Resources"):
            continue
        scope = "design" if label == "   Used Resources" else label
        if scope == "design" or not label.startswith(" "):
            for column, name in _KERNELS.items():
                _tiles(name, number(record.get(column)), scope, gathered)


READER = Utilization()
