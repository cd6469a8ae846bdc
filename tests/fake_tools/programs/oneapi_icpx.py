#!/usr/bin/python3 -I
"""EXSEOS-STAND-IN for icpx, the compiler of oneAPI. Plain C++ goes to g++; of SYCL for FPGAs it compiles nothing."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from stand_in import Draw, StandIn, design, include_error, now, syntax_error, write  # noqa: E402

KNOWN = re.compile(
    r"-(?:[cgvSE]|[OWIDLlU].*|f.+|std=.+|q(?:actypes|mkl.*|override-limits)|X.+|reuse-exe=.+|M[DMTFP]*|pthread|rdynamic|shared|static|m.+|x|isystem"
    r"|-param|o|dump.+|pipe|w|print-.+|-version|T.*)"
)
BACKEND = re.compile(
    r"-Xs(?:hardware|simulation|emulator|ghdl(?:=\d+)?|target=\S+|clock=\S+|optimize=\S+|seed=\S+|parallel=\d+|board=\S+|hyper-optimized-handshaking=\S+"
    r"|dont-error-if-large-area-est|no-hardware-kernel-invocation-queue|quartus-project-revision=\S+|ffp-\S+|rounding=\S+|daz|profile.*|v)"
)
FAMILIES = {
    "Agilex7": ("Agilex 7", "AGFB014R24B2E2V", (974400, 1948800, 7110, 4510, 24360)),
    "Agilex5": ("Agilex 5", "A5ED065BB32AE6SR0", (445440, 890880, 3222, 846, 11136)),
    "Arria10": ("Arria 10", "10AX115U1F45I1SG", (854400, 1708800, 2713, 1518, 42720)),
    "Stratix10": ("Stratix 10", "1SG280LU3F50E1VGS1", (1866240, 3732480, 11721, 5760, 93312)),
    "Cyclone10GX": ("Cyclone 10 GX", "10CX220YF780I5G", (160660, 321320, 587, 192, 8033)),
}
PARTS = {"AG": "Agilex7", "A5E": "Agilex5", "10A": "Arria10", "1S": "Stratix10", "10CX": "Cyclone10GX"}
AHEAD = ("-fsycl", "-fintelfpga")
MARK = "EXSEOS-STAND-IN object of SYCL"
FAILED = "icpx: error: fpga compiler command failed with exit code 1 (use -v to see invocation)"
VALUES = {"-o", "-I", "-isystem", "-MF", "-MT", "-MQ", "-x", "-D", "-L", "-include"}


def main():
    tool = StandIn()
    arguments = sys.argv[1:]
    if "--version" in arguments:
        number = ".".join(tool.version.split(".")[:2])
        stamp = "20231213" if tool.version == "2024.0.2" else "20240101"
        tool.say(
            f"Intel(R) oneAPI DPC++/C++ Compiler {tool.version} ({tool.version}.{stamp})\n"
            "Target: x86_64-unknown-linux-gnu\nThread model: posix\n"
            f"InstalledDir: {tool.root}/compiler/{number}/bin/compiler"
        )
        return
    if not arguments:
        tool.fail("icpx: error: no input files")
    values, inputs, flags = parse(tool, arguments)
    if not set(AHEAD) & set(flags):
        plain(tool, arguments)
    for path in inputs:
        if not Path(path).is_file():
            tool.fail(f"icpx: error: no such file or directory: '{path}'")
    if not inputs:
        tool.fail("icpx: error: no input files")
    if "-c" in flags:
        for source in inputs:
            compile_source(tool, source, values, flags)
    else:
        link(tool, inputs, Path(values.get("-o", "a.out")), flags)


def parse(tool, arguments):
    values, inputs, flags = {"-I": []}, [], []
    rest = iter(arguments)
    for argument in rest:
        if argument in VALUES:
            value = next(rest, None)
            if value is None:
                tool.fail(f"icpx: error: argument to '{argument}' is missing (expected 1 value)")
            if argument in ("-I", "-isystem"):
                values["-I"].append(value)
            else:
                values[argument] = value
        elif argument.startswith("-Xs") and not BACKEND.fullmatch(argument):
            tool.fail(f"aoc: Error: Unknown option '-{argument[3:]}'\n{FAILED}")
        elif argument.startswith("-"):
            if not KNOWN.fullmatch(argument):
                tool.fail(f"icpx: error: unknown argument: '{argument}'")
            flags.append(argument)
            values["-I"] += [argument[2:]] if argument.startswith("-I") else []
        else:
            inputs.append(argument)
    return values, inputs, flags


def plain(tool, arguments):
    """Plain C++, and CMake's questions about the compiler: what g++ says, under the real one's name."""
    compiler = shutil.which("g++")
    if compiler is None:
        tool.fail("icpx: error: this stand-in needs g++ on PATH")
    own = re.compile(r"-fsycl.*|-fintelfpga|-qactypes|-X.*|-reuse-exe=.*|-fconstexpr-steps=.*|-fp-model=.*")
    kept = [argument for argument in arguments if not own.fullmatch(argument)]
    major, minor, patch = [*tool.version.split("."), "0", "0"][:3]
    number = f"-D__INTEL_LLVM_COMPILER={int(major) * 10000 + int(minor) * 100 + int(patch)}"
    sys.exit(subprocess.run([compiler, number, *kept], check=False).returncode)


def compile_source(tool, source, values, flags):
    if message := include_error(source, [path for path in values["-I"] if path]):
        tool.fail(message)
    if tool.behaviour == "syntax" and kernels([source]):
        tool.fail(syntax_error(source))
    target = Path(values.get("-o", Path(source).with_suffix(".o").name))
    content = {"mark": MARK, "source": str(Path(source).resolve()), "flags": [flag for flag in flags if flag.startswith(("-D", "-O"))]}
    write(target, json.dumps(content) + "\n")
    if "-MF" in values:
        write(values["-MF"], f"{values.get('-MT', target)}: {source}\n")


def kernels(sources):
    """Types with a call operator that the sources define or launch: the components."""
    found = []
    for source in sources:
        text = Path(source).read_text(errors="replace")
        found += re.findall(r"void (\w+)::operator\(\)\(\) const", text)
        found += re.findall(r"single_task<(\w+)>", text)
    return [name for name in dict.fromkeys(found) if not name.endswith("ID")]


def link(tool, inputs, output, flags):
    sources, compiled = [], []
    for path in inputs:
        try:
            content = json.loads(Path(path).read_text())
            sources.append(content["source"])
            compiled += content["flags"]
        except (ValueError, KeyError):
            tool.fail(f"icpx: error: {path}: file not recognized: file format not recognized")
    if "-Xshardware" not in flags and "-Xssimulation" not in flags:
        script(output, "there is no emulator in this stand-in", 1)
        return
    if shutil.which("aoc") is None:
        tool.fail(f'icpx: error: unable to execute command: Executable "aoc" doesn\'t exist!\n{FAILED}')
    asked = next((flag.removeprefix("-Xstarget=") for flag in flags if flag.startswith("-Xstarget=")), "Agilex7")
    family = next((name for prefix, name in PARTS.items() if asked.startswith(prefix)), asked)
    if family not in FAMILIES:
        tool.fail(f"Error: Unable to find a device or board variant {asked}.\nllvm-foreach: \n{FAILED}")
    name, device, available = FAMILIES[family]
    found = kernels(sources)
    if not found:
        tool.fail(f"aoc: Error: no kernels in the design\n{FAILED}")
    early = any(flag.startswith("-fsycl-link") for flag in flags)
    needs(tool, early, "-Xssimulation" in flags)
    full = "LLVM ERROR: IO failure on output stream: No space left on device\n" + FAILED
    tool.work("aoc: Compiling for FPGA. This process may take several hours to complete.", full)
    clock = next((flag.removeprefix("-Xsclock=") for flag in flags if flag.startswith("-Xsclock=")), "480MHz")
    options = sorted(flag for flag in flags if flag.startswith("-Xs") and flag not in ("-Xshardware", "-Xssimulation"))
    seed = design(sources, device if asked == family else asked, options, compiled)
    about = {"family": name, "device": device if asked == family else asked, "available": available, "clock": clock, "sources": sources}
    fitted = not early and "-Xshardware" in flags
    reports(tool, Path(f"{output}.prj"), found, about, seed, fitted)
    script(output, "there is no board in this stand-in", 1)
    if fitted and tool.behaviour == "timing":
        tool.say("aoc: Warning: the design does not meet its clock: see reports/report.html")


def needs(tool, early, simulation):
    """What a full compile takes besides the compiler."""
    if simulation and shutil.which("vsim") is None:
        tool.fail("Error: Simulator vsim is not found on PATH.\n" + FAILED)
    if not early and not simulation and shutil.which("quartus_sh") is None:
        tool.fail(f"Error: Quartus is not found: quartus_sh is not on PATH. Set up Quartus Prime Pro.\nllvm-foreach: \n{FAILED}")


def script(path, text, code):
    write(path, f"#!/bin/sh\n# EXSEOS-STAND-IN: nothing was compiled\necho 'stand-in: {text}' >&2\nexit {code}\n")
    path.chmod(0o755)


def megahertz(clock):
    value, unit = re.fullmatch(r"([0-9.]+)\s*(\w*)", clock).groups()
    return 1000 / float(value) if unit == "ns" else float(value)


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def reports(tool, project, found, about, seed, fitted):
    shutil.rmtree(project, ignore_errors=True)
    folder = project / "reports/resources/json"
    draw = Draw("icpx", seed)
    for value in about["available"]:
        draw.claim(value)
    tool.report(folder / "summary.ndjson", lines(summary(draw, found, about)))
    tool.report(folder / "loop_attr.ndjson", lines(loops(draw, found, about)))
    tool.report(folder / "quartus.ndjson", json.dumps(quartus(tool, draw, found, about, fitted)) + "\n")
    node = {
        "name": found[0],
        "product": "FPGA",
        "family": f"{about['family']}, {about['device']}",
        "version": f"{tool.version}",
        "quartus": "23.4.0 Build 79" if fitted else "",
        "command": " ".join(["icpx", *sys.argv[1:]]),
        "time": now(),
    }
    tool.report(folder / "info.ndjson", json.dumps({"compileInfo": {"name": "Info", "nodes": [node]}}) + "\n")
    tool.report(folder / "warnings.ndjson", "")
    tool.report(project / "reports/report.html", "<!DOCTYPE html><html><body>EXSEOS-STAND-IN</body></html>\n")


def summary(draw, found, about):
    ranges = (("alut", 900, 9000), ("ff", 9001, 30000), ("ram", 11, 90), ("dsp", 91, 150), ("mlab", 151, 400))
    each = {name: [draw.integer(f"{name}.{key}", low, high) for key, low, high in ranges] for name in found}
    pipes = [draw.integer(f"pipes.{key}", 10, 60) for key, *_ in ranges]
    subtotal = [sum(column) for column in zip(*each.values(), strict=True)]
    total = [kernel + pipe for kernel, pipe in zip(subtotal, pipes, strict=True)]
    columns = ["Kernel Name", "Kernel Type", "Autorun", "Workgroup Size", "# Compute Units", "Hyper-Optimized Handshaking"]
    yield {"name": "Kernel Summary", "summary_type": "performanceSummary", "columns": columns}
    for name in found:
        yield {
            "name": name,
            "compiler_name": f"_ZTS{len(name)}{name}",
            "parent": "performanceSummary",
            "data": ["Single work-item", "No", [1, 1, 1], 1, "On"],
            "debug": [[{"filename": about["sources"][0], "line": 1}]],
        }
    columns = ["Kernel Name", "ALUTs ", "FFs  ", "RAMs ", "DSPs ", "MLABs", "Frac. DSPs"]
    yield {"name": "Estimated Resource Usage", "summary_type": "estimatedResources", "dsp_packing_factor": 2, "columns": columns}
    for name, used in each.items():
        yield {"name": name, "parent": "estimatedResources", "data": [*used, 0], "debug": [[{"filename": about["sources"][0], "line": 1}]]}
    highlight = {"parent": "estimatedResources", "classes": ["summary-highlight", "nohover"]}
    yield {"name": "Kernel Subtotal", **highlight, "data": [*subtotal, 0]}
    yield {"name": "Pipe resources", **highlight, "data": [*pipes, 0]}
    percent = [round(100 * used / most, 6) for used, most in zip(total, about["available"], strict=True)]
    yield {"name": "Total", **highlight, "data": [*total, 0], "data_percent": percent}
    yield {"name": "Available", **highlight, "data": [str(value) for value in (*about["available"], 0)]}
    yield {"name": "Compile Warnings", "summary_type": "compileWarnings"}


def loops(draw, found, about):
    target = megahertz(about["clock"])
    yield {"name": "loop_attributes", "id": 312, "nodes": list(range(1, len(found) + 1))}
    for place, name in enumerate(found):
        blocks = [10 * (place + 1), 10 * (place + 1) + 1]
        aim = draw.decimal(f"{name}.fmax", 0.97 * target, target, 2)
        yield {"name": name, "id": place + 1, "clk": "No", "fmax": f"{aim:.2f}", "type": "kernel", "children": blocks}
        for number, block in enumerate(blocks):
            latency = f"{draw.integer(f'{name}.lt{number}', 401, 899)}.000000"
            yield {
                "name": f"{name}.B{number}",
                "id": block,
                "af": f"{draw.decimal(f'{name}.af{number}', 0.95 * target, target, 2):.2f}",
                "br": "0",
                "ci": "0",
                "fo": "Enabled",
                "ii": str(draw.integer(f"{name}.ii{number}", 1, 9)),
                "ll": "1",
                "lllt": latency,
                "lt": latency,
                "mi": "1" if number else "n/a",
                "pl": "Yes",
                "tc": "0",
                "tn": "1",
                "type": "loop" if number else "bb",
            }


def quartus(tool, draw, found, about, fitted):
    names = ("alm", "alut", "reg", "dsp", "ram", "mlab")
    text = "This section contains a summary of the area data generated by compiling the kernels to an FPGA bitstream."
    clocks = {"name": "Quartus Fitter: Clock Frequency (MHz)", "type": "system", "id": 1000}
    if not fitted:
        details = [{"text": text}]
        nodes = [{"type": "system", "id": 1000, "name": "Quartus Fitter: Device Image", **dict.fromkeys(names, "TBD"), "details": details}]
        nodes += [{"type": "kernel", "id": 1010 + place, "name": name, **dict.fromkeys(names, "TBD")} for place, name in enumerate(found)]
        clock = {**clocks, "clock1x": "TBD", "clock fmax": "TBD", "clock": "TBD", "details": details}
    else:
        low, high = (0.6, 0.9) if tool.behaviour == "timing" else (1.05, 1.3)
        reached = f"{draw.decimal('fmax', low * megahertz(about['clock']), high * megahertz(about['clock']), 2):.2f}"
        ranges = {"alm": (900, 9000), "alut": (900, 9000), "reg": (9001, 30000), "dsp": (91, 150), "ram": (11, 90), "mlab": (151, 400)}
        each = {name: {key: draw.integer(f"fit.{name}.{key}", *ranges[key]) for key in names} for name in found}
        system = {key: sum(one[key] for one in each.values()) + draw.integer(f"fit.glue.{key}", 1, 60) for key in names}
        nodes = [{"type": "system", "id": 1000, "name": "Quartus Fitter: Device Image", **texts(system, 0.5)}]
        nodes += [{"type": "kernel", "id": 1010 + place, "name": name, **texts(one, 0.0)} for place, (name, one) in enumerate(each.items())]
        clock = {**clocks, "clock1x": f"{float(reached) - 0.01:.2f}", "clock fmax": reached, "clock": f"{float(reached) - 0.02:.2f}"}
    return {"quartusFitClockSummary": {"nodes": [clock]}, "quartusFitResourceUsageSummary": {"nodes": nodes}}


def texts(used, half):
    """As the fitter writes them: strings, with halves of logic modules."""
    return {key: f"{value + half:.1f}" if key == "alm" else str(value) for key, value in used.items()}


main()
