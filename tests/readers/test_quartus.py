"""Quartus' fitter, timing and power reports."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exseos.readers.base import ReportError
from tests.readers.damage import cut_or_thinned, design, has_nothing_new, levels, read_alone, scoped, without_each_line

FIT_SUMMARY = """\
Fitter Status : Successful - Tue Feb 03 10:11:12 2021
Quartus Prime Version : 20.1.1 Build 720 11/11/2020 SJ Lite Edition
Revision Name : adder
Top-level Entity Name : adder
Family : Cyclone V
Device : 5CGXFC7C7F23C8
Timing Models : Final
Logic utilization (in ALMs) : 6,543 / 56,480 ( 12 % )
Total registers : 12,987
Total pins : 61 / 268 ( 23 % )
Total virtual pins : 3
Total block memory bits : 43,008 / 7,024,640 ( < 1 % )
Total RAM Blocks : 14 / 686 ( 2 % )
Total DSP Blocks : 33 / 156 ( 21 % )
Total PLLs : 1 / 13 ( 8 % )
"""
OLD_FIT_SUMMARY = """\
Fitter Status : Successful - Mon Jan 07 09:08:07 2013
Quartus II 64-Bit Version : 12.1 Build 177 11/07/2012 SJ Web Edition
Family : Cyclone IV E
Device : EP4CE22F17C6
Total logic elements : 1,701 / 22,320 ( 8 % )
    Total combinational functions : 1,502 / 22,320 ( 7 % )
    Dedicated logic registers : 804 / 22,320 ( 4 % )
Total registers : 805
Total memory bits : 9,216 / 608,256 ( 2 % )
Embedded Multiplier 9-bit elements : 6 / 132 ( 5 % )
"""
FIT_REPORT = """\
Fitter report for adder
Thu Mar  4 01:02:03 2021
Quartus Prime Version 20.3.0 Build 158 09/24/2020 SC Pro Edition


---------------------
; Table of Contents ;
---------------------
  1. Fitter Summary
  2. Fitter Resource Usage Summary

+----------------------------------------------------------------------------+
; Fitter Summary                                                             ;
+-----------------------------+----------------------------------------------+
; Fitter Status               ; Successful - Thu Mar  4 01:02:03 2021        ;
; Quartus Prime Version       ; 20.3.0 Build 158 09/24/2020 SC Pro Edition   ;
; Family                      ; Arria 10                                     ;
; Device                      ; 10AX115N2F45E1SG                             ;
; Logic utilization (in ALMs) ; 4,321 / 427,200 ( 1 % )                      ;
; Total registers             ; 8765                                         ;
; Total RAM Blocks            ; 19 / 2,713 ( < 1 % )                         ;
; Total DSP Blocks            ; 27 / 1,518 ( 2 % )                           ;
+-----------------------------+----------------------------------------------+


+--------------------------------------------------+
; Fitter Resource Usage Summary                    ;
+-----------------------------+--------------------+
; Total registers             ; 1                  ;
; Total DSP Blocks            ; 2 / 3 ( 4 % )      ;
+-----------------------------+--------------------+
"""
STA_SUMMARY = """\
------------------------------------------------------------
{title}
------------------------------------------------------------

Type  : Slow 1100mV 85C Model Setup 'clk'
Slack : -1.436
TNS   : -14.715

Type  : Slow 1100mV 85C Model Hold 'clk'
Slack : 0.220
TNS   : -0.125

Type  : Slow 1100mV 0C Model Setup 'clk'
Slack : -2.610
TNS   : -19.332

Type  : Slow 1100mV 0C Model Minimum Pulse Width 'clk'
Slack : 9.272
TNS   : 0.000

Type  : Setup 'fast clk'
Slack : 3.125
TNS   : -0.250

------------------------------------------------------------
"""
STA_REPORT = """\
Timing Analyzer report for adder
Thu Mar  4 01:05:03 2021
Quartus Prime Version 20.3.0 Build 158 09/24/2020 SC Pro Edition


---------------------
; Table of Contents ;
---------------------
  1. Slow 900mV 100C Model Setup Summary
  2. Multicorner Timing Analysis Summary

+------------------------------------------------------------------------------+
; Timing Analyzer Summary                                                      ;
+-----------------------+------------------------------------------------------+
; Quartus Prime Version ; Version 20.3.0 Build 158 09/24/2020 SC Pro Edition   ;
; Device Name           ; 10AX115N2F45E1SG                                     ;
+-----------------------+------------------------------------------------------+

+------------------------------------------+
; Clocks                                   ;
+------------+------+--------+-------------+
; Clock Name ; Type ; Period ; Frequency   ;
+------------+------+--------+-------------+
; clk        ; Base ; 4.125  ; 242.42 MHz  ;
+------------+------+--------+-------------+

