"""Claims against numbers: tolerances, their edges, and what is said of a claim that cannot be judged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exseos.capsule.claims import ClaimsError, describe, judge
from exseos.errors import UsageError
from exseos.records.parts import ClaimRecord, MetricRecord
from exseos.spec.models import Claim

TRIAL = "trial-0"


def claim(**changes: Any) -> Claim:
    return Claim.model_validate({"text": "a sentence", "metric": "accuracy", "level": "rtl", "value": 0.88, **changes})


def metric(value: float, name: str = "accuracy", level: str = "rtl", **changes: Any) -> MetricRecord:
    origin = {
        "unit": "1",
        "origin": "rtl_test.npy",
        "tool": "exseos",
        "version": "1",
        "scope": "design",
        "trial": TRIAL,
        "stage": "synthesize",
    }
    return MetricRecord.model_validate({**origin, "name": name, "level": level, "value": value, **changes})


@pytest.mark.parametrize(
    ("tolerance", "value", "number", "holds"),
    [
        ({}, 0.88, 0.88, True),
        ({}, 0.88, 0.8800000000000001, False),
        ({}, 100, 100, True),
        ({}, 0, 0, True),
        ({}, 0, -0.0, True),
        ({}, 0, 5e-324, False),
        ({"absolute": 0}, 0.88, 0.88, True),
        ({"absolute": 0.005}, 0.88, 0.875, True),
        ({"absolute": 0.005}, 0.88, 0.885, True),
        ({"absolute": 0.005}, 0.88, 0.8749999, False),
        ({"absolute": 0.005}, 0.88, 0.8850001, False),
        ({"absolute": 0.1}, 0.3, 0.2, True),
        ({"absolute": 0.1}, 0.7, 0.8, True),
        ({"relative": 0.05}, 100, 95, True),
        ({"relative": 0.05}, 100, 105, True),
        ({"relative": 0.05}, 100, 105.001, False),
        ({"relative": 0.05}, -100, -105, True),
        ({"relative": 0.05}, -100, -94.9, False),
        ({"relative": 0.1}, 0.3, 0.33, True),
        ({"relative": 0.5}, 0, 0, True),
        ({"relative": 0.5}, 0, 1e-12, False),
        ({"relative": 1}, 1e300, 2e300, True),
        ({"absolute": 1e300}, 1e-300, 1e300, True),
    ],
)
def test_within_and_beyond_the_tolerance(tolerance: dict[str, float], value: float, number: float, holds: bool) -> None:
    (record,) = judge([claim(value=value, **tolerance)], [metric(number)], TRIAL)
    assert record.holds is holds
    assert record.recorded == number


@given(st.floats(-1e6, 1e6), st.floats(0, 1e3), st.sampled_from(["absolute", "relative"]))
def test_the_claimed_value_itself_always_holds(value: float, tolerance: float, kind: str) -> None:
    (record,) = judge([claim(value=value, **{kind: tolerance})], [metric(value)], TRIAL)
    assert record.holds


@given(st.integers(-10_000, 10_000), st.integers(0, 1000))
def test_the_edge_is_inside_as_it_is_written_in_decimal(thousandths: int, tolerance: int) -> None:
    def decimal(number: int) -> float:
        return float(f"{number}e-3")

    one = claim(value=decimal(thousandths), absolute=decimal(tolerance))
    for edge in (thousandths - tolerance, thousandths + tolerance):
        assert judge([one], [metric(decimal(edge))], TRIAL)[0].holds
    for beyond in (thousandths - tolerance - 1, thousandths + tolerance + 1):
        assert not judge([one], [metric(decimal(beyond))], TRIAL)[0].holds


def test_no_number_never_holds() -> None:
    record = ClaimRecord.model_validate({**claim(absolute=1e9).model_dump(), "stage": None, "recorded": None, "holds": False})
    assert not record.accepts(None)


def test_the_trial_metric_and_level_are_those_of_the_claim() -> None:
    metrics = [metric(0.1, level="float"), metric(0.88), metric(0.2, name="loss"), metric(0.3, trial="trial-1"), metric(0.4, scope="layer")]
    (record,) = judge([claim()], metrics, TRIAL)
    assert (record.recorded, record.holds, record.trial) == (0.88, True, TRIAL)
    assert judge([claim(trial=TRIAL)], metrics, TRIAL) == (record,)


@pytest.mark.parametrize(
    ("changes", "what", "hint"),
    [
        ({"level": "csim"}, "no stage measured accuracy at level csim", "accuracy has the level float, rtl."),
        (
            {"metric": "acuracy"},
            "no stage measured acuracy at level rtl",
            "At level rtl there is: accuracy, latency_ns; did you mean 'accuracy'?",
        ),
        ({"metric": "lut", "level": "routed"}, "no stage measured lut at level routed", "At level routed there is: nothing"),
        ({"trial": "trial-7"}, "there is no trial 'trial-7'", "There is: best, trial-0."),
    ],
)
def test_a_claim_about_a_number_that_is_not_there(changes: dict[str, str], what: str, hint: str) -> None:
    metrics = [metric(0.9, level="float"), metric(0.88), metric(70, name="latency_ns")]
    with pytest.raises(UsageError) as caught:
        judge([claim(), claim(**changes)], metrics, TRIAL)
    assert (caught.value.what, caught.value.hint) == (what, hint)
    assert (caught.value.where or "").startswith("claims[1]")


def test_the_error_lists_the_claims_that_fail() -> None:
    claims = [
        claim(text="good"),
        claim(text="too low", value=0.9, absolute=0.01),
        claim(text="too many", metric="lut", value=700, relative=0.05),
    ]
    error = ClaimsError(judge(claims, [metric(0.88), metric(749, name="lut")], TRIAL))
    assert error.what == (
        "2 of 3 claims do not hold\n"
        "  too low: claimed accuracy (rtl) 0.9 ± 0.01, measured 0.88\n"
        "  too many: claimed lut (rtl) 700 ± 5 %, measured 749"
    )
    assert error.exit_code == 1
    assert "--allow-failed-claims" in (error.hint or "")
    assert [record.holds for record in error.records] == [True, False, False]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "accuracy (rtl) 0.88"),
        ({"absolute": 0.005}, "accuracy (rtl) 0.88 ± 0.005"),
        ({"absolute": 0}, "accuracy (rtl) 0.88"),
        ({"relative": 0.025}, "accuracy (rtl) 0.88 ± 2.5 %"),
        ({"relative": 0}, "accuracy (rtl) 0.88 ± 0 %"),
    ],
)
def test_a_claim_in_words(changes: dict[str, float], text: str) -> None:
    assert describe(claim(**changes)) == text


def test_of_several_stages_the_claim_names_one() -> None:
    measured = [metric(749, "lut", "routed", stage="implement-open"), metric(9000, "lut", "routed", stage="implement-vitis")]
    small = {"metric": "lut", "level": "routed", "value": 749}
    (record,) = judge([claim(**small, stage="implement-open")], measured, TRIAL)
    assert record.holds
    assert not judge([claim(**small, stage="implement-vitis")], measured, TRIAL)[0].holds
    with pytest.raises(UsageError) as caught:
        judge([claim(**small)], measured, TRIAL)
    assert caught.value.what == "several stages measured lut at level routed"
    assert caught.value.hint == "Say which: `stage: implement-open` or `stage: implement-vitis`."
    with pytest.raises(UsageError) as caught:
        judge([claim(**small, stage="implement-vits")], measured, TRIAL)
    assert "did you mean 'implement-vitis'?" in str(caught.value)
    with pytest.raises(UsageError, match="implement-open did not measure ff so"):
        judge([claim(metric="ff", level="routed", value=1, stage="implement-open")], measured, TRIAL)
