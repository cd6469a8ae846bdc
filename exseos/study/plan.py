"""Which stages an experiment has, what each takes from the spec, and the key that names its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from exseos.formats.base import find as find_format
from exseos.records.parts import stage_key
from exseos.spec.models import Experiment, Implement, Synthesize
from exseos.stages import KINDS, Kind
from exseos.toolchains import designs
from exseos.toolchains.base import find
from exseos.worker.steps.base import parse as parse_step

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
    toolchain: str | None = None
    exact: bool = True
    """Whether the same inputs give the same bytes; else the outputs are *recorded*: evidence, outside the experiment id."""

    def __post_init__(self) -> None:
        assert set(self.inputs) <= set(self.declared.inputs), (self.name, self.inputs)

    @property
    def kind(self) -> str:
        """The stage as the worker knows it."""
        return self.role or self.name

    @property
    def declared(self) -> Kind:
        """What is known of its kind."""
        return KINDS[self.kind]

    @property
    def location(self) -> str:
        """The folder of a capsule that holds its outputs."""
        return self.declared.location(self.name, TRIAL, exact=self.exact)

    def fingerprint(self, mounted: Mapping[str, str]) -> str | None:
        """What the toolchain is: the fingerprint of one that is ``mounted`` (name → fingerprint), else its name."""
        return self.toolchain if self.toolchain is None else mounted.get(self.toolchain, self.toolchain)

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
        mounted to their fingerprints.
        """
        return stage_key(
            kind=self.kind,
            parameters=self.parameters,
            seed=seed,
            image_id=image_id,
            inputs={name: inputs[stage] for name, stage in self.inputs.items()},
            data={name: data[name] for name in self.data},
            files=files if self.declared.user_code else None,
            toolchain=self.fingerprint(toolchains or {}),
        )


def plan(experiment: Experiment, *, explicit: bool = False) -> list[StagePlan]:
    """The stages of ``experiment`` in order; those whose section is absent are left out.

    Parameters are the effective ones, defaults filled in; with ``explicit`` only those that the spec itself says.
    """
    sections = {"data", "split", "prepare", "task", "model", "train", "stream", "simulate"}
    spec = experiment.model_dump(mode="json", include=sections, exclude_unset=explicit)
    sources = {name: _source(source, explicit=explicit) for name, source in spec["data"].items()}
    steps = [_step(entry, explicit=explicit) for entry in experiment.prepare]
    prepare = {"data": sources, "prepare": steps, **_chosen(spec, "split", "task")}
    train = _chosen(spec, "model", "train", "stream")
    stages = [
        StagePlan("prepare", prepare, data=tuple(sorted(sources))),
        StagePlan("train", train, {"prepare": "prepare"}),
        StagePlan("evaluate", {}, {"prepare": "prepare", "train": "train"}),
    ]
    for conversion in designs.conversions(experiment):
        section = conversion.section.model_dump(mode="json", exclude={"name"}, exclude_unset=explicit)
        inputs = {"prepare": "prepare", "train": "train"}
        stages.append(StagePlan(conversion.stage, {"convert": section}, inputs, role="convert"))
    simulated: dict[str, str] = {}
    for conversion in designs.simulations(experiment):
        simulated[conversion.stage] = designs.simulation_stage(conversion)
        inputs = {**_COMPARED, "convert": conversion.stage}
        stages.append(StagePlan(simulated[conversion.stage], {"simulate": spec["simulate"]}, inputs, role="simulate"))
    stages += [_synthesis(experiment, synthesis, simulated, explicit) for synthesis in designs.syntheses(experiment)]
    stages += [_implementation(experiment, implementation, explicit) for implementation in designs.implementations(experiment)]
    return stages


def _chosen(spec: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: spec[key] for key in keys if key in spec}


def _source(source: Mapping[str, Any], *, explicit: bool) -> dict[str, Any]:
    options = _section(find_format(source["format"]).options, source.get("options", {}), explicit=explicit)
    return {**_chosen(source, "format", "target", "features"), "options": options}


def _step(entry: Any, *, explicit: bool) -> dict[str, Any]:
    step, options = parse_step(entry)
    if step.name == "call":
        return dict(entry)
    return {step.name: _section(step.options, options, explicit=explicit)}


