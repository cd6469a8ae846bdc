"""The stand-ins for AMD's tools: they take what the real ones take, and the readers find the numbers that they drew."""

from __future__ import annotations

import importlib.util
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exseos.readers.base import ReportError
from exseos.readers.collect import collect, read_report
from tests.fake_tools import vitis, vivado, vivado_hls
from tests.fake_tools.programs.xilinx import hls_actions, vivado_actions, vivado_reports
from tests.fake_tools.programs.xilinx.design import Estimate, part_named, sources

PART = "xcvu13p-flga2577-2-e"
REPORTS = "myproject_prj/solution1/syn/report"
VERILOG = "myproject_prj/solution1/syn/verilog"
HLS = """
open_project -reset myproject_prj
set_top myproject
add_files firmware/myproject.cpp -cflags "-std=c++0x"
add_files -tb myproject_test.cpp -cflags "-std=c++0x"
open_solution -reset "solution1"
catch {config_array_partition -maximum_size 4096}
config_compile -name_max_length 80
set_part PART
config_schedule -enable_dsp_full_reg=false
create_clock -period CLOCK -name default
set_clock_uncertainty 12.5% default
csynth_design
"""
VIVADO = f"""
create_project -in_memory -part {PART}
set_msg_config -id {{Common 17-55}} -new_severity WARNING
read_verilog [glob {VERILOG}/*.v]
read_xdc -mode out_of_context clock.xdc
synth_design -top myproject -part {PART} -mode out_of_context -directive AlternateRoutability
report_utilization -file synthesized.rpt
opt_design -retarget -propconst -sweep -bram_power_opt -shift_register_opt
place_design -directive Explore
report_utilization -file placed.rpt
phys_opt_design -directive AggressiveExplore
route_design -directive Explore
report_utilization -file routed.rpt
report_utilization -hierarchical -file hierarchical.rpt
report_timing_summary -file timing.rpt
report_power -file power.rpt
write_checkpoint -force routed.dcp
puts "[current_design] [get_property PART [current_design]] [get_ports ap_*t] $argv"
"""


@pytest.fixture(autouse=True, scope="module")
def _tcl() -> None:
    assert shutil.which("tclsh"), "the stand-ins for AMD's tools need tclsh: install the Debian package tcl"


def project(folder: Path, *, part: str = PART, clock: str = "5", reuse: int = 1, more: str = "exit\n") -> Path:
    """A small HLS project with hls4ml's names."""
    (folder / "firmware").mkdir(parents=True)
    (folder / "firmware/parameters.h").write_text(f"static const unsigned reuse_factor = {reuse};\n")
    (folder / "firmware/myproject.cpp").write_text(
        '#include "parameters.h"\n#include "ap_fixed.h"\n'
        "void myproject(int in[3], int out[2]) {\n    nnet::dense<int, config2>(in, out);\n}\n"
    )
    (folder / "myproject_test.cpp").write_text('std::string log = "tb_data/csim_results.log", rtl = "tb_data/rtl_cosim_results.log";\n')
    (folder / "build_prj.tcl").write_text(HLS.replace("PART", part).replace("CLOCK", clock) + more)
    return folder


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None, text: str = "", most: int = 0) -> tuple[int, str]:
    """Exit code and output; ``most`` is the size of the largest file that may be written."""

    def limits() -> None:
        if most:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), **(env or {})}
    ended = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, input=text, capture_output=True, text=True, timeout=60, preexec_fn=limits
    )
    return ended.returncode, ended.stdout + ended.stderr


def build(root: Path, cwd: Path, **more: object) -> tuple[int, str]:
    """HLS by the program that this release has for it."""
    if (root / "bin/vitis-run").exists():
        return run(root / "bin/vitis-run", "--mode", "hls", "--tcl", "build_prj.tcl", cwd=cwd, **more)  # type: ignore[arg-type]
    name = "vivado_hls" if (root / "bin/vivado_hls").exists() else "vitis_hls"
    return run(root / "bin" / name, "-f", "build_prj.tcl", cwd=cwd, **more)  # type: ignore[arg-type]


def implement(root: Path, cwd: Path, script: str = VIVADO, **more: object) -> tuple[int, str]:
    (cwd / "run.tcl").write_text(script)
    if not (cwd / "clock.xdc").exists():
        (cwd / "clock.xdc").write_text("create_clock -period 5.000 -name ap_clk [get_ports ap_clk]\n")
    options = ["-mode", "batch", "-nojournal", "-log", "vivado.log", "-notrace", "-source", "run.tcl", "-tclargs", "a", "b"]
    return run(root / "bin/vivado", *options, cwd=cwd, **more)  # type: ignore[arg-type]


