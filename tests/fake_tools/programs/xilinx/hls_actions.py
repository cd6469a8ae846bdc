"""EXSEOS-STAND-IN: what the HLS commands do once their arguments are known: check the sources, draw numbers, write files."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from . import hls_reports as reports
from .design import Draw, Estimate, Part, Sources, digest, estimate, part_named, sources
from .session import Settings, misbehave, say, write_report

Facts = dict[str, str]


def run(found: Settings, action: str, facts: Facts) -> int:
    """The exit code: 1 where the command fails, and has said why."""
    if action == "part":
        return 0 if part_named(facts["name"]) else 1
    action_of = {"csim": _csim, "csynth": _csynth, "cosim": _cosim, "export": _export}[action]
    return 0 if action_of(found, facts) else 1


def _csim(found: Settings, facts: Facts) -> bool:
    """The bench is not run: it is said to have printed the predictions that it was to compare with."""
    if not _compiled(found, _sources(facts), facts, "csim"):
        return False
    _results(facts, "csim_results.log")
    Path(facts["folder"], "csim", "report").mkdir(parents=True, exist_ok=True)
    Path(facts["folder"], "csim", "report", f"{facts['top']}_csim.log").write_text("INFO: [SIM 2] CSIM start\n")
    return True


def _results(facts: Facts, name: str) -> None:
    if any(name in Path(bench).read_text(errors="replace") for bench in facts["benches"].split() if Path(bench).is_file()):
        wanted = Path("tb_data", "tb_output_predictions.dat")
        text = wanted.read_text() if wanted.is_file() else ""
        Path("tb_data").mkdir(exist_ok=True)
        Path("tb_data", name).write_text(text or "0.125 0.25\n")


def _sources(facts: Facts) -> Sources:
    return sources([file for file in facts["files"].split() if Path(file).is_file()])


def _compiled(found: Settings, read: Sources, facts: Facts, step: str) -> bool:
    """Whether a compiler takes the sources; says in its own words what it does not."""
    errors = [(file, line, column, "207-5", f"'{header}' file not found") for file, line, column, header in read.missing]
    for name in facts["files"].split():
        if not Path(name).is_file():
            errors.append((name, 0, 0, "207-812", f"no such file or directory: '{name}'"))
    for name, text in read.texts:
        for number, line in enumerate(text.decode(errors="replace").splitlines(), 1):
            if directive := re.match(r"[ \t]*#[ \t]*(?=error\b)", line):
                errors.append((name, number, directive.end() + 1, "207-4", line[directive.end() + 5 :].strip()))
    if found.behaviour in ("syntax", "bad-exit") and step == "csynth" and read.texts:
        name, text = read.texts[0]
        errors.append((name, len(text.splitlines()), 5, "207-3801", "unknown type name 'nnet_layer'"))
    if errors and (step == "csim" or not _vitis(found)):
        head = "" if step == "csim" else "ERROR: [HLS 200-70] Compilation errors found: "
        say(head + "\n".join(f"{file}:{line}:{column}: error: {message}" for file, line, column, _, message in errors))
        say(f"{len(errors)} error{'s' if len(errors) > 1 else ''} generated.")
    elif errors:
        say("\n".join(f"ERROR: [HLS {number}] {message} ({file}:{line}:{column})" for file, line, column, number, message in errors))
    return not errors


def _vitis(found: Settings) -> bool:
    return found.release >= (2020, 2)


def _heading(found: Settings, facts: Facts, part: Part) -> reports.Heading:
    return reports.Heading(found.release, found.version, found.build, facts["project"], Path(facts["folder"]).name, part)


def clocks(facts: Facts, *, vitis: bool) -> tuple[float, float]:
    """Period and uncertainty in ns; the default uncertainty is 27 percent with Vitis HLS, an eighth with Vivado HLS."""
    period = float(facts["period"])
    said = facts["uncertainty"] or ("27%" if vitis else "12.5%")
    return period, float(said[:-1]) * period / 100 if said.endswith("%") else float(said.removesuffix("ns"))


def estimates(facts: Facts, read: Sources, part: Part, *, vitis: bool, misses: bool = False) -> dict[str, Estimate]:
    """Of the top module and of the one module that every design here has, by name."""
    period, uncertainty = clocks(facts, vitis=vitis)
    top = facts["top"]
    return {
        top: estimate(read.digest, part, period, uncertainty, "top", misses=misses),
        f"{top}_{layer_of(read)}": estimate(read.digest, part, period, uncertainty, "layer"),
    }


def layer_of(read: Sources) -> str:
    """The first layer that the design calls."""
    for _, text in read.texts:
        if call := re.search(rb"nnet::(?!load_)(\w+)\s*<", text):
            return f"{call[1].decode()}_s"
    return "entry_proc"


def _csynth(found: Settings, facts: Facts) -> bool:
    part = part_named(facts["part"])
    assert part is not None
    read = _sources(facts)
    for name, _ in read.texts:
        if name in facts["files"].split():
            say(f"INFO: [HLS 200-10] Analyzing design file '{name}' ... ")
    if misbehave(found, part.device, "INFO: [HLS 200-10] Starting code transformations ...") or not _compiled(found, read, facts, "csynth"):
        return False
    top = facts["top"]
    if not top or not any(re.search(rf"\b{re.escape(top)}\s*\(".encode(), text) for _, text in read.texts):
        say(f"ERROR: [HLS 214-157] Top function not found: there is no function named '{top}'")
        return False
    vitis = _vitis(found)
    modules = estimates(facts, read, part, vitis=vitis, misses=found.behaviour == "timing")
    heading = _heading(found, facts, part)
    folder = Path(facts["folder"], "syn")
    for name, numbers in modules.items():
        write_report(found, folder / "report" / f"{name}_csynth.rpt", reports.module_text(heading, name, numbers))
        write_report(found, folder / "report" / f"{name}_csynth.xml", reports.module_xml(heading, name, numbers))
    if vitis:
        layers = {name: numbers for name, numbers in modules.items() if name != top}
        write_report(found, folder / "report" / "csynth.rpt", reports.design_text(heading, top, modules))
        write_report(found, folder / "report" / "csynth.xml", reports.module_xml(heading, top, modules[top], layers))
    for name in modules:
        (folder / "verilog").mkdir(parents=True, exist_ok=True)
        inner = [other for other in modules if other != name] if name == top else []
        (folder / "verilog" / f"{name}.v").write_text(verilog(name, inner, read.digest))
    _say_timing(modules[top], vitis)
    log = Path(facts["folder"], f"{Path(facts['folder']).name}.log")
    log.write_text(f"INFO: [VLOG 209-307] Generating Verilog RTL for {top}.\nINFO: [HLS 200-111] Finished Command csynth_design\n")
    return True


def _say_timing(numbers: Estimate, vitis: bool) -> None:
    if numbers.slack_ns < 0:
        code = "HLS 200-871" if vitis else "SCHED 204-21"
        budget = float(numbers.clock_ns) - float(numbers.uncertainty_ns)
        say(
            f"WARNING: [{code}] Estimated clock period ({numbers.estimated_ns} ns) exceeds the target (target clock period: "
            f"{numbers.clock_ns} ns, clock uncertainty: {numbers.uncertainty_ns} ns, effective delay budget: {budget:.3f} ns)."
        )
    if vitis:
        say(f"INFO: [HLS 200-789] **** Estimated Fmax: {1000 / float(numbers.estimated_ns):.2f} MHz")


def verilog(name: str, inner: list[str], design: str) -> str:
    """A module with HLS's control ports; its constant is drawn from the design, so that synthesis sees another one."""
    instances = "\n".join(
        f"{other} {other}_U0 (.ap_clk(ap_clk), .ap_rst(ap_rst), .ap_start(ap_start), .ap_done(), .ap_idle(), .ap_ready());"
        for other in inner
    )
    return f"""// EXSEOS-STAND-IN: no hardware
`timescale 1 ns / 1 ps
module {name} (ap_clk, ap_rst, ap_start, ap_done, ap_idle, ap_ready);
parameter DESIGN = 64'h{digest([name.encode(), design.encode()])[:16]};
input ap_clk;
input ap_rst;
input ap_start;
output ap_done;
output ap_idle;
output ap_ready;
reg [63:0] state;
assign ap_done = (state == DESIGN);
assign ap_ready = ap_done;
assign ap_idle = (state == 64'd0);
always @ (posedge ap_clk) begin
    if (ap_rst == 1'b1) state <= 64'd0;
    else if (ap_start == 1'b1) state <= state + 64'd1;
end
{instances}
endmodule
"""


