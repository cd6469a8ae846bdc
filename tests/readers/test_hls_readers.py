"""Reports of Vivado HLS and Vitis HLS: every value from its own place, unknown ones left out."""

from __future__ import annotations

import pytest

from exseos.readers.base import ReportError
from tests.readers import hls_samples as hls
from tests.readers.reading import levels, read, values

RESOURCES = {"lut": 5032, "ff": 4021, "dsp": 29, "bram_18k": 17}


def test_a_csynth_xml() -> None:
    report = read(hls.CSYNTH_XML, "blend_csynth.xml")
    assert (report.tool, report.version, report.device) == ("vitis_hls", "2023.1", "xc7z045-ffg900-2")
    assert levels(report) == {"estimated"}
    assert values(report) == RESOURCES | {
        "uram": 3,
        "clock_target_ns": 4.0,
        "clock_uncertainty_ns": 1.08,
        "clock_estimated_ns": 2.917,
        "latency_min_cycles": 211,
        "latency_max_cycles": 305,
        "latency_min_ns": 844.0,
        "latency_max_ns": 1220.0,
        "interval_min": 212,
        "interval_max": 306,
        "bram_18k_available": 1090,
        "dsp_available": 900,
        "ff_available": 437200,
        "lut_available": 218600,
        "uram_available": 7,
    }
    assert values(report, "mix") == {
        "clock_target_ns": 4.1,
        "clock_estimated_ns": 2.8,
        "latency_min_cycles": 51,
        "latency_average_cycles": 52,
        "latency_max_cycles": 53,
        "interval_min": 54,
        "interval_max": 54,
        "ff": 801,
        "ff_available": 437201,
        "lut": 902,
        "bram_18k": 0,
    }


@pytest.mark.parametrize(
    ("old", "new", "tool"),
    [
        ("<FlowTarget>vivado</FlowTarget>\n", "", "vitis_hls"),
        ("2023.1", "2020.1", "vitis_hls"),
        ("<Version>2023.1</Version>", "<Version>2018.3</Version>", "vitis_hls"),
    ],
)
def test_the_tool_of_a_csynth_xml(old: str, new: str, tool: str) -> None:
    assert read(hls.CSYNTH_XML.replace(old, new)).tool == tool


def test_a_csynth_xml_of_vivado_hls_on_a_7_series() -> None:
    text = hls.CSYNTH_XML.replace("<FlowTarget>vivado</FlowTarget>\n", "").replace("2023.1", "2018.3").replace("<URAM>3</URAM>\n", "")
    report = read(text.replace("<DSP>29</DSP>", "<DSP48E>29</DSP48E>"))
    assert report.tool == "vivado_hls"
    assert values(report)["dsp"] == 29
    assert "uram" not in values(report)


@pytest.mark.parametrize(("unit", "target"), [("us", 4000.0), ("ms", 4e6), ("ps", 0.004), ("fortnights", None), ("", None)])
def test_the_unit_of_a_clock_is_the_reports(unit: str, target: float | None) -> None:
    assert values(read(hls.CSYNTH_XML.replace("<unit>ns</unit>", f"<unit>{unit}</unit>"))).get("clock_target_ns") == target


@pytest.mark.parametrize("unknown", ["undef", "?", "-", "NA", "", "~0", "nan", "inf", "1e999", "<!-- 5 -->"])
def test_what_is_unknown_is_missing_and_never_zero(unknown: str) -> None:
    text = hls.CSYNTH_XML.replace("<Best-caseLatency>211<", f"<Best-caseLatency>{unknown}<").replace("<LUT>5032<", f"<LUT>{unknown}<")
    read_values = values(read(text))
    assert "latency_min_cycles" not in read_values
    assert "lut" not in read_values
    assert read_values["latency_max_cycles"] == 305


def test_xml_reads_nothing_outside_of_itself() -> None:
    text = '<!DOCTYPE profile [<!ENTITY who SYSTEM "file:///etc/hostname">]>\n' + hls.CSYNTH_XML.replace(">xc7z045-ffg900-2<", ">&who;<")
    with pytest.raises(ReportError, match="document type"):
        read(text)