def numbers(path: Path, scope: str = "design") -> dict[str, float]:
    report = read_report(path)
    assert report is not None, path
    return {number.name: number.value for number in report.numbers if number.scope == scope}


def facts(folder: Path, clock: str = "5", uncertainty: str = "12.5%") -> dict[str, str]:
    return {"top": "myproject", "files": str(folder / "firmware/myproject.cpp"), "part": PART, "period": clock, "uncertainty": uncertainty}


def expected(folder: Path, clock: str = "5") -> dict[str, Estimate]:
    given = facts(folder, clock)
    part = part_named(PART)
    assert part
    return hls_actions.estimates(given, sources([given["files"]]), part, vitis=True)


def resources(found: Estimate) -> dict[str, float]:
    return {name: getattr(found, name) for name in ("lut", "ff", "dsp", "bram_18k", "uram")}


INSTALLERS: list[tuple[Callable[..., Path], str]] = [
    *((vivado_hls.install, version) for version in ("2018.2", "2019.2", "2020.1")),
    *((vitis.install, version) for version in ("2020.2", "2022.2", "2023.2", "2025.1")),
]


@pytest.mark.parametrize(("install", "version"), INSTALLERS)
def test_readers_find_what_synthesis_drew(install: Callable[..., Path], version: str, tmp_path: Path) -> None:
    root, folder = install(tmp_path / "tools", version), project(tmp_path / "p")
    code, said = build(root, folder)
    assert code == 0, said
    top, layer = expected(folder).values()
    assert len({*resources(top).values(), *resources(layer).values(), 0}) == 11
    for name, found in (("myproject", top), ("myproject_dense_s", layer)):
        for ending in ("rpt", "xml"):
            values = numbers(folder / REPORTS / f"{name}_csynth.{ending}")
            wanted = resources(found) | {
                "latency_min_cycles": found.latency_min,
                "latency_max_cycles": found.latency_max,
                "interval_min": found.interval_min,
                "interval_max": found.interval_max,
                "clock_target_ns": 5.0,
                "clock_estimated_ns": float(found.estimated_ns),
                "clock_uncertainty_ns": float(found.uncertainty_ns),
                "lut_available": 1728000,
            }
            wanted |= {"latency_average_cycles": found.latency_average} if ending == "xml" else {}
            wanted |= {"latency_max_ns": found.latency_max * 5.0} if version >= "2019.2" else {}
            assert wanted.items() <= values.items(), (ending, version)
    report = read_report(folder / REPORTS / "myproject_csynth.rpt")
    assert report and (report.tool, report.version, report.device) == ("vitis_hls" if version > "2020.1" else "vivado_hls", version, PART)
    assert (folder / REPORTS / "csynth.rpt").exists() == (version > "2020.1")
    if version > "2020.1":
        for ending in ("rpt", "xml"):
            path = folder / REPORTS / f"csynth.{ending}"
            assert resources(top).items() <= numbers(path).items()
            assert resources(layer).items() <= numbers(path, "myproject_dense_s").items()
        assert numbers(folder / REPORTS / "csynth.rpt")["slack_ns"] == pytest.approx(top.slack_ns, abs=0.006)
    assert "module myproject (ap_clk" in (folder / VERILOG / "myproject.v").read_text()
    assert (folder / ("vitis_hls.log" if version > "2020.1" else "vivado_hls.log")).stat().st_size
    assert not collect([folder]).skipped or not any(skipped.damaged for skipped in collect([folder]).skipped)
    assert not list(tmp_path.glob("tools/**/__pycache__"))


def test_numbers_follow_sources_clock_and_part(tmp_path: Path) -> None:
    root = vitis.install(tmp_path / "tools")
    changes = [{}, {}, {"clock": "4"}, {"reuse": 8}, {"part": "xcvu9p-flga2104-2-i"}]
    seen = []
    for place, change in enumerate(changes):
        folder = project(tmp_path / str(place), **change)  # type: ignore[arg-type]
        assert build(root, folder)[0] == 0
        seen.append(numbers(folder / REPORTS / "myproject_csynth.xml"))
    assert seen[0] == seen[1]
    assert len({found["lut"] for found in seen}) == len({found["latency_max_cycles"] for found in seen}) == 4


