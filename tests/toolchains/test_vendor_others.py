"""Quartus, oneAPI, Catapult, SmartHLS and Bambu, driven through their stand-ins: numbers, failures and what remains."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from exseos.errors import ExseosError, HostError, StageError
from exseos.toolchains import bambu, oneapi, smarthls
from exseos.toolchains.base import Tool
from exseos.toolchains.vendor import licence
from exseos.toolchains.vendor import run as vendor_run
from exseos.toolchains.vendor.base import DESIGN_FILE, Design, VendorToolchain
from exseos.toolchains.vendor.installation import installation, vendor
from exseos.worker.stages.base import Context
from tests.toolchains import tiny

BODY = "{\n    nnet::dense<int, config2>(in, out);\n}\n"
HEADER = "void myproject(int in[4], int out[1]);\n"
BENCH = """int main() {
    int e = 0;
    int in[4], out[1];
    myproject(in,out);
}
"""
MAKEFILE = """\
DEVICE   := Arria10
CXX      := i++
CXXFLAGS := -march=$(DEVICE)
DEBUG_FLAGS := --time quartus-hlssynt.log
SOURCE_FILES := myproject_test.cpp firmware/myproject.cpp

myproject-fpga: CXXFLAGS := $(CXXFLAGS)
myproject-fpga : $(SOURCE_FILES)
\t$(CXX) $(LOGGING_1) $(CXXFLAGS) $(DEBUG_FLAGS) $(SOURCE_FILES) $(CONT_IF_LARGE_AREA) -o $@
"""
CMAKE = """\
set(CMAKE_CXX_COMPILER icpx)
cmake_minimum_required (VERSION 3.7.2)
project(myproject CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
if(NOT DEFINED FPGA_DEVICE)
    set(FPGA_DEVICE "Agilex7")
endif()
set(USER_FPGA_FLAGS -Wno-unused-label;${USER_FPGA_FLAGS})
set(USER_FPGA_FLAGS -Xsclock=5.0ns; ${USER_FPGA_FLAGS})
set(FLAGS -Xshardware -Xstarget=${FPGA_DEVICE} ${USER_FPGA_FLAGS})
foreach(target report fpga)
    add_executable(${target} EXCLUDE_FROM_ALL src/firmware/myproject.cpp src/myproject_test.cpp)
    target_compile_options(${target} PRIVATE -fsycl -fintelfpga -DFPGA_HARDWARE)
    target_link_libraries(${target} -fsycl -fintelfpga ${FLAGS})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME myproject.${target})
