"""Reports of Vivado: every value from its own table and column, unknown ones left out."""

from __future__ import annotations

import pytest

from tests.readers import vivado_samples as vivado
from tests.readers.reading import levels, read, values

USED = {"lut": 5032, "ff": 4021, "dsp": 29, "bram36": 8.5, "bram_18k": 17}


def test_utilization_by_site_type() -> None:
    report = read(vivado.UTILIZATION)
    assert (report.tool, report.version, report.device) == ("vivado", "2022.2.1", "xcvu9p-flgb2104-2-e")
    assert levels(report) == {"synthesized"}
    assert values(report) == USED | {
        "uram": 3,
        "carry": 211,
        "ramb36": 5,
        "ramb18": 7,
        "lut_logic": 4901,
        "lut_memory": 131,
        "lut_available": 1182240,
        "lut_logic_available": 1182241,
        "lut_memory_available": 591840,
        "ff_available": 2364480,
        "carry_available": 147780,
        "bram36_available": 2160,
        "bram_18k_available": 4320,
        "ramb36_available": 2161,
        "ramb18_available": 4320,
        "uram_available": 960,
        "dsp_available": 6840,
        "srl": 71,
        "latch": 23,
        "latch_available": 2364482,
        "lut_utilization_percent": 0.43,
        "lut_logic_utilization_percent": 0.41,
        "lut_memory_utilization_percent": 0.02,
        "ff_utilization_percent": 0.17,
        "latch_utilization_percent": 0.19,
        "carry_utilization_percent": 0.14,
        "bram36_utilization_percent": 0.39,
        "ramb36_utilization_percent": 0.23,
        "ramb18_utilization_percent": 0.16,
        "uram_utilization_percent": 0.31,
        "dsp_utilization_percent": 0.42,
    }
    assert values(report, "SLR0") == {"lut": 3001, "ff": 2501, "bram36": 5.5, "bram_18k": 11, "dsp": 18}
    assert values(report, "SLR1") == {"lut": 2031, "ff": 1520, "bram36": 4, "bram_18k": 8, "dsp": 19}


def test_labels_of_7_series_without_prohibited_column_and_ultra_ram() -> None:
    text = "\n".join(line for line in vivado.UTILIZATION.split("\n") if "URAM" not in line)
    text = text.replace("CLB LUTs*", "Slice LUTs").replace("CLB LUTs ", "Slice LUTs").replace("CLB Registers", "Slice Registers")
    report = read("\n".join(_without_prohibited(line) for line in text.split("\n")))
    assert values(report) | USED == values(report)
    assert values(report)["lut_available"] == 1182240
    assert "uram" not in values(report)


def test_carry_chains_of_7_series_are_primitives() -> None:
    text = "\n".join(line for line in vivado.UTILIZATION.split("\n") if not line.startswith("| CARRY8       "))
    assert "carry" not in values(read(text))
    assert values(read(text.replace("| CARRY8  ", "| CARRY4  ").replace("CLB LUTs ", "Slice LUTs")))["carry"] == 212


@pytest.mark.parametrize("parent", ["DSP Slices", "DSPs      "])
def test_labels_of_versal(parent: str) -> None:
    text = (
        vivado.UTILIZATION.replace("CLB Registers", "Registers    ")
        .replace("DSPs      ", parent)
        .replace("  DSP48E2 only", "  DSP58       ")
    )
    assert values(read(text.replace("RAMB36/FIFO*", "RAMB36E5    "))) == values(read(vivado.UTILIZATION))


def _without_prohibited(line: str) -> str:
    cells = line.split("|")
    return "|".join(cells[:4] + cells[5:]) if len(cells) == 8 else line


@pytest.mark.parametrize(
    ("state", "level"),
    [
        ("Synthesized", "synthesized"),
        ("Optimized", "synthesized"),
        ("Fully Placed", "routed"),
        ("Routed", "routed"),
        ("Physopt postRoute", "routed"),
    ],
)
def test_the_level_is_the_design_state(state: str, level: str) -> None:
    assert levels(read(vivado.UTILIZATION.replace("Design State : Synthesized", f"Design State : {state}"))) == {level}