def test_smaller_devices_have_no_uram(tmp_path: Path) -> None:
    folder = project(tmp_path / "p", part="xc7z020clg400-1")
    assert build(vivado_hls.install(tmp_path / "tools"), folder)[0] == 0
    values = numbers(folder / REPORTS / "myproject_csynth.rpt")
    assert (values["uram"], values["uram_available"], values["lut_available"]) == (0, 0, 53200)


@pytest.mark.parametrize("version", ["2019.2", "2023.2"])
@pytest.mark.parametrize("flow", ["syn", "impl"])
def test_cosimulation_and_export(version: str, flow: str, tmp_path: Path) -> None:
    more = f"csim_design\ncosim_design -trace_level all -setup\ncd {VERILOG.replace('syn', 'sim')}\nsource run_sim.tcl\ncd ../../../..\n"
    folder = project(tmp_path / "p", more=more + f"export_design -format ip_catalog -version 1.0.0 -flow {flow}\nexit\n")
    root = (vivado_hls if version == "2019.2" else vitis).install(tmp_path / "tools", version)
    code, said = build(root, folder)
    assert code == 0, said
    solution = folder / "myproject_prj/solution1"
    assert "log_wave -r /\n" in (solution / "sim/verilog/myproject.tcl").read_text()
    given = facts(folder)
    read = sources([given["files"]])
    cycles = hls_actions.simulated(given, read)
    values = numbers(solution / "sim/report/myproject_cosim.rpt")
    assert [values[f"latency_{name}_cycles"] for name in ("min", "average", "max")] == [
        cycles[f"latency_{n}"] for n in ("min", "avg", "max")
    ]
    assert [values[f"interval_{name}"] for name in ("min", "average", "max")] == [cycles[f"interval_{n}"] for n in ("min", "avg", "max")]
    assert values.get("execution_cycles") == (cycles["execution"] if version == "2023.2" else None)
    assert (folder / "tb_data/csim_results.log").read_text() == (folder / "tb_data/rtl_cosim_results.log").read_text()
    part = part_named(PART)
    assert part
    used, _, synth, route = hls_actions.exported(given, read, part, flow)
    stem = "myproject_export" if version == "2019.2" else f"export_{flow}"
    for ending in ("rpt", "xml"):
        values = numbers(solution / f"impl/report/verilog/{stem}.{ending}")
        assert {"lut": used["LUT"], "bram_18k": used["BRAM"], "srl": used["SRL"], "clock_target_ns": 5.0}.items() <= values.items()
        assert float(route or synth) in [n.value for n in report_of(solution, stem, ending) if n.name == "clock_estimated_ns"]
    assert (solution / "impl/export.zip").stat().st_size
    assert (solution / "impl/ip/component.xml").exists()


def report_of(solution: Path, stem: str, ending: str) -> tuple:  # type: ignore[type-arg]
    report = read_report(solution / f"impl/report/verilog/{stem}.{ending}")
    assert report
    return report.numbers


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("synthesized") / "p")
    assert build(vitis.install(folder.parent / "tools"), folder)[0] == 0
    return folder


@pytest.fixture
def design(synthesized: Path, tmp_path: Path) -> Path:
    """A copy of a synthesized project."""
    shutil.copytree(synthesized, tmp_path / "design")
    return tmp_path / "design"


def drawn(folder: Path, stage: str, steps: list[str]) -> vivado_reports.Design:
    files = sorted(str(path) for path in (folder / VERILOG).glob("*.v"))
    given = {
        "files": " ".join(files),
        "part": PART,
        "clocks": "ap_clk 5.000",
        "top": "myproject",
        "stage": stage,
        "directives": " ".join(steps),
    }
    return vivado_actions.design_of(given)


