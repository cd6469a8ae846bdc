"""SmartHLS' static estimate and its results."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.readers.damage import cut_or_thinned, design, has_nothing_new, levels, read_alone, scoped, without_each_line

ESTIMATE = """\

// ----------------------------------------------------------------------------
// Smart High-Level Synthesis Tool Version 2022.2
// ----------------------------------------------------------------------------

SmartHLS Summary Report for Project: scale.

====== 2. Scheduling Result ======

+---------------------------------------------------------------+
| Function: scale (non-pipelined function)                      |
+---------------------+---------------+-------------------------+
| Basic Block         | Cycle Latency | Location in Source Code |
+---------------------+---------------+-------------------------+
| entry               | 3             | main.cpp:7              |
+---------------------+---------------+-------------------------+

====== 7. Static Runtime Estimate ======

+----------------------------------------------------------------+
| Function: scale takes 41 / 40,905 cycles                       |
+-----------+--------+-----------+----------------+--------------+
| Header    | Parent | Trip Cout | Iteration Time | Total Time   |
+-----------+--------+-----------+----------------+--------------+
| for_body3 | None   | 199       | 5              | 201          |
+-----------+--------+-----------+----------------+--------------+

+----------------------------------------------------------------+
| Function: part takes 77 cycles                                 |
+----------------------------------------------------------------+
"""
RESULTS = """\
==================================================================
=====  Summary Report for RTL Simulation and FPGA Synthesis  =====
==================================================================

Project name: scale
FPGA Vendor: MICROSEMI
Device Family: PolarFire
Device: MPF100T-FCVG484I

====== 1. Simulation Result ======

Number of calls: 12
Cycle latency: 2,345
SW/HW co-simulation: PASS

====== 2. Timing Result of HLS-generated IP Core (top-level module: scale_top) ======

+--------------+---------------+-------------+-------------+----------+-------------+
| Clock Domain | Target Period | Target Fmax | Worst Slack | Period   | Fmax        |
+--------------+---------------+-------------+-------------+----------+-------------+
| clk          | 8.000 ns      | 125.000 MHz | 3.875 ns    | 4.125 ns | 242.424 MHz |
+--------------+---------------+-------------+-------------+----------+-------------+

====== 3. Resource Usage of HLS-generated IP Core (top-level module: scale_top) ======

+--------------------------+-----------------+--------+------------+
| Resource Type            | Used            | Total  | Percentage |
+--------------------------+-----------------+--------+------------+
| Fabric + Interface 4LUT* | 153 + 216 = 369 | 108600 | 0.12       |
| Fabric + Interface DFF*  | 12 + 217 = 229  | 108601 | 0.08       |
| User I/O                 | 7               | 284    | 0.00       |
| uSRAM                    | 4               | 1008   | 0.00       |
| LSRAM                    | 5               | 352    | 0.00       |
| Math                     | 6               | 336    | 0.65       |
+--------------------------+-----------------+--------+------------+
"""
NAMED = "summary.hls.scale.rpt"


@pytest.mark.parametrize("file_name", [NAMED, "a.rpt"])
def test_a_static_estimate_is_least_and_most(file_name: str) -> None:
    report = read_alone(ESTIMATE, file_name)
    assert (report.tool, report.version, levels(report)) == ("smarthls", "2022.2", {"estimated"})
    assert design(report) == {"latency_min_cycles": 41, "latency_max_cycles": 40905}
    assert scoped(report, "part") == {"latency_min_cycles": 77, "latency_max_cycles": 77}


def test_a_loop_that_cannot_be_computed_has_no_latency() -> None:
    assert design(read_alone(ESTIMATE.replace(" takes 41 / 40,905 cycles", ""), NAMED)) == {}


def test_results() -> None:
    report = read_alone(RESULTS)
    assert report.device == "MPF100T-FCVG484I"
    timing = {"clock_target_ns": 8.0, "wns_ns": 3.875, "clock_estimated_ns": 4.125, "fmax_mhz": 242.424}
    used = {"lut": 369, "ff": 229, "io": 7, "usram": 4, "lsram": 5, "dsp": 6}
    available = {"lut": 108600, "ff": 108601, "io": 284, "usram": 1008, "lsram": 352, "dsp": 336}
    simulated = {"calls": 12, "latency_min_cycles": 2345, "latency_max_cycles": 2345}
    assert design(report) == timing | used | simulated | {f"{name}_available": value for name, value in available.items()}
    assert {number.name for number in report.numbers if number.level == "cosimulated"} == set(simulated)
    assert levels(report) == {"cosimulated", "routed"}


def test_a_failed_simulation_and_what_was_not_run_are_missing() -> None:
    text = RESULTS.replace("PASS", "FAIL")
    text = text[: text.index("+----")] + "N/A. Please run 'Synthesize Hardware to FPGA' to obtain the timing result.\n"
    assert read_alone(text).numbers == ()


@pytest.mark.parametrize("text", [ESTIMATE, RESULTS])
def test_without_any_one_line(text: str) -> None:
    assert all(has_nothing_new(text, damaged, NAMED) for damaged in without_each_line(text))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_cut_off_anywhere(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([ESTIMATE, RESULTS]))
    assert has_nothing_new(text, data.draw(cut_or_thinned(text)))
