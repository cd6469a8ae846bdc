"""The ``synthesize`` stage of the open toolchain.

Reads ``train/model.keras``, ``evaluate/predictions_test.npy``, ``objective.json``, ``prepare/x_test.npy``, ``y_test.npy``,
``prepared.json`` and, if it ran, ``simulate/csim_test.npy``. Writes

    rtl/                 the Verilog, with the memory files of its tables
    interface.json       ports, number formats, latency (``exseos.toolchains.open.interface``)
    rtl_test.npy         outputs of the simulated RTL on the test rows, float32 [rows, outputs…]
    netlist.json         the mapped design as Yosys' JSON: what place and route reads
    stat.json            Yosys' count of its cells
    metrics.json         accuracy and agreement (level rtl), resources and cycles (level synthesized)
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from exseos.digest import canonical_json
from exseos.metrics import Metric
from exseos.toolchains.agreement import mismatches, quality
from exseos.toolchains.base import Work
from exseos.toolchains.earlier import read_objective, read_predictions, read_prepared, read_x, read_y
from exseos.toolchains.keras_model import load_model
from exseos.toolchains.open.interface import Interface
from exseos.toolchains.open.part import Part, parse_part
from exseos.toolchains.open.verilog import TOP, write_verilog
from exseos.toolchains.open.yosys import build_simulator, run_simulator, run_yosys, yosys_version

if TYPE_CHECKING:
    from exseos.toolchains.open import Synthesize

# Cells that make up each resource; a CCU2C is a carry element with two LUT4 of its own.
_ECP5_CELLS = {"lut": ("LUT4",), "ff": ("TRELLIS_FF",), "carry": ("CCU2C",), "dsp": ("MULT18X18D",), "bram_18k": ("DP16KD", "PDPW16KD")}
_XILINX_CELLS = {
    "lut": ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6"),
    "ff": ("FDRE", "FDSE", "FDCE", "FDPE"),
    "carry": ("CARRY4", "CARRY8"),
    "dsp": ("DSP48E1", "DSP48E2"),
    "bram_18k": ("RAMB18E1", "RAMB18E2"),
    "bram_36k": ("RAMB36E1", "RAMB36E2"),
}


def synthesize(work: Work, parameters: Synthesize) -> None:
    """Fill ``work.output``; raises ``StageError`` for a model that the toolchain cannot take."""
    part = parse_part(parameters.part)
    work.progress("writing Verilog", None, None)
    model = load_model(work.inputs["train"] / "model.keras")
    interface = write_verilog(model, work.output / "rtl", latency_cutoff=parameters.latency_cutoff, hard_dc=parameters.hard_dc)
    work.write_json("interface.json", interface.model_dump(mode="json"))
    work.progress(f"simulating the RTL and mapping it to {part.name}", None, None)
    with TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as pool:
        simulation, mapping = (Path(shutil.copytree(work.output / "rtl", Path(scratch) / name)) for name in ("simulation", "mapping"))
        simulated = pool.submit(_simulate, work, simulation, interface)
        mapped = pool.submit(_map, mapping, part, work.output)
        metrics, cells = simulated.result(), mapped.result()
    work.write_metrics([*metrics, *_resources(cells, part), *_cycles(interface)])


def _simulate(work: Work, folder: Path, interface: Interface) -> list[Metric]:
    """Simulate all test rows; write ``rtl_test.npy`` and compare it with Keras and the C simulation."""
    import numpy as np

    rows = read_x(work.inputs["prepare"], "test")
    run_yosys([*_read(folder), f"hierarchy -check -top {TOP}", "write_cxxrtl -g0 model.cc"], folder, "RTL")
    build_simulator(folder, "simulator-rtl", optimise="-O1")
    words = run_simulator(folder, "simulator-rtl", interface.input.pack(rows), interface.output.words, interface.latency_cycles)
    outputs = interface.output.unpack(words).reshape(len(rows), *interface.output_shape)
    np.save(work.output / "rtl_test.npy", outputs.astype(np.float32))
    keras = read_predictions(work.inputs)
    origin = {"origin": "rtl_test.npy", "tool": "yosys", "version": yosys_version()}
    metrics = [
        quality(
            read_prepared(work.inputs["prepare"]).task,
            outputs,
            read_y(work.inputs["prepare"], "test"),
            read_objective(work.inputs["evaluate"]).threshold,
            level="rtl",
            origin="rtl_test.npy",
            tool="yosys",
            version=yosys_version(),
        ),
        _count("rtl_keras_mismatches", mismatches(outputs, keras), origin),
    ]
    if "simulate" in work.inputs:
        csim = np.load(work.inputs["simulate"] / "csim_test.npy", allow_pickle=False)
        metrics.append(_count("rtl_csim_mismatches", mismatches(outputs[: len(csim)], csim), origin))
    return [*metrics, _count("rtl_rows", len(rows), origin)]


def _count(name: str, value: int, origin: dict[str, str]) -> Metric:
    return Metric(name=name, value=value, unit="count", level="rtl", **origin)


def _read(folder: Path) -> list[str]:
    """The command that reads the Verilog in ``folder``, in one order everywhere."""
    # Deferred: the table module as such names a memory file that no design has.
    return [f"read_verilog -sv -defer {' '.join(sorted(path.name for path in folder.glob('*.v')))}"]


def _map(folder: Path, part: Part, output: Path) -> dict[str, int]:
    """Map the design to the part's cells; write ``netlist.json`` and ``stat.json``; return how many of each cell."""
    synth = f"synth_ecp5 -top {TOP}" if part.family == "ecp5" else f"synth_xilinx -family {part.family} -top {TOP}"
    run_yosys(
        [
            *_read(folder),
            f"hierarchy -check -top {TOP}",
            # da4ml asks for its tables in distributed memory, which ECP5 has no read-only kind of: they become LUTs.
            "setattr -unset rom_style m:*",
            synth,
            "delete t:$scopeinfo",
            # Source locations hold the path of Yosys' own libraries.
            "attrmap -remove src =*",
            "attrmap -modattr -remove src =*",
            "tee -q -o stat.json stat -json",
            f"select -module {TOP}",
            "write_json -selected netlist.json",
        ],
        folder,
        "synthesis",
    )
    netlist = json.loads((folder / "netlist.json").read_bytes())
    (output / "netlist.json").write_text(json.dumps(netlist, separators=(",", ":")) + "\n", encoding="ascii")
    stat = json.loads((folder / "stat.json").read_bytes())
    (output / "stat.json").write_bytes(canonical_json(stat) + b"\n")
    cells: dict[str, int] = stat["design"]["num_cells_by_type"]
    return cells


def _resources(cells: dict[str, int], part: Part) -> list[Metric]:
    groups = _ECP5_CELLS if part.family == "ecp5" else _XILINX_CELLS
    return [_synthesized(name, sum(cells.get(cell, 0) for cell in kinds), "count", "stat.json") for name, kinds in groups.items()]


def _cycles(interface: Interface) -> list[Metric]:
    latency, interval = interface.latency_cycles, interface.interval_cycles
    named = {"latency_min_cycles": latency, "latency_max_cycles": latency, "interval_min": interval, "interval_max": interval}
    return [_synthesized(name, value, "cycles", "interface.json") for name, value in named.items()]


def _synthesized(name: str, value: Any, unit: str, origin: str) -> Metric:
    return Metric(name=name, value=value, unit=unit, level="synthesized", origin=origin, tool="yosys", version=yosys_version())