def test_without_a_design_state_the_file_name_in_the_command_tells() -> None:
    text = "\n".join(line for line in vivado.UTILIZATION.split("\n") if "Design State" not in line)
    assert levels(read(text.replace("blend_utilization_synth.rpt", "blend_utilization_placed.rpt"))) == {"routed"}
    assert levels(read(text)) == {"synthesized"}


def test_utilization_by_hierarchy() -> None:
    report = read(vivado.HIERARCHY)
    assert levels(report) == {"routed"}
    assert values(report) == USED | {"ramb36": 5, "ramb18": 7}
    assert values(report, "mix_U0") == {"lut": 902, "ff": 801, "dsp": 11, "ramb36": 2, "ramb18": 1, "bram36": 2.5, "bram_18k": 5}
    assert values(report, "mix_U0/add_U0")["lut"] == 66
    assert {each.scope for each in report.numbers} == {"design", "mix_U0", "mix_U0/add_U0", "out_U0"}


def test_utilization_of_kernels() -> None:
    report = read(vivado.KERNELS)
    assert values(report) == USED
    assert values(report, "mix") == {"lut": 902, "ff": 801, "bram36": 2, "bram_18k": 4, "dsp": 11}
    assert {each.scope for each in report.numbers} == {"design", "mix"}


def test_a_timing_summary() -> None:
    report = read(vivado.TIMING)
    assert (report.version, report.device) == ("2018.2", "7a75tl-ftg256")
    assert levels(report) == {"routed"}
    assert values(report) == {
        "clock_target_ns": 10.0,
        "wns_ns": -1.346,
        "tns_ns": -41.567,
        "tns_failing_endpoints": 143,
        "tns_total_endpoints": 14807,
        "whs_ns": -0.131,
        "ths_ns": -2.25,
        "ths_failing_endpoints": 12,
        "ths_total_endpoints": 14808,
        "wpws_ns": 4.5,
        "tpws_ns": -3.125,
        "tpws_failing_endpoints": 7,
        "tpws_total_endpoints": 7345,
    }


def test_slack_that_does_not_apply_is_missing() -> None:
    found = values(read(vivado.TIMING.replace("     -1.346      -41.567", "         NA           NA")))
    assert {"wns_ns", "tns_ns"} & set(found) == set()
    assert found["whs_ns"] == -0.131


def test_several_clocks_have_their_own_targets() -> None:
    line = "ap_clk  {0.000 5.000}      10.000          100.000         \n"
    report = read(vivado.TIMING.replace(line, line + "  half  {0.000 2.500}      5.000           200.000         \n"))
    assert "clock_target_ns" not in values(report)
    assert values(report, "half") == {"clock_target_ns": 5.0}
    assert values(report, "ap_clk") == {"clock_target_ns": 10.0}


@pytest.mark.parametrize(("net", "level"), [("unplaced", "synthesized"), ("estimated", "routed"), ("unset", "routed")])
def test_the_level_of_timing_without_a_design_state(net: str, level: str) -> None:
    assert levels(read(vivado.TIMING.replace("(fo=2, routed)", f"(fo=2, {net})"))) == {level}


def test_power() -> None:
    report = read(vivado.POWER)
    assert (report.version, report.device) == ("2018.3", "xc7a75tlftg256-2L")
    assert levels(report) == {"routed"}
    assert values(report) == {"power_w": 16.975, "power_dynamic_w": 15.894, "power_static_w": 1.081, "junction_temperature_celsius": 29.5}


def test_power_in_milliwatts() -> None:
    assert values(read(vivado.POWER.replace("Dynamic (W) ", "Dynamic (mW)")))["power_dynamic_w"] == 0.015894
