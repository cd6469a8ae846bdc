"""Which stages an experiment has, what each takes from the spec, and the key that names its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from exseos.digest import sha256_json
from exseos.spec.models import Experiment, Implement, Synthesize
from exseos.toolchains import designs
from exseos.toolchains.base import find

TRIAL = "trial-0"
_COMPARED = {"prepare": "prepare", "evaluate": "evaluate"}
"""What a design is simulated on and compared with: the test rows and Keras's outputs on them."""


@dataclass(frozen=True)
class StagePlan:
    """One stage of one trial: its parameters (concrete), the earlier stages it reads, and what else its result depends on."""

    name: str
    """Unique in the trial: ``synthesize``, or ``synthesize-vitis`` where there are several."""
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    """What the stage calls an input (``convert``) → the stage that gives it (``convert-vitis``)."""
    role: str = ""
    """The kind of stage, which the worker knows; default: the name."""
    data: tuple[str, ...] = ()
    user_code: bool = False
    toolchain: str | None = None
    exact: bool = True
    """Whether the same inputs give the same bytes; else the outputs are *recorded*: evidence, outside the experiment id."""

    @property
    def kind(self) -> str:
        """The stage as the worker knows it."""
        return self.role or self.name

    def key(
        self,
        *,
        seed: int,
        image_id: str,
        inputs: Mapping[str, str],
        data: Mapping[str, str],
        files: str,
        toolchains: Mapping[str, str] | None = None,
    ) -> str:
        """SHA-256 naming the result: of stage, parameters, seed, digests of inputs, data and user code, image and toolchain.

        ``inputs`` maps earlier stages to the digests of their outputs, ``data`` sources to SHA-256, ``toolchains`` those that are
        mounted to their fingerprints; never engine, host or time.
        """
        toolchain = self.toolchain if self.toolchain is None else (toolchains or {}).get(self.toolchain, self.toolchain)
        return sha256_json(
            {
                "stage": self.kind,
                "parameters": self.parameters,
                "seed": seed,
                "image": image_id,
                "inputs": {name: inputs[stage] for name, stage in self.inputs.items()},
                "data": {name: data[name] for name in self.data},
                "files": files if self.user_code else None,
                "toolchain": toolchain,
            }
        )


def plan(experiment: Experiment) -> list[StagePlan]:
    """The stages of ``experiment`` in order; those whose section is absent are left out."""
    spec = experiment.model_dump(mode="json", include={"data", "split", "prepare", "task", "model", "train", "stream", "simulate"})
    sources = {name: {key: source[key] for key in ("format", "target", "features", "options")} for name, source in spec["data"].items()}
    prepare = {"data": sources, "split": spec["split"], "prepare": spec["prepare"], "task": spec["task"]}
    train = {"model": spec["model"], "train": spec["train"], "stream": spec["stream"]}
    trained = {"prepare": "prepare", "train": "train"}
    stages = [
        StagePlan("prepare", prepare, data=tuple(sorted(sources)), user_code=True),
        StagePlan("train", train, {"prepare": "prepare"}, user_code=True),
        StagePlan("evaluate", {"evaluate": {}}, trained),
    ]
    for conversion in designs.conversions(experiment):
        section = conversion.section.model_dump(mode="json", exclude={"name"})
        stages.append(StagePlan(conversion.stage, {"convert": section}, trained, role="convert"))
    simulated: dict[str, str] = {}
    for conversion in designs.simulations(experiment):
        simulated[conversion.stage] = designs.simulation_stage(conversion)
        inputs = {**_COMPARED, "convert": conversion.stage}
        stages.append(StagePlan(simulated[conversion.stage], {"simulate": spec["simulate"]}, inputs, role="simulate"))
    stages += [_synthesis(experiment, synthesis, trained, simulated) for synthesis in designs.syntheses(experiment)]
    stages += [_implementation(experiment, implementation) for implementation in designs.implementations(experiment)]
    return stages


def _synthesis(
    experiment: Experiment, synthesis: designs.Named[Synthesize], trained: Mapping[str, str], simulated: Mapping[str, str]
) -> StagePlan:
    toolchain = find(synthesis.section.toolchain)
    conversion = designs.conversion_of(experiment, synthesis)
    inputs = dict(_COMPARED)
    if toolchain.backends and conversion is not None:
        inputs["convert"] = conversion.stage
    else:
        inputs |= trained
        # The design is made from the model itself, and compared with a simulation: that of the conversion named, else the first.
        if simulated:
            inputs["simulate"] = simulated[conversion.stage] if conversion is not None else next(iter(simulated.values()))
    return StagePlan(
        synthesis.stage,
        {"synthesize": synthesis.section.own},
        inputs,
        role="synthesize",
        toolchain=toolchain.name,
        exact=toolchain.exact,
    )


def _implementation(experiment: Experiment, implementation: designs.Named[Implement]) -> StagePlan:
    design = designs.design_of(experiment, implementation)
    toolchain = designs.implementer(implementation, design)
    assert toolchain.implement_parameters is not None
    section = toolchain.implement_parameters.model_validate(implementation.section.own).model_dump(mode="json")
    parameters: dict[str, Any] = {"synthesize": design.section.own, "implement": section}
    if toolchain.name != design.section.toolchain:
        parameters["toolchain"] = toolchain.name
    inputs = {"prepare": "prepare", "synthesize": design.stage}
    return StagePlan(implementation.stage, parameters, inputs, role="implement", toolchain=toolchain.name, exact=toolchain.exact)
