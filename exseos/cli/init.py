"""``exseos init``."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import click

from exseos.cli.options import PATH
from exseos.errors import UsageError
from exseos.paths import shown, typed
from exseos.resources import resource
from exseos.spec.problems import nearest
from exseos.spec.values import NAME_PATTERN, NAME_WORDS


@click.command()
@click.argument("folder", metavar="NAME", type=PATH)
@click.option(
    "--template", default="open", show_default=True, metavar="T", help="open: HGQ2 to place and route; csim: plain Keras to C simulation."
)
def command(folder: Path, template: str) -> None:
    """Start the experiment NAME: a folder with a spec and a model that build as they are."""
    if folder.exists() or folder.is_symlink():
        raise UsageError("this folder exists already", where=str(folder), hint="Choose another name.")
    if not re.fullmatch(NAME_PATTERN, folder.name):
        raise UsageError(f"{folder.name!r} cannot be the name of an experiment", hint=f"A name is {NAME_WORDS}.")
    templates = {path.name: path for path in sorted(resource("capsule_templates").iterdir()) if (path / "spec.yaml").is_file()}
    if template not in templates:
        raise UsageError(f"there is no template {template!r}{nearest(template, templates)}", hint=f"There is: {', '.join(templates)}.")
    # Contents only: the modes of an installation that its owner made read-only are of no use here.
    shutil.copytree(templates[template], folder, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile)
    spec = folder / "spec.yaml"
    text = spec.read_text(encoding="utf-8")
    spec.write_text(re.sub(r"(?m)^name: .*$", f"name: {folder.name}", text, count=1), encoding="utf-8")
    click.echo(f"made {shown(folder)}/: edit {shown(spec)} and experiment.py, then run\n  exseos capsule build {typed(spec)}")