endforeach()
target_link_libraries(report -fsycl-link=early)
"""
CATAPULT = """\
proc setup_xilinx_part { part } {
  solution library add mgc_Xilinx-beh -- -rtlsyntool Vivado -part $part
}
if { [info exists ::argv] } { puts "OPTIONS $::argv" }
project new -name myproject_prj
solution file add firmware/myproject.cpp
solution file add myproject_test.cpp -exclude true
set hls_clock_period 5.0
go analyze
go compile
setup_xilinx_part {xcku115-flvb2104-2-i}
directive set -CLOCKS [list clk [list -CLOCK_PERIOD $hls_clock_period]]
go extract
if {0} {
    setup_xilinx_part {xcku115-flvb2104-2-i}
}
project save
"""
PLAIN = {
    "firmware/myproject.h": HEADER,
    "firmware/myproject.cpp": f'#include "myproject.h"\n{HEADER[:-2]} {BODY}',
    "myproject_test.cpp": BENCH,
}


@dataclass(frozen=True)
class Case:
    """One toolchain: a hand-made project of its backend, and how its main report is read without the readers."""

    name: str
    part: str
    other_part: str
    version: str
    files: dict[str, str]
    level: str
    expected: Callable[[Path], dict[str, float]]
    section: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def _total(columns: list[str], data: list[Any]) -> dict[str, float]:
    names = {"ALUTs": "lut", "FFs": "ff", "RAMs": "m20k", "DSPs": "dsp", "MLABs": "mlab"}
    return {names[column.strip()]: value for column, value in zip(columns[1:], data, strict=False) if column.strip() in names}


def quartus_numbers(folder: Path) -> dict[str, float]:
    table = json.loads((folder / "myproject-fpga.prj/reports/lib/json/summary.json").read_text())["estimatedResources"]
    return _total(table["columns"], next(row["data"] for row in table["children"] if row["name"] == "Total"))


def oneapi_numbers(folder: Path) -> dict[str, float]:
    path = folder / "build/myproject.report.prj/reports/resources/json/summary.ndjson"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    columns = next(row["columns"] for row in rows if row.get("summary_type") == "estimatedResources")
    return _total(columns, next(row["data"] for row in rows if row["name"] == "Total"))


def catapult_numbers(folder: Path) -> dict[str, float]:
    text = (folder / "myproject_prj/myproject.v1/rtl.rpt").read_text()
    latency, interval = re.findall(r"Design Total: +\d+ +(\d+) +(\d+)", text)[0]
    slack = re.findall(r"Slack: +([\d.]+)", text)[0]
    return {"latency_max_cycles": int(latency), "interval_max": int(interval), "slack_ns": float(slack), "clock_target_ns": 5}


def smarthls_numbers(folder: Path) -> dict[str, float]:
    text = (folder / "hls_output/reports/summary.hls.myproject.rpt").read_text()
    cycles = int(re.findall(r"Function: myproject takes (\d+) cycles", text)[0])
    return {"latency_min_cycles": cycles, "latency_max_cycles": cycles}


def bambu_numbers(folder: Path) -> dict[str, float]:
    values = {one.tag: float(one.get("value", "")) for one in ElementTree.parse(folder / "bambu_results_0.xml").getroot()}
    names = {"lut": "SLICE_LUTS", "ff": "REGISTERS", "dsp": "DSPS", "fmax_mhz": "FREQUENCY"}
    return {name: values[tag] for name, tag in names.items()}


CASES = [
    Case(
        "quartus",
        "Arria10",
        "10AX115U1F45I1SG",
        "19.1.0 Standard",
        {**PLAIN, "Makefile": MAKEFILE, "firmware/myproject.h": f"component {HEADER}"},
        "estimated",
        quartus_numbers,
    ),
    Case(
        "oneapi",
        "Agilex7",
        "Arria10",
        "2024.0.2",
        {
            "CMakeLists.txt": CMAKE,
            "src/firmware/myproject.cpp": f"struct Myproject;\nvoid Myproject::operator()() const {BODY}",
            "src/myproject_test.cpp": BENCH,
        },
        "estimated",
        oneapi_numbers,
    ),
    Case(
        "catapult",
        "xcku115-flvb2104-2-i",
        "xczu9eg-ffvb1156-2-e",
        "2024.1_1",
        {**PLAIN, "build_prj.tcl": CATAPULT, "firmware/myproject.cpp": f"#pragma hls_design top\n{HEADER[:-2]} {BODY}"},
        "estimated",
        catapult_numbers,
    ),
    Case(
        "smarthls",
        "MPF300",
        "MPFS250T",
        "2024.2",
        {
            **PLAIN,
            "firmware/myproject.cpp": f'#include "myproject.h"\n{HEADER[:-2]} {{\n    #pragma HLS function top\n{BODY[2:]}',
            "config.tcl": "source $env(SHLS_ROOT_DIR)/examples/legup.tcl\nset_project PolarFire MPF300 hw_only\n"
            "set_parameter CLOCK_PERIOD 5.0\n",
            "Makefile": "NAME = myproject\nLOCAL_CONFIG = -legup-config=config.tcl\nSRCS = firmware/myproject.cpp myproject_test.cpp \n"
            "LEVEL = $(SHLS_ROOT_DIR)/examples\ninclude $(LEVEL)/Makefile.common\n",
        },
        "estimated",
        smarthls_numbers,
    ),
    Case(
        "bambu",
        "xc7z020clg484-1",
        "xc7a100t-1csg324-VVD",
        "2024.10",
        {**PLAIN, "firmware/weights/w2.h": "#ifndef __SYNTHESIS__\nint w2[2];\n#else\nint w2[2] = {3, 4};\n#endif\n"},
        "synthesized",
        bambu_numbers,
        {"evaluation": True},
    ),
]
LICENSED = [case for case in CASES if case.name not in ("bambu", "oneapi")]
"""oneAPI takes none for a report, and its stand-in calls no Quartus that would."""
IMPLEMENTING = [case for case in CASES if case.name in ("quartus", "oneapi", "smarthls")]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No licence of this machine, and no second for a locale; what the stand-ins run on must be here."""
    for program in ("tclsh", "cmake", "make", "g++"):
        assert shutil.which(program), f"the stand-ins need {program}"
    monkeypatch.setattr(vendor_run, "_LOCALE_SOURCE", Path("/nonexistent"))
    for case in CASES:
        for name in (*vendor(case.name).licence_variables, licence.NETWORK):
            monkeypatch.delenv(name, raising=False)


