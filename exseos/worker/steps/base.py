"""What a prepare step is: fitted on the training part only, then applied to each part by itself.

A step is one module of this room that holds ``STEP``. It never sees the validation and test parts while fitting, and what
it returns works row by row, so nothing of them can reach the training.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exseos.errors import StageError
from exseos.formats.base import position, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StepOptions(BaseModel):
    """The options of a step; each step has its own subclass."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnOptions(StepOptions):
    """Options of a step that works on columns."""

    columns: list[str] | None = Field(None, description="the features it works on; default: all that it can work on")


@dataclass(frozen=True)
class Layout:
    """What the columns of ``x`` mean."""

    features: tuple[str, ...]
    categories: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Column → its texts: such a column holds indices into them."""

    def chosen(self, columns: list[str] | None, step: str) -> list[int]:
        """Indices of ``columns``; without, those of all numeric columns."""
        if columns is None:
            return [index for index in range(len(self.features)) if index not in self.categories]
        return [position(name, self.features, "feature", f"prepare.{step}") for name in columns]


@dataclass(frozen=True)
class Training:
    """All that a step may learn from. Arrays are read-only."""

    x: NDArray[Any]
    """float64 [rows, features…] of the training part."""
    y: NDArray[Any]
    """Class indices int64 [rows], or float32 [rows, outputs]."""
    layout: Layout
    classes: tuple[str, ...]
    seed: int
    files: Path


@dataclass(frozen=True)
class Fitted:
    """A step after learning."""

    apply: Callable[[NDArray[Any]], NDArray[Any]]
    """float64 [rows, features…] → the same rows, changed; never changes its argument."""
    layout: Layout
    record: Mapping[str, Any]
    """What was learned, as JSON: goes into ``prepared.json``."""


class Step(ABC):
    """One step of ``prepare:``."""

    name: ClassVar[str]
    options: ClassVar[type[StepOptions]]

    @abstractmethod
    def fit(self, training: Training, options: Any) -> Fitted:
        """Learn from the training part; ``options`` is an instance of the step's model. Raises ``StageError``."""

    def label_order(self, options: Any) -> list[str] | None:
        """The order of classes that this step asks for."""
        del options
        return None


def names() -> list[str]:
    """The names of all steps, sorted."""
    package = importlib.import_module("exseos.worker.steps")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name not in ("base", "call"))


def parse(entry: str | Mapping[str, Any]) -> tuple[Step, dict[str, Any]]:
    """The step that an entry of ``prepare:`` means, and its options as they are written.

    Entries are ``standardize``, ``{standardize: {columns: […]}}`` or ``{call: file.py:function, …parameters}``.
    """
    options: Any
    if isinstance(entry, str):
        name, options = entry, {}
    elif "call" in entry:
        name, options = "call", {"call": entry["call"], "parameters": {key: value for key, value in entry.items() if key != "call"}}
    elif len(entry) == 1:
        ((name, options),) = entry.items()
    else:
        raise StageError(f"not a prepare step: {dict(entry)}", where="prepare", hint=f"Steps are {', '.join(names())} and call.")
    if name != "call" and name not in names():
        raise StageError(f"there is no prepare step {name!r}", where="prepare", hint=suggestion(name, [*names(), "call"]))
    if not isinstance(options, Mapping | None):
        raise StageError(
            f"the options of {name} must be a mapping of keys to values", where="prepare", hint=f"Write '{name}' alone for none."
        )
    step = importlib.import_module(f"exseos.worker.steps.{name}").STEP
    if not isinstance(step, Step):
        raise TypeError(f"exseos.worker.steps.{name}.STEP is not a Step")
    return step, dict(options or {})


def find(entry: str | Mapping[str, Any]) -> tuple[Step, StepOptions]:
    """As ``parse``, the options checked."""
    step, options = parse(entry)
    try:
        return step, step.options.model_validate(options)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise StageError(
            f"the options of {step.name} are wrong: {problems}",
            where="prepare",
            hint=f"It takes: {', '.join(step.options.model_fields) or 'none'}.",
        ) from None
