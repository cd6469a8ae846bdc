"""EXSEOS-STAND-IN: reports of Vivado, in the layouts that its versions have."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from .design import Draw, Part, digest
from .session import Settings, stamp

STATES = {
    "synthesized": "Synthesized",
    "optimized": "Optimized",
    "placed": "Fully Placed",
    "physopt": "Physopt postPlace",
    "routed": "Routed",
}


@dataclass(frozen=True)
class Design:
    """What there is to report on: the sources' digest, and what was done to them so far."""

    top: str
    part: Part
    stage: str
    clocks: dict[str, float]
    digest: str
    directives: str
    submodule: str = ""

    def draw(self, what: str) -> Draw:
        clocks = ",".join(f"{name}={period:.3f}" for name, period in sorted(self.clocks.items()))
        return Draw(digest([self.digest.encode()]), self.part.name, self.stage, clocks, self.directives, what)


@dataclass(frozen=True)
class Used:
    """Counts of a utilization report; LUTs are logic and memory, tiles are two RAMB18 or a RAMB36."""

    lut_logic: int
    lut_memory: int
    ff: int
    carry: int
    ramb36: int
    ramb18: int
    uram: int
    dsp: int

    @property
    def lut(self) -> int:
        return self.lut_logic + self.lut_memory

    @property
    def tiles(self) -> str:
        return f"{self.ramb36 + self.ramb18 / 2:.1f}".removesuffix(".0")