def test_a_csynth_text() -> None:
    report = read(hls.CSYNTH_TEXT)
    assert (report.tool, report.version, report.device) == ("vivado_hls", "2019.1", "xcvu9p-flga2104-2-i")
    assert levels(report) == {"estimated"}
    assert values(report) == RESOURCES | {
        "uram": 3,
        "clock_target_ns": 4.0,
        "clock_estimated_ns": 2.917,
        "clock_uncertainty_ns": 0.5,
        "latency_min_cycles": 211,
        "latency_max_cycles": 305,
        "interval_min": 212,
        "interval_max": 306,
        "bram_18k_available": 4320,
        "dsp_available": 6840,
        "ff_available": 2364480,
        "lut_available": 1182240,
        "uram_available": 960,
        "dsp_utilization_percent": 21,
        "lut_utilization_percent": 22,
        "uram_utilization_percent": 23,
    }


def test_absolute_latency_is_a_column_of_newer_versions() -> None:
    start, end = hls.CSYNTH_TEXT.index("    +-----+-----+-----+-----+---------+"), hls.CSYNTH_TEXT.index("\n    + Detail:")
    report = read(hls.CSYNTH_TEXT[:start] + hls.ABSOLUTE_LATENCY + hls.CSYNTH_TEXT[end:])
    latencies = {name: value for name, value in values(report).items() if name.startswith(("latency", "interval"))}
    assert latencies == {"latency_max_cycles": 305, "latency_max_ns": 1220.0, "interval_min": 212}


def test_units_in_the_cells_of_the_clock() -> None:
    text = hls.CSYNTH_TEXT.replace("Timing (ns)", "Timing").replace("|   4.00|     2.917|", "|4.00 us|  2.917 ps|")
    assert values(read(text))["clock_target_ns"] == 4000.0
    assert values(read(text))["clock_estimated_ns"] == 0.002917


def test_a_design_text() -> None:
    report = read(hls.DESIGN_TEXT, "csynth.rpt")
    assert (report.tool, report.version, report.device) == ("vitis_hls", "2022.1", "xck26-sfvc784-2LV-c")
    assert values(report) == RESOURCES | {"latency_max_cycles": 305, "latency_max_ns": 1500.0, "interval_max": 306, "slack_ns": 0.31}
    assert values(report, "mix") == {
        "latency_max_cycles": 53,
        "latency_max_ns": 265.0,
        "interval_max": 54,
        "dsp": 11,
        "ff": 801,
        "lut": 902,
        "slack_ns": 0.42,
    }
    assert values(report, "mix/add")["lut"] == 66
    assert values(report, "out")["lut"] == 68
    assert {each.scope for each in report.numbers} == {"design", "mix", "mix/add", "out"}


def test_slack_has_the_other_sign_in_2020_2_and_is_unknown_without_a_version() -> None:
    text = hls.DESIGN_TEXT.replace("2022.1 (", "2020.2 (").replace("|  0.31|", "| -0.31|")
    assert values(read(text))["slack_ns"] == 0.31
    assert "slack_ns" not in values(read("\n".join(line for line in text.split("\n") if "Version:" not in line)))


def test_cosimulation_with_nine_columns_in_verilog() -> None:
    report = read(hls.COSIM_NEW)
    assert report.tool == "vitis_hls"
    assert levels(report) == {"cosimulated"}
    assert values(report) == {
        "latency_min_cycles": 201,
        "latency_average_cycles": 202,
        "latency_max_cycles": 203,
        "interval_min": 204,
        "interval_average": 205,
        "interval_max": 206,
        "execution_cycles": 2077,
    }


def test_cosimulation_with_eight_columns_in_vhdl() -> None:
    report = read(hls.COSIM_OLD)
    assert report.tool == "vivado_hls"
    assert values(report) == {"latency_min_cycles": 301, "latency_average_cycles": 302, "latency_max_cycles": 303}


@pytest.mark.parametrize("status", ["Fail", "NA", ""])
def test_a_cosimulation_that_did_not_pass_has_no_numbers(status: str) -> None:
    assert read(hls.COSIM_NEW.replace("Pass", status.rjust(4))).numbers == ()


