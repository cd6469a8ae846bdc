"""``exseos init``."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import click

from exseos.errors import UsageError
from exseos.resources import resource
from exseos.spec.problems import nearest

_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?")


@click.command()
@click.argument("name")
@click.option(
    "--template", default="open", show_default=True, metavar="T", help="open: HGQ2 to place and route; csim: plain Keras to C simulation."
)
def command(name: str, template: str) -> None:
    """Start the experiment NAME: a folder with a spec and a model that build as they are."""
    folder = Path(name)
    if not _NAME.fullmatch(folder.name):
        raise UsageError(f"{folder.name!r} cannot be the name of an experiment", hint="Use lower-case letters, digits, '-' and '_'.")
    if folder.exists():
        raise UsageError("this folder exists already", where=str(folder), hint="Choose another name.")
    templates = {path.name: path for path in sorted(resource("capsule_templates").iterdir()) if path.is_dir()}
    if template not in templates:
        raise UsageError(f"there is no template {template!r}{nearest(template, templates)}", hint=f"There is: {', '.join(templates)}.")
    shutil.copytree(templates[template], folder, ignore=shutil.ignore_patterns("__pycache__"))
    spec = folder / "spec.yaml"
    spec.write_text(re.sub(r"(?m)^name: .*$", f"name: {folder.name}", spec.read_text(), count=1))
    click.echo(f"made {folder}/: edit {spec} and experiment.py, then run\n  exseos capsule build {spec}")