def used(design: Design, scope: str = "top") -> Used:
    draw, part = design.draw(f"utilization {scope}"), design.part
    return Used(
        lut_logic=draw.share("lut", part.lut),
        lut_memory=draw.share("memory", part.lut // 10),
        ff=draw.share("ff", part.ff),
        carry=draw.share("carry", part.lut // 8),
        ramb36=draw.share("ramb36", part.bram_18k // 4),
        ramb18=draw.share("ramb18", part.bram_18k // 2),
        uram=draw.share("uram", part.uram),
        dsp=draw.share("dsp", part.dsp),
    )


@dataclass(frozen=True)
class Timing:
    """The one row of the Design Timing Summary, as text; what is not constrained is ``NA``."""

    cells: tuple[str, ...]

    @property
    def met(self) -> bool:
        return not any(cell.startswith("-") for cell in self.cells)


def timing(design: Design, *, misses: bool) -> Timing:
    """Slacks of the tightest clock; ``misses`` fails setup."""
    if not design.clocks:
        return Timing(("NA",) * 12)
    draw = design.draw("timing")
    period = min(design.clocks.values())
    wns = draw.between("wns", 5, 150) / 1000 * period
    failing, total = draw.between("failing", 20, 400), draw.between("endpoints", 5000, 90000)
    setup = (f"{-wns:.3f}", f"{-wns * failing / 2:.3f}", str(failing)) if misses else (f"{wns:.3f}", "0.000", "0")
    hold = (f"{draw.between('whs', 10, 90) / 1000:.3f}", "0.000", "0", str(draw.between("hold", total + 1, total + 90)))
    pulse = (f"{period / 2 - draw.between('pulse', 100, 400) / 1000:.3f}", "0.000", "0", str(draw.between("pulses", 1000, 4900)))
    return Timing((*setup, str(total), *hold, *pulse))


def power(design: Design) -> dict[str, str]:
    """Total, dynamic and static power in W, and the junction temperature."""
    draw = design.draw("power")
    dynamic, static = draw.between("dynamic", 200, 9000), draw.between("static", 80, 2900)
    temperature = draw.between("temperature", 255, 700)
    return {
        "Total On-Chip Power (W)": f"{(dynamic + static) / 1000:.3f}",
        "Dynamic (W)": f"{dynamic / 1000:.3f}",
        "Device Static (W)": f"{static / 1000:.3f}",
        "Junction Temperature (C)": f"{temperature / 10:.1f}",
    }


def _top(found: Settings, command: str, design: Design, device: str, state: str) -> list[str]:
    year = found.release[0]
    rights = f"Copyright 1986-{min(year, 2022)} Xilinx, Inc. All Rights Reserved."
    rights += f" Copyright 2022-{year} Advanced Micro Devices, Inc. All Rights Reserved." if year >= 2023 else ""
    facts = {
        "Tool Version": f"Vivado v.{found.version} (lin64) Build {found.build} Wed Nov  6 21:39:14 MST {year}",
        "Date": stamp(),
        "Host": f"{platform.node()} running 64-bit Linux",
        "Command": command,
        "Design": design.top,
        "Device": device,
        **({"Design State": state} if state else {}),
    }
    lines = [f"| {name:<12} : {value}" for name, value in facts.items()]
    rule = "-" * max(len(line) for line in lines)
    return [rights, rule, *lines, rule, ""]


def _table(rows: Sequence[Sequence[str]], *, titles: bool = True) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    line = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    drawn = [
        "| " + " | ".join(_cell(cell, width, place) for place, (cell, width) in enumerate(zip(row, widths, strict=True))) + " |"
        for row in rows
    ]
    return [line, drawn[0], line, *drawn[1:], line] if titles else [line, *drawn, line]


def _cell(cell: str, width: int, place: int) -> str:
    return cell.ljust(width) if place == 0 else cell.rjust(width)


def _headed(title: str, *, rows: Sequence[Sequence[str]]) -> list[str]:
    return [title, "-" * len(title), "", *_table(rows), "", ""]


def utilization(found: Settings, design: Design, command: str) -> str:
    """``report_utilization``: slices of 7-series devices, CLBs of UltraScale ones. Until the placer ran, LUTs have a star."""
    numbers, part = used(design), design.part
    big = part.ultrascale
    logic, memory, dsp = ("CLB", "BLOCKRAM", "ARITHMETIC") if big else ("Slice", "Memory", "DSP")
    star = "" if design.stage in ("placed", "physopt", "routed") else "*"
    prohibited = found.release >= (2020, 2)
    header = ["Site Type", "Used", "Fixed", *(["Prohibited"] if prohibited else []), "Available", "Util%"]

    def row(label: str, count: int | str, available: int | None) -> list[str]:
        none = ["0"] * (len(header) - 4)
        if available is None:
            return [label, str(count), *([""] * (len(header) - 2))]
        share = 100 * float(count) / available if available else 0.0
        return [label, str(count), *none, str(available), f"{share:.2f}" if share >= 0.01 or not float(count) else "<0.01"]

    cells = [header, row(f"{logic} LUTs{star}", numbers.lut, part.lut), row("  LUT as Logic", numbers.lut_logic, part.lut)]
    cells += [row("  LUT as Memory", numbers.lut_memory, part.lut // 2), row(f"{logic} Registers", numbers.ff, part.ff)]
    cells += [row("  Register as Flip Flop", numbers.ff, part.ff), row("  Register as Latch", 0, part.ff)]
    cells += [row("CARRY8", numbers.carry, part.lut // 8)] if big else []
    cells += [row("F7 Muxes", 0, part.lut // 2)]
    blocks = [header, row("Block RAM Tile", numbers.tiles, part.bram_18k // 2), row("  RAMB36/FIFO*", numbers.ramb36, part.bram_18k // 2)]
    blocks += [row(f"    RAMB36E{2 if big else 1} only", numbers.ramb36, None), row("  RAMB18", numbers.ramb18, part.bram_18k)]
    blocks += [row("URAM", numbers.uram, part.uram)] if part.uram else []
    sums = [header, row("DSPs", numbers.dsp, part.dsp), row(f"  DSP48E{2 if big else 1} only", numbers.dsp, None)]
    device = part.name if big else part.name.removeprefix("xc").replace("-", "", 1)
    lines = [*_top(found, command, design, device, STATES[design.stage]), "Utilization Design Information", ""]
    titles = [f"{logic} Logic", memory, dsp, "Primitives"]
    lines += ["Table of Contents", "-" * 17, *(f"{number}. {title}" for number, title in enumerate(titles, 1)), ""]
    lines += _headed(f"1. {titles[0]}", rows=cells)
    if star:
        lines.insert(-2, "* Warning! The Final LUT count, after physical optimizations and full implementation, is typically lower.")
    lines += _headed(f"2. {memory}", rows=blocks) + _headed(f"3. {dsp}", rows=sums)
    primitives = [["Ref Name", "Used", "Functional Category"], ["FDRE", str(numbers.ff - 1), "Register"]]
    return "\n".join(lines + _headed("4. Primitives", rows=primitives))


def hierarchy(found: Settings, design: Design, command: str) -> str:
    """``report_utilization -hierarchical``: the design and the one module in it."""
    header = ["Instance", "Module", "Total LUTs", "Logic LUTs", "LUTRAMs", "SRLs", "FFs", "RAMB36", "RAMB18"]
    dsp = "DSP Blocks" if found.release >= (2020, 2) else "DSP48 Blocks"
    header += ["URAM", dsp] if design.part.uram else [dsp]
    scopes = [(design.top, "(top)", used(design))]
    scopes += [(f"  {design.submodule}_U0", design.submodule, used(design, design.submodule))] if design.submodule else []
    rows = [header]
    for label, module, numbers in scopes:
        counts = [numbers.lut, numbers.lut_logic, numbers.lut_memory, 0, numbers.ff, numbers.ramb36, numbers.ramb18]
        counts += [numbers.uram, numbers.dsp] if design.part.uram else [numbers.dsp]
        rows.append([label, module, *map(str, counts)])
    lines = [*_top(found, command, design, design.part.name, STATES[design.stage]), "Utilization Design Information", ""]
    lines += ["Table of Contents", "-" * 17, "1. Utilization by Hierarchy", ""]
    return "\n".join(lines + _headed("1. Utilization by Hierarchy", rows=rows))


_COLUMNS = [
    f"{name}{what}"
    for name in ("WNS TNS", "WHS THS", "WPWS TPWS")
    for worst, total in [name.split()]
    for name, what in ((worst, "(ns)"), (total, "(ns)"), (total, " Failing Endpoints"), (total, " Total Endpoints"))
]


def timing_summary(found: Settings, design: Design, command: str, *, misses: bool) -> str:
    """``report_timing_summary``; the design state is told since 2022.1."""
    result = timing(design, misses=misses)
    state = STATES[design.stage] if found.release >= (2022, 1) else ""
    device = "-".join(design.part.name.split("-")[:2])
    rule = "-" * 96
    lines = [*_top(found, command, design, device, state), "Timing Summary Report", ""]
    widths = [max(len(column), 11) for column in _COLUMNS]
    summary = [
        "  ".join(column.rjust(width) for column, width in zip(_COLUMNS, widths, strict=True)),
        "  ".join(("-" * len(column)).rjust(width) for column, width in zip(_COLUMNS, widths, strict=True)),
        "  ".join(cell.rjust(width) for cell, width in zip(result.cells, widths, strict=True)),
    ]
    said = "All user specified timing constraints are met." if result.met else "Timing constraints are not met."
    said = said if design.clocks else "There are no user specified timing constraints."
    lines += [
        rule,
        "| Design Timing Summary",
        "| ---------------------",
        rule,
        "",
        *(f"{line}  " for line in summary),
        "",
        "",
        said,
        "",
        "",
    ]
    wide = max([5, *map(len, design.clocks)])
    clocks = [f"{'Clock':<{wide}}  Waveform(ns)         Period(ns)      Frequency(MHz)"]
    clocks += [f"{'-----':<{wide}}  ------------         ----------      --------------"]
    for name, period in design.clocks.items():
        wave = f"{{0.000 {period / 2:.3f}}}"
        clocks.append(f"{name:<{wide}}  {wave:<19}  {f'{period:.3f}':<14}  {1000 / period:<16.3f}")
    lines += [rule, "| Clock Summary", "| -------------", rule, "", *(clocks if design.clocks else []), "", ""]
    lines += [rule, "| Intra Clock Table", "| -----------------", rule, ""]
    nets = "routed" if design.stage == "routed" else "estimated" if design.stage in ("placed", "physopt") else "unplaced"
    lines += ["", rule, "| Timing Details", "| --------------", rule, ""]
    lines += [f"                         net (fo=10, {nets})           0.584     1.557    state", ""] if design.clocks else []
    return "\n".join(lines)


def power_text(found: Settings, design: Design, command: str) -> str:
    """``report_power``."""
    numbers = power(design)
    rows = [["Total On-Chip Power (W)", numbers["Total On-Chip Power (W)"]], ["Design Power Budget (W)", "Unspecified*"]]
    rows += [["Power Budget Margin (W)", "NA"], *([name, numbers[name]] for name in ("Dynamic (W)", "Device Static (W)"))]
    rows += [["Effective TJA (C/W)", "4.6"], ["Max Ambient (C)", "95.5"]]
    rows += [["Junction Temperature (C)", numbers["Junction Temperature (C)"]], ["Confidence Level", "Medium"]]
    total = numbers["Total On-Chip Power (W)"]
    chip = [["On-Chip", "Power (W)", "Used"], ["Clocks", "0.020", "3"], ["Total", total, ""]]
    lines = [*_top(found, command, design, design.part.name, STATES[design.stage].split()[-1].lower()), "Power Report", ""]
    lines += ["Table of Contents", "-" * 17, "1. Summary", "1.1 On-Chip Components", "", "1. Summary", "-" * 10, ""]
    wide = max(len(value) for _, value in rows)
    lines += [*_table([[name, value.ljust(wide)] for name, value in rows], titles=False), "", ""]
    return "\n".join([*lines, *_headed("1.1 On-Chip Components", rows=chip)])
