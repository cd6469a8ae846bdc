"""What replay says: an entry per stage, metric and claim, and the verdict over all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

Judgement = Literal["identical", "within tolerance", "different", "not checkable here"]
Overall = Literal["reproduced", "different", "not fully checkable"]


class VerdictEntry(BaseModel):
    """One thing checked. ``expected`` is what the capsule records, ``found`` what the replay gave, ``claimed`` the paper's number."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["stage", "metric", "claim"]
    name: str
    verdict: Judgement
    expected: str | float | int | None
    found: str | float | int | None
    claimed: float | None = None
    detail: str = ""


class Verdict(BaseModel):
    """The whole answer of a replay."""

    model_config = ConfigDict(frozen=True)

    verdict: Overall
    id: str
    seal: str
    image_id: str
    engine: str
    not_enforced: tuple[str, ...]
    notes: tuple[str, ...]
    entries: tuple[VerdictEntry, ...]

    @property
    def exit_code(self) -> int:
        """0: every claim was replayed and holds. 3: something differs. 4: it holds so far, not all could be checked here."""
        return {"reproduced": 0, "different": 3, "not fully checkable": 4}[self.verdict]


def overall(entries: Iterable[VerdictEntry], ignored: Iterable[VerdictEntry] = ()) -> Overall:
    """The verdict over ``entries``; those of ``ignored`` may differ (claims that the author already knew to fail)."""
    excused = set(ignored)
    verdicts = {entry.verdict for entry in entries if entry not in excused}
    if "different" in verdicts:
        return "different"
    return "not fully checkable" if "not checkable here" in verdicts else "reproduced"