@pytest.mark.parametrize("version", ["2018.3", "2020.1", "2022.1", "2024.2"])
def test_vivado(version: str, design: Path, tmp_path: Path) -> None:
    code, said = implement(vivado.install(tmp_path / "tools", version), design)
    assert code == 0, said
    assert f"myproject {PART} ap_rst ap_start a b" in said
    steps = ["synth_design=AlternateRoutability", "opt_design=Default", "place_design=Explore"]
    steps_after = [*steps, "phys_opt_design=AggressiveExplore", "route_design=Explore"]
    for stage, done in (("synthesized", steps[:1]), ("placed", steps), ("routed", steps_after)):
        report = read_report(design / f"{stage}.rpt")
        assert report and {number.level for number in report.numbers} == {"synthesized" if stage == "synthesized" else "routed"}
        used = vivado_reports.used(drawn(design, stage, done))
        wanted = {"lut": used.lut, "lut_memory": used.lut_memory, "ff": used.ff, "dsp": used.dsp, "uram": used.uram, "carry": used.carry}
        assert (wanted | {"bram36": used.ramb36 + used.ramb18 / 2, "ramb18": used.ramb18}).items() <= numbers(
            design / f"{stage}.rpt"
        ).items()
    routed = drawn(design, "routed", steps_after)
    inner = vivado_reports.used(routed, "myproject_dense_s")
    assert numbers(design / "hierarchical.rpt", "myproject_dense_s_U0")["lut"] == inner.lut
    row = [float(cell) for cell in vivado_reports.timing(routed, misses=False).cells]
    values = numbers(design / "timing.rpt")
    assert [values["wns_ns"], values["tns_ns"], values["whs_ns"], values["clock_target_ns"]] == [row[0], row[1], row[4], 5.0]
    power = vivado_reports.power(routed)
    assert numbers(design / "power.rpt")["power_w"] == float(power["Total On-Chip Power (W)"])
    assert (design / "vivado.log").stat().st_size and not (design / "vivado.jou").exists()


def test_seven_series_have_slices(design: Path, tmp_path: Path) -> None:
    root = vivado.install(tmp_path / "tools", "2019.2")
    code, said = implement(root, design, VIVADO.replace(PART, "xc7z020clg400-1"))
    assert code == 0, said
    text = (design / "synthesized.rpt").read_text()
    assert "| Slice LUTs* " in text and "CLB" not in text and "URAM" not in text
    assert "| Slice LUTs  " in (design / "placed.rpt").read_text()
    assert numbers(design / "synthesized.rpt")["lut_available"] == 53200


def test_unconstrained_design_has_no_slack(design: Path, tmp_path: Path) -> None:
    (design / "clock.xdc").write_text("# nothing\n")
    assert implement(vivado.install(tmp_path / "tools"), design)[0] == 0
    assert numbers(design / "timing.rpt") == {}


VERSIONS = [
    (vitis.install, "2023.2", "vitis-run", "--version", "****** vitis-run v2023.2 (64-bit)"),
    (vitis.install, "2022.2", "vitis_hls", "-version", "Vitis HLS - High-Level Synthesis from C, C++ and OpenCL v2022.2 (64-bit)"),
    (
        vivado_hls.install,
        "2019.2",
        "vivado_hls",
        "-version",
        "Vivado(TM) HLS - High-Level Synthesis from C, C++ and SystemC v2019.2 (64-bit)",
    ),
    (vivado_hls.install, "2018.3", "vivado", "-version", "Vivado v2018.3 (64-bit)"),
    (vivado.install, "2024.1", "vivado", "-version", "vivado v2024.1 (64-bit)"),
]


@pytest.mark.parametrize(("install", "version", "program", "option", "line"), VERSIONS)
def test_versions(install: Callable[..., Path], version: str, program: str, option: str, line: str, tmp_path: Path) -> None:
    root = install(tmp_path / "tools", version)
    code, said = run(root / "bin" / program, option, cwd=tmp_path)
    assert code == 0 and line in said.splitlines()
    assert b"EXSEOS-STAND-IN" in (root / "bin" / program).read_bytes()[:200]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tools"], "asking for the version writes nothing"


