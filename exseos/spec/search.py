"""Values to be searched: ``{search: log_uniform, low: 1e-4, high: 1e-2}`` in place of any value of the spec."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from exseos.spec.models import Section
from exseos.spec.yaml12 import Path

Scalar = str | bool | int | float


class Range(Section):
    """A number between ``low`` and ``high`` (both may be taken)."""

    search: Literal["uniform", "log_uniform", "int"]
    low: float | int
    high: float | int
    step: float | int | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"'low' must be less than 'high', found {self.low:g} and {self.high:g}")
        if self.search == "log_uniform" and self.low <= 0:
            raise ValueError("a log_uniform search needs 'low' above 0")
        if self.search == "int" and not (isinstance(self.low, int) and isinstance(self.high, int)):
            raise ValueError("an int search needs whole numbers")
        return self

    @property
    def edges(self) -> list[Any]:
        """The values that show whether the whole range is allowed."""
        return [self.low, self.high]


class Choice(Section):
    """One of the values listed."""

    search: Literal["choice"]
    of: Annotated[list[Any], Field(min_length=1)]

    @property
    def edges(self) -> list[Any]:
        """Every value."""
        return list(self.of)


Search = Annotated[Range | Choice, Field(discriminator="search")]


def find_searches(value: Any, path: Path = ()) -> dict[Path, dict[str, Any]]:
    """The paths below ``value`` that hold a mapping with the key ``search`` (the top-level section ``search`` is none)."""
    found: dict[Path, dict[str, Any]] = {}
    if isinstance(value, dict):
        if "search" in value and path and isinstance(value["search"], str):
            return {path: value}
        for key, item in value.items():
            found |= find_searches(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found |= find_searches(item, (*path, index))
    return found


def replaced(value: Any, values: dict[Path, Any], path: Path = ()) -> Any:
    """A copy of ``value`` with what stands at each path of ``values`` replaced."""
    if path in values:
        return values[path]
    if isinstance(value, dict):
        return {key: replaced(item, values, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, values, (*path, index)) for index, item in enumerate(value)]
    return value