+--------------------------------------------------+
; Slow 900mV 100C Model Fmax Summary               ;
+------------+-----------------+------------+------+
; Fmax       ; Restricted Fmax ; Clock Name ; Note ;
+------------+-----------------+------------+------+
; 187.65 MHz ; 180.01 MHz      ; clk        ;      ;
+------------+-----------------+------------+------+

+-------------------------------------+
; Slow 900mV 100C Model Setup Summary ;
+-------+--------+--------------------+
; Clock ; Slack  ; End Point TNS      ;
+-------+--------+--------------------+
; clk   ; -1.204 ; -5.875             ;
+-------+--------+--------------------+

+------------------------------------------------------------------------------+
; Multicorner Timing Analysis Summary                                          ;
+------------------+--------+-------+----------+---------+---------------------+
; Clock            ; Setup  ; Hold  ; Recovery ; Removal ; Minimum Pulse Width ;
+------------------+--------+-------+----------+---------+---------------------+
; Worst-case Slack ; -1.204 ; 0.031 ; N/A      ; 0.511   ; 1.612               ;
;  clk             ; -1.204 ; 0.031 ; N/A      ; 0.511   ; 1.612               ;
; Design-wide TNS  ; -5.875 ; -0.25 ; 0.0      ; 0.0     ; 0.0                 ;
+------------------+--------+-------+----------+---------+---------------------+
"""
POW_SUMMARY = """\
{status} : Successful - Tue Feb 03 10:15:12 2021
Quartus Prime Version : 20.1.1 Build 720 11/11/2020 SJ Lite Edition
Device : 5CGXFC7C7F23C8
Total Thermal Power Dissipation : 1,512.34 mW
Core Dynamic Thermal Power Dissipation : 0.75 W
Core Static Thermal Power Dissipation : 702.10 mW
I/O Thermal Power Dissipation : 60.24 mW
Power Estimation Confidence : Low: user provided insufficient toggle rate data
"""
FLOW_REPORT = """\
Flow report for adder
Thu Mar  4 01:09:03 2021
Quartus Prime Version 20.3.0 Build 158 09/24/2020 SC Pro Edition

+----------------------------------------------------------------------------+
; Flow Summary                                                               ;
+---------------------------------+------------------------------------------+
; Flow Status                     ; Successful - Thu Mar  4 01:09:03 2021    ;
; Quartus Prime Version           ; 20.3.0 Build 158 09/24/2020 SC Pro       ;
; Device                          ; AGFB014R24A2I2V                          ;
; Logic utilization (in ALMs)     ; 5,321 / 487,200 ( 1 % )                  ;
; Total dedicated logic registers ; 10765                                    ;
; Total RAM Blocks                ; 29 / 7,110 ( < 1 % )                     ;
; Total DSP Blocks                ; 37 / 4,510 ( < 1 % )                     ;
+---------------------------------+------------------------------------------+


+-----------------------------------------+
; Flow Elapsed Time                       ;
+-----------------+--------------+--------+
; Module Name     ; Elapsed Time ; Peak   ;
+-----------------+--------------+--------+
; Synthesis       ; 00:00:26     ; 2 MB   ;
; Fitter          ; 01:07:44     ; 16 MB  ;
; Total           ; 01:08:10     ; --     ;
+-----------------+--------------+--------+


------------
; Flow Log ;
------------
quartus_syn adder -c adder
quartus_fit adder -c adder
"""
MESSAGES = """

+-----------------+
; Fitter Messages ;
+-----------------+
Info (170194): Fitter routing operations ending: elapsed time is 00:00:09
Info: Quartus Prime Fitter was successful. 0 errors, 5 warnings
    Info: Peak virtual memory: 1262 megabytes
    Info: Elapsed time: 00:02:03
    Info: Total CPU time (on all processors): 00:03:31