def test_layouts(tmp_path: Path) -> None:
    assert vitis.install(tmp_path, "2022.2") == tmp_path / "Vitis_HLS/2022.2"
    assert vitis.install(tmp_path, "2023.2") == tmp_path / "Vitis/2023.2"
    assert (tmp_path / "Vitis_HLS/2023.2/bin/vitis_hls").exists() and not (tmp_path / "Vitis/2022.2/bin/vitis-run").exists()
    assert not (vitis.install(tmp_path, "2025.1") / "bin/vitis_hls").exists()
    assert vitis.install(tmp_path, "2025.1", unified=True) == tmp_path / "2025.1/Vitis"
    assert vivado.install(tmp_path, "2025.1", unified=True) == tmp_path / "2025.1/Vivado"
    vivado.install(tmp_path, "2023.2")
    code, said = run("sh", "-c", f". {tmp_path}/Vitis/2023.2/settings64.sh; command -v vitis-run; command -v vivado", cwd=tmp_path)
    assert code == 0 and said.split() == [f"{tmp_path}/Vitis/2023.2/bin/vitis-run", f"{tmp_path}/Vivado/2023.2/bin/vivado"]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("vitis-run", ["--mode", "hls", "--tcl", "absent.tcl"]),
        ("vitis-run", ["--tcl", "build_prj.tcl"]),
        ("vitis-run", ["--mode", "hls", "--tcl", "build_prj.tcl", "csim=0"]),
        ("vitis_hls", ["-f", "build_prj.tcl", "--cosim"]),
        ("vitis_hls", ["build_prj.tcl"]),
        ("vivado", ["-mode", "batch", "-sourcs", "run.tcl"]),
        ("vivado", ["-mode", "batch", "-source", "absent.tcl"]),
        ("vivado", ["-source", "run.tcl"]),
    ],
)
def test_wrong_arguments_are_refused(program: str, words: list[str], tmp_path: Path) -> None:
    root = (vivado if program == "vivado" else vitis).install(tmp_path / "tools")
    folder = project(tmp_path / "p")
    code, said = run(root / "bin" / program, *words, cwd=folder)
    assert code == 1 and ("ERROR" in said or "couldn't read file" in said), said


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("csynth_design", "csynth_design -fast", "ERROR: [HLS 200-101] csynth_design: Unknown option '-fast'."),
        ("csynth_design", "csynth", 'invalid command name "csynth"'),
        (f"set_part {PART}", "set_part xcvu99p-flga2577-2-e", "ERROR: [HLS 200-1023] Part 'xcvu99p-flga2577-2-e' is not installed."),
        (
            "add_files firmware/myproject.cpp",
            "add_files firmware/absent.cpp",
            "[HLS 207-812] no such file or directory: 'firmware/absent.cpp'",
        ),
        ("set_top myproject", "set_top elsewhere", "there is no function named 'elsewhere'"),
        ("csynth_design", "cosim_design", "ERROR: [COSIM 212-5]"),
    ],
)
def test_wrong_scripts_fail(old: str, new: str, error: str, tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    script = folder / "build_prj.tcl"
    script.write_text(script.read_text().replace(old, new))
    code, said = build(vitis.install(tmp_path / "tools"), folder)
    assert code == 1 and error in said, said
    assert not (folder / REPORTS).exists()


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (
            "-mode out_of_context -directive",
            "-modus out_of_context -directive",
            "ERROR: [Common 17-170] Unknown option '-modus', please type",
        ),
        ("AlternateRoutability", "Fastest", "ERROR: [Common 17-162] Invalid option value 'Fastest' specified for '-directive'."),
        ("synth_design -top myproject", "synth_design -top other", "ERROR: [Synth 8-439] module 'other' not found"),
        (f"read_verilog [glob {VERILOG}/*.v]", f"read_verilog {VERILOG}/absent.v", "ERROR: [Vivado 12-172] File or Directory"),
        (f"read_verilog [glob {VERILOG}/*.v]", f"read_verilog {VERILOG}/myproject.v", "module 'myproject_dense_s' not found"),
        ("place_design -directive Explore", "", "design is not placed"),
        ("place_design -directive Explore", "route_design", "needs a placed design"),
        ("create_project -in_memory", "place_design\ncreate_project -in_memory", "ERROR: [Common 17-53] User Exception: No open design."),
        (
            f"create_project -in_memory -part {PART}",
            "create_project -in_memory -part xcfoo",
            "ERROR: [Coretcl 2-106] Specified part could not",
        ),
    ],
)
def test_wrong_vivado_scripts_fail(old: str, new: str, error: str, design: Path, tmp_path: Path) -> None:
    code, said = implement(vivado.install(tmp_path / "tools"), design, VIVADO.replace(old, new))
    assert code == 1 and error in said, said


def test_compiler_errors(tmp_path: Path) -> None:
    for install, version, form in (
        (vitis.install, "2023.2", 'ERROR: [HLS 207-4] "no such layer" (firmware/parameters.h:2:5)'),
        (vivado_hls.install, "2019.2", 'ERROR: [HLS 200-70] Compilation errors found: firmware/parameters.h:2:5: error: "no such layer"'),
    ):
        folder = project(tmp_path / version)
        with (folder / "firmware/parameters.h").open("a") as file:
            file.write('#   error "no such layer"\n')
        code, said = build(install(tmp_path / "tools", version), folder)
        assert code == 1 and form in said, said
        assert "    while executing" in said and not (folder / REPORTS).exists()


