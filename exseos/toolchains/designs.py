"""How the sections of a spec hang together: which conversion a design is synthesized from, which design is implemented.

``convert``, ``synthesize`` and ``implement`` are one section each or a list of them. A stage of a section that stands alone is
called like the section; of a list, each has its name behind it (``synthesize-vitis``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from exseos.spec.models import Convert, Experiment, Implement, Synthesize
from exseos.spec.problems import nearest
from exseos.toolchains.base import Toolchain, find, names

S = TypeVar("S", Convert, Synthesize, Implement)

CSIM_BACKENDS = ("Catapult", "Quartus", "Vitis", "Vivado")
"""Backends of hls4ml whose projects compile with g++ and the headers that they bring."""


class LinkError(ValueError):
    """Sections that do not fit together; ``place`` is the path in the spec."""

    def __init__(self, place: tuple[str | int, ...], what: str) -> None:
        super().__init__(what)
        self.place, self.what = place, what


@dataclass(frozen=True)
class Named(Generic[S]):
    """One section: its name, its stage's name, and where it stands in the spec."""

    name: str
    stage: str
    place: tuple[str | int, ...]
    section: S


def conversions(experiment: Experiment) -> list[Named[Convert]]:
    """Every conversion to an HLS project; raises ``LinkError`` for a name given twice, as the next two do."""
    return _named("convert", experiment.convert, lambda section: section.name or section.backend.lower())


def syntheses(experiment: Experiment) -> list[Named[Synthesize]]:
    """Every design."""
    return _named("synthesize", experiment.synthesize, lambda section: section.name or section.toolchain)


def implementations(experiment: Experiment) -> list[Named[Implement]]:
    """Every implementation of a design."""
    return _named("implement", experiment.implement, lambda section: section.name or section.design or section.toolchain or "design")


def conversion_of(experiment: Experiment, synthesis: Named[Synthesize]) -> Named[Convert] | None:
    """The conversion that a design is made from: the one it names, else the one that its toolchain accepts.

    None for a toolchain that takes the model itself, unless the section names one to be compared with. Raises ``LinkError``.
    """
    toolchain = find(synthesis.section.toolchain)
    there = conversions(experiment)
    if (wanted := synthesis.section.convert) is not None:
        return _pick(wanted, there, (*synthesis.place, "convert"), "conversion")
    if not toolchain.backends:
        return None
    fit = [one for one in there if one.section.backend in toolchain.backends]
    backends = " or ".join(toolchain.backends)
    if not fit:
        what = f"the toolchain {toolchain.name} takes a project of the backend {backends}"
        raise LinkError(synthesis.place, f"{what}: add `convert: {{backend: {toolchain.backends[0]}}}`, or to the list there")
    if len(fit) > 1:
        names = ", ".join(one.name for one in fit)
        raise LinkError(synthesis.place, f"several conversions fit it; say which with 'convert': {names}")
    return fit[0]


def check_conversion(toolchain: Toolchain, conversion: Named[Convert] | None, place: tuple[str | int, ...]) -> None:
    """Raise ``LinkError`` if the toolchain does not accept the project of a conversion that was named."""
    if conversion is not None and toolchain.backends and conversion.section.backend not in toolchain.backends:
        accepted = " or ".join(toolchain.backends)
        what = f"the conversion {conversion.name} is for {conversion.section.backend}, {toolchain.name} takes {accepted}"
        raise LinkError((*place, "convert"), what)


def design_of(experiment: Experiment, implementation: Named[Implement]) -> Named[Synthesize]:
    """The design that is implemented: the one named, else the only one, else the one of its toolchain. Raises ``LinkError``."""
    there = syntheses(experiment)
    section = implementation.section
    if section.design is not None:
        return _pick(section.design, there, (*implementation.place, "design"), "design")
    if len(there) == 1:
        return there[0]
    fit = [one for one in there if section.toolchain in (None, one.section.toolchain)]
    if len(fit) != 1:
        names = ", ".join(one.name for one in there)
        raise LinkError(implementation.place, f"there are several designs; say which with 'design': {names}")
    return fit[0]


