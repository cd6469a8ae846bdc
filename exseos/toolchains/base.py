"""What a toolchain is: the part that turns a trained and converted model into a design, and how it is found.

A toolchain is one module of this room that holds ``TOOLCHAIN``; ``find("open")`` imports ``exseos.toolchains.open``.
Declaring one is light: whatever is heavy is imported inside ``synthesize`` and ``implement``.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from exseos.errors import UsageError
from exseos.metrics import Metric

_NOT_TOOLCHAINS = {"agreement", "base", "designs", "earlier", "keras_model", "process", "vendor"}
"""Modules of this room that the toolchains share."""


@dataclass(frozen=True)
class Tool:
    """An installation as a stage sees it: mounted read-only at ``root``, and what the lock says it is."""

    root: Path
    version: str
    fingerprint: str

    @property
    def stand_in(self) -> bool:
        """Whether it only takes the place of the real tool: nothing that it says is about hardware."""
        return self.fingerprint.startswith("stand-in:")


class Work(Protocol):
    """What a toolchain gets: the context of the stage that called it. Paths are the worker's own."""

    @property
    def parameters(self) -> Mapping[str, Any]: ...

    @property
    def seed(self) -> int: ...

    @property
    def inputs(self) -> Mapping[str, Path]: ...

    @property
    def output(self) -> Path: ...

    @property
    def progress(self) -> Callable[[str, int | None, int | None], None]: ...

    @property
    def facts(self) -> dict[str, Any]: ...

    @property
    def toolchains(self) -> Mapping[str, Tool]: ...

    @property
    def seconds(self) -> float: ...

    def read_json(self, stage: str, name: str) -> Any: ...

    def write_json(self, name: str, value: Any) -> None: ...

    def write_metrics(self, metrics: Sequence[Metric]) -> None: ...


class Toolchain(ABC):
    """One way from a model to a design, with what a lock and a spec must know about it."""

    name: ClassVar[str]
    exact: ClassVar[bool]
    """Whether the same inputs give the same bytes anywhere: else its outputs are recorded evidence."""
    requirements: ClassVar[tuple[str, ...]] = ()
    """Python requirements that the image needs besides those of ``exseos[experiment]``."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Debian packages that the image needs."""
    backends: ClassVar[tuple[str, ...]] = ()
    """hls4ml's backends whose projects it synthesizes; none: it takes the trained model itself."""
    implements: ClassVar[tuple[str, ...]] = ()
    """Toolchains whose designs it places and routes."""
    synthesize_parameters: ClassVar[type[BaseModel] | None] = None
    """The ``synthesize`` section of a spec, ``toolchain`` being one of its keys; None: it does not synthesize."""
    implement_parameters: ClassVar[type[BaseModel] | None] = None
    """The ``implement`` section of a spec without its links; None: it does not implement."""

    @abstractmethod
    def synthesize(self, work: Work) -> None:
        """Fill ``work.output`` with the design, its simulated outputs and ``metrics.json``. Raises ``StageError``."""

    @abstractmethod
    def implement(self, work: Work) -> None:
        """Place and route what ``synthesize`` made; fill ``work.output``. Raises ``StageError``."""


def names() -> list[str]:
    """The names of all toolchains, sorted."""
    package = importlib.import_module("exseos.toolchains")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name not in _NOT_TOOLCHAINS)


def find(name: str) -> Toolchain:
    """The toolchain called ``name``; an unknown one is a ``UsageError`` that lists what there is."""
    known = names()
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        meant = f"Did you mean {close[0]!r}? " if close else ""
        raise UsageError(f"there is no toolchain {name!r}", where="synthesize.toolchain", hint=f"{meant}There is: {', '.join(known)}.")
    toolchain = importlib.import_module(f"exseos.toolchains.{name}").TOOLCHAIN
    if not isinstance(toolchain, Toolchain):
        raise TypeError(f"exseos.toolchains.{name}.TOOLCHAIN is not a Toolchain")
    return toolchain
