"""Reading ``spec.yaml``: plain data with lines, typed models, every problem listed at once."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from exseos.errors import UsageError
from exseos.spec.models import Experiment
from exseos.spec.problems import Problem, SpecError, explain
from exseos.spec.rules import contradictions, unusable
from exseos.spec.schema import json_schema
from exseos.spec.search import Choice, Range, Search, find_searches, is_fixed, replaced
from exseos.spec.yaml12 import Document, Path, load

__all__ = ["Check", "Problem", "Spec", "SpecError", "json_schema", "parse_spec", "read_spec"]

MAX_BYTES = 256 << 10
_SEARCH: TypeAdapter[Range | Choice] = TypeAdapter(Search)

Check = Callable[[Experiment], list[Problem]]
"""A further check of a concrete experiment: a plugin's own parameters, files that must exist."""


@dataclass(frozen=True)
class Spec:
    """A spec that was read and holds together."""

    path: FilePath
    document: Document
    searches: Mapping[Path, Range | Choice] = field(default_factory=dict)

    @property
    def folder(self) -> FilePath:
        """Where the user's files are."""
        return self.path.parent

    def experiment(self, assignment: Mapping[Path, Any] | None = None) -> Experiment:
        """The spec with each searched value replaced by that of ``assignment`` (default: the first allowed one)."""
        values = {path: search.edges[0] for path, search in self.searches.items()} | dict(assignment or {})
        return Experiment.model_validate(replaced(self.document.value, values))

    def error(self, problems: list[Problem]) -> SpecError:
        """An error that names these problems' lines."""
        return SpecError(self.document, self.path.name, problems)


def read_spec(path: FilePath, check: Check = lambda experiment: []) -> Spec:
    """Read and validate the spec at ``path``; raises ``SpecError`` with all problems, or ``UsageError`` if it cannot be read."""
    return parse_spec(_text(path), path, check)


def parse_spec(text: str, path: FilePath, check: Check = lambda experiment: [], *, searchable: bool = True) -> Spec:
    """As ``read_spec``, of a text that stands, or would stand, at ``path``; unless ``searchable``, a spec with searches is refused.

    With searches the time grows with their product: only without them it is bounded, whatever the text is.
    """
    document = load(text, path.name)
    if not isinstance(document.value, dict):
        raise UsageError("a spec is a mapping of keys to values", where=str(path), hint="Start from `exseos init NAME`.")
    problems: list[Problem] = []
    searches: dict[Path, Range | Choice] = {}
    found = find_searches(document.value)
    if not searchable and (found or document.value.get("search") is not None):
        raise UsageError("this version reads capsules of one trial, and the spec has searches", where=str(path))
    for place, raw in found.items():
        if is_fixed(place):
            problems.append(Problem(place, "cannot be searched: it is the same in every trial"))
        try:
            searches[place] = _SEARCH.validate_python(raw)
        except ValidationError as error:
            problems += explain(error, Choice if raw.get("search") == "choice" else Range, raw, place)
    if not problems:
        for values in _representatives(searches):
            problems += _problems(replaced(document.value, values), check)
    told = {problem.path for problem in problems}
    problems += [problem for problem in unusable(document.value) if problem.path not in told]
    if problems:
        raise SpecError(document, path.name, problems)
    return Spec(path, document, searches)


def _text(path: FilePath) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UsageError("a spec is at most 256 KiB", where=str(path))
        return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()
    except FileNotFoundError as error:
        raise UsageError("there is no such spec", where=str(path), hint="Name a spec.yaml, or make one with `exseos init NAME`.") from error
    except IsADirectoryError as error:
        raise UsageError("this is a folder, not a spec", where=str(path), hint=f"Did you mean {path / 'spec.yaml'}?") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"not UTF-8 text (byte {error.start})", where=str(path)) from error
    except OSError as error:
        raise UsageError(f"cannot read the spec: {error.strerror}", where=str(path)) from error


def _representatives(searches: Mapping[Path, Range | Choice]) -> list[dict[Path, Any]]:
    """Assignments that show every edge of every search once."""
    edges = {path: search.edges for path, search in searches.items()}
    return [dict(zip(edges, row, strict=True)) for row in _filled(list(edges.values()))]


def _filled(columns: list[list[Any]]) -> list[tuple[Any, ...]]:
    rows = max((len(column) for column in columns), default=1)
    cycles = [itertools.islice(itertools.cycle(column), rows) for column in columns]
    return list(zip(*cycles, strict=True)) if columns else [()]


def _problems(value: dict[str, Any], check: Check) -> list[Problem]:
    try:
        experiment = Experiment.model_validate(value)
    except ValidationError as error:
        return explain(error, Experiment, value)
    return [*contradictions(experiment), *check(experiment)]