"""
SAMPLES = [
    FIT_SUMMARY,
    FLOW_REPORT,
    FIT_REPORT + MESSAGES,
    OLD_FIT_SUMMARY,
    FIT_REPORT,
    STA_SUMMARY.format(title="Timing Analyzer Summary"),
    STA_REPORT,
    POW_SUMMARY.format(status="Power Analyzer Status"),
]


def test_a_fitter_summary() -> None:
    report = read_alone(FIT_SUMMARY)
    assert (report.tool, report.version) == ("quartus", "20.1.1 Build 720 11/11/2020 SJ Lite Edition")
    assert report.device == "5CGXFC7C7F23C8"
    assert levels(report) == {"routed"}
    expected = {"alm": 6543, "ff": 12987, "pins": 61, "memory_bits": 43008, "m20k": 14, "dsp": 33, "plls": 1}
    available = {"alm": 56480, "pins": 268, "memory_bits": 7024640, "m20k": 686, "dsp": 156, "plls": 13}
    percent = {"alm": 12, "pins": 23, "m20k": 2, "dsp": 21, "plls": 8}
    parts = {f"{name}_available": value for name, value in available.items()}
    assert design(report) == expected | parts | {f"{name}_utilization_percent": value for name, value in percent.items()}


def test_families_with_logic_elements_have_no_alms() -> None:
    found = design(read_alone(OLD_FIT_SUMMARY))
    assert found["logic_elements"] == 1701
    assert (found["combinational_functions"], found["registers"], found["ff"]) == (1502, 804, 805)
    assert (found["multiplier_9bit"], found["memory_bits"]) == (6, 9216)
    assert not {"alm", "dsp", "m20k", "lut"} & set(found)


def test_a_fitter_report_is_read_from_its_summary_alone() -> None:
    report = read_alone(FIT_REPORT)
    assert report.version == "20.3.0 Build 158 09/24/2020 SC Pro Edition"
    assert design(report) == {
        "alm": 4321,
        "alm_available": 427200,
        "ff": 8765,
        "m20k": 19,
        "m20k_available": 2713,
        "dsp": 27,
        "dsp_available": 1518,
        "alm_utilization_percent": 1,
        "dsp_utilization_percent": 2,
    }


def test_how_long_a_step_ran() -> None:
    assert design(read_alone(FIT_REPORT + MESSAGES)) == design(read_alone(FIT_REPORT)) | {"tool_run_time_s": 123}


def test_a_flow_report() -> None:
    report = read_alone(FLOW_REPORT)
    assert (report.device, levels(report)) == ("AGFB014R24A2I2V", {"routed"})
    used = {"alm": 5321, "ff": 10765, "m20k": 29, "dsp": 37, "tool_run_time_s": 4090}
    available = {"alm_available": 487200, "m20k_available": 7110, "dsp_available": 4510}
    assert design(report) == used | available | {"alm_utilization_percent": 1}
    synthesis = "".join(line for line in FLOW_REPORT.splitlines(keepends=True) if "Fitter" not in line and "quartus_fit" not in line)
    assert levels(read_alone(synthesis)) == {"synthesized"}


def test_a_fit_that_failed_has_no_numbers() -> None:
    with pytest.raises(ReportError, match="Failed"):
        read_alone(FIT_SUMMARY.replace("Successful", "Failed"))


@pytest.mark.parametrize("title", ["Timing Analyzer Summary", "TimeQuest Timing Analyzer Summary"])
def test_a_timing_summary_has_each_corner_and_the_worst(title: str) -> None:
    report = read_alone(STA_SUMMARY.format(title=title))
    assert design(report) == {"wns_ns": -2.610, "whs_ns": 0.220, "pulse_width_slack_ns": 9.272}
    assert scoped(report, "Slow 1100mV 85C Model, clk") == {"wns_ns": -1.436, "tns_ns": -14.715, "whs_ns": 0.220, "ths_ns": -0.125}
    assert scoped(report, "fast clk") == {"wns_ns": 3.125, "tns_ns": -0.250}


def test_a_timing_report() -> None:
    report = read_alone(STA_REPORT)
    assert report.device == "10AX115N2F45E1SG"
    assert report.version == "20.3.0 Build 158 09/24/2020 SC Pro Edition"
    expected = {"wns_ns": -1.204, "whs_ns": 0.031, "removal_slack_ns": 0.511, "pulse_width_slack_ns": 1.612}
    assert design(report) == expected | {"tns_ns": -5.875, "ths_ns": -0.25}
    assert scoped(report, "clk") == {"clock_target_ns": 4.125}
    assert scoped(report, "Slow 900mV 100C Model, clk") == {"fmax_mhz": 187.65, "wns_ns": -1.204, "tns_ns": -5.875}


def test_newer_versions_name_no_corner() -> None:
    text = STA_REPORT.replace("Slow 900mV 100C Model ", "")
    text = text[: text.index("+", text.index("; -5.875  "))] + "+---+\n"
    report = read_alone(text.replace("  2. Multicorner Timing Analysis Summary\n", ""))
    assert design(report) == {"wns_ns": -1.204}
    assert scoped(report, "clk") == {"clock_target_ns": 4.125, "fmax_mhz": 187.65, "wns_ns": -1.204, "tns_ns": -5.875}


@pytest.mark.parametrize("status", ["Power Analyzer Status", "PowerPlay Power Analyzer Status"])
def test_powers_are_in_watts(status: str) -> None:
    report = read_alone(POW_SUMMARY.format(status=status))
    assert design(report) == {"power_w": 1.51234, "power_dynamic_w": 0.75, "power_static_w": 0.7021, "power_io_w": 0.06024}
    assert {number.unit for number in report.numbers} == {"W"}


@pytest.mark.parametrize("text", SAMPLES)
def test_without_any_one_line(text: str) -> None:
    assert all(has_nothing_new(text, damaged) for damaged in without_each_line(text))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_cut_off_anywhere(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SAMPLES))
    assert has_nothing_new(text, data.draw(cut_or_thinned(text)))
