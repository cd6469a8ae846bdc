"""What a stage is: a pure function from parameters, inputs and seed to files in one folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from exseos.digest import canonical_json
from exseos.metrics import Metric
from exseos.stages import KINDS
from exseos.toolchains.base import Tool
from exseos.toolchains.earlier import read_json
from exseos.toolchains.process import SECONDS


@dataclass
class Context:
    """What a stage gets. Everything it may depend on is here; all it makes goes to ``output``."""

    parameters: Mapping[str, Any]
    seed: int
    inputs: Mapping[str, Path]
    data: Mapping[str, Path]
    files: Path
    output: Path
    toolchains: Mapping[str, Tool] = field(default_factory=dict)
    seconds: float = SECONDS
    """How long the tools of a vendor may run together."""
    progress: Callable[[str, int | None, int | None], None] = lambda text, done, total: None
    facts: dict[str, Any] = field(default_factory=dict)
    """Facts about this run that may differ between runs (timings, the numerics probe): kept outside the id."""
    allow_inexact: bool = False
    """What does not repeat is a fact about the run (``facts["inexact"]``), not an error."""

    def write_json(self, name: str, value: Any) -> None:
        """Write ``value`` as canonical JSON plus a newline to ``output/name``."""
        (self.output / name).write_bytes(canonical_json(value) + b"\n")

    def read_json(self, stage: str, name: str) -> Any:
        """Read a JSON output of an earlier stage. Raises ``StageError`` if it is none."""
        return read_json(self.inputs[stage] / name)

    def write_metrics(self, metrics: Sequence[Metric]) -> None:
        """Write ``metrics.json``: the stage's metrics in the order given."""
        self.write_json("metrics.json", [metric.model_dump() for metric in metrics])


class Stage(ABC):
    """One step of an experiment. Exact: the same context gives the same bytes in ``output``, anywhere."""

    name: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ()
    """Modules that take long to load and that every run of it needs."""

    @property
    def user_code(self) -> bool:
        """Whether it calls functions of the spec's files: only then can they be imported, since only then do they enter its key."""
        return KINDS[self.name].user_code

    @abstractmethod
    def run(self, context: Context) -> None:
        """Fill ``context.output``. Raises ``StageError`` for what the user can mend."""
