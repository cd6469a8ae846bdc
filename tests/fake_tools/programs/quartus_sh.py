#!/usr/bin/python3 -I
"""EXSEOS-STAND-IN for Quartus Prime: quartus_sh, quartus_map, quartus_fit, quartus_sta and quartus_pow, told apart by their names."""

import json
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from stand_in import Draw, StandIn, design, grouped, now, share, tclsh, write  # noqa: E402

TITLES = {
    "quartus_sh": "Shell",
    "quartus_map": "Analysis & Synthesis",
    "quartus_fit": "Fitter",
    "quartus_sta": "Timing Analyzer",
    "quartus_pow": "Power Analyzer",
}
CORNERS = ("Slow 900mV 100C Model", "Slow 900mV 0C Model", "Fast 900mV 100C Model", "Fast 900mV 0C Model")
AVAILABLE = {"Arria 10": (427200, 55562240, 2713, 1518, 960, 144), "Cyclone V": (113560, 12492800, 1220, 342, 480, 8)}
CODE = 3
"""What Quartus ends with after an error."""
PRELUDE = """
proc load_package {name args} {}
rename package _package
proc package {what args} {
  if {$what eq "require" && [string match ::quartus::* [lindex $args end]]} { return 1.0 }
  uplevel 1 [linsert $args 0 _package $what]
}
proc post_message {args} { puts "Info: [lindex $args end]" }
proc project_exists {name} { file exists $name.qpf }
proc project_open {args} {
  set ::open_project [lindex $args end]
  if {![file exists $::open_project.qpf]} { error "Project does not exist or has illegal name characters. Specify a legal project name." }
}
proc project_close {args} {}
proc export_assignments {args} {}
proc get_current_revision {args} { return $::open_project }
proc execute_flow {args} {
  if {$args ne "-compile"} { error "Unknown option: $args" }
  if {[catch {exec $::program --flow compile $::open_project >@stdout 2>@stderr}]} {
    error "Flow compile (for project $::open_project) was not successful"
  }
}
proc execute_module {args} { execute_flow -compile }
"""


class Project:
    """A project in the working folder: its settings, and the numbers that its sources give."""

    def __init__(self, tool, name):
        self.tool, self.name = tool, name
        if not Path(f"{name}.qpf").is_file():
            error = "ERROR: Project does not exist or has illegal name characters. Specify a legal project name."
            stop(tool, f"Error (23035): Tcl error: {error}", 1)
        text = Path(f"{name}.qsf").read_text()
        pairs = re.findall(r'^set_global_assignment -name (\S+) (?:"([^"]*)"|(\S+))', text, re.MULTILINE)
        self.settings = [(key, quoted or bare) for key, quoted, bare in pairs]
        self.family, self.device, self.top = self.one("FAMILY"), self.one("DEVICE"), self.one("TOP_LEVEL_ENTITY") or name
        self.sources = [value for key, value in self.settings if key.endswith("_FILE") and key not in ("POST_FLOW_SCRIPT_FILE", "SDC_FILE")]
        for source in self.sources:
            if not Path(source).is_file():
                stop(tool, f'Error (12007): Top-level design entity "{self.top}" is undefined: can\'t read {source}', 1)
        constraints = Path(self.one("SDC_FILE") or "none.sdc")
        period = re.search(r"create_clock -period ([0-9.]+)", constraints.read_text()) if constraints.is_file() else None
        self.period = float(period[1]) if period else 1.0
        asked = [match[1] for source in self.sources if (match := re.search(r"// Target ([0-9.]+) MHz", Path(source).read_text()))]
        self.wanted = 1000 / float(asked[0]) if asked else self.period
        self.seed = design(self.sources, self.device, self.period)

    def one(self, key):
        return next((value for name, value in self.settings if name == key), "")

    def head(self, status):
        build = f"{self.tool.version} Build 670 09/22/2019 SJ Standard Edition"
        return [
            (f"{status} Status", f"Successful - {now()}"),
            ("Quartus Prime Version", build),
            ("Revision Name", self.name),
            ("Top-level Entity Name", self.top),
            ("Family", self.family),
        ]

    def numbers(self):
        draw = Draw("quartus", self.seed)
        available = AVAILABLE.get(self.family, AVAILABLE["Arria 10"])
        for value in available:
            draw.claim(value)
        used = {
            "alm": draw.integer("alm", 900, 9000),
            "reg": draw.integer("reg", 9001, 20000),
            "bits": draw.integer("bits", 20001, 90000),
            "ram": draw.integer("ram", 11, 90),
            "dsp": draw.integer("dsp", 91, 140),
            "pins": draw.integer("pins", 3, 9),
            "plls": draw.integer("plls", 1, 8),
            "alut": draw.integer("alut", 900, 8000),
            "mlab": draw.integer("mlab", 141, 400),
        }
        return draw, used, available