def simulated(facts: Facts, read: Sources) -> dict[str, int]:
    """Cycles that co-simulation measures, others than those that synthesis estimates."""
    draw = Draw(read.digest, facts["part"], "cosim")
    least, interval = draw.between("latency", 500, 900), draw.between("interval", 30, 60)
    return {
        "latency_min": least,
        "latency_avg": draw.between("average", least + 1, least + 9),
        "latency_max": draw.between("most", least + 11, least + 30),
        "interval_min": interval,
        "interval_avg": draw.between("interval average", interval + 1, interval + 9),
        "interval_max": draw.between("interval most", interval + 11, interval + 19),
        "execution": draw.between("execution", 2000, 9000),
    }


def _cosim(found: Settings, facts: Facts) -> bool:
    part = part_named(facts["part"])
    assert part is not None
    _results(facts, "rtl_cosim_results.log")
    text = reports.cosim_text(_heading(found, facts, part), simulated(facts, _sources(facts)))
    write_report(found, Path(facts["folder"], "sim", "report", f"{facts['top']}_cosim.rpt"), text)
    return True


def exported(facts: Facts, read: Sources, part: Part, flow: str) -> tuple[dict[str, int], str, str, str]:
    """Resources; the target period, and those achieved after synthesis and, with ``impl``, after routing."""
    draw = Draw(read.digest, part.name, facts["period"], "export", flow)
    period = float(facts["period"])
    used = {name: draw.share(name, getattr(part, field)) for name, field in (("LUT", "lut"), ("FF", "ff"), ("DSP", "dsp"))}
    used |= {"BRAM": draw.share("BRAM", part.bram_18k), "URAM": draw.share("URAM", part.uram), "SRL": draw.between("SRL", 5, 99)}
    synth, route = (f"{period * draw.between(name, 500, 900) / 1000:.3f}" for name in ("synth", "route"))
    return used, f"{period:.3f}", synth, route if flow == "impl" else ""