def implementer(implementation: Named[Implement], design: Named[Synthesize]) -> Toolchain:
    """The toolchain that implements ``design``; raises ``LinkError`` if it cannot."""
    name = implementation.section.toolchain or design.section.toolchain
    toolchain = find(name)
    place = (*implementation.place, "toolchain") if implementation.section.toolchain else implementation.place
    if toolchain.implement_parameters is None:
        able = _able(lambda one: one.implement_parameters is not None and design.section.toolchain in one.implements)
        raise LinkError(place, f"the toolchain {name} does not implement designs; able to implement this one: {able}")
    if design.section.toolchain not in toolchain.implements:
        what = f"the toolchain {name} implements designs of {', '.join(toolchain.implements)}, not of {design.section.toolchain}"
        raise LinkError(place, what)
    return toolchain


def simulations(experiment: Experiment) -> list[Named[Convert]]:
    """The conversions whose projects are simulated in C: those that compile without a vendor's compiler."""
    there = conversions(experiment) if experiment.simulate else []
    return [one for one in there if one.section.backend in CSIM_BACKENDS]


def toolchains(experiment: Experiment) -> dict[str, Toolchain]:
    """The toolchains that the stages of ``experiment`` use, by name."""
    used = {find(one.section.toolchain) for one in syntheses(experiment)}
    used |= {implementer(one, design_of(experiment, one)) for one in implementations(experiment)}
    return {toolchain.name: toolchain for toolchain in sorted(used, key=lambda one: one.name)}


def simulation_stage(conversion: Named[Convert]) -> str:
    """The name of the stage that simulates a conversion's project."""
    return conversion.stage.replace("convert", "simulate", 1)


def stage_names(experiment: Experiment) -> list[str]:
    """The names of all stages, in order."""
    simulated = [simulation_stage(one) for one in simulations(experiment)]
    designs = [one.stage for one in syntheses(experiment)]
    implemented = [one.stage for one in implementations(experiment)]
    return ["prepare", "train", "evaluate", *(one.stage for one in conversions(experiment)), *simulated, *designs, *implemented]


def links(experiment: Experiment) -> Iterator[LinkError]:
    """Everything in which the sections do not fit together."""
    for listed in (conversions, syntheses, implementations):
        try:
            listed(experiment)
        except LinkError as error:
            yield error
            return
    if experiment.simulate and experiment.convert and not simulations(experiment):
        yield LinkError(("simulate",), f"no conversion compiles without a vendor's compiler; able to: {', '.join(CSIM_BACKENDS)}")
    simulated = [one.name for one in simulations(experiment)]
    for synthesis in syntheses(experiment):
        try:
            toolchain, conversion = find(synthesis.section.toolchain), conversion_of(experiment, synthesis)
            check_conversion(toolchain, conversion, synthesis.place)
            if conversion and experiment.simulate and not toolchain.backends and conversion.name not in simulated:
                what = f"a design of {toolchain.name} is compared with a C simulation, and {conversion.name} has none; with one"
                raise LinkError((*synthesis.place, "convert"), f"{what}: {', '.join(simulated) or 'none'}")
        except LinkError as error:
            yield error
    for implementation in implementations(experiment) if experiment.synthesize else ():
        try:
            implementer(implementation, design_of(experiment, implementation))
        except LinkError as error:
            yield error


def _able(wanted: Any) -> str:
    return ", ".join(name for name in names() if wanted(find(name))) or "none"


def _named(section: str, value: S | Sequence[S] | None, name: Any) -> list[Named[S]]:
    if value is None:
        return []
    if not isinstance(value, list):
        return [Named(name(value), section, (section,), cast(S, value))]
    found: list[Named[S]] = []
    for index, one in enumerate(value):
        own = name(one)
        if any(own == other.name for other in found):
            raise LinkError((section, index), f"there is another one called {own!r}; give this one a 'name'")
        found.append(Named(own, f"{section}-{own}", (section, index), one))
    return found


def _pick(wanted: str, there: Sequence[Named[S]], place: tuple[str | int, ...], what: str) -> Named[S]:
    for one in there:
        if one.name == wanted:
            return one
    names = [one.name for one in there]
    raise LinkError(place, f"there is no {what} {wanted!r}{nearest(wanted, names)}; there is: {', '.join(names) or 'none'}")
