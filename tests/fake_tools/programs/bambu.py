#!/usr/bin/python3 -I
"""EXSEOS-STAND-IN for Bambu, the HLS tool of PandA. It needs no licence, as the real one."""

import re
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from stand_in import Draw, StandIn, design, include_error, syntax_error  # noqa: E402

REVISION = "c2ba6936ca2ed63137095fea0b630a1c66e20e63"
WITH_VALUE = re.findall(
    r"[\w-]+",
    """
    top-fname device device-name clock-period generate-interface compiler generate-tb simulator evaluation-objectives
    memory-allocation-policy channels-type channels-number experimental-setup module module-arch-dir verbosity debug output-
    directory reset-type reset-level hls-div hls-fpdiv xilinx-root altera-root nanoxplore-root lattice-root clock-name base-
    address initial-internal-address data-bus-bitwidth addr-bus-bitwidth memory-ctrl-type simulation-output tb-extra-gcc-
    flags tb-arg tb-param-size max-sim-cycles unroll-factor xml-memory-allocation writer
    """,
)
ALONE = re.findall(
    r"[\w-]+",
    """
    simulate evaluation no-clean print-dot pipelining speculative-sdc-scheduling use-raw disable-function-proxy C-no-parse
    fixed-scheduling registered-inputs do-not-expose-globals discrepancy assert-debug do-not-use-asynchronous-memories
    benchmark-name mem-delay-read generate-vcd enable-function-proxy cosim
    """,
)
OPTIONAL = ("evaluation", "pipelining", "registered-inputs", "speculative-sdc-scheduling", "benchmark-name", "mem-delay-read")
SHORT = re.compile(r"-(?:[IDUOLlWfm].*|std=.+|v\d?|u\d?|p|s|S|g\d?|d\d?)")
DEVICES = re.compile(
    r"(?:xc[0-9a-z]+[-,][0-9a-z,-]+|x[a-z0-9-]+|\w+)-?(?:YOSYS-)?VVD|xc[0-9a-z]+[-,][0-9a-z,-]+R?|(?:5C|5S|EP2C|EP4S|LFE|nx)\w+|asap7\S*|nangate45",
    re.IGNORECASE,
)


def main():
    tool = StandIn()
    if "--version" in sys.argv[1:] or "-V" in sys.argv[1:]:
        tool.say(f"{banner()}Version: PandA {tool.version} - Revision {REVISION}-HEAD")
        return
    options, sources, folders, seed_flags = parse(tool, sys.argv[1:])
    tool.say(f"{banner()}Version: PandA {tool.version} - Revision {REVISION}-HEAD")
    if not sources:
        tool.fail("error -> no input file specified")
    for source in sources:
        if not Path(source).is_file():
            tool.fail(f"error -> File {source} does not exist")
    top = options.get("top-fname", "main")
    device = options.get("device") or options.get("device-name") or "xc7z020-1clg484-VVD"
    if not DEVICES.fullmatch(device):
        tool.fail(f"error -> Target device not supported: {device}")
    try:
        period = float(options.get("clock-period", "10"))
    except ValueError:
        tool.fail(f"error -> Not a clock period: {options['clock-period']}")
    check_sources(tool, sources, folders, top)
    if (bench := options.get("generate-tb")) and not Path(bench).is_file():
        tool.fail(f"error -> Testbench file does not exist: {bench}")
    full = "error -> Error in writing the file: No space left on device\nPlease report bugs to <panda-info@polimi.it>"
    tool.work(f"  Top function: {top}\n  Functions to be synthesized:\n\t{top}", full)
    seed = design(sources, device, period, seed_flags)
    started = time.monotonic()
    draw = Draw("bambu", seed)
    Path(f"{top}.v").write_text(
        f"// EXSEOS-STAND-IN: no hardware. Design {seed}\n"
        f"`timescale 1ns / 1ps\nmodule {top}(clock, reset, start_port, done_port);\nendmodule\n"
    )
    results(tool, options, top, period, draw, started)


def banner():
    return "*" * 80 + "\n  Bambu (EXSEOS-STAND-IN) HLS framework, Politecnico di Milano\n" + "*" * 80 + "\n"


