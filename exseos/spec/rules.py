"""What no single key of a spec can tell: values that cannot be written down exactly, and sections that need one another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from exseos.spec.models import Experiment
from exseos.spec.problems import Problem
from exseos.spec.yaml12 import Path
from exseos.stages import KINDS

_LARGEST = 2**53 - 1
_SECTION_OF_LEVEL = {level: kind.section for kind in KINDS.values() for level in kind.levels}
"""The section whose stages are there to measure a level."""
_RESERVED_DATA = "prepared"
"""Prepared arrays stand beside the data sources in a capsule, in a folder of this name."""


def unusable(value: Any, path: Path = ()) -> Iterator[Problem]:
    """Values of the whole document that canonical JSON cannot carry: such a value would have no digest."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _text((*path, key), key)
            yield from unusable(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unusable(item, (*path, index))
    elif isinstance(value, str):
        yield from _text(path, value)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, "not a finite number; write it in quotes if it is text")
    elif isinstance(value, int) and abs(value) > _LARGEST:
        yield Problem(path, f"a whole number beyond ±{_LARGEST} has no exact form; write it as a decimal number or in quotes")


def _text(path: Path, text: str) -> Iterator[Problem]:
    if any((ord(letter) < 32 and letter not in "\n\t") or 127 <= ord(letter) < 160 or 0xD800 <= ord(letter) < 0xE000 for letter in text):
        yield Problem(path, "the text holds a control character")


def contradictions(experiment: Experiment) -> list[Problem]:
    """Sections and claims that need a section which is not there."""
    problems = []
    if experiment.simulate and not experiment.convert:
        problems.append(Problem(("simulate",), "needs a section 'convert'"))
    if experiment.implement and not experiment.synthesize:
        problems.append(Problem(("implement",), "needs a section 'synthesize'"))
    if _RESERVED_DATA in experiment.data:
        problems.append(Problem(("data", _RESERVED_DATA), "this name is taken by the prepared arrays; choose another"))
    for index, claim in enumerate(experiment.claims):
        section = _SECTION_OF_LEVEL.get(claim.level)
        if section is not None and getattr(experiment, section) is None:
            problems.append(Problem(("claims", index, "level"), f"a number of level {claim.level!r} needs a section {section!r}"))
        if experiment.search is None and claim.trial not in ("best", "trial-0"):
            problems.append(Problem(("claims", index, "trial"), f"there is no trial {claim.trial!r} without a search; leave 'trial' out"))
    return problems