def _section(model: type[BaseModel], own: Mapping[str, Any], *, explicit: bool) -> dict[str, Any]:
    """``own`` with the defaults that ``model`` declares, unless only what is ``explicit`` is asked for."""
    return model.model_validate(dict(own)).model_dump(mode="json", exclude_unset=explicit)


def _synthesis(
    experiment: Experiment,
    synthesis: designs.Named[Synthesize],
    simulated: Mapping[str, str],
    explicit: bool,
) -> StagePlan:
    toolchain = find(synthesis.section.toolchain)
    conversion = designs.conversion_of(experiment, synthesis)
    inputs = dict(_COMPARED)
    if toolchain.backends and conversion is not None:
        inputs["convert"] = conversion.stage
    else:
        inputs["train"] = "train"
        # The design is made from the model itself, and compared with a simulation: that of the conversion named, else the first.
        if simulated:
            inputs["simulate"] = simulated[conversion.stage] if conversion is not None else next(iter(simulated.values()))
    return StagePlan(
        synthesis.stage,
        {"synthesize": _design(synthesis, explicit)},
        inputs,
        role="synthesize",
        toolchain=toolchain.name,
        exact=toolchain.exact,
    )


def _design(synthesis: designs.Named[Synthesize], explicit: bool) -> dict[str, Any]:
    parameters = find(synthesis.section.toolchain).synthesize_parameters
    assert parameters is not None
    return _section(parameters, synthesis.section.own, explicit=explicit)


def _implementation(experiment: Experiment, implementation: designs.Named[Implement], explicit: bool) -> StagePlan:
    design = designs.design_of(experiment, implementation)
    toolchain = designs.implementer(implementation, design)
    assert toolchain.implement_parameters is not None
    section = _section(toolchain.implement_parameters, implementation.section.own, explicit=explicit)
    parameters: dict[str, Any] = {"synthesize": _design(design, explicit), "implement": section}
    if toolchain.name != design.section.toolchain:
        parameters["toolchain"] = toolchain.name
    inputs = {"prepare": "prepare", "synthesize": design.stage}
    return StagePlan(implementation.stage, parameters, inputs, role="implement", toolchain=toolchain.name, exact=toolchain.exact)


def differences(explicit: Any, recorded: Any, default: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, bool]]:
    """Where ``recorded`` parameters are not today's: the place, and whether the spec itself says otherwise (else: only a default).

    All three are plain JSON: what the spec says, what a capsule recorded, and the effective parameters of this version.
    """
    if isinstance(recorded, dict) and isinstance(default, dict) and isinstance(explicit, dict):
        for key in sorted(recorded.keys() | default.keys() | explicit.keys()):
            missing = object()
            one, now = recorded.get(key, missing), default.get(key, missing)
            if key not in recorded or (key not in default and key not in explicit):
                yield ".".join((*place, key)), key in explicit
            elif isinstance(one, dict) and isinstance(now, dict):
                yield from differences(explicit.get(key, {}), one, now, (*place, key))
            elif isinstance(one, list) and isinstance(now, list) and _as_long(explicit.get(key), one) and _as_long(now, one):
                for number, parts in enumerate(zip(explicit[key], one, now, strict=True)):
                    yield from differences(*parts, (*place, key, str(number)))
            elif not _same(one, now):
                yield ".".join((*place, key)), key in explicit
    elif not _same(recorded, default):
        yield ".".join(place), True


def restored(recorded: Any, default: Any) -> Any:
    """``recorded`` parameters with numbers of the kind that the spec gives: JSON does not tell 1.0 from 1, and Python code does."""
    if _same(recorded, default):
        return default
    if isinstance(recorded, dict) and isinstance(default, dict):
        return {key: restored(value, default[key]) if key in default else value for key, value in recorded.items()}
    if isinstance(recorded, list) and isinstance(default, list) and len(recorded) == len(default):
        return list(map(restored, recorded, default))
    is_number = isinstance(recorded, int) and not isinstance(recorded, bool)
    return float(recorded) if isinstance(default, float) and is_number else recorded


def _as_long(one: Any, two: list[Any]) -> bool:
    return isinstance(one, list) and len(one) == len(two)


def _same(one: Any, two: Any) -> bool:
    """Equal as JSON: 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_same, one, two))
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    return bool(one == two)