def test_vivado_hls_reads_its_prompt(tmp_path: Path) -> None:
    """A script without ``exit`` is followed by what stands on standard input, up to its end."""
    root, folder = vivado_hls.install(tmp_path / "tools"), project(tmp_path / "p", more="")
    code, said = run(root / "bin/vivado_hls", "-f", "build_prj.tcl", "reset=1 csim=0", cwd=folder, text='puts "still here: $argv"\n')
    assert code == 0 and "vivado_hls> still here: {reset=1 csim=0}" in said
    code, said = run(root / "bin/vivado_hls", "-f", "build_prj.tcl", cwd=folder, text="exit 3\n")
    assert code == 3


def both(behaviour: str, tmp_path: Path, design: Path, *, most: int = 0) -> Iterator[tuple[int, str, Path]]:
    """What HLS and Vivado do that behave so: exit code, output, and the folder."""
    folder = project(tmp_path / "hls")
    yield *build(vitis.install(tmp_path / "tools", behaviour=behaviour), folder, most=most), folder
    yield *implement(vivado.install(tmp_path / "tools", behaviour=behaviour), design, most=most), design


def reports(folder: Path) -> list[Path]:
    return [*folder.glob(f"{REPORTS}/*.rpt"), *folder.glob("*.rpt")] if folder.name == "hls" else list(folder.glob("*.rpt"))


@pytest.mark.parametrize(
    ("behaviour", "code", "words"),
    [
        ("no-licence", 1, "ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis' and/or device 'xcvu13p'."),
        ("server", 1, "ERROR: [Common 17-345] A valid license was not found"),
        ("syntax", 1, "ERROR: ["),
        ("bad-exit", 0, "ERROR: ["),
        ("killed", -signal.SIGKILL, ""),
        ("crash", 139, "Abnormal program termination (11)"),
        ("no-report", 0, "Exiting"),
    ],
)
def test_behaviours_without_reports(behaviour: str, code: int, words: str, tmp_path: Path, design: Path) -> None:
    for ended, said, folder in both(behaviour, tmp_path, design):
        assert ended == code and words in said, said
        assert not reports(folder)
        assert behaviour != "crash" or list(folder.glob("hs_err_pid*.log"))


def test_timing_is_missed(tmp_path: Path, design: Path) -> None:
    (code, said, folder), (after, told, _) = both("timing", tmp_path, design)
    values = numbers(folder / REPORTS / "myproject_csynth.xml")
    assert code == 0 and "WARNING: [HLS 200-871] Estimated clock period" in said
    assert values["clock_estimated_ns"] > values["clock_target_ns"]
    values = numbers(design / "timing.rpt")
    assert after == 0 and values["wns_ns"] < 0 and values["tns_ns"] < 0 and values["tns_failing_endpoints"] > 0
    assert "CRITICAL WARNING: [Route 35-39]" in told and "CRITICAL WARNING: [Timing 38-282]" in told


def test_reports_are_cut(tmp_path: Path, design: Path) -> None:
    for code, _, folder in both("cut-report", tmp_path, design):
        assert code == 0 and reports(folder)
    with pytest.raises(ReportError):
        read_report(tmp_path / "hls" / REPORTS / "myproject_csynth.xml")


def test_disk_is_full(tmp_path: Path, design: Path) -> None:
    """A limit on the size of files stands for the disk."""
    for code, said, folder in both("disk-full", tmp_path, design, most=3 * 2**20):
        assert code == 1 and "ERROR: [Common 17-49] Internal Data Exception: write to" in said
        assert (folder / "stand_in_overflow.tmp").stat().st_size == 3 * 2**20


def test_hangs_with_a_child(tmp_path: Path) -> None:
    root, folder = vitis.install(tmp_path / "tools", behaviour="hang"), project(tmp_path / "p")
    command: list[str | Path] = [root / "bin/vitis-run", "--mode", "hls", "--tcl", "build_prj.tcl"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, start_new_session=True, text=True) as process:
        assert process.stdout
        try:
            assert any("Starting code transformations" in line for line in process.stdout)
            time.sleep(0.3)
            assert process.poll() is None
            group = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and _group(entry) == process.pid]
            assert len(group) >= 4, "the tool, its Tcl, the step that hangs, and that one's child"
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _group(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[2])
    except (OSError, IndexError, ValueError):
        return 0