def _export(found: Settings, facts: Facts) -> bool:
    part = part_named(facts["part"])
    assert part is not None
    top, flow = facts["top"], facts["flow"]
    folder = Path(facts["folder"], "impl")
    (folder / "ip").mkdir(parents=True, exist_ok=True)
    (folder / "ip" / "component.xml").write_text(f"<spirit:component><spirit:name>{top}</spirit:name></spirit:component>\n")
    version = "_".join(facts["ip_version"].split(".")[:2])
    archives = [folder / "ip" / f"xilinx_com_hls_{top}_{version}.zip", folder / "export.zip"]
    for archive in archives:
        with zipfile.ZipFile(archive, "w") as packed:
            for file in sorted(Path(facts["folder"], "syn", "verilog").glob("*.v")):
                packed.write(file, f"hdl/verilog/{file.name}")
    if flow != "none":
        heading = _heading(found, facts, part)
        used, *periods = exported(facts, _sources(facts), part, flow)
        stem = f"export_{flow}" if heading.vitis else f"{top}_export"
        place = folder / "report" / "verilog"
        write_report(found, place / f"{stem}.rpt", reports.export_text(heading, top, flow, used, *periods))
        write_report(found, place / f"{stem}.xml", reports.export_xml(heading, flow, used, *periods))
    say("INFO: [HLS 200-802] Generated output file impl/export.zip")
    return True
