"""What only plugins and the folder can tell of a spec: their own parameters, and files that must be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from exseos.errors import ExseosError
from exseos.formats.base import find as find_format
from exseos.spec import Check
from exseos.spec.models import Experiment
from exseos.spec.problems import Problem, explain, nearest
from exseos.toolchains import base as toolchains
from exseos.worker.steps.base import find as find_step


def check_experiment(folder: Path) -> Check:
    """A check of experiments whose files are in ``folder``."""

    def check(experiment: Experiment) -> list[Problem]:
        return [*_files(experiment, folder), *_steps(experiment), *_formats(experiment), *_toolchain(experiment)]

    return check


def _files(experiment: Experiment, folder: Path) -> list[Problem]:
    problems = [
        Problem(("files", index), f"there is no file {name!r} beside the spec")
        for index, name in enumerate(experiment.files)
        if not (folder / name).is_file()
    ]
    calls: list[tuple[tuple[str | int, ...], str]] = [(("model", "call"), experiment.model.call)]
    calls += [
        (("prepare", index, "call"), step["call"])
        for index, step in enumerate(experiment.prepare)
        if isinstance(step, dict) and "call" in step
    ]
    for path, call in calls:
        name = call.partition(":")[0]
        if not (folder / name).is_file():
            problems.append(Problem(path, f"there is no file {name!r} beside the spec"))
    for name in experiment.user_files:
        if (folder / name).is_symlink() or not (folder / name).resolve().is_relative_to(folder.resolve()):
            problems.append(Problem(("files",), f"{name!r} is a link or leads out of the spec's folder"))
    for name, source in experiment.data.items():
        if source.path is not None and not (folder / Path(source.path).expanduser()).is_file():
            problems.append(Problem(("data", name, "path"), f"there is no file {source.path!r}"))
    return problems


def _steps(experiment: Experiment) -> list[Problem]:
    problems = []
    for index, step in enumerate(experiment.prepare):
        try:
            find_step(step)
        except ExseosError as error:
            problems.append(Problem(("prepare", index), f"{error.what}; {error.hint}" if error.hint else error.what))
    return problems


def _formats(experiment: Experiment) -> list[Problem]:
    problems = []
    for name, source in experiment.data.items():
        problems += _section(find_format(source.format).options, source.options, ("data", name, "options"))
    return problems


def _toolchain(experiment: Experiment) -> list[Problem]:
    if experiment.synthesize is None:
        return []
    name = experiment.synthesize.toolchain
    if name not in toolchains.names():
        known = toolchains.names()
        return [Problem(("synthesize", "toolchain"), f"unknown toolchain {name!r}{nearest(name, known)} Known: {', '.join(known)}.")]
    tool = toolchains.find(name)
    problems = _section(tool.synthesize_parameters, experiment.synthesize.model_dump(mode="json"), ("synthesize",))
    if experiment.implement is not None:
        problems += _section(tool.implement_parameters, experiment.implement.model_dump(mode="json"), ("implement",))
    return problems


def _section(model: type[BaseModel], value: dict[str, Any], path: tuple[str | int, ...]) -> list[Problem]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [explain(detail, model, path) for detail in error.errors()]
    return []
