"""Yosys ``stat -json``: cells after synthesis, of the design (unless no module is the top one) and of each of several modules.

Only cells of FPGA families that are known become ``lut``, ``ff`` …; other libraries give the number of cells and the area.
The kinds of cells must add up to the number of cells: a report where they do not is damaged.
"""

from __future__ import annotations

import re
from typing import Any

from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.bounds import Found
from exseos.readers.intel_tables import value_of
from exseos.readers.relaxed_json import member, parse

_HEAD = re.compile(r'\s*+\{.*?"(?:creator"\s*+:\s*+"Yosys|num_cells_by_type")', re.DOTALL)
_VERSION = re.compile(r"Yosys (\S+)")
_PLAIN = {
    "num_cells": ("cells", "count"),
    "area": ("area", "1"),
    "sequential_area": ("area_sequential", "1"),
    "num_wires": ("wires", "count"),
}
_KINDS = {
    "lut": re.compile(r"LUT[1-6](?:_2)?|SB_LUT4|CC_LUT[1-4]|ALTERA_LUT|MISTRAL_ALUT[2-6]|MISTRAL_NOT|EFX_LUT4|CFG[1-4]|\$lut"),
    "ff": re.compile(r"FD[RSCP]E(?:_1)?|TRELLIS_FF|SB_DFF\w*|FD1P3[BDIJ]X|DFF[NSRPCE]*|CC_DFF|MISTRAL_FF|EFX_FF|SLE"),
    "carry": re.compile(r"CARRY[48]|CCU2[CD]?|SB_CARRY|ALU|CC_ADDF|MISTRAL_ALUT_ARITH|EFX_ADD|ARI1"),
    "dsp": re.compile(r"DSP48E[12]|DSP48A1|DSP58|MULT(?:9X9|18X18|27X27)D?|SB_MAC16|CC_MULT|MISTRAL_MUL\w+|MACC_PA"),
    "uram": re.compile(r"URAM288(?:E5)?(?:_BASE)?"),
    "ramb18": re.compile(r"RAMB18E[125]"),
    "ramb36": re.compile(r"RAMB36E[125]"),
    "m20k": re.compile(r"MISTRAL_M10K"),
}
_RAM_18K = re.compile(r"RAMB18E[125]|DP16KD|PDPW16KD|PDPSC16K|PDP16K|DP16K|SDPX?9?B?|DPX?9?B|SPX?9?|pROM(?:X9)?")


class YosysStat(Reader):
    """Yosys' statistics."""

    name = "yosys stat"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_HEAD.match(head)) and '"num_cells' in head

    def read(self, text: str, file_name: str) -> Report:
        found = parse(text)
        modules = member(found, "modules")
        design = member(found, "design") or (member(modules, next(iter(modules))) if len(modules) == 1 else {})
        if not design and not modules:
            raise ReportError("no statistics of a design", where=file_name, hint="The file may be cut off; run stat -json again.")
        numbers = Found()
        numbers.add(_of(design, modules, "design", file_name) if design else [])
        for name, module in modules.items() if len(modules) > 1 else ():
            if isinstance(module, dict):
                numbers.add(_of(module, modules, name.removeprefix("\\"), file_name))
        creator = found.get("creator")
        version = _VERSION.match(creator) if isinstance(creator, str) else None
        return Report("yosys", version[1] if version else "", "", tuple(numbers.numbers))


def _of(statistics: dict[str, Any], modules: dict[str, Any], scope: str, where: str) -> list[Number]:
    plain = ((name, value_of(statistics.get(key)), unit) for key, (name, unit) in _PLAIN.items())
    numbers = [Number(name, value, unit, "synthesized", scope) for name, value, unit in plain if value is not None]
    cells = {kind: value_of(count) for kind, count in member(statistics, "num_cells_by_type").items()}
    counts = {kind: count for kind, count in cells.items() if isinstance(count, int)}
    total = value_of(statistics.get("num_cells"))
    if not isinstance(total, int):
        return numbers
    # Versions differ in whether instances of modules are cells.
    leaves = sum(count for kind, count in counts.items() if f"\\{kind}" not in modules)
    if counts and total not in (leaves, sum(counts.values())):
        raise ReportError(f"{total} cells of {scope}, but their kinds add up to {leaves}", where=where, hint="Run stat -json again.")
    found = {name: [count for kind, count in counts.items() if kinds.fullmatch(kind)] for name, kinds in _KINDS.items()}
    found["bram_18k"] = [count for kind, count in counts.items() if _RAM_18K.fullmatch(kind)] + [count * 2 for count in found["ramb36"]]
    numbers += [Number(name, sum(matching), "count", "synthesized", scope) for name, matching in found.items() if matching]
    if found["ramb18"] or found["ramb36"]:
        numbers.append(Number("bram36", sum(found["bram_18k"]) / 2, "count", "synthesized", scope))
    return numbers


READER = YosysStat()
