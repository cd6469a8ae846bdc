"""Catapult's cycle and RTL reports."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exseos.readers.base import ReportError
from tests.readers.damage import cut_or_thinned, design, has_nothing_new, levels, read_alone, scoped, without_each_line

HEAD = """\

-- Catapult Ultra Synthesis: Report
-- ------------------------- ---------------------------------------------------
-- Version:                  2021.1/950854 Production Release

Solution Settings: scale.v2
  Current state: {state}

  Processes/Blocks in Design
    Process           Real Operation(s) count Latency Throughput Reset Length II Comments
    ----------------- ----------------------- ------- ---------- ------------ -- --------
    /scale/core                           451      13          5            2  4
    /scale/other                           20      11          3            2  6
    Design Total:                         471      14          7            2  8

"""
CYCLE = HEAD.format(state="schedule") + (
    """\
  Clock Information
    Clock Signal Edge   Period Sharing Alloc (%) Uncertainty Used by Processes/Blocks
    ------------ ------ ------ ----------------- ----------- ------------------------
    clk          rising  6.250             20.00    0.125000 /scale/core

  Loops
    Process     Loop     Iterations C-Steps Total Cycles Duration  Unroll Init Comments
    ----------- -------- ---------- ------- ------------ --------- ------ ---- --------
    /scale/core core:rlp   Infinite       9           21  80.00 ns

  End of Report
"""
)
RTL = HEAD.format(state="extract") + (
    """\
  Bill Of Materials (Datapath)
    Component Name                  Area Score Area(DSP) Area(LUTs) Area(MUX_CARRYs) Delay Post Alloc Post Assign
    ------------------------------- ---------- --------- ---------- ---------------- ----- ---------- -----------
    [Lib: a library]
    mgc_add(23,1,23,1,24)               23.000     0.000     24.000           22.000 1.670         34          32
    TOTAL AREA (After Assignment):    3917.985     9.000   3318.000          370.000

  Timing Report
    Critical Path
      Max Delay:  5.080006999999998
      Slack:      1.1699930000000016

  End of Report
"""
)


def test_throughput_is_the_interval() -> None:
    report = read_alone(CYCLE)
    assert (report.tool, report.version, levels(report)) == ("catapult", "2021.1/950854", {"estimated"})
    cycles = {"latency_min_cycles": 14, "latency_max_cycles": 14, "interval_min": 7, "interval_max": 7}
    assert design(report) == cycles | {"clock_target_ns": 6.25}
    assert scoped(report, "/scale/core") == {"latency_min_cycles": 13, "latency_max_cycles": 13, "interval_min": 5, "interval_max": 5}
    assert scoped(report, "clk") == {"clock_target_ns": 6.25}


def test_area_and_critical_path() -> None:
    found = design(read_alone(RTL))
    assert (found["lut"], found["dsp"], found["carry"], found["area_score"]) == (3318.0, 9.0, 370.0, 3917.985)
    assert (found["clock_estimated_ns"], found["slack_ns"]) == (5.080006999999998, 1.1699930000000016)
    assert (found["latency_max_cycles"], found["interval_max"]) == (14, 7)
    assert "ff" not in found


def test_a_report_without_tables() -> None:
    with pytest.raises(ReportError):
        read_alone(HEAD[: HEAD.index("  Processes")])


@pytest.mark.parametrize("text", [CYCLE, RTL])
def test_without_any_one_line(text: str) -> None:
    assert all(has_nothing_new(text, damaged) for damaged in without_each_line(text))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_cut_off_anywhere(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([CYCLE, RTL]))
    assert has_nothing_new(text, data.draw(cut_or_thinned(text)))


def test_a_latency_of_minus_one_is_unknown() -> None:
    found = design(
        read_alone(CYCLE.replace("Design Total:                         471      14", "Design Total:                         471      -1"))
    )
    assert found == {"interval_min": 7, "interval_max": 7, "clock_target_ns": 6.25}