@dataclass
class Bench:
    """A stand-in and the outputs of the stages before."""

    folder: Path
    case: Case
    root: Path

    @staticmethod
    def make(folder: Path, case: Case, behaviour: str = "good") -> Bench:
        root = importlib.import_module(f"tests.fake_tools.{case.name}").install(folder / "tools", behaviour=behaviour)
        project = folder / "convert/hls4ml"
        for place, text in case.files.items():
            (project / place).parent.mkdir(parents=True, exist_ok=True)
            (project / place).write_text(text)
        facts = {"project": "myproject", "part": case.part, "clock_ns": 5.0, "io_type": "io_parallel"}
        (folder / "convert/convert.json").write_text(json.dumps(facts))
        for stage in ("prepare", "evaluate"):
            (folder / stage).mkdir()
        ones = np.ones((5, 4), np.float32)
        tiny.write_prepared(folder / "prepare", ones, ones, np.zeros(5), "multiclass", 4)
        tiny.write_evaluated(folder / "evaluate", ones)
        return Bench(folder, case, root)

    @property
    def toolchain(self) -> VendorToolchain:
        return vendor(self.case.name)

    @property
    def tool(self) -> Tool:
        there = installation(self.case.name, self.root)
        return Tool(self.root, there.version, there.fingerprint)

    def synthesize(self, name: str = "synthesize", seconds: float = 60, **section: Any) -> Path:
        stages = ("prepare", "evaluate", "convert")
        return self._run("synthesize", name, stages, {"toolchain": self.case.name, **self.case.section, **section}, seconds)

    def implement(self, name: str = "implement", seconds: float = 60, **section: Any) -> Path:
        return self._run("implement", name, ("prepare", "synthesize"), section, seconds)

    def _run(self, role: str, name: str, stages: tuple[str, ...], section: dict[str, Any], seconds: float) -> Path:
        output = self.folder / name
        output.mkdir()
        inputs = {stage: self.folder / stage for stage in stages}
        context = Context({role: section}, 0, inputs, {}, self.folder, output, {self.case.name: self.tool}, seconds=seconds)
        getattr(self.toolchain, role)(context)
        return output


def metrics(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "metrics.json").read_bytes()))


