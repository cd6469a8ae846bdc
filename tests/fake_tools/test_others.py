"""The stand-ins of Quartus, oneAPI, Catapult, SmartHLS and Bambu act as the real tools do, and their reports read back."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socketserver
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from exseos.readers.base import ReportError
from exseos.readers.collect import collect, read_report
from tests.fake_tools import bambu, catapult, oneapi, quartus, smarthls
from tests.fake_tools.base import MARKER

SOURCE = """#include "myproject.h"

{before}myproject({arguments}) {{
{pragma}
    nnet::dense(inputs, outputs);
    return;
}}
"""


@dataclass(frozen=True)
class Case:
    """A tool, a small project for it, and what its reports say by the metric's name: a file and a pattern for the number."""

    install: Callable[..., Path]
    write: Callable[[Path], None]
    script: str
    path: Callable[[Path], list[Path]]
    says: dict[str, tuple[str, str]]
    setup: str = ""
    """What must have run before, with an installation that is good."""
    no_licence: str | None = None
    disk_full: str = "No space left on device"
    timing: tuple[str, str, int] = ("", "", 0)
    """Metric that is negative, or text that is said, and the exit code of a design that misses its clock."""


def _file(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _quartus_project(folder: Path) -> None:
    _file(folder, "firmware/myproject.h", "component int myproject(\n    int inputs\n);\n")
    _file(folder, "firmware/myproject.cpp", SOURCE.format(before="component int ", arguments="int inputs", pragma="    int outputs;"))
    _file(folder, "myproject_test.cpp", '#include "firmware/myproject.h"\nint main() { return 0; }\n')


def _oneapi_project(folder: Path) -> None:
    _file(folder, "src/firmware/myproject.h", "struct Myproject { void operator()() const; };\n")
    _file(
        folder,
        "src/firmware/myproject.cpp",
        '#include "myproject.h"\nvoid Myproject::operator()() const {\n    nnet::dense(a, b);\n}\n',
    )


def _catapult_project(folder: Path) -> None:
    _file(folder, "firmware/myproject.h", "void myproject(int a);\n")
    text = SOURCE.format(before="#pragma hls_design top\nvoid ", arguments="int inputs", pragma="    int outputs;")
    _file(folder, "firmware/myproject.cpp", text)
    _file(
        folder,
        "build_prj.tcl",
        """set name [lindex [split [lindex $::argv 0] =] 1]
        options set Input/CppStandard {c++17}
        project new -name $name
        solution file add ./firmware/myproject.cpp
        go analyze
        go compile
        solution library add mgc_Xilinx-KINTEX-u-2_beh -- -rtlsyntool Vivado -part xcku115-flvb2104-2-i
        directive set -CLOCKS [list clk [list -CLOCK_PERIOD 5.0 -CLOCK_EDGE rising]]
        go schedule
        go extract
        flow run /Vivado/synthesize -shell vivado_concat_v/concat_rtl.v.xv
        project save
        """,
    )


def _smarthls_project(folder: Path) -> None:
    _file(folder, "firmware/myproject.h", "void myproject(int a);\n")
    _file(folder, "firmware/myproject.cpp", SOURCE.format(before="void ", arguments="int inputs", pragma="    #pragma HLS function top"))
    _file(
        folder,
        "config.tcl",
        "source $env(SHLS_ROOT_DIR)/examples/legup.tcl\nset_project PolarFire MPF300 hw_only\nset_parameter CLOCK_PERIOD 5\n",
    )
    lines = ("NAME = myproject", "LOCAL_CONFIG = -legup-config=config.tcl", "SRCS = firmware/myproject.cpp")
    _file(folder, "Makefile", "\n".join([*lines, "LEVEL = $(SHLS_ROOT_DIR)/examples", "include $(LEVEL)/Makefile.common", ""]))
    _file(folder, "tb_data/tb_input_features.dat", "1 2\n" * 7)


def _bambu_project(folder: Path) -> None:
    _file(folder, "firmware/myproject.h", "void myproject(int a);\n")
    _file(folder, "firmware/myproject.cpp", SOURCE.format(before="void ", arguments="int inputs", pragma=""))
    _file(folder, "test.cpp", "int main() { return 0; }\n")


def _ixx_path(root: Path) -> list[Path]:
    return [root / "hls/bin", root / "quartus/bin", root / "modelsim_ase/bin"]


def _icpx_path(root: Path) -> list[Path]:
    return [root / "compiler/latest/bin", root / "compiler/latest/opt/oclfpga/bin", root.parent / oneapi.QUARTUS / "bin"]


IXX = "exec i++ -march=Arria10 --time time.log myproject_test.cpp firmware/myproject.cpp -v -o myproject-fpga"
FLOW = "cd myproject-fpga.prj/quartus; quartus_sh --flow compile quartus_compile; exec quartus_pow --read_settings_files=on quartus_compile"
ICPX = (
    "icpx -fsycl -fintelfpga -qactypes -Isrc -Isrc/firmware -DFPGA_HARDWARE -c src/firmware/myproject.cpp -o myproject.o; "
    "exec icpx -fsycl -fintelfpga -Xshardware -Xstarget=Agilex7 -Xsclock=5.0ns {early} myproject.o -o myproject.{kind}"
)
CATAPULT = "exec catapult -product ultra -shell -f build_prj.tcl -eval 'set ::argv \"name=myproject_prj\"'"
BAMBU = (
    "exec bambu firmware/myproject.cpp --top-fname=myproject --generate-interface=INFER --compiler=I386_CLANG16 -std=c++17 -Ifirmware "
    "--device=xc7z020-1clg484-VVD --clock-period=5 --simulate --generate-tb=test.cpp --evaluation"
)
_PRJ = "myproject-fpga.prj"
_JSON = "{}.prj/reports/resources/json/"
_SOLUTION = "myproject_prj/myproject.v1/"
_RESULTS = "hls_output/reports/summary.results.rpt"

CASES = {
    "i++": Case(
        quartus.install,
        _quartus_project,
        IXX,
        _ixx_path,
        {
            "lut": (f"{_PRJ}/reports/lib/report_data.js", r'"total": \[(\d+),'),
            "m20k": (f"{_PRJ}/reports/lib/report_data.js", r'"total": \[\d+, \d+, (\d+),'),
            "ff": (f"{_PRJ}/reports/lib/json/summary.json", r'"name": "Total",[^\[]*\[[^\]]*\],\s*"data": \[\s*\d+,\s*(\d+),'),
        },
        no_licence="Can't find valid feature line for core",
    ),
    "quartus_sh": Case(
        quartus.install,
        _quartus_project,
        FLOW,
        _ixx_path,
        {
            "alm": (f"{_PRJ}/quartus/quartus_compile.fit.summary", r"\(in ALMs\) : ([\d,]+) /"),
            "ff": (f"{_PRJ}/quartus/quartus_compile.fit.rpt", r"; Total registers +; (\d+)"),
            "wns_ns": (f"{_PRJ}/quartus/quartus_compile.sta.rpt", r"; Worst-case Slack ; (\S+)"),
            "power_io_w": (f"{_PRJ}/quartus/quartus_compile.pow.summary", r"I/O Thermal Power Dissipation : (\S+) mW"),
            "fmax_mhz": (f"{_PRJ}/reports/lib/json/quartus.json", r'"clock fmax": "([\d.]+)"'),
            "dsp": (f"{_PRJ}/reports/lib/quartus_data.js", r'"dsp": "(\d+)"'),
        },
        setup=IXX,
        no_licence="Current license file does not support the 10AX115U1F45I1SG device",
        timing=("wns_ns", "Critical Warning (332148): Timing requirements not met", 0),
    ),
    "icpx-report": Case(
        oneapi.install,
        _oneapi_project,
        ICPX.format(early="-fsycl-link=early", kind="report"),
        _icpx_path,
        {
            "lut": (_JSON.format("myproject.report") + "summary.ndjson", r'"name": "Total".*?"data": \[(\d+),'),
            "dsp": (_JSON.format("myproject.report") + "summary.ndjson", r'"name": "Total".*?"data": \[\d+, \d+, \d+, (\d+),'),
        },
    ),
    "icpx-fpga": Case(
        oneapi.install,
        _oneapi_project,
        ICPX.format(early="", kind="fpga"),
        _icpx_path,
        {
            "alm": (_JSON.format("myproject.fpga") + "quartus.ndjson", r'"alm": "([\d.]+)"'),
            "fmax_mhz": (_JSON.format("myproject.fpga") + "quartus.ndjson", r'"clock fmax": "([\d.]+)"'),
        },
        timing=("", "does not meet its clock", 0),
    ),
    "catapult": Case(
        catapult.install,
        _catapult_project,
        CATAPULT,
        lambda root: [root / "bin"],
        {
            "latency_max_cycles": (f"{_SOLUTION}cycle.rpt", r"Design Total: +\d+ +(\d+) "),
            "interval_min": (f"{_SOLUTION}rtl.rpt", r"Design Total: +\d+ +\d+ +(\d+) "),
            "lut": (f"{_SOLUTION}rtl.rpt", r"TOTAL AREA \(After Assignment\): +[\d.]+ +[\d.]+ +([\d.]+)"),
            "slack_ns": (f"{_SOLUTION}rtl.rpt", r"Slack: +(\S+)"),
            "dsp": (f"{_SOLUTION}vivado_concat_v/utilization_synth.rpt", r"\| DSPs +\| (\d+)"),
            "whs_ns": (f"{_SOLUTION}vivado_concat_v/timing_summary_synth.rpt", r"-{8}[- ]*\n +\S+ +\S+ +\S+ +\S+ +(\S+)"),
        },
        no_licence="Unable to checkout a license",
        timing=("", "Feedback path is too long to schedule design", 1),
    ),
    "shls": Case(
        smarthls.install,
        _smarthls_project,
        "shls -a hw; shls -a cosim; exec shls -a fpga",
        lambda root: [root / "bin"],
        {
            "calls": (_RESULTS, r"myproject_top +\| (\d+) +\|"),
            "execution_cycles": (_RESULTS, r"Simulation time \(cycles\): ([\d,]+)"),
            "latency_max_cycles": (_RESULTS, r"myproject_top +\|[^|]*\|[^|]*\| \d+ / (\d+) /"),
            "interval_average": (_RESULTS, r"\d+ / \d+ / ([\d.]+) +\|$"),
            "latency_min_cycles": ("hls_output/reports/summary.hls.myproject.rpt", r"Function: myproject takes ([\d,]+) cycles"),
            "wns_ns": (_RESULTS, r"\| clk +\|[^|]*\|[^|]*\| (\S+) ns"),
            "lut": (_RESULTS, r"4LUT\* \| \d+ \+ \d+ = (\d+)"),
        },
        no_licence="Error: Failed to check out a license",
        timing=("wns_ns", "", 0),
    ),
    "bambu": Case(
        bambu.install,
        _bambu_project,
        BAMBU,
        lambda root: [root / "bin"],
        {
            "latency_max_cycles": ("bambu_results_0.xml", r'<CYCLES value="(\d+)"'),
            "ff": ("bambu_results_0.xml", r'<REGISTERS value="(\d+)"'),
            "fmax_mhz": ("bambu_results_0.xml", r'<FREQUENCY value="([\d.]+)"'),
        },
        timing=("slack_ns", "clock constraint not met", 0),
    ),
}
LICENSED = [(name, "LM_LICENSE_FILE") for name, case in CASES.items() if case.no_licence]
LICENSED += [("catapult", "MGLS_LICENSE_FILE"), ("catapult", "SALT_LICENSE_SERVER")]


@pytest.fixture(scope="session", autouse=True)
def _tools_are_there() -> None:
    missing = [name for name in ("tclsh", "cmake", "make", "g++") if shutil.which(name) is None]
    if missing:
        pytest.fail(f"these tests need {', '.join(missing)}: apt-get install tcl cmake make g++")


def command(case: Case, root: Path, folder: Path, script: str, **more: str) -> dict[str, object]:
    """Arguments for ``subprocess``: a clean environment, as in a sandbox."""
    path = os.pathsep.join([*map(str, case.path(root)), "/usr/local/bin", "/usr/bin", "/bin"])
    environment = {"PATH": path, "HOME": str(folder), "LC_ALL": "C.UTF-8", **more}
    return {"args": ["/bin/bash", "-ec", script], "cwd": folder, "env": environment, "text": True}


def run(case: Case, root: Path, folder: Path, script: str | None = None, **more: str) -> tuple[int, str]:
    """The exit code of a case's script, and what it said."""
    arguments = command(case, root, folder, script or case.script, **more)
    ended = subprocess.run(**arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100, check=False)  # type: ignore[call-overload]
    return ended.returncode, ended.stdout


def prepared(name: str, folder: Path, behaviour: str = "good") -> tuple[Case, Path, Path]:
    """A case, its installation and its project, ready for its script."""
    case = CASES[name]
    project = folder / "project"
    case.write(project)
    if case.setup:
        code, said = run(case, case.install(folder / "good"), project, case.setup)
        assert code == 0, said
        for report in collect([project]).reports:
            report[0].unlink()
    return case, case.install(folder / "tools", behaviour=behaviour), project


def numbers(folder: Path) -> dict[tuple[str, str, str, str], float]:
    """Every number of every report below ``folder``; nothing there may be damaged."""
    found = collect([folder])
    assert [one for one in found.skipped if one.damaged] == []
    return {
        (path.relative_to(folder).as_posix(), number.name, number.level, number.scope): number.value
        for path, report in found.reports
        for number in report.numbers
    }


@contextmanager
def licence_server(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A licence server: its ``port@host``, and what it was asked for."""
    asked: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline())
            self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{server.server_address[1]}@127.0.0.1", asked
        server.shutdown()


@pytest.mark.parametrize("name", CASES)
def test_reports_read_back_as_written(name: str, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path)
    code, said = run(case, root, project)
    assert code == 0, said
    found = numbers(project)
    for metric, (file, pattern) in case.says.items():
        written = re.search(pattern, (project / file).read_text(), re.DOTALL if "Total" in pattern else re.MULTILINE)
        assert written, f"{file} lacks {pattern}"
        scale = 1000 if metric.startswith("power") else 1
        read = [value for (path, name_, _, scope), value in found.items() if (path, name_, scope) == (file, metric, "design")]
        assert read == [pytest.approx(float(written[1].replace(",", "")) / scale, abs=1e-12)], metric


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_distinct_and_change_with_the_design(name: str, tmp_path: Path) -> None:
    every = []
    for place in ("first", "again", "other"):
        case, root, project = prepared(name, tmp_path / place)
        source = next(project.rglob("firmware/myproject.cpp"))
        if place == "other":
            source.write_text(source.read_text() + "// another design\n")
            if case.setup:
                assert run(case, root, project, case.setup)[0] == 0
        assert run(case, root, project)[0] == 0
        every.append(numbers(project))
    first, again, other = every
    timed = "tool_run_time_s"
    assert {key: value for key, value in first.items() if key[1] != timed} == {
        key: value for key, value in again.items() if key[1] != timed
    }
    drawn = [key for key in first if not key[1].endswith(("_available", "_s", "_endpoints", "clock_target_ns", "calls")) and first[key] > 0]
    assert sum(first[key] == other.get(key) for key in drawn) <= len(drawn) / 5
    zero_by_nature = {"tns_ns", "ths_ns", "tpws_ns", "tns_failing_endpoints", "ths_failing_endpoints", "tpws_failing_endpoints"}
    for file in {key[0] for key in first}:
        own = {key[1]: value for key, value in first.items() if key[0] == file and key[3] == "design" and key[1] not in zero_by_nature}
        values = [value for name_, value in own.items() if "percent" not in name_]
        # A tool without a range says one number; the sizes of a block RAM are counted twice.
        pairs = len(own.keys() & {"latency_max_cycles", "interval_max", "ramb18_available", "ramb36_available"})
        assert all(values), file
        assert len(values) - len(set(values)) <= pairs, (file, sorted(values))


@pytest.mark.parametrize(
    ("name", "script", "said"),
    [
        ("i++", "i++ --version", r"^Intel\(R\) HLS Compiler\nVersion 19\.1\.0 Build 670\n"),
        ("quartus_sh", "quartus_sh --version", r"^Quartus Prime Shell\nVersion 19\.1\.0 Build 670 09/22/2019 SJ Standard Edition\n"),
        ("icpx-report", "icpx --version", r"^Intel\(R\) oneAPI DPC\+\+/C\+\+ Compiler 2024\.0\.2 \(2024\.0\.2\.20231213\)\n"),
        ("catapult", "catapult -version", r"^Catapult Ultra Synthesis 2024\.1_1/\d+ \(Production Release\)"),
        ("shls", "shls --version", r"Version 2024\.2"),
        ("bambu", "bambu --version", r"Version: PandA 2024\.10 - Revision"),
    ],
)
def test_versions_and_markers(name: str, script: str, said: str, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path)
    code, text = run(case, root, project, script)
    assert code == 0
    assert re.search(said, text)
    program = next(folder / script.split()[0] for folder in case.path(root) if (folder / script.split()[0]).is_file())
    assert MARKER in "".join(program.read_text().splitlines(keepends=True)[:3])


@pytest.mark.parametrize(
    ("name", "script", "code", "said"),
    [
        ("i++", IXX + " --no-such-option", 1, "unknown argument: '--no-such-option'"),
        ("i++", IXX.replace("Arria10", "Virtex7"), 1, "Unsupported device family"),
        ("i++", "i++ -march=Arria10 -o x", 1, "No input files"),
        ("i++", IXX + " -std=c++17", 1, "HLS only supports C++14"),
        ("i++", "export PATH=${PATH/modelsim_ase/none}; " + IXX, 1, "Error accessing ModelSim"),
        ("i++", "export PATH=${PATH/quartus\\/bin/none}; " + IXX, 1, "Error accessing Quartus"),
        ("i++", "rm firmware/myproject.cpp; " + IXX, 1, "no such file or directory: 'firmware/myproject.cpp'"),
        ("i++", "sed -i s/component// firmware/*; " + IXX, 1, "No components found"),
        ("quartus_sh", "quartus_sh --flow compile quartus_compile", 3, "Project does not exist"),
        ("quartus_sh", "quartus_sh --flow conquer x", 3, "Unknown or illegal option"),
        ("quartus_sh", "cd *.prj/quartus; quartus_pow quartus_compile", 3, "Run the Fitter before"),
        ("quartus_sh", "echo 'load_package flow; project_open none' > x.tcl; quartus_sh -t x.tcl", 3, "Tcl error: Project does not exist"),
        ("icpx-report", ICPX.format(early="-fsycl-link=early -Xsnonsense", kind="x"), 1, "Unknown option '-nonsense'"),
        ("icpx-report", ICPX.format(early="-fsycl-link=early --nonsense", kind="x"), 1, "unknown argument: '--nonsense'"),
        ("icpx-report", "sed -i s/operator// src/firmware/*; " + ICPX.format(early="-fsycl-link=early", kind="x"), 1, "no kernels"),
        (
            "icpx-report",
            "export PATH=${PATH/oclfpga/none}; " + ICPX.format(early="-fsycl-link=early", kind="x"),
            1,
            '"aoc" doesn\'t exist!',
        ),
        ("icpx-report", "rm src/firmware/myproject.h; " + ICPX.format(early="", kind="x"), 1, "'myproject.h' file not found"),
        ("icpx-fpga", "export PATH=${PATH/intelFPGA_pro/none}; " + ICPX.format(early="", kind="fpga"), 1, "quartus_sh is not on PATH"),
        ("catapult", CATAPULT + " -nonsense", 1, "Unknown option '-nonsense'"),
        ("catapult", "catapult -product ultra -f build_prj.tcl", 1, "couldn't connect to display"),
        ("catapult", "sed -i 's/go compile/go nowhere/' build_prj.tcl; " + CATAPULT, 1, "go: invalid state 'nowhere'"),
        ("catapult", "sed -i 's/go compile/go power/' build_prj.tcl; " + CATAPULT, 1, "must be in state 'extract'"),
        ("catapult", "sed -i /solution.library/d build_prj.tcl; " + CATAPULT, 1, "no technology library"),
        ("catapult", "sed -i /directive.set/d build_prj.tcl; " + CATAPULT, 1, "no clock is specified"),
        ("catapult", "sed -i /file.add/d build_prj.tcl; " + CATAPULT, 1, "no input files"),
        ("catapult", "echo nonsense >> build_prj.tcl; " + CATAPULT, 1, 'invalid command name "nonsense"'),
        ("catapult", "sed -i /hls_design/d firmware/*.cpp; " + CATAPULT, 1, "No top design"),
        ("shls", "shls nonsense", 1, "Invalid command: nonsense"),
        ("shls", "shls -x hw", 1, "Unknown option: -x"),
        ("shls", "shls -s fpga", 1, "Please run 'shls hw' first"),
        ("shls", "sed -i s/PolarFire/Virtex/ config.tcl; shls -a hw", 1, "Unknown FPGA family: Virtex"),
        ("shls", "rm Makefile; shls -a hw", 1, "Makefile does not exist"),
        ("shls", "sed -i /function.top/d firmware/*.cpp; shls -a hw", 1, "No top-level function"),
        ("bambu", BAMBU + " --nonsense", 1, "unrecognized option '--nonsense'"),
        ("bambu", BAMBU.replace("xc7z020-1clg484-VVD", "abacus"), 1, "device not supported: abacus"),
        ("bambu", BAMBU.replace("--top-fname=myproject", "--top-fname=other"), 1, "top function other does not exist"),
        ("bambu", BAMBU.replace("--generate-tb=test", "--generate-tb=none"), 1, "Testbench file does not exist"),
    ],
)
def test_arguments_and_inputs_are_checked(name: str, script: str, code: int, said: str, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path)
    got, text = run(case, root, project, script)
    assert said in text
    assert got == code, text


@pytest.mark.parametrize("name", CASES)
def test_without_a_licence(name: str, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path, "no-licence")
    code, said = run(case, root, project)
    if case.no_licence is None:
        assert code == 0, said
    else:
        assert code != 0
        assert case.no_licence in said
        assert numbers(project) == {}


@pytest.mark.parametrize(("name", "variable"), LICENSED)
def test_with_a_licence_server(name: str, variable: str, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path, "server")
    code, said = run(case, root, project)
    assert code != 0
    assert "FLEXnet Licensing error:-15,570" in said
    with licence_server(b"denied\n") as (address, asked):
        code, said = run(case, root, project, **{variable: address})
        assert code != 0
        assert asked[0].startswith(b"checkout ")
    with licence_server(b"granted\n") as (address, asked):
        code, said = run(case, root, project, **{variable: f"/no/such/file:{address}"})
        assert code == 0, said
        assert asked
    assert numbers(project)


@pytest.mark.parametrize("name", [name for name in CASES if name != "icpx-fpga"])
def test_a_syntax_error_has_its_place(name: str, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path, "syntax")
    code, said = run(case, root, project)
    assert code != 0
    assert re.search(r"myproject\.cpp(?::\d+:\d+: error|\(\d+\): )|Verilog HDL syntax error at quartus_compile\.v\(\d+\)", said), said


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if any(case.timing)])
def test_timing_that_is_missed(name: str, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path, "timing")
    code, said = run(case, root, project)
    metric, text, expected = case.timing
    assert code == expected, said
    assert text in said
    if metric:
        assert min(value for key, value in numbers(project).items() if key[1] == metric and key[3] == "design") < 0
    if name in ("icpx-fpga", "quartus_sh"):
        assert next(value for key, value in numbers(project).items() if key[1] == "fmax_mhz" and key[3] == "design") < 200


def _sleeps(group: int) -> bool:
    """Whether a process of a group is the sleeping child of a stand-in that hangs."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            of_group = int(status.read_text().rpartition(")")[2].split()[2]) == group
            if of_group and b"time.sleep(3600)" in (status.parent / "cmdline").read_bytes():
                return True
        except OSError:
            continue
    return False


@pytest.mark.parametrize("name", CASES)
def test_a_hang_has_a_child(name: str, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path, "hang")
    arguments = command(case, root, project, case.script)
    with subprocess.Popen(**arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True) as running:  # type: ignore[call-overload]
        try:
            end = time.monotonic() + 30
            while not (there := _sleeps(running.pid)) and time.monotonic() < end:
                time.sleep(0.1)
            assert there
            assert running.poll() is None
        finally:
            os.killpg(running.pid, signal.SIGKILL)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("behaviour", "number"), [("killed", signal.SIGKILL), ("crash", signal.SIGSEGV)])
