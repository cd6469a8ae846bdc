"""Reports of Intel HLS, Intel FPGA OpenCL and oneAPI."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.readers.damage import cut_or_thinned, design, has_nothing_new, levels, read_alone, scoped, without_each_line

AREA = (
    '{"columns":["", "ALUTs", "FFs", "RAMs", "DSPs", "MLABs", "Details"], "total_percent":[9, 8, 7, 6, 5], '
    '"total":[7654, 9321, 43, 25, 17], "name":"System", "max_resources":[109572, 219144, 514, 112, 2740], "children":[{"name":"scale", '
    '"type":"function", "total_kernel_resources":[7001, 9002, 41, 24.5, 16], "children":'
    '[{"name":"Stream \\\'in\\\'", "data":[1, 2, 3, 4, 5]}]}]}'
)
SUMMARY = (
    '{"estimatedResources":{"columns":["Component Name", "ALUTs ", "FFs  ", "RAMs ", "DSPs "], "children":[{"name":"Total", '
    '"classes":["a"], "data":[11, 12, 13, 14]}]}}'
)
HLS_INFO = '{"rows":[{"name":"Target Family, Device","data":["Arria10, 10AX"]},{"name":"i++ Version","data":["18.1.0 Build 222"]}]}'
QUOTED = f"var areaJSON='{AREA}';\nvar mavJSON='[]';\nvar summaryJSON='{SUMMARY}';\nvar infoJSON='{HLS_INFO}';\n"
BARE = QUOTED.replace("\\'", "'").replace("='", "=").replace("';", ";").replace("i++ Version", "Version")
QUARTUS_VALUES = """\
{
"quartusFitClockSummary":
{
  "name":"Quartus Fit Clock Summary"
  ,"columns":["", "1x clock fmax"]
  ,"children":[
  {
    "name":"Frequency (MHz)","data":["1x clock fmax": 248.75]
  }
]}
,"quartusFitResourceUsageSummary":
{
  "name":"Quartus Fit Resource Utilization Summary"
  ,"columns":["", "ALMs", "FFs", "RAMs", "DSPs"]  ,"children":[
  {"name":"scale","data":["ALMs": 2173.5 ,"FFs": 3749 ,"RAMs": 11 ,"DSPs": 19]
  }
]}}
"""
NODES = """\
{"quartusFitClockSummary":{"nodes":[
{"name":"Quartus Fitter: Clock Frequency (MHz)","type":"system","id":1000,"kernel clock":"401.5","clock fmax":"412.25"}
]},"quartusFitResourceUsageSummary":{"nodes":[
{"type":"system","id":1000,"name":"Device Image","alm":"5520.5","alut":"5182","reg":"17419","dsp":"41","ram":"37","mlab":"53"}
,{"type":"kernel","id":1010,"name":"Scale","alm":"5020.0","alut":"5081","reg":"16418","dsp":"40","ram":"36","mlab":"52"}
]}}
"""
PRETTY_SUMMARY = """\
{
  "performanceSummary":
  {
    "name":"Kernel Summary"
    , "columns":
    ["Kernel Name", "Kernel Type", "# Compute Units"]
    , "children":
    [
      {
        "name":"scale"
        , "data":
        ["NDRange", 1]
      }
    ]
  }
  , "estimatedResources":
  {
    "name":"Estimated Resource Usage"
    , "columns":
    ["Kernel Name", "ALUTs ", "FFs  ", "RAMs ", "DSPs ", "MLABs"]
    , "children":
    [
      {
        "name":"scale"
        , "data":
        [6452, 16765, 99, 7, 73]
      }
      , {
        "name":"Total"
        , "classes":
        ["summary-highlight", "nohover"]
        , "data":
        [8715, 18925, 154, 9, 75]
      }
    ]
  }
}
"""
LINES_SUMMARY = """\
{"name":"Kernel Summary", "summary_type":"performanceSummary", "columns":["Kernel Name", "Kernel Type"]}
{"name":"scale", "parent":"performanceSummary", "data":["Single work-item"]}
{"name":"Estimated Resource Usage", "summary_type":"estimatedResources", "columns":["Name", "ALUTs ", "FFs  ", "RAMs ", "DSPs ", "MLABs"]}
{"name":"scale", "parent":"estimatedResources", "data":[95, 82, 2, 1, 3]}
{"name":"Total", "parent":"estimatedResources", "classes":["nohover"], "data":[2562, 7838, 79, 4, 92]}
{"name":"Available", "parent":"estimatedResources", "classes":["nohover"], "data":["974400", "1948800", "7110", "4510", "24360"]}
"""
LOOPS = """\
{
  "name":"loop_attributes"
  , "nodes":
  [
    {
      "name":"scale"
      , "fmax":"241.00"
      , "type":"kernel"
      , "children":
      [
        {
          "name":"scale.B1"
          , "af":"242.00"
          , "ii":"3"
          , "lt":"214.000000"
        }
        , {
          "name":"scale.B2"
          , "ii":"n/a"
          , "lt":"629.000000"
        }
      ]
    }
  ]
}
"""
LOOP_LINES = """\
{"name":"loop_attributes", "id":312, "nodes":[1]}
{"name":"scale", "id":1, "fmax":"241.00", "type":"kernel", "children":[4]}
{"name":"scale.B1", "id":4, "af":"242.00", "ii":"3", "lt":"214.000000", "type":"loop"}
{"name":"scale.B2", "id":5, "ii":"n/a", "lt":"629.000000", "type":"bb"}
"""
OPENCL = """\
ALUTs: 107152
Registers: 124,921
Logic utilization: 82,797 / 427,200 ( 19 % )
I/O pins: 305 / 826 ( 37 % )
DSP blocks: 3 / 1,518 ( < 1 % )
Memory bits: 2,635,132 / 55,562,240 ( 5 % )
RAM blocks: 353 / 2,713 ( 13 % )
Actual clock freq: 233
Kernel fmax: 234.95
1x clock fmax: 260.85
2x clock fmax: 469.8
Highest non-global fanout: 26697
"""
WHOLE_IMAGE = """\
{
    "quartusFitClockSummary"         : {
        "nodes" : [{
            "name"              : "Quartus Fitter: Clock Frequency (MHz)",
            "kernel clock"      : "247.00",
            "kernel clock fmax" : "248.50",
            "clock1x"           : "249.00",
            "clock2x"           : "734.00",
            "type"              : "system"
        }]
    },
    "quartusFitResourceUsageSummary" : {
        "nodes" : [{
            "type" : "system",
            "name" : "Quartus Fitter: Kernel System",
            "alm"  : "911.5",
            "reg"  : "2,466",
            "dsp"  : "3",
            "ram"  : "2"
        },{
            "type" : "aclsystem",
            "name" : "Quartus Fitter: Total Used (Entire System)",
            "alm"  : "66,893",
            "reg"  : "94,610",
            "dsp"  : "4",
            "ram"  : "359"
        }]
    }
}
"""
COMPILED = '{"compileInfo":{"nodes":[{"family":"Agilex 7, AGFB","product":"HLS","version":"25.1.0 Build 7"}]}}'
ROWS = ",\n".join(LINES_SUMMARY.splitlines())
NEWEST = f"var summaryNDJSON=[{ROWS}];\nvar infoNDJSON=[{COMPILED}];\nvar quartusNDJSON=[{NODES}];\n"
SAMPLES = [
    AREA.replace("\\'", "'"),
    WHOLE_IMAGE,
    NEWEST,
    f"var quartusNDJSON=[{NODES}];\n",
    QUOTED,
    BARE,
    QUARTUS_VALUES,
    NODES,
    f"var quartusJSON={NODES.strip()};\n",
    PRETTY_SUMMARY,
    LINES_SUMMARY,
    LOOPS,
    LOOP_LINES,
    OPENCL,
]
TOTAL = {"lut": 7654, "ff": 9321, "m20k": 43, "dsp": 25, "mlab": 17}
AVAILABLE = {"lut_available": 109572, "ff_available": 219144, "m20k_available": 514, "dsp_available": 112, "mlab_available": 2740}


@pytest.mark.parametrize("text", [QUOTED, BARE])
def test_report_data_gives_the_total_of_the_area_report(text: str) -> None:
    report = read_alone(text)
    assert design(report) == TOTAL | AVAILABLE
    assert scoped(report, "scale") == {"lut": 7001, "ff": 9002, "m20k": 41, "dsp": 24.5, "mlab": 16}
    assert levels(report) == {"estimated"}
    assert report.device == "Arria10, 10AX"


def test_the_compiler_says_who_it_is() -> None:
    assert (read_alone(QUOTED).tool, read_alone(QUOTED).version) == ("intel_hls", "18.1.0 Build 222")
    assert (read_alone(BARE).tool, read_alone(BARE).version) == ("oneapi", "")


def test_without_an_area_report_the_summary_speaks_for_the_design() -> None:
    assert design(read_alone(QUOTED[QUOTED.index("var mav") :])) == {}
    assert design(read_alone(QUOTED[QUOTED.index("var summary") :])) == {"lut": 11, "ff": 12, "m20k": 13, "dsp": 14}


def test_fitted_numbers_beside_the_estimates_have_the_component_as_scope() -> None:
    fitted = QUARTUS_VALUES.replace("\n", " ").replace('"1x clock fmax": ', "")
    report = read_alone(f"{QUOTED}var quartusJSON='{fitted}';\n")
    assert design(report) == TOTAL | AVAILABLE | {"fmax_mhz": 248.75}
    routed = {number.name: (number.value, number.scope) for number in report.numbers if number.level == "routed" and number.unit == "count"}
    assert routed == {"alm": (2173.5, "scale"), "ff": (3749, "scale"), "m20k": (11, "scale"), "dsp": (19, "scale")}


def test_labels_in_an_array_are_no_obstacle() -> None:
    report = read_alone(QUARTUS_VALUES)
    assert (report.tool, levels(report)) == ("intel_hls", {"routed"})
    assert design(report) == {"fmax_mhz": 248.75, "alm": 2173.5, "ff": 3749, "m20k": 11, "dsp": 19}


@pytest.mark.parametrize("text", [NODES, f"var quartusJSON={NODES.strip()};\n"])
def test_values_may_be_strings(text: str) -> None:
    report = read_alone(text)
    assert design(report) == {
        "clock_mhz": 401.5,
        "fmax_mhz": 412.25,
        "alm": 5520.5,
        "lut": 5182,
        "ff": 17419,
        "dsp": 41,
        "m20k": 37,
        "mlab": 53,
    }
    assert scoped(report, "Scale") == {"alm": 5020.0, "lut": 5081, "ff": 16418, "dsp": 40, "m20k": 36, "mlab": 52}


def test_the_kernels_are_the_design_and_the_board_is_not() -> None:
    report = read_alone(WHOLE_IMAGE)
    assert design(report) == {"clock_mhz": 247.0, "fmax_mhz": 248.5, "alm": 911.5, "ff": 2466, "dsp": 3, "m20k": 2}
    assert scoped(report, "Quartus Fitter: Total Used (Entire System)") == {"alm": 66893, "ff": 94610, "dsp": 4, "m20k": 359}
    assert (scoped(report, "1x clock"), scoped(report, "2x clock")) == ({"fmax_mhz": 249.0}, {"fmax_mhz": 734.0})


def test_an_area_report_alone() -> None:
    assert design(read_alone(AREA.replace("\\'", "'"))) == TOTAL | AVAILABLE


def test_newer_scripts_have_lists_of_objects() -> None:
    report = read_alone(NEWEST)
    assert (report.tool, report.version, report.device) == ("intel_hls", "25.1.0 Build 7", "Agilex 7, AGFB")
    estimated = {number.name: number.value for number in report.numbers if (number.level, number.scope) == ("estimated", "design")}
    assert estimated == {number.name: number.value for number in read_alone(LINES_SUMMARY).numbers if number.scope == "design"}
    assert scoped(report, "fitted")["alm"] == 5520.5
    assert design(read_alone(f"var quartusNDJSON=[{NODES}];\n")) == design(read_alone(NODES))


def test_what_is_to_be_determined_is_missing() -> None:
    text = '{"quartusFitClockSummary":{"nodes":[{"type":"system","name":"a","clock fmax":"TBD"}]},'
    text += '"quartusFitResourceUsageSummary":{"nodes":[{"type":"system","name":"b","alm":"TBD","ram":"TBD"}]}}'
    assert read_alone(text).numbers == ()


def test_summaries_in_one_object_or_in_lines() -> None:
    assert design(read_alone(PRETTY_SUMMARY)) == {"lut": 8715, "ff": 18925, "m20k": 154, "dsp": 9, "mlab": 75}
    assert scoped(read_alone(PRETTY_SUMMARY), "scale") == {"lut": 6452, "ff": 16765, "m20k": 99, "dsp": 7, "mlab": 73}
    found = design(read_alone(LINES_SUMMARY))
    assert {name: found[name] for name in ("lut", "ff", "m20k", "dsp", "mlab")} == {
        "lut": 2562,
        "ff": 7838,
        "m20k": 79,
        "dsp": 4,
        "mlab": 92,
    }
    assert (found["lut_available"], found["mlab_available"]) == (974400, 24360)


@pytest.mark.parametrize("text", [LOOPS, LOOP_LINES])
def test_loops_have_their_own_scope(text: str) -> None:
    report = read_alone(text)
    assert design(report) == {}
    assert scoped(report, "scale") == {"fmax_mhz": 241.0}
    assert scoped(report, "scale.B1") == {"initiation_interval": 3, "latency_cycles": 214.0, "fmax_mhz": 242.0}
    assert scoped(report, "scale.B2") == {"latency_cycles": 629.0}


def test_an_opencl_image() -> None:
    report = read_alone(OPENCL)
    found = design(report)
    assert (found["lut"], found["ff"], found["alm"], found["dsp"], found["m20k"]) == (107152, 124921, 82797, 3, 353)
    assert (found["memory_bits"], found["pins"], found["fmax_mhz"], found["clock_mhz"]) == (2635132, 305, 234.95, 233)
    assert scoped(report, "2x clock") == {"fmax_mhz": 469.8}


@pytest.mark.parametrize("text", SAMPLES)
def test_without_any_one_line(text: str) -> None:
    assert all(has_nothing_new(text, damaged) for damaged in without_each_line(text))


@pytest.mark.parametrize("text", SAMPLES)
def test_cut_off_in_the_beginning(text: str) -> None:
    assert all(has_nothing_new(text, text[:end]) for end in range(60))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_cut_off_anywhere(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SAMPLES))
    assert has_nothing_new(text, data.draw(cut_or_thinned(text)))
