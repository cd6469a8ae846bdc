#!/usr/bin/python3 -I
"""EXSEOS-STAND-IN for Catapult: its shell is a real Tcl interpreter; this program starts it and does the work of each stage."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from stand_in import Draw, StandIn, a_line, design, missing_include, now, tclsh, write  # noqa: E402

BUILD = "1117371"
BUILD_DATE = "Thu May 16 19:09:56 PDT 2024"
PRODUCTS = ("ultra", "lb", "sl", "oasys", "hls", "tools", "sls")
AVAILABLE = {"lut": 1728000, "ff": 3456000, "ramb36": 2688, "ramb18": 5376, "uram": 1280, "dsp": 12288}
SHELL = """
set stand_in_program {%s}
source {%s}
set stand_in_steps [list %s]
foreach {stand_in_kind stand_in_text} $stand_in_steps {
  if {$stand_in_kind eq "eval"} { set code [catch {uplevel #0 $stand_in_text} message]
  } else { set code [catch {uplevel #0 [list source $stand_in_text]} message] }
  if {$code == 1} {
    regexp {\\(file "[^"]*" line ([0-9]+)\\)[^(]*$} $::errorInfo all line
    set at [expr {[info exists line] ? "${stand_in_text}($line): " : {}}]
    puts stderr "# Error: $at$message"
    puts stderr "# Error: $stand_in_kind: script failed; Catapult ends (CMD-1)"
    exit 1
  }
}
exit 0
"""


def main():
    tool = StandIn()
    arguments = sys.argv[1:]
    if arguments[:1] == ["--stand-in-top"]:
        tool.say(top_of(tool, arguments[1:]))
    elif arguments[:1] == ["--stand-in-stage"]:
        project, top, version, state, period, part, *files = arguments[2:]
        Stage(tool, project, top, version, period, part, files).run(arguments[1], state)
    else:
        sys.exit(shell(tool, arguments))


def banner(tool):
    return f"Catapult Ultra Synthesis {tool.version}/{BUILD} (Production Release) {BUILD_DATE}"


def shell(tool, arguments):
    evaluated, files, rest = [], [], iter(arguments)
    for argument in rest:
        if argument in ("-version", "--version"):
            tool.say(banner(tool))
            return 0
        if argument in ("-f", "-file", "-eval", "-product", "-logfile", "-logprefix"):
            value = next(rest, None)
            if value is None:
                tool.fail(f"# Error: Option '{argument}' requires an argument")
            if argument == "-eval":
                evaluated.append(value)
            elif argument in ("-f", "-file"):
                files.append(value)
            elif argument == "-product" and value not in PRODUCTS:
                tool.fail(f"# Error: Unknown product '{value}', must be one of: {', '.join(PRODUCTS)}")
        elif argument not in ("-shell", "-nosplash", "-64", "-gui"):
            tool.fail(f"# Error: Unknown option '{argument}'. Use 'catapult -help' for the options.")
    if "-shell" not in arguments:
        tool.fail('# Error: couldn\'t connect to display ""')
    for name in files:
        if not Path(name).is_file():
            tool.fail(f'# Error: couldn\'t read file "{name}": no such file or directory')
    tool.licence(
        "catapultultra_c",
        ("LM_LICENSE_FILE", "MGLS_LICENSE_FILE", "SALT_LICENSE_SERVER"),
        "# Error: Unable to checkout a license. Make sure your license file environment variables are set correctly (LNX-3)\n"
        "#   Feature: catapultultra_c  Searched: LM_LICENSE_FILE, MGLS_LICENSE_FILE, SALT_LICENSE_SERVER",
    )
    # The real shell evaluates -eval before it reads the script: hls4ml hands over its options that way.
    steps = " ".join([f"eval {quoted(text)}" for text in evaluated] + [f"file {quoted(text)}" for text in files])
    script = SHELL % (tool.program, tool.program.parent / "catapult.tcl", steps)
    environment = {**os.environ, "MGC_HOME": str(tool.root)}
    command = [tclsh()]
    with (
        Path("catapult.log").open("w") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, errors="replace"
        ) as running,
    ):
        head = [f"//  {banner(tool)}", "//  EXSEOS-STAND-IN: nothing is synthesized", f"// Start time {now()}"]
        running.stdin.write(script)
        running.stdin.close()
        for text in head:
            print(text, flush=True)
            log.write(text + "\n")
        for line in running.stdout:
            print(line, end="", flush=True)
            log.write(line)
            log.flush()
    if running.returncode in (137, 139):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), running.returncode - 128)
    return running.returncode


def quoted(text):
    return '"' + re.sub(r'([\\"$\[\]{}])', r"\\\1", text) + '"'


def top_of(tool, files):
    """The function marked as the top of the design."""
    for name in files:
        text = Path(name).read_text(errors="replace")
        if match := re.search(r"#pragma\s+hls_design\s+top[\s\S]*?(?:CCS_BLOCK\(\s*(\w+)\s*\)|\b(\w+)\s*\()", text):
            return match[1] or match[2]
    tool.fail("# Error: No top design is specified: set the design_top pragma or directive (HIER-4)")
    return ""


class Stage:
    """One stage of one solution, with the numbers that its design gives."""

    def __init__(self, tool, project, top, version, period, part, files):
        self.tool, self.top, self.version, self.files, self.project = tool, top, version, files, Path(project)
        self.folder = self.project / f"{top}.{version}"
        self.period, self.part = float(period or 0), part or "xcku115-flvb2104-2-i"
        self.seed = design(files, self.part, self.period)

    def run(self, what, state):
        work = getattr(self, f"stage_{what}", None)
        if work is not None:
            work()
        if self.project.is_dir():
            with (self.project / "messages.txt").open("a") as messages:
                messages.write(f"# Info: {what} done in state {state}\n")

    def stage_analyze(self):
        source = self.files[0]
        own = self.tool.root / "shared/include"
        folders = [own, own / "nnet_utils", Path(source).parent / "nnet_utils", Path(source).parent / "ac_types"]
        if missing := missing_include(source, folders):
            self.tool.fail(f'# Error: {source}({missing[0]}): cannot open source file "{missing[2]}" (CRD-1696)')
        if self.tool.behaviour == "syntax":
            line, column, _ = a_line(source)
            self.tool.fail(
                f'# Error: {source}({line}): expected a ";" (CRD-65)\n'
                f"# Error: {source}:{line}:{column}: 1 error detected in the compilation"
            )
        self.tool.say(f"# Front End called with arguments: {source} (CIN-69)\n# Source file analysis completed (CIN-68)")

    def stage_compile(self):
        self.tool.say(f"# Info: CDesignChecker: Found top design routine '{self.top}' specified by directive (CIN-52)")

    def stage_schedule(self):
        full = "# Error: Couldn't write to database: No space left on device (DB-12)"
        self.tool.work("# Info: Performing concurrent resource allocation and scheduling on '/" + self.top + "/core' (CRAAS-1)", full)
        if self.tool.behaviour == "timing":
            line, *_ = a_line(self.files[0])
            self.tool.fail(
                f"# Error: {self.files[0]}({line}): Feedback path is too long to schedule design with current pipeline "
                "and clock constraints. (SCHD-3)\n"
                f"# Error: Schedule failed, sequential delay violated. List of sequential operations and dependencies: (SCHD-20)\n"
                f"# Error: Couldn't schedule partition '/{self.top}/core'. Sequential delay violations encountered (SCHD-27)"
            )
        self.tool.report(self.folder / "cycle.rpt", self.head("schedule") + self.processes() + self.clocks() + "  End of Report\n")

    def stage_extract(self):
        text = self.head("extract") + self.processes() + self.clocks() + self.materials() + self.timing() + "  End of Report\n"
        self.tool.report(self.folder / "rtl.rpt", text)
        self.tool.report(self.folder / "cycle.rpt", self.head("extract") + self.processes() + self.clocks() + "  End of Report\n")
        verilog = f"// EXSEOS-STAND-IN: no hardware. Design {self.seed}\nmodule {self.top} (\n  clk, rst\n);\n"
        verilog += "  input clk;\n  input rst;\nendmodule\n"
        for name in ("concat_rtl.v", "rtl.v", "concat_sim_rtl.v"):
            write(self.folder / name, verilog)
        write(self.folder / "rtl.v.xv", "# EXSEOS-STAND-IN\n")
        messages = [f"# Info: Completed transformation 'extract' on solution '{self.top}.{self.version}'", ""]
        self.tool.report(self.folder / "messages.txt", "\n".join(messages))

    def stage_csim(self):
        self.tool.say("# Info: Starting the C simulation\n# Info: Processed 1 frames\n# Info: Simulation PASSED")

    def stage_cosim(self):
        if not (self.folder / "concat_rtl.v").is_file():
            self.tool.fail("# Error: make: *** No rule to make target 'concat_rtl.v'. Stop.")
        self.tool.say("# Info: Collecting data completed\n# Info: captured 1 values of layer_out\n# Info: Simulation PASSED @ 1 ns")

    def stage_vsynth(self):
        if not (self.folder / "concat_rtl.v").is_file():
            self.tool.fail("# Error: couldn't open 'concat_rtl.v' for Vivado")
        draw = Draw("vivado", self.seed)
        for value in AVAILABLE.values():
            draw.claim(value)
        self.tool.report(self.folder / "vivado_concat_v/utilization_synth.rpt", self.utilization(draw))
        self.tool.report(self.folder / "vivado_concat_v/timing_summary_synth.rpt", self.summary(draw))
        self.tool.say("# Info: Vivado synthesis completed")

    def stage_layers(self):
        latency, interval, _ = self.cycles()
        text = f"Layer              Latency  Throughput\n{self.top:<18} {latency:>7} {interval:>11}\n"
        self.tool.report(self.folder / "nnet_layer_results.txt", text)

    def head(self, state):
        lines = [
            "-- Catapult Ultra Synthesis: Report",
            "-- ------------------------- ---------------------------------------------------",
            f"-- Version:                  {self.tool.version}/{BUILD} Production Release",
            f"-- Build Date:               {BUILD_DATE}",
            "",
            "-- Generated by:             stand-in@EXSEOS-STAND-IN",
            f"-- Generated date:           {now()}",
            "",
            f"Solution Settings: {self.top}.{self.version}",
            f"  Current state: {state}",
            f"  Project: {self.project}",
            "  ",
            "  Design Input Files Specified",
            *[f"    $PROJECT_HOME/{name}" for name in self.files],
            "  ",
        ]
        return "\n".join(lines) + "\n"

    def draw(self):
        draw = Draw("catapult", self.seed)
        draw.claim(self.period)
        return draw

    def cycles(self):
        draw = self.draw()
        return draw.integer("latency", 12, 90), draw.integer("interval", 1, 11), draw.integer("operations", 91, 900)

    def processes(self):
        latency, interval, operations = self.cycles()
        draw = self.draw()
        for value in (latency, interval, operations):
            draw.claim(value)
        inner = (
            draw.integer("core latency", 12, latency + 11),
            draw.integer("core interval", 1, 99),
            draw.integer("core operations", 91, 900),
        )
        rows = [
            ("Process", "Real Operation(s) count", "Latency", "Throughput", "Reset Length", "II", "Comments"),
            (f"/{self.top}/core", inner[2], inner[0], inner[1], 0, inner[1], ""),
            ("Design Total:", operations, latency, interval, 0, 0, ""),
        ]
        return table("Processes/Blocks in Design", rows)

    def clocks(self):
        rows = [
            ("Clock Signal", "Edge", "Period", "Sharing Alloc (%)", "Uncertainty", "Used by Processes/Blocks"),
            ("clk", "rising", f"{self.period:.3f}", "20.00", "0.000000", f"/{self.top}/core"),
        ]
        return table("Clock Information", rows)

    def materials(self):
        draw = Draw("area", self.seed)
        dsp, lut, carry = draw.integer("dsp", 11, 150), draw.integer("lut", 900, 9000), draw.integer("carry", 151, 899)
        score = draw.decimal("score", 9001, 19999)
        header = ("Component Name", "Area Score", "Area(DSP)", "Area(LUTs)", "Area(MUX_CARRYs)", "Delay", "Post Alloc", "Post Assign")
        rows = [
            header,
            ("[Lib: mgc_Xilinx-VIRTEX-uplus-2_beh]", "", "", "", "", "", "", ""),
            ("mgc_add(23,1,23,1,24)", "23.000", "0.000", "23.000", "22.000", "1.670", 34, 32),
            ("", "", "", "", "", "", "", ""),
            ("TOTAL AREA (After Assignment):", f"{score:.3f}", f"{dsp}.000", f"{lut}.000", f"{carry}.000", "", "", ""),
        ]
        return table("Bill Of Materials (Datapath)", rows)

    def timing(self):
        draw = Draw("path", self.seed)
        delay = draw.decimal("delay", 0.6 * self.period, 0.95 * self.period, 6)
        slack = round(self.period - delay, 6)
        return f"  Timing Report\n    Critical Path\n      Max Delay:  {delay:.6f}\n      Slack:      {slack:.6f}\n      \n"

    def vivado_head(self, title, command):
        rule = "-" * 98
        lines = [
            "Copyright 1986-2022 Xilinx, Inc. All Rights Reserved. Copyright 2022-2023 Advanced Micro Devices, Inc. All Rights Reserved.",
            rule,
            "| Tool Version : Vivado v.2023.2 (lin64) Build 4029153 Fri Oct 13 20:13:54 MDT 2023 EXSEOS-STAND-IN",
            f"| Date         : {now()}",
            "| Host         : stand-in running 64-bit Linux",
            f"| Command      : {command}",
            f"| Design       : {self.top}",
            f"| Device       : {self.part}",
            "| Speed File   : -2",
            "| Design State : Synthesized",
            rule,
            "",
            title,
            "",
        ]
        return "\n".join(lines) + "\n"

    def utilization(self, draw):
        used = {
            "lut": draw.integer("lut", 900, 9000),
            "ff": draw.integer("ff", 9001, 20000),
            "ramb36": draw.integer("ramb36", 11, 90),
            "ramb18": 2 * draw.integer("half ramb18", 100, 200) + 1,
            "uram": draw.integer("uram", 1, 10),
            "dsp": draw.integer("dsp", 401, 899),
        }
        tile = used["ramb36"] + used["ramb18"] / 2
        most = AVAILABLE
        parts = [
            self.vivado_head("Utilization Design Information", "report_utilization -file vivado_concat_v/utilization_synth.rpt"),
            "1. CLB Logic\n------------\n\n",
            sites(row("CLB LUTs*", used["lut"], most["lut"]), row("CLB Registers", used["ff"], most["ff"])),
            "\n\n2. BLOCKRAM\n-----------\n\n",
            sites(
                row("Block RAM Tile", tile, most["ramb36"]),
                row("  RAMB36/FIFO*", used["ramb36"], most["ramb36"]),
                row("  RAMB18", used["ramb18"], most["ramb18"]),
                row("URAM", used["uram"], most["uram"]),
            ),
            "\n\n3. ARITHMETIC\n-------------\n\n",
            sites(row("DSPs", used["dsp"], most["dsp"])),
            "\n",
        ]
        return "".join(parts)

    def summary(self, draw):
        good = self.tool.behaviour != "timing"
        wns = draw.decimal("wns", 0.1, 0.9) if good else -draw.decimal("wns", 0.1, 0.9)
        columns = {
            "WNS(ns)": f"{wns:.3f}",
            "TNS(ns)": "0.000",
            "TNS Failing Endpoints": "0",
            "TNS Total Endpoints": str(draw.integer("endpoints", 20001, 29999)),
            "WHS(ns)": f"{draw.decimal('whs', 0.01, 0.09):.3f}",
            "THS(ns)": "0.000",
            "THS Failing Endpoints": "0",
            "THS Total Endpoints": str(draw.integer("hold endpoints", 30000, 39999)),
            "WPWS(ns)": f"{draw.decimal('wpws', 1, 1.9):.3f}",
            "TPWS(ns)": "0.000",
            "TPWS Failing Endpoints": "0",
            "TPWS Total Endpoints": str(draw.integer("pulse endpoints", 40000, 49999)),
        }
        rule = "-" * 100
        lines = [
            rule, "| Design Timing Summary", "| ---------------------", rule, "",
            "    " + "  ".join(f"{name:>{max(len(name), 9)}}" for name in columns),
            "    " + "  ".join(f"{'-' * len(name):>{max(len(name), 9)}}" for name in columns),
            "    " + "  ".join(f"{value:>{max(len(name), 9)}}" for name, value in columns.items()),
            "", "", "All user specified timing constraints are met.", "", "",
            rule, "| Clock Summary", "| -------------", rule, "",
            "Clock  Waveform(ns)       Period(ns)      Frequency(MHz)",
            "-----  ------------       ----------      --------------",
            f"clk    {{0.000 {self.period / 2:.3f}}}      {self.period:.3f}           {1000 / self.period:.3f}         ",
            "", "", rule, "| Intra Clock Table", "| -----------------", rule, "",
        ]  # fmt: skip
        return self.vivado_head(
            "Timing Summary Report", "report_timing_summary -file vivado_concat_v/timing_summary_synth.rpt"
        ) + "\n".join(lines)


def table(title, rows):
    """A table as Catapult draws it: dashes under the header show where its columns are."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in texts) for place in range(len(texts[0]))]
    right = [all(re.fullmatch(r"[-0-9.]*", row[place]) for row in texts[1:]) for place in range(len(widths))]

    def line(row):
        places = zip(row, widths, right, strict=True)
        return "    " + " ".join(f"{cell:>{width}}" if to_right else f"{cell:<{width}}" for cell, width, to_right in places)

    lines = [f"  {title}", line(texts[0]), "    " + " ".join("-" * width for width in widths), *map(line, texts[1:]), "    "]
    return "\n".join(lines) + "\n"


def row(name, value, most):
    return name, value, 0, 0, most, f"{100 * value / most:.2f}"


def sites(*rows):
    return box(("Site Type", "Used", "Fixed", "Prohibited", "Available", "Util%"), rows)


def box(header, rows):
    texts = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(header))]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    drawn = ["| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |" for row in texts]
    return "\n".join([rule, drawn[0], rule, *drawn[1:], rule]) + "\n"


main()