def stop(tool, text, errors, warnings=1):
    title = TITLES.get(Path(sys.argv[0]).name, "Shell")
    tool.fail(f"{text}\nError: Quartus Prime {title} was unsuccessful. {errors} error{'s' * (errors != 1)}, {warnings} warning", CODE)


def table(title, rows):
    widths = [max(len(str(row[place])) for row in rows) for place in range(len(rows[0]))]
    inner = sum(widths) + 3 * len(widths) - 1
    widths[-1] += max(0, len(title) + 2 - inner)
    inner = sum(widths) + 3 * len(widths) - 1
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    lines = ["+" + "-" * inner + "+", f"; {title:<{inner - 2}} ;", rule]
    lines += ["; " + " ; ".join(f"{cell!s:<{width}}" for cell, width in zip(row, widths, strict=True)) + " ;" for row in rows]
    if len(rows[0]) > 2 or title.endswith("Model Fmax Summary"):
        lines.insert(4, rule)
    return "\n".join([*lines, rule, "", ""])


def listing(rows):
    return "".join(f"{label} : {value}\n" for label, value in rows)


def report_head(tool, title, name):
    build = f"Quartus Prime Version {tool.version} Build 670 09/22/2019 SJ Standard Edition"
    return f"{title} report for {name}\n{now()}\n{build}\n\n\n"


def synthesize(tool, project):
    tool.say("Info: Running Quartus Prime Analysis & Synthesis")
    if tool.behaviour == "syntax":
        text = f'Error (10170): Verilog HDL syntax error at {Path(project.sources[-1]).name}(3) near text: ";";  expecting ")"'
        stop(tool, f"{text} File: {Path(project.sources[-1]).resolve()} Line: 3", 1)
    core = "HLS (6AF7_EEEE)"
    tool.licence(
        "quartus",
        ("LM_LICENSE_FILE", "ALTERAD_LICENSE_FILE"),
        f"Error (292014): Can't find valid feature line for core {core} in current license\n"
        f"Error (119013): Current license file does not support the {project.device} device\n"
        "Error: Quartus Prime Analysis & Synthesis was unsuccessful. 2 errors, 0 warnings",
        CODE,
    )
    full = (
        "Error (293007): Current module quartus_map ended unexpectedly. Verify that you have sufficient disk space: No space left on device"
    )
    tool.work("Info: Command: quartus_map --read_settings_files=on --write_settings_files=off " + project.name, full, CODE)
    _, used, _ = project.numbers()
    rows = [
        *project.head("Analysis & Synthesis"),
        ("Logic utilization (in ALMs)", "N/A"),
        ("Total registers", used["reg"]),
        ("Total pins", used["pins"]),
        ("Total block memory bits", grouped(used["bits"])),
        ("Total DSP Blocks", used["dsp"]),
    ]
    tool.report(f"{project.name}.map.summary", listing(rows))
    tool.say("Info: Quartus Prime Analysis & Synthesis was successful. 0 errors, 3 warnings")


def fit(tool, project):
    tool.say("Info: Running Quartus Prime Fitter")
    _, used, available = project.numbers()
    rows = [
        *project.head("Fitter"),
        ("Device", project.device),
        ("Timing Models", "Final"),
        ("Logic utilization (in ALMs)", share(used["alm"], available[0])),
        ("Total registers", used["reg"]),
        ("Total pins", share(used["pins"], available[4])),
        ("Total virtual pins", 170),
        ("Total block memory bits", share(used["bits"], available[1])),
        ("Total RAM Blocks", share(used["ram"], available[2])),
        ("Total DSP Blocks", share(used["dsp"], available[3])),
        ("Total PLLs", share(used["plls"], available[5])),
    ]
    tool.report(f"{project.name}.fit.summary", listing(rows))
    tool.report(f"{project.name}.fit.rpt", report_head(tool, "Fitter", project.name) + table("Fitter Summary", rows))
    write(f"db/{project.name}.cmp.rdb", "EXSEOS-STAND-IN\n")
    tool.say("Info: Quartus Prime Fitter was successful. 0 errors, 5 warnings")


