"""Numbers as reports write them: ``7,781``, ``1.5e3``, ``7,781 / 41,910 ( 19 % )``; everything else is no number."""

from __future__ import annotations

import re

from exseos.readers.bounds import checked_lines, fits

_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3}){1,5}|[0-9]{1,18})(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,3})?")
_PERCENT = re.compile(r"\( *+([0-9.]++) % *+\)$")


def number(text: str) -> int | float | None:
    """The number that the whole text is, with or without commas at the thousands; None for any other text, or a number too large."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    text = text.replace(",", "")
    if text.lstrip("+-").isdigit():
        return int(text)
    value = float(text)
    return value if fits(value) else None


def percent(text: str) -> int | float | None:
    """12 of ``7,781 / 41,910 ( 12 % )``; unknown where it is ``< 1 %``."""
    match = _PERCENT.search(text.strip())
    return number(match[1]) if match else None


def share(text: str) -> tuple[int | float | None, int | float | None]:
    """Used and available of ``used / available ( n % )``; a number alone is what is used."""
    before, _, part = text.strip().partition("(")
    used, slash, available = (each.strip() for each in before.partition("/"))
    whole = bool(slash and used and available) and (not part or part.endswith(")"))
    return (number(used), number(available)) if whole else (number(text), None)


def whole_lines(text: str) -> list[str]:
    """The lines of a report without those that a cut may have shortened: a last line with no line end is left out."""
    return checked_lines(text)[:-1]
