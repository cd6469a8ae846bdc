"""Workers that give what a test says, instead of running anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exseos.manifest import Manifest
from exseos.study.plan import StagePlan
from exseos.study.workers import Inputs, Outcome

Files = Mapping[str, bytes]
Answer = Files | Exception


class FakeWorkers:
    """Asks ``answer`` for the outputs of each stage; an exception is raised. ``vendors`` are the toolchains that are mounted.

    ``ran`` has the kind of every stage that was run, and ``inputs`` what each was given last: folders and lists by stage.
    """

    def __init__(self, folder: Path, answer: Callable[[StagePlan, Inputs], Answer], *vendors: str) -> None:
        self.folder, self.answer, self.vendors = folder, answer, dict.fromkeys(vendors)
        self.facts: dict[str, Mapping[str, Any]] = {}
        self.ran: list[str] = []
        self.stages: dict[str, StagePlan] = {}
        self.seeds: dict[str, int] = {}
        self.inputs: dict[str, dict[str, tuple[Path, Manifest]]] = {}

    def run(self, stage: StagePlan, seed: int, inputs: Inputs, then: StagePlan | None = None) -> Outcome:
        """As ``exseos.study.workers.Workers.run``."""
        self.ran.append(stage.kind)
        self.stages[stage.name], self.seeds[stage.name] = stage, seed
        self.inputs[stage.name] = {name: inputs[name] for name in stage.inputs.values()}
        answer = self.answer(stage, inputs)
        if isinstance(answer, Exception):
            raise answer
        folder = self.folder / str(len(self.ran))
        folder.mkdir(parents=True)
        for name, data in answer.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return Outcome(folder, Manifest.of_tree(folder), self.facts.get(stage.name, {}))
