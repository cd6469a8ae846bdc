"""What only plugins and the folder can tell of a spec: their own parameters, and files that must be there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from exseos.errors import ExseosError
from exseos.formats.base import find as find_format
from exseos.records.names import in_repository
from exseos.spec import Check
from exseos.spec.models import Experiment, Implement, Synthesize
from exseos.spec.problems import Problem, explain, nearest, unknown
from exseos.toolchains import base as toolchains
from exseos.toolchains import designs
from exseos.toolchains.vendor.reports import RUN_TIME
from exseos.worker.steps.base import parse as parse_step

_TAKEN = ("spec.yaml", "spec.lock", "parent.json", "capsule")
"""Names that a capsule, unpacked, has for itself."""


def check_experiment(folder: Path, given: Collection[str] = ()) -> Check:
    """A check of experiments whose files are in ``folder``; the data sources ``given`` come from elsewhere (``--data``)."""

    def check(experiment: Experiment) -> list[Problem]:
        return [*_files(experiment, folder, given), *check_parts(experiment)]

    return check


def check_parts(experiment: Experiment) -> list[Problem]:
    """What is wrong with the parameters of steps, formats and toolchains, and with how sections hang together."""
    return [*_steps(experiment), *_formats(experiment), *_toolchains(experiment)]


def _files(experiment: Experiment, folder: Path, given: Collection[str]) -> list[Problem]:
    named: list[tuple[tuple[str | int, ...], str]] = [(("files", index), name) for index, name in enumerate(experiment.files)]
    named.append((("model", "call"), experiment.model.call.partition(":")[0]))
    named += [
        (("prepare", index, "call"), step["call"].partition(":")[0])
        for index, step in enumerate(experiment.prepare)
        if isinstance(step, dict) and "call" in step
    ]
    problems = [Problem(path, what) for path, name in named if (what := _user_file(folder, name))]
    for name, source in experiment.data.items():
        if source.path is not None and name not in given and (what := _data_file(folder, source.path)):
            problems.append(Problem(("data", name, "path"), what))
    return problems


def _user_file(folder: Path, name: str) -> str:
    """What is wrong with the user's file ``name``; empty if nothing is."""
    if name.split("/")[0] in _TAKEN:
        return f"the name {name!r} is taken in a capsule; rename the file"
    if in_repository(name):
        return f"{name!r} would be taken for settings of version control in an unpacked capsule; rename the file"
    path = folder / name
    if path.is_dir():
        return f"{name!r} is a folder; name each file"
    if not path.is_file():
        return f"there is no file {name!r} beside the spec"
    if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
        return f"{name!r} is a link or leads out of the spec's folder; copy the file here"
    return ""


def _data_file(folder: Path, name: str) -> str:
    try:
        path = folder / Path(name).expanduser()
    except RuntimeError:
        return f"there is no such user in {name!r}"
    if path.is_file():
        return ""
    return f"{name!r} is a folder; name one file" if path.is_dir() else f"there is no file {name!r}"


def _steps(experiment: Experiment) -> list[Problem]:
    problems = []
    for index, entry in enumerate(experiment.prepare):
        place = ("prepare", index)
        try:
            step, options = parse_step(entry)
        except ExseosError as error:
            problems.append(Problem(place, f"{error.what}. {error.hint}" if error.hint else error.what))
        else:
            problems += _section(step.options, options, place if step.name == "call" else (*place, step.name))
    return problems


def _formats(experiment: Experiment) -> list[Problem]:
    problems = []
    for name, source in experiment.data.items():
        problems += _section(find_format(source.format).options, source.options, ("data", name, "options"))
    return problems


def _toolchains(experiment: Experiment) -> list[Problem]:
    """Each section that names a toolchain against that toolchain's own parameters, and how the sections hang together."""
    named = [*_listed("synthesize", experiment.synthesize), *_listed("implement", experiment.implement)]
    unknown_names = [
        Problem((*place, "toolchain"), unknown(name, f"toolchain {name!r}", toolchains.names(), "Known"))
        for place, section in named
        if (name := section.toolchain) is not None and name not in toolchains.names()
    ]
    if unknown_names:
        return unknown_names
    linked = [Problem(error.place, error.what) for error in designs.links(experiment)]
    problems = linked or _claims(experiment)
    if linked or experiment.synthesize is None:
        return problems
    for synthesis in designs.syntheses(experiment):
        tool = toolchains.find(synthesis.section.toolchain)
        if tool.synthesize_parameters is None:
            able = ", ".join(name for name in toolchains.names() if toolchains.find(name).synthesize_parameters is not None)
            what = f"the toolchain {tool.name} does not synthesize, it implements: name it in `implement`; able to synthesize: {able}"
            problems.append(Problem((*synthesis.place, "toolchain"), what))
        else:
            problems += _section(tool.synthesize_parameters, synthesis.section.own, synthesis.place)
    for implementation in designs.implementations(experiment):
        tool = designs.implementer(implementation, designs.design_of(experiment, implementation))
        assert tool.implement_parameters is not None
        problems += _section(tool.implement_parameters, implementation.section.own, implementation.place)
    return problems


def _claims(experiment: Experiment) -> list[Problem]:
    """What can be told of claims before anything is measured."""
    problems = []
    stages = designs.stage_names(experiment)
    for index, claim in enumerate(experiment.claims):
        if claim.stage is not None and claim.stage not in stages:
            what = f"there is no stage {claim.stage!r}{nearest(claim.stage, stages)}; there is: {', '.join(stages)}"
            problems.append(Problem(("claims", index, "stage"), what))
        if claim.metric == RUN_TIME:
            problems.append(Problem(("claims", index, "metric"), "how long a tool ran differs from run to run: no claim can rest on it"))
    return problems


def _listed(name: str, value: Synthesize | Implement | Sequence[Synthesize | Implement] | None) -> list[Any]:
    """Every section with its place."""
    if value is None:
        return []
    return [((name, index), one) for index, one in enumerate(value)] if isinstance(value, list) else [((name,), value)]


def _section(model: type[BaseModel], value: dict[str, Any], path: tuple[str | int, ...]) -> list[Problem]:
    try:
        model.model_validate(value, strict=True)
    except ValidationError as error:
        return explain(error, model, value, path)
    return []
