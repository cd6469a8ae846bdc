"""JSON as Intel's tools write it.

Their fitter summary labels the elements of an array, ``["ALMs": 1173.5, "FFs": 2749]``, which neither JSON nor JSON5 knows, so
that no library reads it; a labelled array is read as an object here. Whatever else is no JSON is refused.
"""

from __future__ import annotations

import json
import re
from typing import Any

_STRING = r'"(?:[^"\\]++|\\.)*+"'
# A string without end is a token to the end: else it would be looked for again from each quote in it.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]]|[^"\[\]]++', re.DOTALL)
_LABEL = re.compile(rf"\s*+{_STRING}\s*+:", re.DOTALL)
_VARIABLE = re.compile(r"^[ \t]*+var[ \t]++(\w{1,40}?)(?:ND)?JSON[ \t]*+=[ \t]*+", re.MULTILINE)


def parse(text: str) -> Any:
    """What the text says; ``None`` where it is no such JSON (nothing in a report is ``null``)."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(_objects_for_labels(text), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def documents(text: str) -> list[dict[str, Any]]:
    """The objects of a JSON text, or of a text with one JSON object a line; lines that cannot be read are left out."""
    whole = parse(text)
    found = [whole] if whole is not None else [parse(line) for line in text.split("\n") if line.lstrip().startswith(("{", "["))]
    return [document for document in found if isinstance(document, dict)]


def variables(text: str) -> dict[str, Any]:
    """Name and value of each ``var nameJSON=…;`` line: a bare object, or a single-quoted string of JSON; ``nameNDJSON`` has a list."""
    found: dict[str, Any] = {}
    starts = list(_VARIABLE.finditer(text))
    ends = [*[start.start() for start in starts[1:]], len(text)]
    for match, end in zip(starts, ends, strict=False):
        source = text[match.end() : end].rstrip().removesuffix(";").rstrip()
        if source.startswith("'") and source.endswith("'") and len(source) > 1:
            source = _unescaped(source[1:-1])
        value = parse(source)
        if value is not None:
            found.setdefault(match[1], value)
    return found


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none if it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def merged(value: Any) -> dict[str, Any]:
    """An object, or the objects of a list as one; the first of a key stays."""
    found: dict[str, Any] = {}
    for item in [value] if isinstance(value, dict) else objects(value):
        for key, content in item.items():
            found.setdefault(key, content)
    return found


def member(value: Any, key: str) -> dict[str, Any]:
    """The object under ``key``; an empty one where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _objects_for_labels(text: str) -> str:
    closing: list[str] = []
    pieces: list[str] = []
    done = 0
    for token in _TOKEN.finditer(text):
        if token[0] == "[":
            labelled = bool(_LABEL.match(text, token.end()))
            closing.append("}" if labelled else "]")
            bracket = "{" if labelled else "["
        elif token[0] == "]":
            if not closing:
                raise ValueError("a bracket too many")
            bracket = closing.pop()
        else:
            continue
        pieces += (text[done : token.start()], bracket)
        done = token.end()
    return "".join((*pieces, text[done:]))


def _unescaped(text: str) -> str:
    """JavaScript's escapes that JSON text inside a string literal needs: the rest stay as they are for JSON to judge."""
    return text.replace("\\\\", "\0").replace("\\'", "'").replace("\0", "\\")


def _refuse(constant: str) -> None:
    raise ValueError(constant)