def timing(project):
    """Slack and total of each check in each corner.

    The project of i++ asks for a period of one nanosecond, so that its slack is negative even where its target is met.
    """
    draw, *_ = project.numbers()
    low, high = (1.3, 1.7) if project.tool.behaviour == "timing" else (0.7, 0.95)
    found = {}
    for place, corner in enumerate(CORNERS):
        fast = 0.6 if corner.startswith("Fast") else 1.0
        reached = draw.decimal(f"reached{place}", low * fast * project.wanted, high * fast * project.wanted)
        setup = round(project.period - reached, 3)
        draw.claim(setup)
        total = -draw.decimal(f"tns{place}", 100, 900) if setup < 0 else draw.decimal(f"tns{place}", 0.001, 0.01, 4)
        found[corner] = {
            "Setup": (setup, total),
            "Hold": (draw.decimal(f"hold{place}", 0.01, 0.3), 0),
            "Recovery": (draw.decimal(f"recovery{place}", 0.4, 0.6), 0),
            "Removal": (draw.decimal(f"removal{place}", 0.7, 0.9), 0),
            "Minimum Pulse Width": (draw.decimal(f"pulse{place}", 0.1, 0.39), 0),
        }
    return found


def fmax(project, corner):
    slack = timing(project)[corner]["Setup"][0]
    return round(1000 / (project.period - slack), 2)


def analyze(tool, project):
    tool.say("Info: Running Quartus Prime Timing Analyzer")
    rule = "-" * 60
    lines = [rule, "Timing Analyzer Summary", rule, ""]
    corners = timing(project)
    tables = [table("Timing Analyzer Summary", [
        ("Quartus Prime Version", f"Version {tool.version} Build 670 09/22/2019 SJ Standard Edition"),
        ("Timing Analyzer", "Legacy Timing Analyzer"), ("Revision Name", project.name), ("Device Family", project.family),
        ("Device Name", project.device), ("Timing Models", "Final"),
    ])]  # fmt: skip
    clocks = [("Clock Name", "Type", "Period", "Frequency"), ("clock", "Base", f"{project.period:.3f}", f"{1000 / project.period:.1f} MHz")]
    tables.append(table("Clocks", clocks))
    for corner, checks in corners.items():
        if corner.startswith("Slow"):
            reached = f"{fmax(project, corner)} MHz"
            tables.append(
                table(f"{corner} Fmax Summary", [("Fmax", "Restricted Fmax", "Clock Name", "Note"), (reached, reached, "clock", "")])
            )
        for check, (slack, total) in checks.items():
            lines += [f"Type  : {corner} {check} 'clock'", f"Slack : {slack:.3f}", f"TNS   : {total:.3f}", ""]
            tables.append(
                table(f"{corner} {check} Summary", [("Clock", "Slack", "End Point TNS"), ("clock", f"{slack:.3f}", f"{total:.3f}")])
            )
        if checks["Setup"][0] < 0:
            tool.say("Critical Warning (332148): Timing requirements not met")
        tool.say(f"Info (332146): Worst-case setup slack is {checks['Setup'][0]:.3f}")
    worst = {check: min(checks[check][0] for checks in corners.values()) for check in next(iter(corners.values()))}
    totals = {check: sum(checks[check][1] for checks in corners.values()) for check in worst}
    tables.append(table("Multicorner Timing Analysis Summary", [
        ("Clock", *worst), ("Worst-case Slack", *(f"{value:.3f}" for value in worst.values())),
        ("Design-wide TNS", *(f"{value:.3f}" for value in totals.values())),
    ]))  # fmt: skip
    tool.report(f"{project.name}.sta.summary", "\n".join([*lines, rule, ""]))
    tool.report(f"{project.name}.sta.rpt", report_head(tool, "Timing Analyzer", project.name) + "\n".join(tables))
    tool.say("Info: Quartus Prime Timing Analyzer was successful. 0 errors, 4 warnings")


def power(tool, project):
    if not Path(f"db/{project.name}.cmp.rdb").is_file():
        stop(tool, "Error (215044): Run the Fitter before running the Power Analyzer", 1)
    draw, *_ = project.numbers()
    parts = {name: draw.decimal(name, low, high, 2) for name, low, high in (("dynamic", 20, 90), ("static", 100, 900), ("io", 1, 19))}
    rows = [
        *project.head("Power Analyzer"),
        ("Device", project.device),
        ("Power Models", "Final"),
        ("Total Thermal Power Dissipation", f"{sum(parts.values()):.2f} mW"),
        ("Core Dynamic Thermal Power Dissipation", f"{parts['dynamic']:.2f} mW"),
        ("Core Static Thermal Power Dissipation", f"{parts['static']:.2f} mW"),
        ("I/O Thermal Power Dissipation", f"{parts['io']:.2f} mW"),
        ("Power Estimation Confidence", "Low: user provided insufficient toggle rate data"),
    ]
    tool.report(f"{project.name}.pow.summary", listing(rows))
    tool.report(f"{project.name}.pow.rpt", report_head(tool, "Power Analyzer", project.name) + table("Power Analyzer Summary", rows))
    tool.say("Info: Quartus Prime Power Analyzer was successful. 0 errors, 6 warnings")


