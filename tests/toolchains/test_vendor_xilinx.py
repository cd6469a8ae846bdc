"""Vitis HLS, Vivado HLS and Vivado, driven through their stand-ins: numbers, options, what the tools see and what remains."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from exseos.errors import StageError, UsageError
from exseos.toolchains import vitis, vivado_hls
from exseos.toolchains.base import Tool
from exseos.toolchains.process import run_tool
from exseos.toolchains.vendor import licence
from exseos.toolchains.vendor import run as vendor_run
from exseos.toolchains.vendor.base import DESIGN_FILE, Design
from exseos.toolchains.vendor.installation import installation, vendor
from exseos.toolchains.vendor.reports import RUN_TIME
from exseos.worker.stages.base import Context
from tests.fake_tools import vitis as fake_vitis
from tests.fake_tools import vivado as fake_vivado
from tests.fake_tools import vivado_hls as fake_vivado_hls
from tests.toolchains import tiny

PART, OTHER_PART = "xcvu13p-flga2577-2-e", "xcku115-flvb2104-2-i"
SOLUTION = "myproject_prj/solution1"
ESTIMATES = f"{SOLUTION}/syn/report/myproject_csynth.xml"
PROJECT_TCL = f"""\
variable project_name
set project_name "myproject"
variable part
set part "{PART}"
variable clock_period
set clock_period 5.0
variable clock_uncertainty
set clock_uncertainty 12.5%
"""
BUILD_TCL = """\
source project.tcl
array set opt {reset 0 csim 1 synth 1 cosim 1 validation 1 export 0 vsynth 0 fifo_opt 0}
if {[file exists build_opt.tcl]} {source build_opt.tcl}
foreach arg $::argv {foreach name [array names opt] {regexp "\\\\m$name=(\\\\w+)" $arg unused opt($name)}}
puts "OPTIONS [lsort -stride 2 [array get opt]]"
open_project -reset ${project_name}_prj
set_top $project_name
add_files firmware/$project_name.cpp
add_files -tb ${project_name}_test.cpp
open_solution -reset "solution1"
set_part $part
create_clock -period $clock_period -name default
set_clock_uncertainty $clock_uncertainty default
if {$opt(csim)} csim_design
if {$opt(synth)} csynth_design
if {$opt(cosim)} {cosim_design -trace_level all}
if {$opt(export)} {export_design -format ip_catalog}
if {$opt(vsynth)} {exec vivado -mode batch -source vivado_synth.tcl >@ stdout}
exit
"""
SYNTH_TCL = """\
source project.tcl
add_files ${project_name}_prj/solution1/syn/verilog
synth_design -top $project_name -part $part
opt_design -retarget
report_utilization -file vivado_synth.rpt
"""
FILES = {
    "project.tcl": PROJECT_TCL,
    "build_prj.tcl": BUILD_TCL,
    "vivado_synth.tcl": SYNTH_TCL,
    "firmware/myproject.cpp": "void myproject(int in[4], int out[1]) {\n    nnet::add<int, config2>(in, out);\n}\n",
    "firmware/weights/w2.h": "int w2[2] = {3, 4};\n",
    "myproject_test.cpp": 'std::string log = "tb_data/csim_results.log", rtl = "tb_data/rtl_cosim_results.log";\n',
}
VERILOG = """\
module model (input wire clk, input wire [7:0] model_inp, output reg [7:0] model_out);
    always @(posedge clk) model_out <= model_inp + 8'd1;