def values(folder: Path) -> dict[str, float]:
    """All but what differs from run to run."""
    return {one["name"]: one["value"] for one in metrics(folder) if not re.fullmatch("tool_.*(seconds|time_s)", one["name"])}


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def failure(bench: Bench, kind: type[ExseosError] = StageError, **more: Any) -> ExseosError:
    with pytest.raises(kind) as caught:
        bench.synthesize(**more)
    assert type(caught.value) is kind
    assert not list(bench.folder.glob("synthesize/.*"))
    return caught.value


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_design_and_its_numbers(case: Case, tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, case)
    assert bench.tool.version == case.version
    assert bench.tool.stand_in
    output = bench.synthesize()
    assert case.expected(output).items() <= values(output).items()
    assert case.expected(output)
    for one in metrics(output):
        assert one["version"].endswith(" (stand-in)"), one
        assert (one["level"] == case.level or case.name == "bambu") and one["scope"] == "design", one
        assert (output / one["origin"]).is_file()
    assert [one.model_dump() for one in bench.toolchain.metrics("synthesize", output, bench.tool)] == metrics(output)
    design = Design.model_validate_json((output / DESIGN_FILE).read_bytes())
    assert (design.top, design.clock_ns) == ("myproject", 5)
    assert case.name == "oneapi" or list((output / design.rtl).rglob("*.v"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_only_reports_logs_and_sources_remain(case: Case, tmp_path: Path) -> None:
    output = Bench.make(tmp_path, case).synthesize()
    kept = r"(run|design|metrics)\.json|.*\.(log|txt|rpt|xml|js|json|ndjson|v)|project/.*"
    quartus = r"|myproject-fpga\.prj/(quartus|components)/.*"
    strange = [name for name in files(output) if not re.fullmatch(kept + (quartus if case.name == "quartus" else ""), name)]
    assert strange == []
    assert "tool.log" in files(output)
    run = (output / "run.json").read_text()
    assert str(tmp_path) not in run, "a path of this machine is recorded"
    assert json.loads(run)["version"] == case.version


@pytest.mark.parametrize("case", CASES, ids=str)
def test_numbers_follow_clock_and_part(case: Case, tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, case)
    once, again = values(bench.synthesize("once")), values(bench.synthesize("again"))
    clock = values(bench.synthesize("clock", clock_ns=4))
    part = values(bench.synthesize("part", part=case.other_part))
    assert once == again
    assert len({json.dumps(found) for found in (once, clock, part)}) == 3
    design = Design.model_validate_json((tmp_path / "part" / DESIGN_FILE).read_bytes())
    assert (design.part, design.clock_ns) == (case.other_part, 5)
    assert Design.model_validate_json((tmp_path / "clock" / DESIGN_FILE).read_bytes()).clock_ns == 4


@pytest.mark.parametrize("case", LICENSED, ids=str)
def test_a_missing_licence_says_what_to_set(case: Case, tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, case, "no-licence")
    error = failure(bench)
    assert f"{bench.toolchain.title} has no licence: " in error.what
    hint = str(error.hint)
    assert all(name in hint for name in bench.toolchain.licence_variables)
    assert "where you call exseos" in hint


@pytest.mark.parametrize("case", LICENSED, ids=str)
def test_a_licence_out_of_reach_says_what_to_allow(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_LICENSE_FILE", "1@127.0.0.1")
    error = failure(Bench.make(tmp_path, case, "server"))
    assert "has no licence" in error.what
    assert f"--allow-network-for {case.name}" in str(error.hint)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_syntax_error_is_shown(case: Case, tmp_path: Path) -> None:
    error = failure(Bench.make(tmp_path, case, "syntax"))
    assert "its last words:" in error.what
    # Catapult has another compiler in front than the others.
    assert re.search(r"""expected (a ";"|';')""", error.what), error.what
    assert "myproject.cpp" in error.what
    assert (tmp_path / "synthesize/tool.log").stat().st_size


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_report_is_a_failure(case: Case, tmp_path: Path) -> None:
    error = failure(Bench.make(tmp_path, case, "no-report"))
    assert f"{vendor(case.name).title} ended, but left no " in error.what


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_cut_report_is_a_failure(case: Case, tmp_path: Path) -> None:
    error = failure(Bench.make(tmp_path, case, "cut-report"))
    assert "cannot be read" in error.what or "holds a number" in error.what


@pytest.mark.parametrize("case", CASES, ids=str)
def test_time_runs_out(case: Case, tmp_path: Path) -> None:
    error = failure(Bench.make(tmp_path, case, "hang"), HostError, seconds=2)
    assert "did not end within" in error.what
    assert "--hours" in str(error.hint)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_kill_is_the_hosts_fault(case: Case, tmp_path: Path) -> None:
    error = failure(Bench.make(tmp_path, case, "killed"), HostError)
    assert "memory" in str(error.hint)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_crash_is_not(case: Case, tmp_path: Path) -> None:
    failure(Bench.make(tmp_path, case, "crash"))


@pytest.mark.parametrize("case", IMPLEMENTING, ids=str)
def test_place_and_route(case: Case, tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, case)
    bench.synthesize(clock_ns=4)
    output = bench.implement()
    found = values(output)
    assert {"lut", "ff", "dsp", "fmax_mhz"} <= set(found)
    assert {one["level"] for one in metrics(output)} == {"routed"}
    assert all(one["version"].endswith(" (stand-in)") for one in metrics(output))
    assert [one.model_dump() for one in bench.toolchain.metrics("implement", output, bench.tool)] == metrics(output)
    assert not [name for name in files(output) if not re.fullmatch(r".*\.(json|ndjson|js|rpt|summary|log)", name)]
    assert str(tmp_path) not in (output / "run.json").read_text()
    assert values(bench.implement("again")) == found


def test_quartus_fits_and_measures_power(tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, CASES[0])
    bench.synthesize()
    found = values(bench.implement())
    powered = values(bench.implement("powered", power=True))
    assert powered.items() - found.items() == {(name, powered[name]) for name in powered if name.startswith("power")}
    folder = tmp_path / "powered/myproject-fpga.prj"
    fit = (folder / "quartus/quartus_compile.fit.summary").read_text()
    assert powered["alm"] == int(re.findall(r"ALMs\) : ([\d,]+)", fit)[0].replace(",", ""))
    node = json.loads((folder / "reports/lib/json/quartus.json").read_text())["quartusFitResourceUsageSummary"]["nodes"][0]
    assert powered["lut"] == int(node["alut"])
    assert "--simulator none" in (tmp_path / "synthesize/tool.log").read_text()


@pytest.mark.parametrize("behaviour", ["no-licence", "no-report", "cut-report", "killed"])
def test_quartus_fails_in_place_and_route(behaviour: str, tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, CASES[0])
    bench.synthesize()
    importlib.import_module("tests.fake_tools.quartus").install(tmp_path / "tools", behaviour=behaviour)
    expected = {"no-licence": "has no licence", "no-report": "left no", "cut-report": "cannot be read|holds a number", "killed": "killed"}
    with pytest.raises(HostError if behaviour == "killed" else StageError, match=expected[behaviour]):
        bench.implement()
    assert not list(tmp_path.glob("implement/.*"))


def test_oneapi_takes_the_newest_quartus_beside_it(tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, CASES[1])
    older = tmp_path / "tools/intelFPGA_pro/9.0/quartus/bin/quartus_sh"
    older.parent.mkdir(parents=True)
    older.touch()
    assert oneapi.TOOLCHAIN.companions(bench.root) == [tmp_path / "tools/intelFPGA_pro/23.4"]
    assert installation("oneapi", bench.root).mounts == (bench.root, tmp_path / "tools/intelFPGA_pro/23.4")
    compiler = bench.root / "compiler/2024.0"
    assert oneapi.TOOLCHAIN.companions(compiler) == [tmp_path / "tools/intelFPGA_pro/23.4"]
    shutil.copyfile(bench.root / "stand-in.json", compiler / "stand-in.json")
    bench.root = compiler
    assert values(bench.synthesize())


def test_oneapi_without_quartus_synthesizes_only(tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, CASES[1])
    shutil.rmtree(tmp_path / "tools/intelFPGA_pro")
    bench.synthesize()
    with pytest.raises(StageError, match="Quartus is not found"):
        bench.implement()


def test_catapult_runs_hls4mls_script_and_hands_over_its_verilog(tmp_path: Path) -> None:
    output = Bench.make(tmp_path, CASES[2]).synthesize(part="xczu9eg-ffvb1156-2-e")
    log = (output / "tool.log").read_text()
    said = re.findall(r"OPTIONS (.*)", log)[0].split()
    assert [option for option in said if option.endswith("=1")] == ["synth=1", "verilog=1"]
    assert {"csim=0", "vsynth=0", "reset=0", "bup=0"} <= set(said)
    assert [path.name for path in (output / "rtl").iterdir()] == ["concat_rtl.v"]
    assert Design.model_validate_json((output / DESIGN_FILE).read_bytes()).clock == "clk"


def test_vivado_implements_what_catapult_made(tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, CASES[2])
    bench.synthesize(clock_ns=4)
    root = importlib.import_module("tests.fake_tools.vivado").install(tmp_path / "tools", "2023.2")
    there = installation("vivado", root)
    output = tmp_path / "implement"
    output.mkdir()
    inputs = {stage: tmp_path / stage for stage in ("prepare", "synthesize")}
    tools = {"vivado": Tool(root, there.version, there.fingerprint)}
    vendor("vivado").implement(Context({"implement": {}}, 0, inputs, {}, tmp_path, output, tools, 60))
    assert (output / "clock.xdc").read_text() == "create_clock -period 4.0 -name clk [get_ports clk]\n"
    assert values(output)["clock_target_ns"] == 4


def test_catapult_does_not_guess_where_a_part_is_set(tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, CASES[2])
    script = tmp_path / "convert/hls4ml/build_prj.tcl"
    script.write_text(script.read_text().replace("setup_xilinx_part {", "setup_asic_libs {"))
    error = failure(bench, part="xczu9eg-ffvb1156-2-e")
    assert "sets no Xilinx part" in error.what
    assert "'convert'" in str(error.hint)


def test_smarthls_simulates_rows(tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, CASES[3])
    output = bench.synthesize(cosim_rows=3)
    found = {one["name"]: one["value"] for one in metrics(output) if one["level"] == "cosimulated"}
    text = (output / "hls_output/reports/summary.results.rpt").read_text()
    calls, total, latency, interval = re.findall(r"\| myproject_top +\| (\d+) +\| ([\d,]+) +\| (\d+) / \d+ / [\d.]+ +\| (\d+) / ", text)[0]
    assert (found["calls"], int(calls)) == (3, 3)
    assert (found["latency_min_cycles"], found["interval_min"]) == (int(latency), int(interval))
    assert found["execution_cycles"] == int(total.replace(",", ""))
    assert "int e = 0;" in (output / "project/myproject_test.cpp").read_text()


def test_smarthls_refuses_a_sum_of_cycles(tmp_path: Path) -> None:
    path = tmp_path / "summary.results.rpt"
    path.write_text("====== 1. Simulation Result ======\n\nNumber of calls: 3\nCycle latency: 1,234\n")
    smarthls._check_calls(path, 1)
    with pytest.raises(StageError, match="cycles of 3 rows together"):
        smarthls._check_calls(path, 3)


def test_microchips_families() -> None:
    names = {
        "MPF300": "PolarFire",
        "MPF300TS-1FCG1152I": "PolarFire",
        "mpfs250t": "PolarFireSoC",
        "M2S150": "SmartFusion2",
        "RT4G150": "RTG4",
    }
    assert {part: smarthls.family(part) for part in names} == names


def test_bambu_gets_weights_sizes_and_its_own_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}
    real = vendor_run.run_tool

    def spy(argv: Any, cwd: Path, *rest: Any, **more: Any) -> None:
        seen.update({name: (cwd / name).read_text() for name in ("myproject_test.cpp", "firmware/weights/w2.h")}, argv=" ".join(argv))
        real(argv, cwd, *rest, **more)

    monkeypatch.setattr(vendor_run, "run_tool", spy)
    output = Bench.make(tmp_path, CASES[4]).synthesize(evaluation=False)
    assert "--device-name=xc7z020-1clg484-VVD --clock-period=5.0" in seen["argv"]
    assert seen["firmware/weights/w2.h"].startswith("#if 0\n")
    assert "m_param_alloc(0, sizeof(in));\nm_param_alloc(1, sizeof(out));\n#endif\n    myproject(in,out);" in seen["myproject_test.cpp"]
    assert {one["level"] for one in metrics(output) if one["name"].startswith("latency")} == {"cosimulated"}
    assert not {"lut", "ff"} & set(values(output))


def test_xilinx_parts_by_bambus_names() -> None:
    names = {
        "xc7a100tcsg324-1": "xc7a100t-1csg324-VVD",
        "xc7a100t-csg324-1": "xc7a100t-1csg324-VVD",
        "xcu55c-fsvh2892-2L-e": "xcu55c-2Lfsvh2892-VVD",
        "xcku060-ffva1156-3-e": "xcku060-3ffva1156-VVD",
        "xc7z020-1clg484-VVD": "xc7z020-1clg484-VVD",
        "asap7-TC": "asap7-TC",
    }
    assert {part: bambu._device(part) for part in names} == names


def test_a_project_of_another_kind_is_refused(tmp_path: Path) -> None:
    bench = Bench.make(tmp_path, CASES[1])
    path = tmp_path / "convert/hls4ml/CMakeLists.txt"
    path.write_text(path.read_text().replace("-Xsclock=", "-Xsfrequency="))
    assert "0 lines that begin with" in failure(bench, clock_ns=4).what


@pytest.mark.experiment
@pytest.mark.parametrize(
    ("case", "backend"),
    list(zip(CASES, ["Quartus", "oneAPI", "Catapult", "Libero", "Vivado"], strict=True)),
    ids=[str(case) for case in CASES],
)
def test_real_projects(case: Case, backend: str, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, activation="relu"), keras.layers.Dense(2)])
    tiny.write_inputs(tmp_path / "made", model, "multiclass", tiny.rows(50, 4, seed=1), tiny.rows(9, 4, seed=2))
    part = "xc7z020clg484-1" if backend == "Vivado" else None
    section = {**tiny.CONVERT, "backend": backend, "precision": "fixed<16,6>", "part": part}
    tiny.run(tmp_path / "made", ["convert"], parameters={**tiny.PARAMETERS, "convert": section})
    bench = Bench.make(tmp_path, case)
    for stage in ("prepare", "evaluate", "convert"):
        shutil.rmtree(tmp_path / stage)
        shutil.copytree(tmp_path / "made" / stage, tmp_path / stage)
    output = bench.synthesize(clock_ns=4, part=case.other_part)
    assert case.level in {one["level"] for one in metrics(output)}
    if case in IMPLEMENTING:
        assert values(bench.implement())
