"""What all vendors' toolchains share: metrics of reports, missing licences, running a tool, reading again, and their contract."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, get_args

import pytest
from pydantic import BaseModel, ValidationError

from exseos.errors import HostError, StageError, UsageError
from exseos.metrics import Metric
from exseos.readers.base import Number, Report, ReportError
from exseos.spec.models import Convert
from exseos.toolchains import process
from exseos.toolchains.base import Tool, find, names
from exseos.toolchains.process import run_tool
from exseos.toolchains.vendor import reports
from exseos.toolchains.vendor import run as vendor_run
from exseos.toolchains.vendor.base import DESIGN_FILE, Role, VendorToolchain
from exseos.toolchains.vendor.installation import vendor_toolchains
from exseos.toolchains.vendor.licence import NETWORK, licence_hint, licence_line
from exseos.toolchains.vendor.reports import RUN_FILE, RUN_TIME, read_metrics
from exseos.toolchains.vendor.run import locale_variables
from exseos.worker.stages.base import Context
from exseos.worker.stages.reread import Reread

REAL, STAND_IN = Tool(Path("/opt/lab"), "7.5", "sha256:1"), Tool(Path("/opt/lab"), "7.5", "stand-in:1")
ESTIMATES = """\
<profile>
<ReportVersion><Version>2023.2</Version></ReportVersion>
<UserAssignments><unit>ns</unit><Part>xc7z020clg484-1</Part><TargetClockPeriod>5.00</TargetClockPeriod></UserAssignments>
<AreaEstimates><Resources><LUT>321</LUT><FF>654</FF></Resources></AreaEstimates>
</profile>
"""


class Lab(VendorToolchain):
    """A toolchain of which only the reports matter; those of these tests are in JSON."""

    name = "lab"
    title = "Lab"
    programs = ("bin/lab",)
    version_pattern = "(.*)"
    reports: ClassVar[Mapping[Role, tuple[str, ...]]] = {"synthesize": ("sim/{top}.rpt", "exact.rpt", "syn/*.rpt")}

    def environment(self, root: Path, home: Path) -> dict[str, str]:
        return {}


def write(path: Path, *numbers: Number, version: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": version, "numbers": [asdict(one) for one in numbers]}))


def read_json(path: Path) -> Report | None:
    if path.read_text() == "prose":
        return None
    if path.read_text() == "damaged":
        raise ReportError("it has no table", where=str(path))
    content = json.loads(path.read_text())
    return Report("labtool", content["version"], "", tuple(Number(**one) for one in content["numbers"]))


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(reports, "read_report", read_json)
    return Lab()


def read(lab: Lab, folder: Path, tool: Tool = REAL) -> list[Metric]:
    return read_metrics(lab, "synthesize", folder, tool)


def lut(value: int, scope: str = "design") -> Number:
    return Number("lut", value, "count", "estimated", scope)


def ns(name: str, value: float, level: Any = "routed") -> Number:
    return Number(name, value, "ns", level)


def design(top: str = "net") -> str:
    return json.dumps({"top": top, "part": "xc7", "clock_ns": 5, "rtl": "rtl"})


def test_the_more_trusted_report_counts_and_the_others_add_to_it(lab: Lab, tmp_path: Path) -> None:
    write(tmp_path / "exact.rpt", lut(11), version="7.6")
    write(tmp_path / "syn/a.rpt", lut(22), Number("ff", 33, "count", "estimated"), Number("lut", 44, "count", "synthesized"))
    found = read(lab, tmp_path)
    assert [(one.name, one.value, one.level, one.origin, one.tool, one.version) for one in found] == [
        ("lut", 11, "estimated", "exact.rpt", "labtool", "7.6"),
        ("ff", 33, "estimated", "syn/a.rpt", "labtool", "7.5"),
        ("lut", 44, "synthesized", "syn/a.rpt", "labtool", "7.5"),
    ]


def test_only_the_report_of_the_top_module_is_meant(lab: Lab, tmp_path: Path) -> None:
    write(tmp_path / "sim/layer.rpt", lut(1))
    write(tmp_path / "sim/net.rpt", lut(2))
    write(tmp_path / "exact.rpt", lut(3))
    assert [one.value for one in read(lab, tmp_path)] == [3]
    (tmp_path / DESIGN_FILE).write_text(design())
    assert [one.value for one in read(lab, tmp_path)] == [2]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"top": 3}', design("../../sim/net"), design("/etc"), design("*"), design("")])
def test_a_damaged_record_of_the_design_is_an_error(lab: Lab, tmp_path: Path, text: str) -> None:
    write(tmp_path / "exact.rpt", lut(3))
    (tmp_path / DESIGN_FILE).write_text(text)
    with pytest.raises(StageError, match="the record of the design") as caught:
        read(lab, tmp_path)
    assert caught.value.where == DESIGN_FILE


def test_modules_are_dropped_and_regions_kept(lab: Lab, tmp_path: Path) -> None:
    write(tmp_path / "exact.rpt", lut(1, "SLR0"), lut(2, "dense_layer"), lut(3), lut(4, "clk"), lut(5, "SLR1"))
    assert [(one.scope, one.value) for one in read(lab, tmp_path)] == [("SLR0", 1), ("design", 3), ("SLR1", 5)]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([ns("wns_ns", 0.5), ns("clock_target_ns", 5)], [round(1000 / 4.5, 6)]),
        ([ns("wns_ns", -3.0), ns("clock_target_ns", 5)], [125.0]),
        ([ns("wns_ns", 0.5)], []),
        ([ns("clock_target_ns", 5)], []),
        ([ns("wns_ns", 0.5), ns("clock_target_ns", 5, "estimated")], []),
        ([ns("slack_ns", 0.5), ns("clock_target_ns", 5)], []),
        ([ns("wns_ns", 5), ns("clock_target_ns", 5)], []),
        ([ns("wns_ns", 0.5), ns("clock_target_ns", 5), Number("fmax_mhz", 99, "MHz", "routed")], [99]),
    ],
)
def test_the_highest_frequency_where_slack_and_period_are_there(
    lab: Lab, tmp_path: Path, numbers: list[Number], expected: list[float]
) -> None:
    write(tmp_path / "exact.rpt", *numbers)
    assert [one.value for one in read(lab, tmp_path) if one.name == "fmax_mhz"] == expected


def test_a_derived_frequency_is_told_like_the_slack(lab: Lab, tmp_path: Path) -> None:
    write(tmp_path / "exact.rpt", ns("wns_ns", 1))
    write(tmp_path / "syn/a.rpt", ns("clock_target_ns", 5))
    assert read(lab, tmp_path)[-1] == Metric(
        name="fmax_mhz", value=250, unit="MHz", level="routed", origin="exact.rpt", tool="labtool", version="7.5"
    )


def test_how_long_the_tools_ran_is_a_metric_of_the_highest_level(lab: Lab, tmp_path: Path) -> None:
    write(tmp_path / "exact.rpt", lut(1), ns("wns_ns", 1), Number("ff", 2, "count", "synthesized"))
    (tmp_path / RUN_FILE).write_text('{"seconds": 12.5}')
    assert read(lab, tmp_path, STAND_IN)[-1] == Metric(
        name=RUN_TIME, value=12.5, unit="s", level="routed", origin=RUN_FILE, tool="lab", version="7.5 (stand-in)"
    )
    write(tmp_path / "syn/a.rpt", Number(RUN_TIME, 3, "s", "routed"))
    assert [one.value for one in read(lab, tmp_path) if one.name == RUN_TIME] == [3]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"seconds": null}', '{"seconds": "long"}', '{"seconds": NaN}', '{"seconds": 1e999}']
)
def test_a_record_without_the_time_gives_none(lab: Lab, tmp_path: Path, text: str) -> None:
    write(tmp_path / "exact.rpt", lut(1))
    (tmp_path / RUN_FILE).write_text(text)
    assert [one.name for one in read(lab, tmp_path)] == ["lut"]


def test_no_number_at_all_is_an_error(lab: Lab, tmp_path: Path) -> None:
    for files in ([], ["exact.rpt"]):
        for name in files:
            (tmp_path / name).write_text("prose")
        with pytest.raises(StageError, match="no report of Lab holds a number"):
            read(lab, tmp_path)
    write(tmp_path / "syn/a.rpt", lut(1, "dense_layer"))
    with pytest.raises(StageError, match="no report of Lab holds a number"):
        read(lab, tmp_path)


def test_a_damaged_report_is_named(lab: Lab, tmp_path: Path) -> None:
    write(tmp_path / "exact.rpt", lut(1))
    (tmp_path / "syn").mkdir()
    (tmp_path / "syn/b.rpt").write_text("damaged")
    with pytest.raises(StageError, match="a report of Lab cannot be read: it has no table") as caught:
        read(lab, tmp_path)
    assert caught.value.where == "syn/b.rpt"
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("text", [ESTIMATES[:200], "", "\0"])
def test_a_real_report_that_is_cut_off_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "net_prj/solution1/syn/report/net_csynth.xml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    (tmp_path / DESIGN_FILE).write_text(design())
    with pytest.raises(StageError, match="a report of Vitis HLS cannot be read") as caught:
        read_metrics(vendor_of("vitis"), "synthesize", tmp_path, REAL)
    assert caught.value.where == path.relative_to(tmp_path).as_posix()


def test_the_order_of_the_file_system_does_not_matter(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value, name in enumerate(["b", "a", "d", "c"], 1):
        write(tmp_path / f"syn/{name}.rpt", lut(value), Number(f"of_{name}", value, "count", "estimated"))
    first = read(lab, tmp_path)
    glob = Path.glob
    for order in (list, lambda found: list(reversed(list(found))), lambda found: sorted(found, key=lambda path: hash(path.name) % 7)):

        def shuffled(path: Path, pattern: str, order: Callable[[Any], list[Path]] = order) -> list[Path]:
            return order(glob(path, pattern))

        monkeypatch.setattr(Path, "glob", shuffled)
        assert read(lab, tmp_path) == first
    assert [(one.name, one.value) for one in first] == [("lut", 2), ("of_a", 2), ("of_b", 1), ("of_c", 4), ("of_d", 3)]


def test_numbers_of_a_stand_in_say_so(lab: Lab, tmp_path: Path) -> None:
    write(tmp_path / "exact.rpt", ns("wns_ns", 1), ns("clock_target_ns", 5), version="7.6")
    (tmp_path / RUN_FILE).write_text('{"seconds": 1}')
    assert [one.version for one in read(lab, tmp_path, STAND_IN)] == ["7.6 (stand-in)"] * 3 + ["7.5 (stand-in)"]
    assert not any("stand-in" in one.version for one in read(lab, tmp_path, REAL))


MISSING = """\
ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis' and/or device 'xc7vx690t'. Please run the License Manager
ERROR: [Common 17-348] Failed to get the license for feature 'Implementation' and/or device 'xc7k325t'
Could not checkout license for Vivado HLS.
FLEXnet Licensing error:-15,570. System Error: 115 "Operation now in progress"
Error (292000): FLEXlm software error: Invalid (inconsistent) license key.
Error (292014): Can't find valid feature line for core PCI_COMPILER (6AF7_0013) in current license
Error (119013): Current license file does not support the 10AX115 device
Error (10003): Can't open encrypted file "core.v" -- current license file does not contain a valid license for encrypted file
# Error: Unable to checkout a license. Make sure your license file environment variables are set correctly (LNX-3)
# ** Error: Failure to obtain a VHDL simulation license.
# ** Fatal: Invalid license environment. Application closing.
Error: Failed to check out a license. Please set the environment variable LM_LICENSE_FILE
License checkout failed: synplifypro_microsemi
Error: No valid Libero license found
License server machine is down or not responding.
License server does not support this feature.
Cannot find license file.
Cannot connect to license server system.
No such feature exists."""
HARMLESS = """\
INFO: license checkout succeeded
Attempting to get a license for feature 'Implementation' and/or device 'xc7z020'
INFO: [Common 17-349] Got license for feature 'Synthesis' and/or device 'xc7z020'
INFO: [Common 17-86] Your Implementation license expires in 10 day(s)
This product is licensed under the terms of its vendor
Licensed under the Apache License, Version 2.0
WARNING: [Vivado 15-19] WARNING: No 'Implementation' license found. This message may be safely ignored if another license will be used
WARNING: [Common 17-300] Failed to get a license for feature 'Viewer'
Warning (292013): Feature LogicLock is only available with a valid subscription license.
Critical Warning: unable to obtain a license for the viewer
# Note: License for product 'catapult' was checked out
fatal error: cannot find firmware/license_key.h
error: cannot find '/opt/licenses/core.h'
make: *** No rule to make target 'license.h'. Stop.
#   Searched: LM_LICENSE_FILE"""


