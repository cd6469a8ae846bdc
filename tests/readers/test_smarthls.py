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
OLDER_RESULTS = """\
==================================================================
=====  Summary Report for RTL Simulation and FPGA Synthesis  =====
==================================================================

FPGA Vendor: MICROSEMI
Device: MPF200T-FCVG484I

====== 1. Simulation Cycle Latency ======

Number of calls:        6,106
Cycle latency:        6,135
SW/HW co-simulation: PASS

====== 2. Timing Result ======

+--------------+---------------+-------------+-------------+----------+-------------+
| Clock Domain | Target Period | Target Fmax | Worst Slack | Period   | Fmax        |
+--------------+---------------+-------------+-------------+----------+-------------+
| clk          | 11.000 ns     | 90.909 MHz  | 5.775 ns    | 5.225 ns | 191.387 MHz |
+--------------+---------------+-------------+-------------+----------+-------------+

====== 3. Resource Usage ======

+--------------------------+----------+--------+------------+
| Resource Type            | Used     | Total  | Percentage |
+--------------------------+----------+--------+------------+
| Fabric + Interface 4LUT* | 488 + 73 | 108602 | 0.52       |
| Fabric + Interface DFF*  | 397 + 74 | 108603 | 0.43       |
| LSRAM                    | 2        | 353    | 0.57       |
+--------------------------+----------+--------+------------+
"""
CALLS = """\
+----------------+-----------------+--------------------------+----------------------------+-----------------------+
| Top-Level Name | Number of calls | Simulation time (cycles) | Call Latency (min/max/avg) | Call II (min/max/avg) |
+----------------+-----------------+--------------------------+----------------------------+-----------------------+
| scale_top      | 5,601           | 5,606                    | 3 / 4 / 3.25               | 1 / 2 / 1.125         |
+----------------+-----------------+--------------------------+----------------------------+-----------------------+
Simulation time (cycles): 5,605
"""
NEWER_RESULTS = RESULTS.replace("Number of calls: 12\nCycle latency: 2,345\n", CALLS)
LEGUP_RESULTS = """\
==================================================================
=====  Summary Report for RTL Simulation and FPGA Synthesis  =====
==================================================================

Project name: poly
FPGA Vendor: INTEL
Device Family: CycloneV
Device: 5CSEMA5F31C6

====== 1. Simulation Cycle Latency ======

LegUp-generated testbench finished in 719,152 cycles.

====== 2. Timing Result ======

+--------------------------------------------------+
; Slow 1100mV 85C Model Fmax Summary               ;
+------------+-----------------+------------+------+
; Fmax       ; Restricted Fmax ; Clock Name ; Note ;
+------------+-----------------+------------+------+
; 127.34 MHz ; 126.25 MHz      ; clk        ;      ;
+------------+-----------------+------------+------+


====== 3. Resource Usage ======

Fitter Status : Successful - Mon Apr 20 09:02:09 2020
Quartus Prime Version : 17.0.0 Build 595 04/25/2017 SJ Lite Edition
Device : 5CSEMA5F31C8
Logic utilization (in ALMs) : 1,247 / 32,070 ( 4 % )
Total registers : 2,294
Total DSP Blocks : 7 / 87 ( 8 % )
Total RAM Blocks : 11 / 397 ( 3 % )
"""
LEGUP_SUMMARY = ESTIMATE.replace("Smart High-Level Synthesis Tool Version 2022.2", "LegUp High-Level Synthesis Tool Version 7.5 (…)")
SAMPLES = [ESTIMATE, RESULTS, OLDER_RESULTS, NEWER_RESULTS, LEGUP_RESULTS]
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


def test_older_results_have_shorter_titles_and_leave_the_addition_to_the_reader() -> None:
    simulated = {"calls": 6106, "latency_min_cycles": 6135, "latency_max_cycles": 6135}
    timing = {"clock_target_ns": 11.0, "wns_ns": 5.775, "clock_estimated_ns": 5.225, "fmax_mhz": 191.387}
    used = {"lut": 561, "ff": 471, "lsram": 2, "lut_available": 108602, "ff_available": 108603, "lsram_available": 353}
    assert design(read_alone(OLDER_RESULTS)) == simulated | timing | used


def test_newer_results_have_a_table_of_calls() -> None:
    numbers = {number.name: number.value for number in read_alone(NEWER_RESULTS).numbers if number.level == "cosimulated"}
    latency = {"latency_min_cycles": 3, "latency_max_cycles": 4, "latency_average_cycles": 3.25}
    interval = {"interval_min": 1, "interval_max": 2, "interval_average": 1.125}
    assert numbers == latency | interval | {"calls": 5601, "execution_cycles": 5605}


def test_of_several_functions_called_none_is_the_design() -> None:
    row = next(line for line in CALLS.splitlines() if "scale_top" in line)
    report = read_alone(NEWER_RESULTS.replace(row, f"{row}\n{row.replace('scale_top', 'other_top')}"))
    assert "latency_max_cycles" not in design(report)
    assert scoped(report, "other_top")["latency_max_cycles"] == 4


def test_legup_shows_quartus_own_reports() -> None:
    report = read_alone(LEGUP_RESULTS)
    assert (report.tool, report.device, levels(report)) == ("legup", "5CSEMA5F31C6", {"cosimulated", "routed"})
    used = {"alm": 1247, "ff": 2294, "dsp": 7, "m20k": 11}
    available = {"alm_available": 32070, "dsp_available": 87, "m20k_available": 397}
    available |= {"alm_utilization_percent": 4, "dsp_utilization_percent": 8, "m20k_utilization_percent": 3}
    simulated = {"latency_min_cycles": 719152, "latency_max_cycles": 719152}
    assert design(report) == used | available | simulated | {"fmax_mhz": 127.34}
    assert "alm" not in design(read_alone(LEGUP_RESULTS.replace("Successful", "Failed")))
    assert (read_alone(LEGUP_SUMMARY).tool, read_alone(LEGUP_SUMMARY).version) == ("legup", "7.5")


@pytest.mark.parametrize("text", SAMPLES)
def test_without_any_one_line(text: str) -> None:
    assert all(has_nothing_new(text, damaged, NAMED) for damaged in without_each_line(text))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_cut_off_anywhere(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SAMPLES))
    assert has_nothing_new(text, data.draw(cut_or_thinned(text)))
