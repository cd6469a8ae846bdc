#!/usr/bin/python3 -I
"""EXSEOS-STAND-IN for shls of SmartHLS. It runs make on the project's Makefile, whose targets call it again for each stage."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from stand_in import Draw, StandIn, design, grouped, include_error, now, syntax_error, tclsh, write  # noqa: E402

COMMANDS = {
    "clean": (),
    "sw_compile": (),
    "sw_run": ("sw_compile",),
    "hw": (),
    "cosim": ("hw",),
    "rtl_synth": ("hw",),
    "fpga": ("hw",),
}
"""Each command and what must have run before it; with ``-a`` that is run as well."""
SLOW = ("rtl_synth", "fpga")
DEVICES = {
    "MPF100": ("MPF100T-FCVG484I", (108600, 1008, 352, 336, 284)),
    "MPF300": ("MPF300TS-1FCG1152I", (299544, 2772, 952, 924, 512)),
    "MPF500": ("MPF500TS-FCG1152I", (481000, 4440, 1520, 1480, 584)),
    "MPFS250T": ("MPFS250T_ES-FCVG484E", (254196, 2352, 812, 784, 144)),
}
READ_CONFIG = """
if {[catch {source $argv_config} message]} { puts stderr "Error: config.tcl: $message"; exit 1 }
foreach {name value} [array get ::shls_parameters] { puts "$name=$value" }
exit 0
"""
NOT_SYNTHESIZED = "N/A. Please run 'Synthesize Hardware to FPGA' to obtain the {what} result."


def main():
    tool = StandIn()
    arguments = sys.argv[1:]
    if arguments[:1] == ["--stand-in-stage"]:
        Stage(tool, *arguments[2:5], arguments[5:]).run(arguments[1])
        return
    if arguments in (["--version"], ["-v"]):
        tool.say(
            f"Smart High-Level Synthesis Tool Version {tool.version}\n"
            "Copyright (c) 2015-2024 Microchip Technology Inc. All Rights Reserved."
        )
        return
    if not arguments or arguments[0] in ("-h", "--help"):
        tool.say(f"Usage: shls [-a|-s] <command>\nCommands: {', '.join(COMMANDS)}")
        sys.exit(0 if arguments else 1)
    flags = [one for one in arguments if one.startswith("-")]
    commands = [one for one in arguments if not one.startswith("-")]
    if wrong := [flag for flag in flags if flag not in ("-a", "-s")]:
        tool.fail(f"Error: Unknown option: {wrong[0]}\nUsage: shls [-a|-s] <command>")
    if len(commands) != 1 or commands[0] not in COMMANDS:
        tool.fail(f"Error: Invalid command: {' '.join(commands) or 'none'}. Run 'shls -h' for the list of commands.")
    sys.exit(command(tool, commands[0], "-a" in flags))


def command(tool, name, every):
    if not Path("Makefile").is_file():
        tool.fail("Error: Makefile does not exist in the current directory. Please run shls in a SmartHLS project directory.")
    if shutil.which("make") is None:
        tool.fail("shls: make: command not found", 127)
    tool.say(f"Info: Running the following targets: {' '.join((*COMMANDS[name], name) if every else (name,))}.")
    environment = {**os.environ, "SHLS_ROOT_DIR": str(tool.root)}
    for target in (*COMMANDS[name], name) if every else (name,):
        environment["SHLS_PREREQUISITE"] = str(target != name)
        code = subprocess.run(["make", "--no-print-directory", target], env=environment, check=False).returncode
        if code and tool.behaviour in ("killed", "crash"):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.kill(os.getpid(), signal.SIGKILL if tool.behaviour == "killed" else signal.SIGSEGV)
        if code:
            tool.say(f"Error: shls {target} failed.")
            return 1
    return 0


class Stage:
    """One stage of a project: what its Makefile hands over, and the numbers that its design gives."""

    def __init__(self, tool, name, config, flags, sources):
        self.tool, self.name, self.sources = tool, name, sources
        self.config = self.read_config(config.partition("=")[2] or "config.tcl")
        self.folders = re.findall(r"-I\s*(\S+)", flags)
        self.out = Path("hls_output")
        self.done = self.out / ".stand-in.json"

    def read_config(self, path):
        if not Path(path).is_file():
            self.tool.fail(f"Error: configuration file {path} does not exist.")
        text = f"set argv_config {{{path}}}\n{READ_CONFIG}"
        ended = subprocess.run([tclsh()], input=text, text=True, capture_output=True, check=False)
        if ended.returncode:
            self.tool.fail(ended.stderr.strip())
        return dict(line.split("=", 1) for line in ended.stdout.splitlines() if "=" in line)

    def run(self, what):
        getattr(self, f"stage_{what}")()

    def prepare(self):
        """What every stage but ``clean`` takes: sources that are there, a top function, a device and a clock."""
        for source in self.sources:
            if not Path(source).is_file():
                self.tool.fail(f"clang: error: no such file or directory: '{source}'")
            if message := include_error(source, self.folders):
                self.tool.fail(message)
        self.top = self.find_top()
        self.period = float(self.config.get("CLOCK_PERIOD", "10"))
        asked = self.config.get("DEVICE", "MPF300")
        self.device, self.available = DEVICES.get(asked, (asked, DEVICES["MPF300"][1]))
        self.seed = design(self.sources, self.device, self.period)

    def find_top(self):
        for source in self.sources:
            text = Path(source).read_text(errors="replace")
            if match := re.search(r"(\w+)\s*\([^;{]*\)\s*\{\s*(?:#pragma HLS [^\n]*\n\s*|//[^\n]*\n\s*)*?#pragma HLS function top", text):
                return match[1]
        if self.config.get("TOP"):
            return self.config["TOP"]
        self.tool.fail("Error: No top-level function is specified. Please specify one with '#pragma HLS function top'.")
        return ""

    def stage_clean(self):
        shutil.rmtree(self.out, ignore_errors=True)
        self.tool.say("Info: Cleaned the project.")

    def stage_sw_compile(self):
        self.prepare()
        if self.tool.behaviour == "syntax":
            self.tool.fail(syntax_error(self.sources[0]))
        write(self.out / f".hls/{self.name}.sw_binary", "EXSEOS-STAND-IN\n")
        self.tool.say("Info: Compiling the software")

    def stage_sw_run(self):
        self.tool.say("Info: Running the software\nPASS")

    def stage_hw(self):
        self.prepare()
        there = self.out / f"rtl/{self.top}.v"
        if os.environ.get("SHLS_PREREQUISITE") == "True" and there.is_file() and self.seed in there.read_text():
            self.tool.say("Info: The hardware is up to date")
            return
        self.licence()
        if self.tool.behaviour == "syntax":
            self.tool.fail(syntax_error(self.sources[0]))
        self.tool.work("Info: Compiling the software to hardware", "LLVM ERROR: IO failure on output stream: No space left on device")
        shutil.rmtree(self.out, ignore_errors=True)
        self.tool.report(self.out / f"reports/summary.hls.{self.top}.rpt", self.summary())
        write(there, f"// EXSEOS-STAND-IN: no hardware. Design {self.seed}\nmodule {self.top}_top ();\nendmodule\n")
        self.finish("hw")
        self.tool.say("Info: SmartHLS finished generating the hardware")

    def stage_cosim(self):
        self.needs_hw()
        self.finish("cosim")
        self.tool.say("Info: Verifying RTL simulation\nSW/HW co-simulation: PASS")

    def stage_rtl_synth(self):
        self.needs_hw()
        self.licence()
        self.finish("rtl_synth")
        self.tool.say("Info: Libero: the Execute Script command succeeded.")

    def stage_fpga(self):
        self.needs_hw()
        self.licence()
        self.finish("fpga")
        slack = self.period - self.reached()
        if slack < 0:
            self.tool.say(f"Warning: the design does not meet its timing: worst slack {slack:.3f} ns")
        self.tool.say("Info: Libero: the Execute Script command succeeded.")

    def licence(self):
        self.tool.licence(
            "SmartHLS",
            ("LM_LICENSE_FILE", "SNPSLMD_LICENSE_FILE"),
            "Error: Failed to check out a license. Please set the environment variable LM_LICENSE_FILE\n"
            "to the license file or the license server (port@host). SmartHLS needs the feature SmartHLS.",
        )

    def needs_hw(self):
        self.prepare()
        if not (self.out / f"rtl/{self.top}.v").is_file():
            self.tool.fail(f"Error: hls_output/rtl/{self.top}.v does not exist. Please run 'shls hw' first.")

    def finish(self, stage):
        done = set(json.loads(self.done.read_text())) if stage != "hw" and self.done.is_file() else set()
        done.add(stage)
        write(self.done, json.dumps(sorted(done)))
        self.tool.report(self.out / "reports/summary.results.rpt", self.results(done))

    def latency(self):
        draw = Draw("smarthls", self.seed)
        draw.claim(self.period)
        return draw.integer("latency", 12, 90), draw.integer("other", 91, 190)

    def reached(self):
        low, high = (1.05, 1.4) if self.tool.behaviour == "timing" else (0.55, 0.95)
        return Draw("libero", self.seed).decimal("period", low * self.period, high * self.period)

    def summary(self):
        latency, inner = self.latency()
        rule = "// " + "-" * 76
        lines = [
            rule,
            f"// Smart High-Level Synthesis Tool Version {self.tool.version}",
            "// EXSEOS-STAND-IN: nothing is synthesized",
            f"// Date: {now()}",
            rule,
            "",
            f"SmartHLS Summary Report for Project: {self.name}.",
            "",
            "",
            "====== 1. RTL Interface ======",
            "",
            *titled(
                "RTL Interface Generated by SmartHLS",
                [("C++ Name", "Interface Type", "Signal Name"), ("", "Clock & Reset", "clk (positive edge)")],
            ),
            "",
            "====== 2. Scheduling Result ======",
            "",
            "Basic Block Latencies:",
            "",
            *titled(
                f"Function: {self.top} (non-pipelined function)",
                [("Basic Block", "Cycle Latency"), ("entry", "1"), ("for_body", str(latency - 1))],
            ),
            "",
            "====== 7. Static Runtime Estimate ======",
            "",
            *titled(
                f"Function: {self.top} takes {grouped(latency)} cycles", [("Header Block", "Trip Count", "II"), ("for_body", "3", "1")]
            ),
            "",
            *titled(
                f"Function: {self.top}_layer takes {grouped(inner)} cycles", [("Header Block", "Trip Count", "II"), ("for_body", "3", "1")]
            ),
            "",
        ]
        return "\n".join(lines) + "\n"

    def results(self, done):
        title = "=====  Summary Report for RTL Simulation and FPGA Synthesis  ====="
        top = f"(top-level module: {self.top}_top)"
        lines = [
            "=" * len(title),
            title,
            "=" * len(title),
            "",
            f"Project name: {self.name}",
            "FPGA Vendor: MICROSEMI",
            f"Device Family: {self.config.get('FAMILY', 'PolarFire')}",
            f"Device: {self.device}",
            "",
            "",
            "====== 1. Simulation Result ======",
            "",
            *(self.simulation() if "cosim" in done else ["N/A. Please run 'SW/HW Co-Simulation' to obtain the simulation result."]),
            "",
            f"====== 2. Timing Result of HLS-generated IP Core {top} ======",
            "",
            *(self.timing() if "fpga" in done else [NOT_SYNTHESIZED.format(what="timing")]),
            "",
            f"====== 3. Resource Usage of HLS-generated IP Core {top} ======",
            "",
            *(self.resources() if done & set(SLOW) else [NOT_SYNTHESIZED.format(what="resource usage")]),
            "",
        ]
        return "\n".join(lines) + "\n"

    def simulation(self):
        rows = Path("tb_data/tb_input_features.dat")
        calls = len(rows.read_text().splitlines()) if rows.is_file() else 0
        calls = calls or 1
        draw = Draw("simulation", self.seed)
        least, interval = draw.integer("latency", 91, 190), draw.integer("interval", 12, 60)
        total = 300 + least + interval * calls
        header = ("Top-Level Name", "Number of calls", "Simulation time (cycles)", "Call Latency (min/max/avg)", "Call II (min/max/avg)")
        latency = f"{least} / {least + 2} / {least + 0.75:.2f}"
        row = (f"{self.top}_top", grouped(calls), grouped(total), latency, f"{interval} / {interval + 2} / {interval + 0.25:.2f}")
        return [*box(header, [row]), f"Simulation time (cycles): {grouped(total)}", "SW/HW co-simulation: PASS"]

    def timing(self):
        reached = self.reached()
        header = ("Clock Domain", "Target Period", "Target Fmax", "Worst Slack", "Period", "Fmax")
        row = ("clk", f"{self.period:.3f} ns", f"{1000 / self.period:.3f} MHz", f"{self.period - reached:.3f} ns", f"{reached:.3f} ns")
        return box(header, [(*row, f"{1000 / reached:.3f} MHz")])

    def resources(self):
        draw = Draw("resources", self.seed)
        for value in self.available:
            draw.claim(value)
        logic, usram, lsram, math, pins = self.available
        used = {
            name: draw.integer(name, low, high)
            for name, low, high in (("math", 11, 60), ("lsram", 61, 90), ("usram", 91, 150), ("io", 1, 10))
        }
        bound = 36 * used["lsram"] + 36 * used["math"] + 12 * used["usram"]
        lut, dff = draw.integer("lut", 900, 9000), draw.integer("dff", 9001, 20000)
        rows = [
            ("Fabric + Interface 4LUT*", f"{lut} + {bound} = {lut + bound}", logic, lut + bound),
            ("Fabric + Interface DFF*", f"{dff} + {bound} = {dff + bound}", logic, dff + bound),
            ("I/O Register", 0, 3 * pins, 0),
            ("User I/O", used["io"], pins, used["io"]),
            ("uSRAM", used["usram"], usram, used["usram"]),
            ("LSRAM", used["lsram"], lsram, used["lsram"]),
            ("Math", used["math"], math, used["math"]),
        ]
        drawn = box(("Resource Type", "Used", "Total", "Percentage"), [(*row[:3], f"{100 * row[3] / row[2]:.2f}") for row in rows])
        return [*drawn, "", "* Interface 4LUTs and DFFs are occupied due to the uses of LSRAM, Math, and uSRAM."]


def box(header, rows):
    texts = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(header))]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    drawn = ["| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |" for row in texts]
    return [rule, drawn[0], rule, *drawn[1:], rule]


def titled(title, rows):
    """A table with its title in a line of its own."""
    rows = [list(row) for row in rows]
    short = len(title) - (sum(max(len(row[place]) for row in rows) for place in range(len(rows[0]))) + 3 * (len(rows[0]) - 1))
    rows[0][-1] += " " * max(0, short + max(len(row[-1]) for row in rows) - len(rows[0][-1])) if short > 0 else ""
    drawn = box(rows[0], rows[1:])
    width = len(drawn[0])
    return ["+" + "-" * (width - 2) + "+", f"| {title:<{width - 4}} |", *drawn]


main()
