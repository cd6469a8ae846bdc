"""What is wrong with a spec, said with file, line, key, what was found and what is allowed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from exseos.errors import UsageError
from exseos.spec.yaml12 import Document, Path

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "finite_number": "a finite number",
}


@dataclass(frozen=True)
class Problem:
    """One thing wrong at one place."""

    path: Path
    what: str


class SpecError(UsageError):
    """A spec that cannot be used; ``problems`` holds every one found."""

    def __init__(self, document: Document, name: str, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda problem: (document.line(problem.path), str(problem.path), problem.what))
        lines = [f"{name}:{document.line(problem.path)}: {dotted(problem.path)}: {problem.what}" for problem in self.problems]
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        super().__init__(f"{count} in the spec\n" + "\n".join(lines), hint="`exseos schema` prints every key with what it takes.")
        self.where = None


def dotted(path: Path) -> str:
    """``('train', 'epochs')`` as ``train.epochs``, list items as ``claims[0]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "(the whole file)"


def nearest(word: str, allowed: Iterable[str]) -> str:
    """``; did you mean 'epochs'?`` if something allowed is close to ``word``."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def shown(value: Any) -> str:
    """A value as the spec's author wrote it, short enough for a message."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def explain(error: ErrorDetails, model: type[BaseModel], prefix: Path = ()) -> Problem:
    """A pydantic error in the words of the spec; ``prefix`` is where the validated part stands."""
    path = _real_path(error["loc"], model)
    kind, found, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _keys_at(model, path[:-1])
        key = str(path[-1])
        return Problem(
            (*prefix, *path),
            f"unknown key{nearest(key, allowed)} Allowed here: {', '.join(allowed)}.".replace("key Allowed", "key. Allowed"),
        )
    if kind == "missing":
        return Problem((*prefix, *path[:-1]), f"the key {str(path[-1])!r} is missing")
    if kind == "literal_error":
        allowed_values = context["expected"]
        options = [option.strip("' ") for option in allowed_values.replace(" or ", ", ").split(",")]
        hint = nearest(found, options) if isinstance(found, str) else ""
        return Problem((*prefix, *path), f"found {shown(found)}, allowed: {allowed_values}{hint}")
    if kind == "value_error":
        return Problem((*prefix, *path), f"{context['error']}" + (f"; found {shown(found)}" if not isinstance(found, dict) else ""))
    if kind in _EXPECTED:
        return Problem((*prefix, *path), f"expected {_EXPECTED[kind]}, found {shown(found)}")
    message = error["msg"][0].lower() + error["msg"][1:]
    return Problem((*prefix, *path), f"{message.replace('input should', 'it should')}, found {shown(found)}")


def _real_path(location: tuple[str | int, ...], model: type[BaseModel]) -> Path:
    """Pydantic's location without the names of union members that it inserts."""
    del model
    inserted = {
        "str",
        "int",
        "float",
        "bool",
        "list[str]",
        "constrained-str",
        "Range",
        "Choice",
        "choice",
        "uniform",
        "log_uniform",
        "function-after[_step(), union[str,dict[str,any]]]",
        "dict[str,any]",
    }
    if not location or location[0] in ("search",):
        return location
    return tuple(part for index, part in enumerate(location) if index == 0 or part not in inserted)


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that the section at ``path`` of ``model`` takes."""
    here: Any = model
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(part))
            here = _model_in(field.annotation) if field else None
        if here is None:
            return []
    return sorted(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    """The first model class inside a type such as ``dict[str, Source]`` or ``Train | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _model_in(argument))), None)