def parse(tool, arguments):
    options, sources, folders, flags = {}, [], [], []
    rest = iter(arguments)
    for argument in rest:
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            if name in WITH_VALUE and not equals:
                value = next(rest, None)
                if value is None:
                    tool.fail(f"bambu: option '--{name}' requires an argument")
            elif equals and name in ALONE and name not in OPTIONAL:
                tool.fail(f"bambu: option '--{name}' doesn't allow an argument")
            elif name not in WITH_VALUE and name not in ALONE:
                tool.fail(f"bambu: unrecognized option '--{name}'\nTry 'bambu --help' for more information.")
            options[name] = value
            if name not in (
                "top-fname",
                "device",
                "device-name",
                "clock-period",
                "simulate",
                "evaluation",
                "generate-tb",
                "verbosity",
                "no-clean",
            ):
                flags.append(argument)
        elif argument == "-I":
            folders.append(next(rest, "."))
        elif argument.startswith("-"):
            if not SHORT.fullmatch(argument):
                tool.fail(f"bambu: invalid option -- '{argument[1:2]}'\nTry 'bambu --help' for more information.")
            if argument.startswith("-I"):
                folders.append(argument[2:])
            elif not argument.startswith("-v"):
                flags.append(argument)
        else:
            sources.append(argument)
    return options, sources, folders, sorted(flags)


def check_sources(tool, sources, folders, top):
    ended = "error -> Front-end compiler returns an error during compilation 2\nPlease report bugs to <panda-info@polimi.it>"
    for source in sources:
        if message := include_error(source, folders):
            tool.fail(f"{message}\n{ended}")
    if tool.behaviour == "syntax":
        tool.fail(f"{syntax_error(sources[0])}\n{ended}")
    if not any(re.search(rf"\b{re.escape(top)}\s*\(", Path(source).read_text(errors="replace")) for source in sources):
        tool.fail(f"error -> the top function {top} does not exist in the input files\nPlease report bugs to <panda-info@polimi.it>")


def results(tool, options, top, period, draw, started):
    """``bambu_results_0.xml``, which only a simulation or an evaluation writes."""
    simulated, evaluated = "simulate" in options, "evaluation" in options
    if not (simulated or evaluated):
        return
    low, high = (1.1, 1.6) if tool.behaviour == "timing" else (0.4, 0.9)
    draw.claim(period)
    cycles = draw.integer("cycles", 12, 90)
    reached = draw.decimal("reached", low * period, high * period)
    slices, luts = draw.integer("slices", 300, 899), draw.integer("luts", 900, 9000)
    slack = round(period - reached, 3)
    total = 7 * cycles
    if evaluated:
        values = {
            "AREA": luts + draw.integer("area", 1, 11),
            "SLICE": slices,
            "SLICE_LUTS": luts,
            "AREAxTIME": round(luts * cycles * reached / 1000, 6),
            "BRAMS": draw.integer("brams", 91, 150),
            "CLOCK_SLACK": slack,
            "CYCLES": cycles,
            "DSPS": draw.integer("dsps", 151, 299),
            "FREQUENCY": round(1000 / reached, 6),
            "PERIOD": reached,
            "REGISTERS": draw.integer("registers", 9001, 20000),
            "TIME": round(cycles * reached / 1000, 6),
            "TOTAL_CYCLES": total,
            "TOTAL_TIME": round(total * reached / 1000, 6),
        }
        if slack < 0:
            tool.say(f"Warning: clock constraint not met: slack {slack} ns")
    else:
        values = {"CYCLES": cycles, "TOTAL_CYCLES": total}
    values["HLS_execution_time"] = round(0.01 + time.monotonic() - started, 4)
    command = " ".join(["bambu", *sys.argv[1:]]).replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S")
    version = f"Version: PandA {tool.version} - Revision {REVISION}-HEAD"
    lines = ['<?xml version="1.0"?>']
    lines.append(f'<bambu_results bambu_args="{command} " bambu_version="{version}" timestamp="{stamp}" benchmark_name="{top}_0">')
    lines += [f'  <{name} value="{value}"/>' for name, value in values.items()]
    tool.report("bambu_results_0.xml", "\n".join([*lines, "</bambu_results>", ""]))
    tool.say(f"1. Simulation completed with SUCCESS; Execution time {cycles} cycles;\n  Total cycles             : {total} cycles")


main()
