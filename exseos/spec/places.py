"""Reading a model's JSON Schema: which keys a place takes, in which range a number lies, what a pattern means in words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel

from exseos.spec.yaml12 import Path

_LARGEST = 2**53 - 1
"""The largest whole number that JSON carries exactly: a bound of the format, not worth a word in a message."""


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _alternatives(part: dict[str, Any], root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """``part`` with references followed and unions taken apart."""
    if "$ref" in part:
        yield from _alternatives(root["$defs"][part["$ref"].removeprefix("#/$defs/")], root)
    elif "anyOf" in part:
        for option in part["anyOf"]:
            yield from _alternatives(option, root)
    else:
        yield part


def _at(model: type[BaseModel], path: Path) -> list[dict[str, Any]]:
    """The schemas of what may stand at ``path``."""
    root = _schema(model)
    found = list(_alternatives(root, root))
    for key in path:
        inner: list[dict[str, Any]] = []
        for one in found:
            inside = one.get("items") if isinstance(key, int) else one.get("properties", {}).get(key)
            if inside is None and isinstance(key, str):
                inside = next(iter(one.get("patternProperties", {}).values()), one.get("additionalProperties"))
            if isinstance(inside, dict):
                inner += _alternatives(inside, root)
        found = inner
    return found


def keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that the section at ``path`` takes, sorted."""
    return sorted({key for one in _at(model, path) for key in one.get("properties", {})})


def is_open(model: type[BaseModel], path: Path) -> bool:
    """Whether the section at ``path`` takes further keys, which are then nobody's mistake."""
    return any(one.get("additionalProperties") is True for one in _at(model, path))


def describe(model: type[BaseModel], path: Path) -> str:
    """The description of the value at ``path``, empty if it has none."""
    return next((one["description"] for one in _at(model, path) if "description" in one), "")


def pattern_words(model: type[BaseModel], path: Path, pattern: str) -> str:
    """What text that matches ``pattern`` at ``path`` (or of its keys) looks like, from the description beside the pattern."""
    for one in _at(model, path):
        beside = (
            one if one.get("pattern") == pattern else one.get("propertyNames", {}) if pattern in one.get("patternProperties", {}) else {}
        )
        if "description" in beside:
            return str(beside["description"])
    return f"of the form {pattern}"


def bounds(model: type[BaseModel], path: Path) -> str:
    """``from 0 to 1``, ``above 0`` or ``at least 1``: the range of the number at ``path``, empty if there is none."""
    for one in _at(model, path):
        whole = one.get("type") == "integer"
        low, above = one.get("minimum"), one.get("exclusiveMinimum")
        high, below = one.get("maximum"), one.get("exclusiveMaximum")
        if whole and above is not None:
            low, above = above + 1, None
        if whole and below is not None:
            high, below = below - 1, None
        high = None if high is not None and high >= _LARGEST else high
        if low is not None and high is not None:
            return f"from {low} to {high}"
        words = [
            f"at least {low}" if low is not None else "",
            f"above {above}" if above is not None else "",
            f"at most {high}" if high is not None else "",
            f"below {below}" if below is not None else "",
        ]
        if any(words):
            return " and ".join(filter(None, words))
    return ""
