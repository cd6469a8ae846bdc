"""Bambu's results."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exseos.readers.base import ReportError
from tests.readers.damage import cut_or_thinned, design, has_nothing_new, read_alone, without_each_line

RESULTS = """\
<?xml version="1.0"?>
<bambu_results bambu_version="Version: PandA 2023.1 - Revision 0123-HEAD" benchmark_name="scale_0">
  <AREA value="164"/>
  <SLICE value="45"/>
  <SLICE_LUTS value="165"/>
  <BRAMS value="7"/>
  <CLOCK_SLACK value="2.8079999999999998"/>
  <CYCLES value="21"/>
  <DSPS value="6"/>
  <FREQUENCY value="456.25"/>
  <PERIOD value="2.1920000000000002"/>
  <REGISTERS value="93"/>
  <TOTAL_CYCLES value="63"/>
  <HLS_execution_time value="1.25"/>
</bambu_results>
"""


NEWER = """\
<?xml version="1.0" encoding="UTF-8"?>
<application>
  <resources REGISTERS="93" ALMS="165" DSP="6" BRAM="7" CLOCK_SLACK="2.75" FREQUENCY="456.25" PERIOD="2.25"/>
  <timing>
    <simulation return_value="0">
      <run>21</run>
    </simulation>
  </timing>
  <hls_results>
    <scale name="scale">
      <resources REGISTERS="41" ALMS="42"/>
    </scale>
  </hls_results>
</application>
"""


def test_newer_results() -> None:
    synthesized = {"ff": 93, "alm": 165, "dsp": 6, "bram": 7, "slack_ns": 2.75, "fmax_mhz": 456.25, "clock_estimated_ns": 2.25}
    assert design(read_alone(NEWER)) == synthesized | {"latency_min_cycles": 21, "latency_max_cycles": 21}
    several = design(read_alone(NEWER.replace("<run>21</run>", "<run>27</run><run>21</run><run>25</run>")))
    assert (several["latency_min_cycles"], several["latency_max_cycles"]) == (21, 27)
    nested = NEWER.replace("<application>", "<bambu_results><application>").replace("</application>", "</application></bambu_results>")
    assert design(read_alone(nested)) == design(read_alone(NEWER))


def test_results() -> None:
    report = read_alone(RESULTS)
    assert (report.tool, report.version) == ("bambu", "2023.1")
    synthesized = {"area": 164, "slice": 45, "lut": 165, "bram": 7, "slack_ns": 2.8079999999999998, "dsp": 6, "fmax_mhz": 456.25}
    synthesized |= {"clock_estimated_ns": 2.1920000000000002, "ff": 93, "tool_run_time_s": 1.25}
    simulated = {"latency_min_cycles": 21, "latency_max_cycles": 21, "latency_total_cycles": 63}
    assert design(report) == synthesized | simulated
    assert {number.name for number in report.numbers if number.level == "cosimulated"} == set(simulated)


def test_a_mean_of_calls_that_differ_bounds_nothing() -> None:
    assert "latency_max_cycles" not in design(read_alone(RESULTS.replace('"21"', '"21.5"')))


@pytest.mark.parametrize("value", ["", "NA", "undef", "inf", "nan", "1e999", "0x12", "1_000", "9" * 5000])
def test_what_is_no_number_is_missing(value: str) -> None:
    assert "lut" not in design(read_alone(RESULTS.replace('"165"', f'"{value}"')))


def test_damaged_xml() -> None:
    with pytest.raises(ReportError):
        read_alone(RESULTS[:-5])


def test_a_comment_changes_nothing() -> None:
    assert read_alone(RESULTS.replace('  <SLICE value="45"/>', '  <!-- 44 --><SLICE value="45"/>')) == read_alone(RESULTS)


@pytest.mark.parametrize("text", [RESULTS, NEWER])
def test_without_any_one_line(text: str) -> None:
    assert all(has_nothing_new(text, damaged) for damaged in without_each_line(text))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_cut_off_anywhere(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([RESULTS, NEWER]))
    assert has_nothing_new(text, data.draw(cut_or_thinned(text)))