def compile_flow(tool, project):
    synthesize(tool, project)
    fit(tool, project)
    analyze(tool, project)
    script = project.one("POST_FLOW_SCRIPT_FILE").partition(":")[2]
    if script:
        run_script(tool, script, ["compile", project.name, project.name])
    tool.say("Info (293000): Quartus Prime Full Compilation was successful. 0 errors, 12 warnings")


def run_script(tool, script, arguments):
    """A Tcl script, as ``quartus_sh -t`` runs it."""
    if not Path(script).is_file():
        stop(tool, f'Error (23035): Tcl error: couldn\'t read file "{script}": no such file or directory', 1)
    words = " ".join("{" + word + "}" for word in arguments)
    text = (
        f"{PRELUDE}\nset program {{{tool.program}}}\nset quartus(args) [list {words}]\nset argv [list {words}]\nset argc {len(arguments)}\n"
        f"set code [catch {{source {{{script}}}}} message]\n"
        'if {$code == 1} { puts stderr "Error (23035): Tcl error: $message\n$::errorInfo"; exit 3 }\n'
    )
    ended = subprocess.run([tclsh()], input=text, text=True, check=False)
    if ended.returncode:
        stop(tool, f"Error (23031): Evaluation of Tcl script {script} unsuccessful", 2)


def hls_report(tool, name, target, components):
    """What generate_report.tcl asks for: the fitted numbers in the report of i++."""
    project = Project(tool, name)
    draw, used, _ = project.numbers()
    reached = f"{min(fmax(project, corner) for corner in CORNERS if corner.startswith('Slow')):.2f}"
    values = {key: str(used[key]) for key in ("alut", "reg", "dsp", "ram", "mlab")}
    system = {"type": "system", "id": 1000, "name": "Quartus Fitter: Device Image", "alm": str(used["alm"]), **values}
    nodes = [system]
    for place, component in enumerate(components):
        own = {key: str(draw.integer(f"{component}.{key}", 1, max(2, used[key] - 1))) for key in ("alm", *values)}
        nodes.append({"type": "component", "id": 1010 + place, "name": component, **own})
    clocks = {"name": "Quartus Fitter: Clock Frequency (MHz)", "type": "system", "id": 1000, "clock fmax": reached}
    adjusted, first = f"{float(reached) - 0.02:.2f}", f"{float(reached) - 0.01:.2f}"
    summaries = {"quartusFitClockSummary": {"nodes": [{**clocks, "clock": adjusted, "clock1x": first}]}}
    text = json.dumps({**summaries, "quartusFitResourceUsageSummary": {"nodes": nodes}})
    tool.report(target, text + "\n")
    tool.report(Path(target).parent.parent / "quartus_data.js", f"var quartusJSON={text};\n")


def main():
    tool = StandIn()
    arguments = sys.argv[1:]
    name = Path(sys.argv[0]).name
    title = TITLES.get(name, "Shell")
    if arguments in (["--version"], ["-v"]):
        edition = f"Version {tool.version} Build 670 09/22/2019 SJ Standard Edition"
        tool.say(f"Quartus Prime {title}\n{edition}\nCopyright (C) 2019  Intel Corporation. All rights reserved.")
        return
    if arguments[:1] == ["--stand-in-hls-report"]:
        hls_report(tool, arguments[1], arguments[2], arguments[3:])
        return
    tool.say(
        f"Info: {'*' * 67}\nInfo: Running Quartus Prime {title}\nInfo: Version {tool.version} Build 670 09/22/2019 SJ Standard Edition"
    )
    if name == "quartus_sh":
        if arguments[:2] == ["--flow", "compile"] and len(arguments) in (3, 5) and arguments[3:4] in ([], ["-c"]):
            compile_flow(tool, Project(tool, arguments[2]))
            return
        if arguments[:1] == ["-t"] and len(arguments) > 1:
            run_script(tool, arguments[1], arguments[2:])
            return
        wrong = next((one for one in arguments if one.startswith("-") and one not in ("--flow", "-t", "-c")), " ".join(arguments))
        stop(tool, f'Error (23042): Unknown or illegal option: "{wrong}". Use "--help" for usage.', 1)
    for one in arguments[:-1]:
        if not re.fullmatch(r"--(read|write)_settings_files=(on|off)|-c|--[a-z_]+=\S+", one):
            stop(tool, f'Error (23042): Unknown or illegal option: "{one}"', 1)
    if not arguments or arguments[-1].startswith("-"):
        stop(tool, "Error (23042): Missing required argument <project name>", 1)
    stages = {"quartus_map": synthesize, "quartus_fit": fit, "quartus_sta": analyze, "quartus_pow": power}
    stages[name](tool, Project(tool, arguments[-1]))


main()
