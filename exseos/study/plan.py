"""Which stages an experiment has, what each takes from the spec, and the key that names its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exseos.digest import sha256_json
from exseos.spec.models import Experiment

TRIAL = "trial-0"


@dataclass(frozen=True)
class StagePlan:
    """One stage of one trial: its parameters (concrete), the earlier stages it reads, and what else its result depends on."""

    name: str
    parameters: Mapping[str, Any]
    inputs: tuple[str, ...]
    data: tuple[str, ...] = ()
    user_code: bool = False
    toolchain: str | None = None

    def key(self, *, seed: int, image_id: str, inputs: Mapping[str, str], data: Mapping[str, str], files: str) -> str:
        """SHA-256 naming the result: of stage, parameters, seed, digests of inputs, data and user code, and the image.

        ``inputs`` maps earlier stages to the digests of their outputs, ``data`` sources to SHA-256; never engine, host or time.
        """
        return sha256_json(
            {
                "stage": self.name,
                "parameters": self.parameters,
                "seed": seed,
                "image": image_id,
                "inputs": {name: inputs[name] for name in self.inputs},
                "data": {name: data[name] for name in self.data},
                "files": files if self.user_code else None,
                "toolchain": self.toolchain,
            }
        )


def plan(experiment: Experiment) -> list[StagePlan]:
    """The stages of ``experiment`` in order; those whose section is absent are left out."""
    spec = experiment.model_dump(mode="json")
    sources = {name: {key: source[key] for key in ("format", "target", "features", "options")} for name, source in spec["data"].items()}
    data = tuple(sorted(sources))
    stages = [
        StagePlan(
            "prepare",
            {"data": sources, "split": spec["split"], "prepare": spec["prepare"], "task": spec["task"]},
            inputs=(),
            data=data,
            user_code=True,
        ),
        StagePlan("train", {"model": spec["model"], "train": spec["train"], "stream": spec["stream"]}, inputs=("prepare",), user_code=True),
    ]
    if experiment.convert:
        stages.append(StagePlan("convert", {"convert": spec["convert"]}, inputs=("prepare", "train")))
    if experiment.simulate:
        stages.append(StagePlan("simulate", {"simulate": spec["simulate"]}, inputs=("prepare", "train", "convert")))
    if experiment.synthesize:
        before = ("prepare", "train", "simulate") if experiment.simulate else ("prepare", "train")
        name = experiment.synthesize.toolchain
        stages.append(StagePlan("synthesize", {"synthesize": spec["synthesize"]}, inputs=before, toolchain=name))
        if experiment.implement:
            sections = {"synthesize": spec["synthesize"], "implement": spec["implement"]}
            stages.append(StagePlan("implement", sections, inputs=("prepare", "synthesize"), toolchain=name))
    return stages