def test_an_export_as_xml() -> None:
    report = read(hls.EXPORT_XML)
    assert (report.tool, report.version, report.device) == ("vitis_hls", "v.2023.1", "xczu3eg-sbva484-1-e")
    assert values(report, "mix_U0/add_U0") == {"bram_18k": 2, "ff": 88, "lut": 87}
    assert values(report, level="routed") == {
        "clock_target_ns": 4.0,
        "clock_estimated_ns": 3.912,
        "wns_ns": 0.088,
        "tns_ns": -0.25,
        "bram_18k": 12,
        "clb": 702,
        "dsp": 28,
        "ff": 3995,
        "latch": 2,
        "lut": 3120,
        "srl": 44,
        "uram": 1,
        "bram_18k_available": 432,
        "dsp_available": 360,
        "ff_available": 141120,
        "lut_available": 70560,
    }
    assert values(report, level="synthesized") == {"clock_estimated_ns": 2.648, "wns_ns": 1.352}


def test_an_export_after_synthesis_alone() -> None:
    report = read(hls.EXPORT_XML.replace("<RUN_TYPE>impl", "<RUN_TYPE>synth"))
    assert levels(report) == {"synthesized"}
    assert values(report)["wns_ns"] == 0.088
    label = hls.EXPORT_TEXT.replace("Place & Route", "RTL Synthesis").replace("| Post-Synthesis | 2.648       |\n", "")
    assert levels(read(label)) == {"synthesized"}
    assert values(read(label))["clock_estimated_ns"] == 3.912


EXPORTED = {"lut": 3120, "ff": 3995, "dsp": 28, "bram_18k": 12, "srl": 44, "clock_target_ns": 4.0, "clock_estimated_ns": 3.912}


def test_an_export_as_text() -> None:
    report = read(hls.EXPORT_TEXT)
    assert (report.tool, report.version, report.device) == ("vitis_hls", "2023.1", "xczu3eg-sbva484-1-i")
    assert values(report, level="routed") == EXPORTED | {"uram": 1}
    assert values(report, "mix_U0") == {"lut": 87, "ff": 86, "dsp": 7, "bram_18k": 2, "srl": 9}
    assert values(report, "mix_U0/add_U0") == {"lut": 17, "ff": 16}
    assert values(report, "out_U0") == {"lut": 27, "ff": 26, "uram": 1}
    assert values(report, level="synthesized") == {"clock_estimated_ns": 2.648}


def test_an_old_export_as_text() -> None:
    report = read(hls.EXPORT_OLD)
    assert (report.tool, report.version, report.device) == ("vivado_hls", "v.2018.2", "xcku115-flvb2104-2-i")
    assert values(report, level="routed") == EXPORTED | {"clb": 702}
    assert values(report, level="synthesized") == {"clock_estimated_ns": 2.648}


def test_an_export_of_a_version_that_cannot_spell() -> None:
    text = hls.EXPORT_OLD.replace("post-implementation", "post-implemetation").replace("CLB: ", "SLICE: ")
    assert values(read(text), level="routed") == EXPORTED | {"slice": 702}


@pytest.mark.parametrize(("version", "tool"), [("v.2020.1", "vivado_hls"), ("v.2020.2", "vitis_hls"), ("v.2024.1", "vitis_hls")])
def test_exports_since_2020_2_are_of_vitis_hls(version: str, tool: str) -> None:
    assert read(hls.EXPORT_OLD.replace("v.2018.2", version)).tool == tool
    assert read(hls.EXPORT_XML.replace("v.2023.1", version)).tool == tool


def test_the_only_unit_of_a_csynth_xml_may_be_the_estimates() -> None:
    assert values(read(hls.CSYNTH_XML.replace("<unit>ns</unit>", "", 1))) == values(read(hls.CSYNTH_XML))


def test_xml_that_is_cut_off_is_a_clear_error() -> None:
    with pytest.raises(ReportError, match="damaged"):
        read(hls.CSYNTH_XML[:-20], "blend_csynth.xml")
