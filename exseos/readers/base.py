"""What a reader is: it recognises one kind of report by its content and gives its numbers.

A reader is one module of this room that holds ``READER``. It never guesses: a value that the report does not have, or has
as ``?``, ``undef``, ``NA``, ``-`` or ``TBD``, is left out, and no value is taken from another table than the one named in the
reader's docstring. Whatever is cut off or damaged gives fewer numbers or a ``ReportError``, never another exception.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from exseos.errors import ExseosError
from exseos.metrics import Level


class ReportError(ExseosError):
    """A report that was recognised but cannot be read: cut off, damaged, or of a version never seen."""


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a report. ``scope`` is ``design``, or the module, super logic region or loop it is about."""

    name: str
    value: float | int
    unit: str
    level: Level
    scope: str = "design"


@dataclass(frozen=True)
class Report:
    """What one report says. Empty strings: the report does not say."""

    tool: str
    version: str
    device: str
    numbers: tuple[Number, ...]


class Reader(ABC):
    """Reads one kind of report."""

    name: ClassVar[str]

    @abstractmethod
    def recognises(self, head: str, file_name: str) -> bool:
        """Whether this is such a report: ``head`` is the first 64 KiB as text; the file's name may only break ties."""

    @abstractmethod
    def read(self, text: str, file_name: str) -> Report:
        """The numbers of the whole report; raises ``ReportError``."""


def readers() -> list[Reader]:
    """Every reader, by module name."""
    package = importlib.import_module("exseos.readers")
    modules = [importlib.import_module(f"exseos.readers.{found.name}") for found in pkgutil.iter_modules(package.__path__)]
    return [module.READER for module in modules if hasattr(module, "READER")]