@pytest.mark.parametrize(("answer", "code"), [(b"granted\n", 0), (b"denied\n", 1)])
def test_licence_server(answer: bytes, code: int, tmp_path: Path) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.makefile("rb").readline())
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        folder, root = project(tmp_path / "p"), vitis.install(tmp_path / "tools", behaviour="server")
        ended, said = build(root, folder, env={"LM_LICENSE_FILE": f"{server.getsockname()[1]}@127.0.0.1"})
    assert (ended, asked) == (code, [b"checkout Synthesis\n"]), said


def test_licence_server_is_down(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    folder, root = project(tmp_path / "p"), vitis.install(tmp_path / "tools", behaviour="server")
    code, said = build(root, folder, env={"XILINXD_LICENSE_FILE": f"/absent.lic:{port}@127.0.0.1"})
    assert code == 1 and "FLEXnet Licensing error:-15,570. System Error: 115" in said
    assert not (folder / "myproject_prj").exists(), "nothing starts without a licence"


@pytest.mark.experiment
@pytest.mark.parametrize("name", ["Vitis", "Vivado"])
def test_runs_what_hls4ml_writes(name: str, tmp_path: Path) -> None:
    """hls4ml's own Tcl, with every step that it has."""
    found = importlib.util.find_spec("hls4ml")
    assert found and found.origin
    templates = Path(found.origin).parent / "templates"
    folder = project(tmp_path / "p")
    shutil.copy(templates / name.lower() / "build_prj.tcl", folder)
    shutil.copy(templates / "vivado/vivado_synth.tcl", folder)
    (folder / "tb_data").mkdir()
    (folder / "tb_data/tb_output_predictions.dat").write_text("0.5 0.25\n0.125 0.75\n")
    (folder / "firmware/weights").mkdir()
    layers = folder / "firmware/nnet_utils"
    shutil.copytree(templates / "vivado/nnet_utils", layers)
    shutil.copytree(templates / name.lower() / "nnet_utils", layers, dirs_exist_ok=True)
    with (folder / "firmware/parameters.h").open("a") as file:
        file.writelines(f'#include "nnet_utils/{path.name}"\n' for path in sorted(layers.glob("nnet_*.h")))
    settings = {"project_name": "myproject", "backend": name.lower(), "part": PART, "clock_period": "5", "clock_uncertainty": "27%"}
    settings |= {"version": "1.0.0", "maximum_size": "4096"}
    (folder / "project.tcl").write_text("".join(f'set {key} "{value}"\n' for key, value in settings.items()))
    steps = {"reset": 1, "csim": 1, "synth": 1, "cosim": 1, "validation": 1, "export": 1, "vsynth": 1, "fifo_opt": 0}
    if name == "Vitis":
        (folder / "build_opt.tcl").write_text("array set opt {" + " ".join(f"{key} {value}" for key, value in steps.items()) + "}\n")
        root = vitis.install(tmp_path / "tools")
        logic = vivado.install(tmp_path / "tools")
        command: list[str | Path] = [root / "bin/vitis-run", "--tcl", "build_prj.tcl", "--mode", "hls"]
    else:
        root = logic = vivado_hls.install(tmp_path / "tools")
        command = [root / "bin/vivado_hls", "-f", "build_prj.tcl", " ".join(f"{key}={value}" for key, value in steps.items())]
    code, said = run(*command, cwd=folder, env={"PATH": f"{root}/bin:{logic}/bin:{os.environ['PATH']}"})
    assert code == 0, said
    assert "INFO: Test PASSED" in said and "VIVADO SYNTHESIS COMPLETED" in said
    assert ("ERROR: [HLS 200-101]" in said) == (name == "Vitis"), "an error that hls4ml's script catches and the real tool has too"
    assert "log_wave" not in (folder / "myproject_prj/solution1/sim/verilog/myproject.tcl").read_text()
    wanted = ["vivado_synth.rpt", f"{REPORTS}/myproject_csynth.xml", "myproject_prj/solution1/sim/report/myproject_cosim.rpt"]
    assert all(numbers(folder / path) for path in wanted)