def test_death_by_signal(name: str, behaviour: str, number: signal.Signals, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path, behaviour)
    code, said = run(case, root, project)
    assert code in (-number, 128 + number), said
    assert numbers(project) == {}


@pytest.mark.parametrize("name", CASES)
def test_success_without_a_report(name: str, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path, "no-report")
    code, said = run(case, root, project)
    assert code == 0, said
    assert numbers(project) == {}


@pytest.mark.parametrize("name", CASES)
def test_reports_that_are_cut_off(name: str, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path, "cut-report")
    code, said = run(case, root, project)
    assert code == 0, said
    case, root, whole = prepared(name, tmp_path / "whole")
    assert run(case, root, whole)[0] == 0
    full = numbers(whole)
    fewer = 0
    for path in {key[0] for key in full}:
        try:
            report = read_report(project / path)
        except ReportError:
            fewer += 1
        else:
            fewer += report is None or len(report.numbers) < sum(key[0] == path for key in full)
    assert fewer >= len({key[0] for key in full}) / 2


@pytest.mark.parametrize("name", CASES)
def test_a_full_disk(name: str, tmp_path: Path) -> None:
    case, root, project = prepared(name, tmp_path, "disk-full")
    code, said = run(case, root, project, f"ulimit -f 4096; {case.script}")
    assert code not in (0, 128 + signal.SIGXFSZ), said
    assert case.disk_full in said
    assert next(project.rglob("stand-in.fill")).stat().st_size >= 1024**2


