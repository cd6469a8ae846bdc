"""Values to be searched: ``{search: log_uniform, low: 1e-4, high: 1e-2}`` in place of any value of the spec."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from exseos.spec.models import Section
from exseos.spec.yaml12 import Path

FIXED = ("exseos", "name", "title", "description", "authors", "license", "environment", "files", "search", "claims")
"""Sections that are the same in every trial."""
FIXED_OF_DATA = ("pypi", "path", "url", "member", "sha256", "format", "license", "redistribute")


class Range(Section):
    """A number between ``low`` and ``high`` (both may be taken)."""

    search: Literal["uniform", "log_uniform", "int"]
    low: FiniteFloat | int
    high: FiniteFloat | int
    step: FiniteFloat | int | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"'low' must be less than 'high', found {self.low:g} and {self.high:g}")
        if self.search == "log_uniform" and self.low <= 0:
            raise ValueError("a log_uniform search needs 'low' above 0")
        if self.search == "int" and not (isinstance(self.low, int) and isinstance(self.high, int)):
            raise ValueError("an int search needs whole numbers")
        if self.step is not None and (self.search == "log_uniform" or self.step <= 0):
            raise ValueError("'step' must be above 0, and goes with uniform and int only")
        if self.search == "int" and not isinstance(self.step, int | None):
            raise ValueError("an int search needs a whole 'step'")
        return self

    @property
    def edges(self) -> list[Any]:
        """The values that show whether the whole range is allowed."""
        return [self.low, self.high]


class Choice(Section):
    """One of the values listed."""

    search: Literal["choice"]
    of: Annotated[list[Any], Field(min_length=1, max_length=1000)]

    @property
    def edges(self) -> list[Any]:
        """Every value."""
        return list(self.of)


Search = Annotated[Range | Choice, Field(discriminator="search")]


def find_searches(value: Any, path: Path = ()) -> dict[Path, dict[str, Any]]:
    """The paths below ``value`` that hold a mapping with the key ``search`` (the whole spec and its section ``search`` are none)."""
    found: dict[Path, dict[str, Any]] = {}
    if isinstance(value, dict):
        if "search" in value and path not in ((), ("search",)):
            return {path: value}
        for key, item in value.items():
            found |= find_searches(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found |= find_searches(item, (*path, index))
    return found


def is_fixed(path: Path) -> bool:
    """Whether what stands at ``path`` is the same in every trial, so that it cannot be searched."""
    return path[0] in FIXED or (path[0] == "data" and len(path) > 2 and path[2] in FIXED_OF_DATA)


def replaced(value: Any, values: dict[Path, Any], path: Path = ()) -> Any:
    """A copy of ``value`` with what stands at each path of ``values`` replaced."""
    if path in values:
        return values[path]
    if isinstance(value, dict):
        return {key: replaced(item, values, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, values, (*path, index)) for index, item in enumerate(value)]
    return value