endmodule
"""


@dataclass(frozen=True)
class Case:
    """A release of one of the two HLS tools."""

    name: str
    version: str
    unified: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"

    def install(self, folder: Path, behaviour: str = "good") -> Path:
        if self.name == "vivado_hls":
            return fake_vivado_hls.install(folder, self.version, behaviour)
        fake_vivado.install(folder, self.version, unified=self.unified)
        return fake_vitis.install(folder, self.version, behaviour, unified=self.unified)


CASES = [Case("vitis", "2023.2"), Case("vitis", "2022.2"), Case("vitis", "2025.1", True), Case("vivado_hls", "2019.2")]
each = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.fixture(autouse=True, scope="module")
def surroundings() -> Iterator[None]:
    """No licence of this machine, and no second for a locale."""
    assert shutil.which("tclsh"), "the stand-ins need tclsh"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vendor_run, "_LOCALE_SOURCE", Path("/nonexistent"))
        for name in (*vitis.TOOLCHAIN.licence_variables, licence.NETWORK):
            patch.delenv(name, raising=False)
        yield


@dataclass
class Bench:
    """The outputs of the stages before, and a folder for those of the next ones."""

    folder: Path

    @staticmethod
    def make(folder: Path) -> Bench:
        for place, text in FILES.items():
            path = folder / "convert/hls4ml" / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        facts = {"project": "myproject", "part": PART, "clock_ns": 5.0, "io_type": "io_parallel"}
        (folder / "convert/convert.json").write_text(json.dumps(facts))
        for stage in ("prepare", "evaluate"):
            (folder / stage).mkdir()
        x, outputs = ((np.arange(5 * columns, dtype=np.float32).reshape(5, columns) + 1) / 8 for columns in (4, 2))
        tiny.write_prepared(folder / "prepare", x, x, np.zeros(5), "multiclass", 2)
        tiny.write_evaluated(folder / "evaluate", outputs)
        return Bench(folder)

    def synthesize(self, case: Case, name: str = "synthesize", behaviour: str = "good", **section: Any) -> Path:
        root = case.install(self.folder / "tools", behaviour)
        stages = ("prepare", "evaluate", "convert")
        return self.run(case.name, root, "synthesize", name, stages, {"synthesize": {"toolchain": case.name, **section}})

    def implement(self, name: str = "implement", behaviour: str = "good", of: dict[str, Any] | None = None, **section: Any) -> Path:
        root = fake_vivado.install(self.folder / "place", "2023.2", behaviour)
        return self.run("vivado", root, "implement", name, ("prepare", "synthesize"), {"synthesize": of or {}, "implement": section})

    def run(self, tool: str, root: Path, role: str, name: str, stages: tuple[str, ...], parameters: dict[str, Any]) -> Path:
        output = self.folder / name
        output.mkdir()
        there = installation(tool, root)
        tools = {tool: Tool(there.root, there.version, there.fingerprint)}
        inputs = {stage: self.folder / stage for stage in stages}
        getattr(vendor(tool), role)(Context(parameters, 0, inputs, {}, self.folder, output, tools, 60))
        return output


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.make(tmp_path)


@pytest.fixture(scope="module", params=CASES, ids=str)
def plain(request: pytest.FixtureRequest, surroundings: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Bench]:
    """A design of each release, made with nothing but defaults: to be looked at."""
    bench = Bench.make(tmp_path_factory.mktemp("plain"))
    bench.synthesize(request.param)
    return request.param, bench


def metrics(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "metrics.json").read_bytes()))


def values(folder: Path, level: str) -> dict[str, float]:
    """The numbers of one level, but what differs from run to run."""
    return {one["name"]: one["value"] for one in metrics(folder) if one["level"] == level and one["name"] != RUN_TIME}


def design(folder: Path) -> Design:
    return Design.model_validate_json((folder / DESIGN_FILE).read_bytes())


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def estimates(path: Path) -> dict[str, float]:
    """All numbers of a ``*_csynth.xml``, and the percentages that only the text beside it has."""
    root = ElementTree.parse(path).getroot()

    def nanoseconds(text: str) -> float:
        value, unit = text.split()
        return float(value) * {"ns": 1, "us": 1000}[unit]

    latency = root.find("PerformanceEstimates/SummaryOfOverallLatency")
    assert latency is not None
    found = {
        "clock_target_ns": float(root.findtext("UserAssignments/TargetClockPeriod", "")),
        "clock_uncertainty_ns": float(root.findtext("UserAssignments/ClockUncertainty", "")),
        "clock_estimated_ns": float(root.findtext("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod", "")),
    }
    for case, name in (("Best", "min"), ("Average", "average"), ("Worst", "max")):
        found[f"latency_{name}_cycles"] = int(latency.findtext(f"{case}-caseLatency", ""))
        found[f"latency_{name}_ns"] = nanoseconds(latency.findtext(f"{case}-caseRealTimeLatency", ""))
    found |= {f"interval_{end}": int(latency.findtext(f"Interval-{end}", "")) for end in ("min", "max")}
    for table, suffix in (("Resources", ""), ("AvailableResources", "_available")):
        for cell in root.iterfind(f"AreaEstimates/{table}/*"):
            found[cell.tag.lower().replace("dsp48e", "dsp") + suffix] = int(cell.text or "")
    shares = re.findall(r"^\|Utilization \(%\) *\|(.*)\|$", path.with_suffix(".rpt").read_text(), re.MULTILINE)[0].split("|")
    for name, share in zip(("bram_18k", "dsp", "ff", "lut", "uram"), shares, strict=True):
        found[f"{name}_utilization_percent"] = int(share)
    return found


def summary(folder: Path) -> tuple[float, float]:
    """Worst negative slack and period of a routed design."""
    text = (folder / "reports/timing_routed.rpt").read_text()
    slack = re.findall(r"WNS\(ns\).*\n.*\n +(\S+)", text)[0]
    return float(slack), float(re.findall(r"\{0\.000 \S+\} +(\S+)", text)[0])


def cell(path: Path, row: str) -> float:
    """The first number behind ``row`` in a report of Vivado."""
    return float(re.findall(rf"\| *{re.escape(row)} +\| *([\d.]+)", path.read_text())[0])


def test_the_numbers_are_those_of_the_top_module(plain: tuple[Case, Bench]) -> None:
    case, output = plain[0], plain[1].folder / "synthesize"
    wanted = estimates(output / ESTIMATES)
    assert values(output, "estimated") == pytest.approx(wanted)
    assert len(wanted) == 26
    # This one is before the top's in the order of names.
    layer = estimates(output / f"{SOLUTION}/syn/report/myproject_add_s_csynth.xml")
    assert not {layer[name] for name in ("lut", "ff", "latency_max_cycles")} & set(values(output, "estimated").values())
    for one in metrics(output):
        assert (one["level"], one["scope"], one["version"]) == ("estimated", "design", f"{case.version} (stand-in)"), one
        assert (output / one["origin"]).is_file()
    tool = Tool(Path("/nowhere"), case.version, json.loads((output / "run.json").read_bytes())["fingerprint"])
    assert [one.model_dump() for one in vendor(case.name).metrics("synthesize", output, tool)] == metrics(output)


def test_reports_logs_and_verilog_remain(plain: tuple[Case, Bench]) -> None:
    case, output = plain[0], plain[1].folder / "synthesize"
    assert design(output) == Design(top="myproject", clock="ap_clk", part=PART, clock_ns=5, rtl=f"{SOLUTION}/syn/verilog")
    assert {path.name for path in (output / design(output).rtl).iterdir()} == {"myproject.v", "myproject_add_s.v"}
    own = "vivado_hls.log" if case.name == "vivado_hls" else "vitis_hls.log"
    assert {own, "tool.log", "run.json", f"{SOLUTION}/solution1.log"} <= set(files(output))
    strange = [name for name in files(output) if (output / name).is_file() and not re.search(r"\.(json|log|rpt|xml|v)$", name)]
    assert strange == []
    assert not list(output.glob(".*"))
    run = (output / "run.json").read_text()
    assert str(plain[1].folder) not in run, "a path of this machine is recorded"
    program = {"2023.2": "vitis-run", "2025.1": "vitis-run", "2022.2": "vitis_hls", "2019.2": "vivado_hls"}[case.version]
    assert json.loads(run)["commands"][0][0] == program
    assert (json.loads(run)["toolchain"], json.loads(run)["version"]) == (case.name, case.version)
    options = "cosim 0 csim 0 export 0 fifo_opt 0 reset 1 synth 1 validation 0 vsynth 0"
    assert f"OPTIONS {options}\n" in (output / "tool.log").read_text()


def test_part_and_clock_of_the_section_replace_the_projects(plain: tuple[Case, Bench], bench: Bench) -> None:
    case, once = plain[0], values(plain[1].folder / "synthesize", "estimated")
    again = values(bench.synthesize(case, "again"), "estimated")
    clock, part = bench.synthesize(case, "clock", clock_ns=4), bench.synthesize(case, "part", part=OTHER_PART)
    assert once == again
    assert len({found["lut"] for found in (once, values(clock, "estimated"), values(part, "estimated"))}) == 3
    assert values(clock, "estimated")["clock_target_ns"] == 4
    assert ElementTree.parse(part / ESTIMATES).findtext("UserAssignments/Part") == OTHER_PART
    assert (design(part).part, design(part).clock_ns) == (OTHER_PART, 5)
    assert (design(clock).part, design(clock).clock_ns) == (PART, 4)


@each
def test_cosimulation(case: Case, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def spy(argv: Any, cwd: Path, *rest: Any, **more: Any) -> None:
        seen.update({path.name: np.loadtxt(path, ndmin=2) for path in (cwd / "tb_data").iterdir()})
        run_tool(argv, cwd, *rest, **more)

    monkeypatch.setattr(vendor_run, "run_tool", spy)
    output = bench.synthesize(case, cosim_rows=3)
    np.testing.assert_array_equal(seen["tb_input_features.dat"], np.load(bench.folder / "prepare/x_test.npy")[:3])
    np.testing.assert_array_equal(seen["tb_output_predictions.dat"], np.load(bench.folder / "evaluate/predictions_test.npy")[:3])
    report = (output / f"{SOLUTION}/sim/report/myproject_cosim.rpt").read_text()
    cells = [int(number) for number in re.findall(r"\| +Verilog\| +Pass\|(.*)", report)[0].split("|") if number.strip()]
    names = [f"{what}{unit}" for what, unit in (("latency_{}", "_cycles"), ("interval_{}", ""))]
    wanted = dict(zip([name.format(end) for name in names for end in ("min", "average", "max")], cells, strict=False))
    wanted |= {"execution_cycles": cells[6]} if case.name == "vitis" else {}
    assert values(output, "cosimulated") == wanted
    assert values(output, "estimated") == pytest.approx(estimates(output / ESTIMATES))
    assert {one["version"] for one in metrics(output)} == {f"{case.version} (stand-in)"}


@each
def test_export_and_logic_synthesis(case: Case, bench: Bench) -> None:
    output = bench.synthesize(case, export=True, vivado_synthesis=True, clock_ns=3, version=case.version)
    assert (output / f"{SOLUTION}/impl/export.zip").stat().st_size
    report = output / "vivado_synth.rpt"
    found = values(output, "synthesized")
    assert (found["lut"], found["ff"]) == (cell(report, "CLB LUTs*"), cell(report, "CLB Registers"))
    assert found["lut"] != values(output, "estimated")["lut"]
    assert {one["origin"] for one in metrics(output) if one["level"] == "synthesized" and one["name"] != RUN_TIME} == {"vivado_synth.rpt"}
    assert f"Device       : {PART}" in report.read_text()


def test_what_was_asked_for_must_be_there(bench: Bench) -> None:
    build = bench.folder / "convert/hls4ml/build_prj.tcl"
    for option, missing, section in (
        ("synth", ESTIMATES, {}),
        ("cosim", f"{SOLUTION}/sim/report/myproject_cosim.rpt", {"cosim_rows": 1}),
        ("export", f"{SOLUTION}/impl/export.zip", {"export": True}),
        ("vsynth", "vivado_synth.rpt", {"vivado_synthesis": True}),
    ):
        build.write_text(BUILD_TCL.replace(f"{{$opt({option})}}", "{0}"))
        with pytest.raises(StageError, match=f"Vitis HLS ended, but left no {missing}; its last words:\n"):
            bench.synthesize(CASES[0], option, **section)
        assert (bench.folder / option / "tool.log").stat().st_size
        assert not list((bench.folder / option).glob(".*"))


def test_logic_synthesis_without_vivado_says_so(bench: Bench) -> None:
    root = fake_vitis.install(bench.folder / "tools")
    parameters = {"synthesize": {"toolchain": "vitis", "vivado_synthesis": True}}
    with pytest.raises(StageError, match='couldn\'t execute "vivado"'):
        bench.run("vitis", root, "synthesize", "synthesize", ("prepare", "evaluate", "convert"), parameters)


def test_a_clock_that_is_missed_is_a_result(bench: Bench) -> None:
    found = values(bench.synthesize(CASES[0], behaviour="timing"), "estimated")
    assert found["clock_estimated_ns"] > found["clock_target_ns"]


def test_unknown_parts_and_missing_tools(bench: Bench) -> None:
    with pytest.raises(StageError, match="Part 'xc9z-1' is not installed"):
        bench.synthesize(CASES[0], part="xc9z-1")
    context = Context({"synthesize": {"toolchain": "vitis"}}, 0, {}, {}, bench.folder, bench.folder)
    with pytest.raises(StageError, match="Vitis HLS is not mounted here"):
        vitis.TOOLCHAIN.synthesize(context)
    with pytest.raises(StageError, match="does not implement"):
        vitis.TOOLCHAIN.implement(context)
    with pytest.raises(UsageError, match="no installation of Vivado HLS"):
        installation("vivado_hls", fake_vivado.install(bench.folder / "other"))


@pytest.mark.parametrize("toolchain", [vitis.TOOLCHAIN, vivado_hls.TOOLCHAIN], ids=lambda one: str(one.name))
def test_the_environment_of_the_tool(toolchain: Any, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    product, program = ("Vivado", "vivado_hls") if toolchain.name == "vivado_hls" else ("Vitis", "vitis-run")
    root, sibling = bench.folder / f"tools/{product}/2020.1", bench.folder / "tools/Vitis_HLS/2020.1/bin"
    sibling.mkdir(parents=True)
    (root / "bin").mkdir(parents=True)
    (root / "bin" / program).write_text('#!/bin/sh\nenv\necho >"$HOME/.settings" && echo HOME_IS=writable\ncommand -v "$0"\nexit 3\n')
    (root / "bin" / program).chmod(0o755)
    outside = {"PYTHONPATH": "/mine", "AWS_SECRET_ACCESS_KEY": "secret", "LD_LIBRARY_PATH": "/mine", "DISPLAY": ":0", "HOME": "/mine"}
    for name, value in {**outside, "XILINXD_LICENSE_FILE": "2100@there", "LM_LICENSE_FILE": ""}.items():
        monkeypatch.setenv(name, value)
    parameters = {"synthesize": {"toolchain": toolchain.name}}
    output, inputs = bench.folder / "synthesize", {"convert": bench.folder / "convert"}
    output.mkdir()
    tools = {toolchain.name: Tool(root, "2020.1", "stand-in:0")}
    with pytest.raises(StageError, match="failed with exit code 3"):
        toolchain.synthesize(Context(parameters, 0, inputs, {}, bench.folder, output, tools, 60))
    said = (output / "tool.log").read_text()
    seen = dict(line.split("=", 1) for line in said.splitlines() if "=" in line and not line.startswith("="))
    own = {"XILINX_VIVADO"} if product == "Vivado" else {"XILINX_VITIS", "XILINX_HLS"}
    private = {"PATH", "HOME", "USER", "TERM", "LANG", "LC_ALL", "XILINXD_LICENSE_FILE", "LD_PRELOAD", *own}
    assert set(seen) - {"PWD", "OLDPWD", "SHLVL", "_", "LD_PRELOAD"} == private - {"LD_PRELOAD"} | {"HOME_IS"}
    assert seen["XILINXD_LICENSE_FILE"] == "$XILINXD_LICENSE_FILE"  # it arrived, and what the tool told of it is not kept
    assert "secret" not in said and "/mine" not in said
    assert Path(seen["HOME"]).parent == output and seen["HOME_IS"] == "writable"
    assert not Path(seen["HOME"]).exists()
    folders = seen["PATH"].split(":")
    assert folders[0] == str(root / "bin") and folders[-3:] == ["/usr/local/bin", "/usr/bin", "/bin"]
    assert (str(sibling) in folders) == (product == "Vitis")


@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[3]], ids=str)
def test_vivado_implements_what_hls_made(case: Case, bench: Bench) -> None:
    bench.synthesize(case, clock_ns=4)
    output = bench.implement()
    found = values(output, "routed")
    reports = output / "reports"
    slack, period = summary(output)
    assert (found["wns_ns"], found["clock_target_ns"], period) == (slack, 4, 4)
    assert found["fmax_mhz"] == pytest.approx(1000 / (period - slack), abs=1e-6)
    assert slack > 0
    routed = reports / "utilization_routed.rpt"
    assert (found["lut"], found["ff"], found["dsp"]) == (cell(routed, "CLB LUTs"), cell(routed, "CLB Registers"), cell(routed, "DSPs"))
    assert cell(reports / "power_routed.rpt", "Total On-Chip Power (W)") in found.values()
    assert values(output, "synthesized")["lut"] == cell(reports / "utilization_synth.rpt", "CLB LUTs*") != found["lut"]
    for one in metrics(output):
        assert one["version"] == "2023.2 (stand-in)" and (output / one["origin"]).is_file(), one
        assert one["scope"] == "design"
    assert (output / "clock.xdc").read_text() == "create_clock -period 4.0 -name ap_clk [get_ports ap_clk]\n"
    assert {path.name for path in output.iterdir()} == {
        *("clock.xdc", "design.json", "implement.tcl", "metrics.json", "reports", "run.json", "tool.log", "vivado.log")
    }
    assert str(bench.folder) not in (output / "run.json").read_text()


def test_part_clock_and_directives_of_the_implementation(bench: Bench) -> None:
    bench.synthesize(CASES[0])
    default, again = bench.implement("default"), bench.implement("again")
    assert values(default, "routed") == values(again, "routed")
    assert "-directive" not in (default / "implement.tcl").read_text()
    chosen: dict[str, Any] = {
        "synthesis": "PerformanceOptimized",
        "place": "Explore",
        "route": "AggressiveExplore",
        "physical_optimization": False,
    }
    output = bench.implement("chosen", part=OTHER_PART, clock_ns=3, **chosen)
    text = (output / "implement.tcl").read_text()
    assert re.search(r"^synth_design .*-directive PerformanceOptimized$", text, re.MULTILINE)
    assert "\nplace_design -directive Explore\nroute_design -directive AggressiveExplore\n" in text
    assert "\nphys_opt_design\n" in (default / "implement.tcl").read_text()
    assert design(output) == design(default).model_copy(update={"part": OTHER_PART, "clock_ns": 3})
    assert values(output, "routed")["clock_target_ns"] == 3
    assert values(output, "routed")["lut"] != values(default, "routed")["lut"]
    assert f"Device       : {OTHER_PART}" in (output / "reports/utilization_routed.rpt").read_text()
    with pytest.raises(StageError, match="Invalid option value 'Fast'"):
        bench.implement("wrong", place="Fast")


def test_timing_that_is_missed_is_a_result(bench: Bench) -> None:
    bench.synthesize(CASES[0])
    output = bench.implement(behaviour="timing")
    slack, period = summary(output)
    found = values(output, "routed")
    assert found["wns_ns"] == slack < 0
    assert found["fmax_mhz"] == pytest.approx(1000 / (period - slack), abs=1e-6)
    assert found["fmax_mhz"] < 1000 / period


def test_vivado_implements_an_open_design(bench: Bench) -> None:
    (bench.folder / "synthesize/rtl").mkdir(parents=True)
    (bench.folder / "synthesize/rtl/model.v").write_text(VERILOG)
    port = {"name": "p", "fields": [{"signed": True, "bits": 8, "fraction_bits": 2}]}
    interface = {"top": "model", "clock": "clk", "latency_cycles": 1, "interval_cycles": 1, "input": port, "output": port}
    (bench.folder / "synthesize/interface.json").write_text(json.dumps({**interface, "output_shape": [1]}))
    for section, said in (({"toolchain": "open", "part": "LFE5U-25F-6BG256C"}, "LFE5U-25F-6BG256C"), ({"toolchain": "open"}, "LFE5U-85F")):
        with pytest.raises(StageError, match=f"made for {said}.*, which is no Xilinx part") as caught:
            bench.implement("refused", of=section)
        assert "part: xc" in str(caught.value.hint)
        (bench.folder / "refused").rmdir()
    output = bench.implement(of={"toolchain": "open", "clock_ns": 8}, part=PART)
    assert (output / "clock.xdc").read_text() == "create_clock -period 8.0 -name clk [get_ports clk]\n"
    assert values(output, "routed")["clock_target_ns"] == 8
    assert design(output) == Design(top="model", clock="clk", part=PART, clock_ns=8, rtl="rtl")
    assert values(bench.implement("default", of={"toolchain": "open"}, part=PART), "routed")["clock_target_ns"] == 10


def test_a_design_without_its_top_is_refused_by_vivado(bench: Bench) -> None:
    output = bench.synthesize(CASES[0])
    (output / design(output).rtl / "myproject.v").unlink()
    with pytest.raises(StageError, match=r"Vivado \(place and route\) failed with exit code 1; its last words:") as caught:
        bench.implement()
    assert "module 'myproject' not found" in caught.value.what
    kept = bench.folder / "implement"
    assert {"tool.log", "vivado.log", "implement.tcl"} <= {path.name for path in kept.iterdir()}
    assert not list(kept.glob(".*")) and not (kept / "metrics.json").exists()


@pytest.mark.experiment
@each
def test_hls4mls_own_scripts(case: Case, bench: Bench) -> None:
    from hls4ml.writer.vitis_writer import VitisWriter

    folder = bench.folder / "convert/hls4ml"
    told = {"Part": PART, "ClockPeriod": 5, "Stamp": "0"}
    config = SimpleNamespace(
        get_output_dir=lambda: str(folder),
        get_project_name=lambda: "myproject",
        get_config_value=lambda name, value=None: told.get(name, value),
    )
    writer, model = VitisWriter(), SimpleNamespace(config=config)
    writer.write_build_script(model)
    if case.name == "vitis":
        for write in (writer.write_board_script_override, writer.write_build_prj_override, writer.write_build_opts):
            write(model)
    output = bench.synthesize(case, cosim_rows=2, export=True, vivado_synthesis=True, clock_ns=4, part=OTHER_PART)
    found = values(output, "estimated")
    assert found == pytest.approx(estimates(output / ESTIMATES))
    assert found["clock_target_ns"] == 4
    assert found["clock_uncertainty_ns"] == pytest.approx(4 * 0.27 if case.name == "vitis" else 4 * 0.125)
    assert f"Device       : {OTHER_PART}" in (output / "vivado_synth.rpt").read_text()
    assert {one["level"] for one in metrics(output)} == {"estimated", "cosimulated", "synthesized"}
    assert values(bench.implement(), "routed")["clock_target_ns"] == 4
