"""What only plugins and the folder can tell of a spec: their own parameters, and files that must be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from exseos.errors import ExseosError
from exseos.formats.base import find as find_format
from exseos.spec import Check
from exseos.spec.models import Experiment
from exseos.spec.problems import Problem, explain, unknown
from exseos.toolchains import base as toolchains
from exseos.worker.steps.base import parse as parse_step

_TAKEN = ("spec.yaml", "spec.lock", "parent.json", "capsule")
"""Names that a capsule, unpacked, has for itself."""


def check_experiment(folder: Path) -> Check:
    """A check of experiments whose files are in ``folder``."""

    def check(experiment: Experiment) -> list[Problem]:
        return [*_files(experiment, folder), *_steps(experiment), *_formats(experiment), *_toolchain(experiment)]

    return check


def _files(experiment: Experiment, folder: Path) -> list[Problem]:
    named: list[tuple[tuple[str | int, ...], str]] = [(("files", index), name) for index, name in enumerate(experiment.files)]
    named.append((("model", "call"), experiment.model.call.partition(":")[0]))
    named += [
        (("prepare", index, "call"), step["call"].partition(":")[0])
        for index, step in enumerate(experiment.prepare)
        if isinstance(step, dict) and "call" in step
    ]
    problems = [Problem(path, what) for path, name in named if (what := _user_file(folder, name))]
    for name, source in experiment.data.items():
        if source.path is not None and (what := _data_file(folder, source.path)):
            problems.append(Problem(("data", name, "path"), what))
    return problems


def _user_file(folder: Path, name: str) -> str:
    """What is wrong with the user's file ``name``; empty if nothing is."""
    if name.split("/")[0] in _TAKEN:
        return f"the name {name!r} is taken in a capsule; rename the file"
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


def _toolchain(experiment: Experiment) -> list[Problem]:
    if experiment.synthesize is None:
        return []
    name = experiment.synthesize.toolchain
    if name not in toolchains.names():
        return [Problem(("synthesize", "toolchain"), unknown(name, f"toolchain {name!r}", toolchains.names(), "Known"))]
    tool = toolchains.find(name)
    problems = _section(tool.synthesize_parameters, experiment.synthesize.model_dump(mode="json"), ("synthesize",))
    if experiment.implement is not None:
        problems += _section(tool.implement_parameters, experiment.implement.model_dump(mode="json"), ("implement",))
    return problems


def _section(model: type[BaseModel], value: dict[str, Any], path: tuple[str | int, ...]) -> list[Problem]:
    try:
        model.model_validate(value, strict=True)
    except ValidationError as error:
        return explain(error, model, value, path)
    return []
