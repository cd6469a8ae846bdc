"""What replay says: an entry for each ground it stands on, stage, metric and claim, and the verdict over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

Judgement = Literal["identical", "within tolerance", "different", "not checkable here", "trusted"]
Overall = Literal["reproduced", "reproduced within tolerance", "different", "not fully checkable", "nothing claimed"]

EXIT_CODES: Mapping[Overall, int] = {
    "reproduced": 0,
    "different": 3,
    "not fully checkable": 4,
    "nothing claimed": 4,
    "reproduced within tolerance": 5,
}


class VerdictEntry(BaseModel):
    """One thing checked. ``expected`` is what the capsule records, ``found`` what the replay gave, ``claimed`` the paper's number.

    A ``basis`` is what everything else rests on: the worker that computed, the image that it ran in, where the data come from.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["basis", "stage", "metric", "claim"]
    name: str
    verdict: Judgement
    expected: str | float | int | None = None
    found: str | float | int | None = None
    claimed: float | None = None
    detail: str = ""


class Verdict(BaseModel):
    """The whole answer of a replay."""

    model_config = ConfigDict(frozen=True)

    verdict: Overall
    id: str
    seal: str
    image_id: str
    """The image that ran: the capsule's, or the same with the reviewer's worker."""
    engine: str
    not_enforced: tuple[str, ...]
    notes: tuple[str, ...]
    entries: tuple[VerdictEntry, ...]

    @property
    def exit_code(self) -> int:
        """0: every output is identical and every claim holds. 5: so it is, but for numbers that are only within tolerance.

        3: something differs. 4: it holds so far, but not all could be checked here, or the capsule claims nothing.
        """
        return EXIT_CODES[self.verdict]


def overall(entries: Iterable[VerdictEntry], ignored: Iterable[VerdictEntry] = ()) -> Overall:
    """The verdict over ``entries``; those of ``ignored`` may differ (claims that the author already knew to fail)."""
    excused = set(ignored)
    judged = [entry for entry in entries if entry not in excused]
    verdicts = {entry.verdict for entry in judged}
    if "different" in verdicts:
        return "different"
    if "not checkable here" in verdicts:
        return "not fully checkable"
    if not any(entry.kind == "claim" for entry in judged):
        return "nothing claimed"
    return "reproduced within tolerance" if "within tolerance" in verdicts else "reproduced"
