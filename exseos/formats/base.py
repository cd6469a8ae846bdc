"""What a data format is: a file in, a table of rows out, the same table on every machine.

A format is one module of this room that holds ``FORMAT``; ``find("csv")`` imports ``exseos.formats.csv``. Declaring one is
light: NumPy and h5py are imported inside ``_read``, so the spec can check options without them.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from exseos.errors import StageError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Options(BaseModel):
    """The options of a format; each format has its own subclass."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Table:
    """Rows of one source, in the order of the file."""

    x: NDArray[Any]
    """float64 or float32, [rows, features…]. A text column holds indices into its ``categories``."""
    y: NDArray[Any]
    """What to predict: text, whole numbers or floats, [rows] or [rows, outputs]."""
    features: tuple[str, ...]
    """One name per column of ``x``; for x with more than two dimensions, the name of the array alone."""
    targets: tuple[str, ...]
    """One name per column of ``y``."""
    categories: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Column of ``x`` → its texts, sorted."""


@dataclass(frozen=True)
class Request:
    """Which columns or arrays are wanted. None: the format's own choice, as its docstring says."""

    features: tuple[str, ...] | None
    target: tuple[str, ...] | None


class Format(ABC):
    """Reads one kind of file."""

    name: ClassVar[str]
    options: ClassVar[type[Options]]

    def check_options(self, options: Mapping[str, Any]) -> Options:
        """``options`` as the format's model; an unknown or ill-typed one is a ``UsageError`` that lists what there is."""
        try:
            return self.options.model_validate(dict(options))
        except ValidationError as error:
            known = sorted(self.options.model_fields)
            problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise UsageError(
                f"the options of format {self.name} are wrong: {'; '.join(problems)}",
                where="data.options",
                hint=f"Format {self.name} takes: {', '.join(known) or 'none'}.",
            ) from None

    def read(
        self,
        path: Path,
        *,
        features: Sequence[str] | str | None = None,
        target: Sequence[str] | str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Table:
        """Read ``path``. Raises ``StageError`` if it is not such a file or lacks a named column, saying what it has."""
        request = Request(_as_names(features), _as_names(target))
        table = self._read(path, request, self.check_options(options or {}))
        if len(table.x) == 0:
            raise StageError("the file has no rows of data", where=str(path))
        if len(table.x) != len(table.y):
            raise StageError(f"{len(table.x)} rows of features, but {len(table.y)} of the target", where=str(path))
        return table

    @abstractmethod
    def _read(self, path: Path, request: Request, options: Any) -> Table:
        """As ``read``; ``options`` is an instance of the format's own model."""


def _as_names(value: Sequence[str] | str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return (value,) if isinstance(value, str) else tuple(value)


def names() -> list[str]:
    """The names of all formats, sorted."""
    package = importlib.import_module("exseos.formats")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name not in ("base", "delimited", "arrays"))


def find(name: str) -> Format:
    """The format called ``name``; an unknown one is a ``UsageError`` that lists what there is."""
    if name not in names():
        raise UsageError(f"there is no format {name!r}", where="data.format", hint=suggestion(name, names()))
    found = importlib.import_module(f"exseos.formats.{name}").FORMAT
    if not isinstance(found, Format):
        raise TypeError(f"exseos.formats.{name}.FORMAT is not a Format")
    return found


def suggestion(wanted: str, known: Iterable[str]) -> str:
    """A hint: the nearest of ``known``, and all of them (the first 40)."""
    known = list(known)
    close = difflib.get_close_matches(wanted, known, 1)
    if not close:  # difflib counts letter case as a difference
        close = [one for one in known if one.casefold() == wanted.casefold()][:1]
    meant = f"Did you mean {close[0]!r}? " if close else ""
    more = f" and {len(known) - 40} more" if len(known) > 40 else ""
    return f"{meant}There is: {', '.join(known[:40])}{more}."


def position(wanted: str, known: Sequence[str], kind: str, where: str) -> int:
    """Index of ``wanted`` in ``known``; if it is not there, a ``StageError`` with the nearest name."""
    if wanted not in known:
        raise StageError(f"there is no {kind} {wanted!r}", where=where, hint=suggestion(wanted, known))
    return list(known).index(wanted)
