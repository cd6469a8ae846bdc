"""The ``implement`` stage of the open toolchain: place and route for ECP5, and a check of the netlist.

Reads ``synthesize/netlist.json``, ``interface.json``, ``rtl_test.npy``, ``prepare/x_test.npy``, ``y_test.npy``,
``prepared.json``. Writes

    design.config        the routed design, in Project Trellis' text format
    report.json          nextpnr's report: clocks and resources used and available; why there was no gate-level check, if so
    metrics.json         timing and resources (level routed), agreement of the netlist with the RTL (level gate)

``latency_ns`` is ``latency_max_cycles`` times the period at which the routed design can be clocked: the target
period if it is met, else ``1000 / fmax_mhz``. A target that is missed is a result (``clock_target_met`` 0), not an error.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from exseos.errors import StageError
from exseos.metrics import Level, Metric
from exseos.toolchains.agreement import mismatches
from exseos.toolchains.base import Work
from exseos.toolchains.earlier import read_x
from exseos.toolchains.open.interface import Interface
from exseos.toolchains.open.nextpnr import nextpnr_version, route
from exseos.toolchains.open.part import parse_part
from exseos.toolchains.open.verilog import TOP
from exseos.toolchains.open.yosys import build_simulator, run_simulator, run_yosys, share, yosys_version

if TYPE_CHECKING:
    from exseos.toolchains.open import Implement, Synthesize

# nextpnr's names of ECP5's resources; TRELLIS_COMB is one LUT4, two of them make a carry element.
_RESOURCES = {"lut": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "bram_18k": "DP16KD", "io": "TRELLIS_IO"}

_NO_MODEL = {"ALU54B", "DP16KD", "MULT18X18D", "PDPW16KD"}


def implement(work: Work, synthesis: Synthesize, parameters: Implement) -> None:
    """Fill ``work.output``; raises ``StageError`` if the part cannot be routed or the design does not fit."""
    part = parse_part(synthesis.part)
    if not part.routable:
        raise StageError(
            f"the open toolchain can map to {part.name} but not place and route it",
            where="implement",
            hint="Leave out the implement section, choose an ECP5 part, or use a vendor's toolchain.",
        )
    interface = Interface.model_validate(work.read_json("synthesize", "interface.json"))
    netlist = work.inputs["synthesize"] / "netlist.json"
    opaque = _opaque_cells(netlist)
    work.progress(f"placing and routing for {part.name}, and simulating the netlist", None, None)
    with TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as pool:
        folder, gates = Path(scratch) / "route", Path(scratch) / "gates"
        for place in (folder, gates):
            place.mkdir()
            shutil.copyfile(netlist, place / "netlist.json")
        routed = pool.submit(route, folder, part, seed=parameters.seed, clock_ns=synthesis.clock_ns)
        checked = pool.submit(_gate_check, work, gates, interface, 0 if opaque else parameters.gate_rows)
        routed.result()
        shutil.copyfile(folder / "design.config", work.output / "design.config")
        report = _report(folder / "report.json")
        if opaque:
            report["gate_check"] = f"not possible: Yosys has no model of {', '.join(opaque)}"
        work.write_json("report.json", report)
        work.write_metrics([*_metrics(report, interface, synthesis.clock_ns), *checked.result()])


def _opaque_cells(netlist: Path) -> list[str]:
    """Kinds of cells in the design that Yosys knows only from outside."""
    cells = json.loads(netlist.read_bytes())["modules"][TOP]["cells"].values()
    return sorted(_NO_MODEL & {cell["type"] for cell in cells})


def _report(path: Path) -> dict[str, Any]:
    """Clocks and resources of nextpnr's report; its critical paths (cell by cell) are left out."""
    report = json.loads(path.read_bytes())
    return {"fmax": report["fmax"], "utilization": report["utilization"]}


def _metrics(report: dict[str, Any], interface: Interface, clock_ns: float) -> list[Metric]:
    if len(report["fmax"]) != 1:
        raise StageError(
            f"nextpnr reports {len(report['fmax'])} clocks, one was expected", where="report.json", hint="The design may have no registers."
        )
    fmax = next(iter(report["fmax"].values()))["achieved"]
    met = fmax >= 1000 / clock_ns
    period = clock_ns if met else 1000 / fmax
    metrics = [
        _routed("clock_target_ns", clock_ns, "ns"),
        _routed("fmax_mhz", fmax, "MHz"),
        _routed("clock_target_met", int(met), "1"),
        _routed("latency_ns", round(interface.latency_cycles * period, 6), "ns"),
    ]
    for name, bel in _RESOURCES.items():
        if bel in report["utilization"]:
            metrics.append(_routed(name, report["utilization"][bel]["used"], "count"))
            metrics.append(_routed(f"{name}_available", report["utilization"][bel]["available"], "count"))
    return metrics


def _routed(name: str, value: float, unit: str) -> Metric:
    return Metric(name=name, value=value, unit=unit, level="routed", origin="report.json", tool="nextpnr-ecp5", version=nextpnr_version())


def _gate_check(work: Work, folder: Path, interface: Interface, count: int) -> list[Metric]:
    """Simulate the first ``count`` test rows with Yosys' models of the cells and compare with the RTL; none: no metrics."""
    import numpy as np

    if not count:
        return []
    rows = read_x(work.inputs["prepare"], "test")[:count]
    shutil.copyfile(share() / "ecp5" / "cells_sim.v", folder / "cells_sim.v")
    run_yosys(
        [
            "read_json netlist.json",
            f"read_verilog -nooverwrite -I{share() / 'ecp5'} cells_sim.v",
            f"hierarchy -check -top {TOP}",
            "proc",
            "flatten",
            "opt_clean",
            "write_cxxrtl -g0 model.cc",
        ],
        folder,
        "netlist",
    )
    build_simulator(folder, "simulator-netlist", optimise="-O0")
    words = run_simulator(folder, "simulator-netlist", interface.input.pack(rows), interface.output.words, interface.latency_cycles)
    outputs = interface.output.unpack(words).reshape(len(rows), *interface.output_shape)
    wrong = mismatches(outputs, np.load(work.inputs["synthesize"] / "rtl_test.npy", allow_pickle=False)[:count])
    level: Level = "gate"
    named = {"gate_rtl_mismatches": wrong, "gate_rows": len(rows)}
    return [
        Metric(name=name, value=value, unit="count", level=level, origin="synthesize/netlist.json", tool="yosys", version=yosys_version())
        for name, value in named.items()
    ]