@pytest.mark.parametrize("line", MISSING.splitlines())
def test_a_missing_licence_is_told(line: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(f"{HARMLESS}\n  {line}\n{HARMLESS}\n")
    assert licence_line(tmp_path / "log") == line


@pytest.mark.parametrize("line", HARMLESS.splitlines())
def test_a_licence_that_is_only_spoken_of_is_none_missing(line: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(f"start\n{line}\nERROR: [Synth 8-439] module 'net' not found\n")
    assert licence_line(tmp_path / "log") == ""


def test_the_last_line_of_a_huge_log_counts(tmp_path: Path) -> None:
    first, last = MISSING.splitlines()[:2]
    (tmp_path / "log").write_bytes(f"{first}\n".encode() + b"\xff\n" * (1 << 20) + f"{last}\nend\n".encode())
    assert licence_line(tmp_path / "log") == last
    (tmp_path / "log").write_bytes(b"")
    assert licence_line(tmp_path / "log") == ""


def test_what_to_do_about_a_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = vendor_of("vivado")
    for name in (*tool.licence_variables, NETWORK):
        monkeypatch.delenv(name, raising=False)
    assert "see its own documentation" in licence_hint(Lab())
    assert licence_hint(tool).startswith("Set XILINXD_LICENSE_FILE or LM_LICENSE_FILE where you call exseos")
    monkeypatch.setenv("LM_LICENSE_FILE", "2100@secret.example")
    hint = licence_hint(tool)
    assert hint.startswith("LM_LICENSE_FILE is set, but the tool has no network") and "--allow-network-for vivado" in hint
    monkeypatch.setenv(NETWORK, "host")
    monkeypatch.setenv("XILINXD_LICENSE_FILE", "/licence")
    assert "had the host's network and XILINXD_LICENSE_FILE and LM_LICENSE_FILE: does that server answer" in licence_hint(tool)
    assert "secret" not in hint + licence_hint(tool)


PLAIN = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def localedef(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "sources").touch()
    (folder / "bin").mkdir()
    (folder / "bin/localedef").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "bin/localedef").chmod(0o755)
    monkeypatch.setattr(vendor_run, "_LOCALE_SOURCE", folder / "sources")
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")


def test_the_locale_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    localedef(tmp_path, 'for last; do :; done; echo "$@" >>../made; mkdir "$last"; exit 1', monkeypatch)
    home = tmp_path / "home"
    home.mkdir()
    for _ in range(2):
        assert locale_variables(home) == {"LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8", "LOCPATH": str(home / "locale")}
    assert (tmp_path / "made").read_text() == f"--force -i en_US -f UTF-8 {home / 'locale/en_US.UTF-8'}\n"


def test_without_a_locale_it_is_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    localedef(tmp_path, "exit 4", monkeypatch)
    assert locale_variables(tmp_path) == PLAIN
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert locale_variables(tmp_path) == PLAIN
    monkeypatch.setattr(vendor_run, "_LOCALE_SOURCE", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert locale_variables(tmp_path) == PLAIN


def test_a_tool_inherits_nothing_unless_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s")
    command = [sys.executable, "-I", "-c", "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))"]
    run_tool(command, tmp_path, 30, tmp_path / "log", environment={"ONE": "1"}, inherit=False)
    assert (tmp_path / "log").read_text() == "['ONE']\n"
    run_tool(command, tmp_path, 30, tmp_path / "log", environment={"ONE": "1"})
    assert "'ONE'" in (tmp_path / "log").read_text() and "'SECRET'" in (tmp_path / "log").read_text()


def test_progress_tells_the_last_line_when_it_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_PROGRESS_SECONDS", 0.05)
    told: list[str] = []
    run_tool(
        ["sh", "-c", "for word in '' one '' one two; do echo $word; sleep 0.3; done"], tmp_path, 30, tmp_path / "log", progress=told.append
    )
    assert told == ["one", "two"]


@pytest.mark.parametrize(("code", "number"), [(134, 6), (139, 11), (136, 8)])
def test_an_exit_code_of_a_signal_is_a_crash(code: int, number: int, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=rf"the tool crashed \(signal {number}\); its last words:\nlast"):
        run_tool(["sh", "-c", f"echo last; exit {code}"], tmp_path, 30, tmp_path / "log", what="the tool")


@pytest.mark.parametrize(("code", "number"), [(137, 9), (143, 15)])
def test_an_exit_code_of_a_kill_is_the_machines_fault(code: int, number: int, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=rf"the tool was killed \(signal {number}\)"):
        run_tool(["sh", "-c", f"exit {code}"], tmp_path, 30, tmp_path / "log", what="the tool")


@pytest.mark.parametrize("code", [0, 3])
def test_what_a_tool_leaves_running_ends_with_it(code: int, tmp_path: Path) -> None:
    try:
        run_tool(["sh", "-c", f"sleep 60 & echo $! >child; exit {code}"], tmp_path, 30, tmp_path / "log")
    except StageError:
        assert code
    child = Path("/proc") / (tmp_path / "child").read_text().strip() / "stat"
    deadline = time.monotonic() + 10
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "it runs on"
        time.sleep(0.02)


def vendor_of(name: str) -> VendorToolchain:
    found = find(name)
    assert isinstance(found, VendorToolchain)
    return found


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a stage of a toolchain left: written by the code that writes it in a stage."""
    monkeypatch.setattr(vendor_run, "_LOCALE_SOURCE", tmp_path / "none")
    folder = tmp_path / "recorded"
    folder.mkdir()

    class Made(Lab):
        def metrics(self, role: Role, outputs: Path, tool: Tool) -> list[Metric]:
            return vendor_of("vitis").metrics(role, outputs, tool)

    made = Made()
    made.name = "vitis"  # type: ignore[misc]
    context = Context({}, 0, {}, {}, tmp_path, folder, {"vitis": Tool(Path("/opt/lab"), "2023.2", "stand-in:1")})
    with vendor_run.running(made, context, "synthesize") as run:
        place = run.folder / "net_prj/solution1/syn/report/net_csynth.xml"
        run("synthesis", ["mkdir", "-p", str(place.parent)])
        place.write_text(ESTIMATES)
        run.keep(["**/*.xml"])
        (folder / DESIGN_FILE).write_text(design())
    return folder


def reread(recorded: Path, toolchain: str = "vitis", name: str = "again") -> bytes:
    output = recorded.parent / name
    output.mkdir()
    Reread().run(Context({"toolchain": toolchain, "role": "synthesize"}, 0, {"recorded": recorded}, {}, recorded.parent, output))
    assert [path.name for path in output.iterdir()] == ["metrics.json"]
    return (output / "metrics.json").read_bytes()


def test_reports_are_read_again_to_the_byte(recorded: Path) -> None:
    first = (recorded / "metrics.json").read_bytes()
    assert {one["name"] for one in json.loads(first)} == {"clock_target_ns", "lut", "ff", RUN_TIME}
    assert all(one["version"] == "2023.2 (stand-in)" for one in json.loads(first))
    moved = recorded.rename(recorded.with_name("elsewhere"))
    assert reread(moved) == first
    report = moved / "net_prj/solution1/syn/report/net_csynth.xml"
    report.write_text(report.read_text().replace("321", "320"))
    assert reread(moved, name="changed") == first.replace(b"321", b"320") != first


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null", '{"version": "2023.2"}', "\udcff"])
def test_without_the_record_of_the_run_nothing_is_read(recorded: Path, text: str | None) -> None:
    (recorded / RUN_FILE).unlink()
    if text is not None:
        (recorded / RUN_FILE).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StageError, match="the record of the run is missing or damaged") as caught:
        reread(recorded)
    assert caught.value.where == RUN_FILE


def test_a_report_that_is_gone_or_cut_off_is_an_error(recorded: Path) -> None:
    report = recorded / "net_prj/solution1/syn/report/net_csynth.xml"
    report.write_text(ESTIMATES[:200])
    with pytest.raises(StageError, match="cannot be read"):
        reread(recorded)
    report.unlink()
    with pytest.raises(StageError, match="holds a number"):
        reread(recorded, name="gone")


def test_a_toolchain_inside_the_image_leaves_no_record(recorded: Path) -> None:
    with pytest.raises(UsageError, match="'open' is inside the image"):
        reread(recorded, "open")


def test_the_home_and_the_working_folder_are_gone(recorded: Path) -> None:
    assert sorted(path.name for path in recorded.iterdir()) == [DESIGN_FILE, "metrics.json", "net_prj", RUN_FILE, "tool.log"]
    assert (recorded / "tool.log").read_text() == "==== synthesis\n"


every = pytest.mark.parametrize("tool", vendor_toolchains(), ids=lambda tool: str(tool.name))
PARAMETERS: dict[Role, str] = {"synthesize": "synthesize_parameters", "implement": "implement_parameters"}


def test_there_are_vendors() -> None:
    assert [tool.name for tool in vendor_toolchains()] == [name for name in names() if name != "open"]


@every
def test_a_toolchain_is_declared_in_full(tool: VendorToolchain) -> None:
    assert type(tool).__module__ == f"exseos.toolchains.{tool.name}"
    assert tool.title and tool.exact is False
    assert tool.programs and not any(Path(place).is_absolute() or ".." in place for place in (*tool.programs, *tool.version_files))
    assert tool.packages and all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package) for package in tool.packages)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in (*tool.licence_variables, *tool.variables))
    assert re.compile(tool.version_pattern).groups >= 1
    assert set(tool.backends) <= set(get_args(Convert.model_fields["backend"].annotation))
    assert set(tool.implements) <= set(names())
    assert tool.backends or tool.implements
    assert bool(tool.backends) == (tool.synthesize_parameters is not None)
    assert bool(tool.implements) == (tool.implement_parameters is not None)


@every
def test_a_role_has_parameters_and_reports_or_neither(tool: VendorToolchain, tmp_path: Path) -> None:
    for role, attribute in PARAMETERS.items():
        section: type[BaseModel] | None = getattr(tool, attribute)
        assert (section is not None) == (role in tool.reports), role
        if section is None:
            with pytest.raises(StageError, match=f"does not {role}"):
                getattr(tool, role)(Context({}, 0, {}, {}, tmp_path, tmp_path))
            continue
        needed = {"toolchain": tool.name} if role == "synthesize" else {}
        section.model_validate({**needed, "version": "2023.2"})
        for wrong in ({"version": "../x"}, {"no_such_key": 1}):
            with pytest.raises(ValidationError):
                section.model_validate({**needed, **wrong})
        for pattern in tool.reports[role]:
            assert not pattern.startswith("/") and ".." not in pattern
            assert set(re.findall(r"\{.*?\}", pattern)) <= {"{top}"}


@every
def test_a_toolchain_says_where_its_programs_are(tool: VendorToolchain, tmp_path: Path) -> None:
    root, home = tmp_path / "opt/tool/2023.2", tmp_path / "home"
    home.mkdir()
    program = root / tool.programs[0].replace("*", "1")
    program.parent.mkdir(parents=True)
    shutil.copyfile("/bin/true", program)
    program.chmod(0o755)
    found = tool.environment(root, home)
    assert found["PATH"].split(":")[0].startswith(str(root))
    assert all(isinstance(value, str) and value for value in found.values())
    assert not {"HOME", "LANG", "LC_ALL"} & set(found)
    assert root not in tool.companions(root)


@every
def test_a_toolchain_that_is_not_mounted_says_how(tool: VendorToolchain, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=re.escape(f"{tool.title} is not mounted here")) as caught:
        tool.tool(Context({}, 0, {}, {}, tmp_path, tmp_path))
    assert f"--toolchain {tool.name}=DIR" in str(caught.value.hint)
