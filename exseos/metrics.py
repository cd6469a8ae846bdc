"""A metric: one number with its unit, its level and where it came from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, field_validator

Level = Literal["float", "csim", "rtl", "estimated", "cosimulated", "synthesized", "routed", "gate"]


class Metric(BaseModel):
    """One number. ``origin`` is the file it was read from, ``tool`` and ``version`` what wrote that file.

    A value that a report does not have is no metric at all: missing is never 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: FiniteFloat | int
    unit: str
    level: Level
    origin: str
    tool: str
    version: str
    scope: str = "design"

    @field_validator("value")
    @classmethod
    def _json_number(cls, value: float | int) -> float | int:
        """Beyond 2^53 canonical JSON knows floats only, and writes them like integers."""
        return float(value) if abs(value) >= 2**53 else value
