"""JSON that nobody vouches for: bounded before it is parsed, and an error of ours for all that is wrong with it."""

from __future__ import annotations

import json
import re
from typing import Any

from exseos.errors import CapsuleError

_MARK = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{},]', re.DOTALL)
# A text without end is taken to the end as well: else it would be looked for again from each quote in it.
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""What writes half a character beyond the 65,536th; only two halves in a row are one."""
_DEEPEST = 32
_LONGEST_NUMBER = 400
"""Digits: what a float of 64 bits takes when it is written out."""


def read_json(data: bytes, where: str, *, most_bytes: int, most_values: int = 300_000) -> Any:
    """The value of the JSON text ``data``.

    Raises ``CapsuleError`` for what is larger than ``most_bytes``, has more than ``most_values`` values or is nested deeper
    than any record, before memory is taken for it; and for anything that is no JSON (RFC 8259): a key given twice, NaN,
    text that is not UTF-8 or has half a character, a number that no double can hold.
    """
    if len(data) > most_bytes:
        raise CapsuleError(f"it has {len(data)} bytes, and at most {most_bytes} are read", where=where)
    if (count := data.count(b",") + data.count(b"[") + data.count(b"{")) > most_values:
        raise CapsuleError(f"it holds some {count} values, and at most {most_values} are read", where=where)
    depth = 0
    for mark in _MARK.finditer(data):
        if mark[0] in (b"[", b"{"):
            depth += 1
            if depth > _DEEPEST:
                raise CapsuleError(f"values are nested deeper than {_DEEPEST} levels", where=where)
        elif mark[0] in (b"]", b"}"):
            depth -= 1
    try:
        value = json.loads(data.decode(), parse_constant=_no_constant, object_pairs_hook=_unique, parse_int=_integer, parse_float=_float)
        if _HALF.search(data):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise CapsuleError(f"not JSON: {error}", where=where) from error
    return value


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _integer(text: str) -> int | float:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _float(text: str) -> float:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} digits")
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number beyond those of 64 bits")
    return value
