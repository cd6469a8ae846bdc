"""The verdict over all entries: the worst that was found decides, and nothing to judge is not reproduced."""

from __future__ import annotations

from itertools import permutations
from typing import get_args

import pytest

from exseos.capsule.verdict import EXIT_CODES, Judgement, Overall, VerdictEntry, overall


def entry(verdict: Judgement, kind: str = "claim", name: str = "x") -> VerdictEntry:
    return VerdictEntry.model_validate({"kind": kind, "name": name, "verdict": verdict})


CLAIM = entry("identical", name="a claim")


@pytest.mark.parametrize(
    ("verdicts", "expected", "code"),
    [
        ((), "reproduced", 0),
        (("identical",), "reproduced", 0),
        (("trusted",), "reproduced", 0),
        (("within tolerance",), "reproduced within tolerance", 5),
        (("within tolerance", "trusted", "identical"), "reproduced within tolerance", 5),
        (("not checkable here",), "not fully checkable", 4),
        (("not checkable here", "within tolerance", "trusted"), "not fully checkable", 4),
        (("different",), "different", 3),
        (("different", "not checkable here", "within tolerance", "identical", "trusted"), "different", 3),
    ],
)
@pytest.mark.parametrize("kind", ["basis", "stage", "metric", "claim"])
def test_the_worst_decides_wherever_it_stands(verdicts: tuple[Judgement, ...], expected: Overall, code: int, kind: str) -> None:
    for order in permutations([CLAIM, *(entry(verdict, kind) for verdict in verdicts)]):
        assert overall(order) == expected
    assert EXIT_CODES[expected] == code


@pytest.mark.parametrize("kinds", [(), ("basis",), ("stage",), ("basis", "stage", "metric")])
def test_without_a_claim_nothing_is_reproduced(kinds: tuple[str, ...]) -> None:
    for verdict in ("identical", "within tolerance", "trusted"):
        assert overall([entry(verdict, kind) for kind in kinds]) == "nothing claimed"
    assert overall([entry("different", "stage")]) == "different"
    assert overall([entry("not checkable here", "basis")]) == "not fully checkable"


def test_what_is_ignored_excuses_itself_alone() -> None:
    known = entry("different", name="known to fail")
    assert overall([CLAIM, known]) == "different"
    assert overall([CLAIM, known], [known]) == "reproduced"
    assert overall([CLAIM, known, entry("different", name="another")], [known]) == "different"
    assert overall([CLAIM, known, entry("different", "stage", "known to fail")], [known]) == "different"


def test_a_capsule_whose_only_claims_are_known_to_fail_claims_nothing() -> None:
    known = entry("different")
    assert overall([entry("identical", "stage"), known], [known]) == "nothing claimed"


def test_only_what_was_checked_and_is_identical_gives_exit_code_0() -> None:
    assert set(EXIT_CODES) == set(get_args(Overall))
    assert [verdict for verdict, code in EXIT_CODES.items() if code == 0] == ["reproduced"]
    assert set(EXIT_CODES.values()) == {0, 3, 4, 5}
