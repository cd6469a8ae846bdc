"""What is wrong with a spec, said with file, line, key, what was found and what is allowed."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exseos.errors import UsageError
from exseos.spec.places import bounds, describe, is_open, keys_at, pattern_words
from exseos.spec.yaml12 import Document, Path
from exseos.text import visible

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "finite_number": "a finite number",
}
_MOST_LISTED = 200
_PLAIN_KEY = re.compile(r"[\w-]+")
_BOUNDS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


@dataclass(frozen=True)
class Problem:
    """One thing wrong at one place."""

    path: Path
    what: str


class SpecError(UsageError):
    """A spec that cannot be used; ``problems`` holds every one found."""

    def __init__(self, document: Document, name: str, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda problem: (document.line(problem.path), dotted(problem.path), problem.what))
        listed = self.problems[:_MOST_LISTED]
        lines = [f"{name}:{document.line(problem.path)}: {dotted(problem.path)}: {problem.what}" for problem in listed]
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        count += f", of which these are the first {len(lines)}," if len(lines) < len(self.problems) else ""
        super().__init__(f"{count} in the spec\n" + "\n".join(lines), hint="`exseos schema` prints every key with what it takes.")


def dotted(path: Path) -> str:
    """``('train', 'epochs')`` as ``train.epochs``, list items as ``claims[0]``; an odd key in quotes."""
    words = [f"[{part}]" if isinstance(part, int) else f".{part}" if _PLAIN_KEY.fullmatch(part) else f".{shown(part)}" for part in path]
    return "".join(words).lstrip(".") or "(the whole file)"


def nearest(word: str, allowed: Iterable[str]) -> str:
    """``; did you mean 'epochs'?`` if something allowed is close to ``word``."""
    known = list(allowed)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    close = close or [one for one in known if one.casefold() == word.casefold()]
    return f"; did you mean {close[0]!r}?" if close else ""


def unknown(word: str, kind: str, allowed: Iterable[str], what: str) -> str:
    """``unknown toolchain 'opn'; did you mean 'open'? Known: open.``; ``what`` introduces the list."""
    known = list(allowed)
    hint = nearest(word, known)
    return f"unknown {kind}{hint or '.'} {what}: {', '.join(known) or 'nothing'}."


def shown(value: Any) -> str:
    """A value as the spec's author wrote it, short enough for a message and without control characters."""
    if isinstance(value, float) and not math.isfinite(value):
        text = ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= 60 else text[:57] + "…"
    return visible(text, escaped=True)


def explain(error: ValidationError, model: type[BaseModel], value: Any, prefix: Path = ()) -> list[Problem]:
    """The errors of validating ``value`` as ``model``, in the words of the spec; ``prefix`` is where ``value`` stands."""
    types: dict[Path, list[ErrorDetails]] = {}
    problems: dict[Path, list[str]] = {}
    for detail in error.errors():
        path = _real_path(detail, value)
        if detail["type"] in _EXPECTED:
            types.setdefault(path, []).append(detail)
        else:
            where, what = _explained(detail, model, path)
            problems.setdefault(where, []).append(what)
    around = {path[:length] for path in (*types, *problems) for length in range(len(path))}
    for path, details in types.items():
        # Each member of a union complains: what is said of the inside of one is of more use than "expected another type".
        if path in around or path in problems:
            continue
        words = list(dict.fromkeys(_EXPECTED[detail["type"]] for detail in details))
        if {"a number", "a finite number"} & set(words):
            words = [word for word in words if word != "a whole number"]
        found = details[0]["input"]
        hint = "; write it in quotes" if words == ["text"] and isinstance(found, bool | int | float) else ""
        problems[path] = [f"expected {' or '.join(words)}, found {shown(found)}{hint}"]
    return [Problem((*prefix, *path), what) for path, found in problems.items() for what in found]


def _explained(detail: ErrorDetails, model: type[BaseModel], path: Path) -> tuple[Path, str]:
    kind, found, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return path, unknown(str(path[-1]), "key", keys_at(model, path[:-1]), "Allowed here")
    if kind == "missing":
        key = str(path[-1])
        open_ = isinstance(found, dict) and is_open(model, path[:-1])
        instead = difflib.get_close_matches(key, map(str, found), n=1) if open_ else []
        return path[:-1], f"the key {key!r} is missing" + (f"; is it {instead[0]!r} that should be called so?" if instead else "")
    if kind == "literal_error":
        return path, _literal(found, context["expected"])
    if kind == "union_tag_invalid":
        return (*path, context["discriminator"].strip("'")), _literal(context["tag"], context["expected_tags"])
    if kind == "value_error":
        text = str(context["error"])
        return path, text if isinstance(found, dict) or repr(found) in text else f"{text}, found {shown(found)}"
    if kind in _BOUNDS:
        return path, f"must be {bounds(model, path) or detail['msg'].removeprefix('Input should be ')}, found {shown(found)}"
    if kind == "string_pattern_mismatch":
        if detail["loc"][-1] == "[key]":
            return path, f"a name must be {pattern_words(model, path[:-1], context['pattern'])}"
        return path, f"must be {pattern_words(model, path, context['pattern'])}, found {shown(found)}"
    if kind == "too_short":
        return path, f"must not be empty: it needs {context['min_length']} or more, found {context['actual_length']}"
    if kind == "too_long":
        return path, f"takes at most {context['max_length']} items, found {context['actual_length'] or 'more'}"
    return path, f"not allowed: {describe(model, path) or detail['msg']}, found {shown(found)}"


def _literal(found: Any, expected: str) -> str:
    """``expected`` is pydantic's list: ``'adam', 'sgd' or 'rmsprop'``."""
    options = [option.strip("' ") for option in expected.replace(" or ", ", ").split(",")]
    hint = nearest(found, options) if isinstance(found, str) else ""
    if isinstance(found, int | float) and f"'{found}'" in expected:
        hint = "; write it in quotes"
    return f"found {shown(found)}, allowed: {expected}{hint}"


def _real_path(detail: ErrorDetails, value: Any) -> Path:
    """Pydantic's location without the names of union members and validators that it inserts."""
    path: list[str | int] = []
    location = detail["loc"]
    for part in location:
        inside = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int) and part < len(value)
        if inside:
            path.append(part)
            value = value[part]
    if detail["type"] == "missing":
        path.append(location[-1])
    return tuple(path)
