"""Reports that were cut off or lost a line: a clear error or fewer numbers, never another number."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exseos.readers.base import Report, ReportError
from tests.readers.hls_samples import SAMPLES as HLS
from tests.readers.reading import read
from tests.readers.vivado_samples import SAMPLES as VIVADO

SAMPLES = HLS | VIVADO
NAMES = sorted(SAMPLES)


def facts(report: Report) -> set[tuple[object, ...]]:
    """Names and values, apart for the design and for what is in it: a lost line may hide in which part a part is."""
    return {(each.name, each.value, each.scope == "design") for each in report.numbers}


TRUE = {name: facts(read(text, name)) for name, text in SAMPLES.items()}


def readable(text: str, name: str) -> Report | None:
    try:
        return read(text, name)
    except (ReportError, LookupError):
        return None


@pytest.mark.parametrize("name", NAMES)
def test_no_missing_line_makes_another_number(name: str) -> None:
    lines = SAMPLES[name].split("\n")
    for at in range(len(lines)):
        report = readable("\n".join(lines[:at] + lines[at + 1 :]), name)
        if report:
            assert facts(report) <= TRUE[name], lines[at]


@pytest.mark.parametrize("name", NAMES)
def test_no_cut_makes_another_number(name: str) -> None:
    text = SAMPLES[name]
    for end in range(0, len(text), 7):
        report = readable(text[:end], name)
        if report:
            assert facts(report) <= TRUE[name], text[:end][-60:]


@pytest.mark.parametrize("name", NAMES)
def test_line_ends_do_not_matter(name: str) -> None:
    assert read(SAMPLES[name].replace("\n", "\r\n"), name) == read(SAMPLES[name], name)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(NAMES), start=st.floats(0, 1), length=st.integers(0, 30))
def test_a_lost_block_of_lines_makes_no_crash(name: str, start: float, length: int) -> None:
    lines = SAMPLES[name].split("\n")
    at = int(start * len(lines))
    readable("\n".join(lines[:at] + lines[at + length :]), name)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(NAMES), place=st.floats(0, 1), text=st.text(max_size=20))
def test_foreign_text_makes_no_crash(name: str, place: float, text: str) -> None:
    at = int(place * len(SAMPLES[name]))
    readable(SAMPLES[name][:at] + text + SAMPLES[name][at + len(text) :], name)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_any_lines_lost_make_no_crash(name: str, data: st.DataObject) -> None:
    lines = SAMPLES[name].split("\n")
    lost = data.draw(st.sets(st.integers(0, len(lines) - 1), max_size=12))
    readable("\n".join(line for number, line in enumerate(lines) if number not in lost), name)