def test_the_scripts_of_intel_set_up_the_shell(tmp_path: Path) -> None:
    root, intel = oneapi.install(tmp_path), quartus.install(tmp_path)
    setvars = f'. "{root}/setvars.sh" --force && icpx --version && test -d "$FPGA_VARS_DIR" && test -d "$CMPLR_ROOT"'
    for shell in ("bash", "dash"):
        said = subprocess.run([shell, "-ec", setvars], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True).stdout
        assert "2024.0.2.20231213" in said
    again = subprocess.run(
        ["bash", "-c", f'. "{root}/setvars.sh" >/dev/null; . "{root}/setvars.sh"; exit $?'], capture_output=True, text=True, check=False
    )
    assert (again.returncode, "has already been run" in again.stdout) == (3, True)
    script = f'source "{intel}/hls/init_hls.sh" && i++ --version && quartus_sh --version && vsim -version && test -d "$INTELFPGAOCLSDKROOT"'
    assert subprocess.run(["bash", "-ec", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=False).returncode == 0


def test_quartus_runs_from_the_compiler_and_by_tcl(tmp_path: Path) -> None:
    case, root, project = prepared("i++", tmp_path)
    assert run(case, root, project, IXX + " --quartus-compile")[0] == 0
    fitted = numbers(project)
    assert (f"{_PRJ}/reports/lib/json/quartus.json", "alm", "routed", "design") in fitted
    script = "load_package flow\nproject_open quartus_compile\nexecute_flow -compile\nproject_close\n"
    _file(project, f"{_PRJ}/quartus/again.tcl", script)
    code, said = run(case, root, project, f"cd {_PRJ}/quartus; quartus_sh -t again.tcl")
    assert code == 0, said
    assert numbers(project) == fitted
    code, said = run(case, root, project, "./myproject-fpga")
    assert code == 0, said
    assert re.search(r'"data": \[1, "\d+,\d+,\d+", "\d+,\d+,\d+"\]', (project / _PRJ / "reports/lib/verification_data.js").read_text())


def test_catapult_numbers_its_projects_and_solutions(tmp_path: Path) -> None:
    case, root, project = prepared("catapult", tmp_path)
    for _ in range(2):
        assert run(case, root, project)[0] == 0
    assert (project / "myproject_prj_1/myproject.v1/rtl.rpt").is_file()
    assert (project / "catapult.log").read_text().startswith("//  Catapult Ultra Synthesis")
    with (project / "build_prj.tcl").open("a") as stream:
        stream.write("go compile\n")
    assert run(case, root, project)[0] == 0
    assert (project / "myproject_prj_2/myproject.v2").is_dir()


def test_bambu_writes_results_only_when_it_simulates_or_evaluates(tmp_path: Path) -> None:
    case, root, project = prepared("bambu", tmp_path)
    assert run(case, root, project, BAMBU.partition(" --simulate")[0])[0] == 0
    assert (project / "myproject.v").is_file()
    assert not (project / "bambu_results_0.xml").exists()
    assert run(case, root, project, BAMBU.replace(" --evaluation", ""))[0] == 0
    assert {key[2] for key in numbers(project)} == {"cosimulated", "synthesized"}
    assert not {key[1] for key in numbers(project)} & {"lut", "clock_estimated_ns"}


WRITE_PROJECTS = """
import sys
from pathlib import Path
from unittest import mock

import keras
import numpy as np
from hls4ml.writer.libero_writer import LiberoWriter

from exseos.worker.hls_project import Settings, write_project

write_script = LiberoWriter.write_build_script


def without_build_lib(self, model):
    # hls4ml 1.3.0 is published without the build_lib.sh of this backend; nothing of the tool's own flow needs it.
    try:
        write_script(self, model)
    except FileNotFoundError as error:
        assert error.filename.endswith("build_lib.sh")


model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dense(3)])
rows = np.random.default_rng(1).normal(size=(9, 4)).astype("float32")
for backend in ("Quartus", "oneAPI", "Catapult", "Libero", "Vitis"):
    settings = Settings(backend, "io_parallel", "latency", "fixed<16,6>", 1, None, 5.0)
    folder = Path(sys.argv[1], backend)
    folder.mkdir()
    with mock.patch.object(LiberoWriter, "write_build_script", without_build_lib):
        write_project(model, settings, rows, folder, "stamp")
"""


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Genuine projects of hls4ml, one folder a backend."""
    folder = tmp_path_factory.mktemp("projects")
    shls = smarthls.install(folder / "tools") / "bin"
    environment = {**os.environ, "PATH": f"{shls}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[2])}
    script = textwrap.dedent(WRITE_PROJECTS)
    ended = subprocess.run([sys.executable, "-c", script, str(folder)], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder


GENUINE = {
    "Quartus": (
        "i++",
        'make myproject-fpga "LOGGING_1=-v " CONT_IF_LARGE_AREA=--dont-error-if-large-area-est '
        "QUARTUS_COMPILE=--quartus-compile; ./myproject-fpga",
        (f"{_PRJ}/reports/lib/report_data.js", f"{_PRJ}/quartus/quartus_compile.fit.summary", f"{_PRJ}/reports/lib/json/quartus.json"),
    ),
    "oneAPI": (
        "icpx-fpga",
        "mkdir build; cd build; cmake ..; make report; make fpga",
        tuple(
            f"build/{_JSON.format(f'myproject.{kind}')}{name}.ndjson" for kind in ("report", "fpga") for name in ("summary", "loop_attr")
        ),
    ),
    "Catapult": (
        "catapult",
        CATAPULT.replace('name=myproject_prj"', 'reset=0 csim=1 synth=1 cosim=1 validation=0 vsynth=1 sw_opt=1 power=1 bup=0"'),
        tuple(_SOLUTION + name for name in ("rtl.rpt", "cycle.rpt", "vivado_concat_v/utilization_synth.rpt")),
    ),
    "Libero": ("shls", "shls clean; shls -s hw; shls -s cosim; shls -s fpga", (_RESULTS, "hls_output/reports/summary.hls.myproject.rpt")),
    "Vitis": ("bambu", BAMBU.replace("--generate-tb=test.cpp", "--generate-tb=myproject_test.cpp"), ("bambu_results_0.xml",)),
}


@pytest.mark.experiment
@pytest.mark.parametrize("backend", GENUINE)
def test_genuine_projects_of_hls4ml(backend: str, projects: Path, tmp_path: Path) -> None:
    name, script, files = GENUINE[backend]
    case = CASES[name]
    project = shutil.copytree(projects / backend / "hls4ml", tmp_path / "project")
    code, said = run(case, case.install(tmp_path / "tools"), project, script)
    assert code == 0, said
    read = {key[0] for key in numbers(project)}
    assert set(files) <= read


@pytest.mark.experiment
def test_catapult_takes_the_bottom_up_flow(projects: Path, tmp_path: Path) -> None:
    case = CASES["catapult"]
    project = shutil.copytree(projects / "Catapult/hls4ml", tmp_path / "project")
    code, said = run(
        case, case.install(tmp_path / "tools"), project, CATAPULT.replace("name=myproject_prj", "csim=0 synth=1 bup=1 cosim=0")
    )
    assert code == 0, said
    assert list(project.glob("myproject_prj/myproject.v*/rtl.rpt"))
