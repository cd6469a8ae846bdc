"""``exseos capsule verify``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from exseos.capsule.verify import verify
from exseos.cli.console import progress
from exseos.cli.options import PATH, json_option
from exseos.paths import shown
from exseos.text import visible


@click.command()
@click.argument("capsule", type=PATH)
@json_option
def command(capsule: Path, as_json: bool) -> int:
    """Check every byte of CAPSULE against its ids, and every statement against what it follows from. Nothing of it is run."""
    with progress() as told:
        report = verify(capsule, told)
    if as_json:
        problems = [{"where": problem.where, "what": problem.what} for problem in report.problems]
        ids = {"id": report.id, "seal": report.seal, "image_id": report.image_id}
        click.echo(json.dumps({"ok": report.ok, **ids, "problems": problems, "notes": report.notes}, indent=1))
    elif report.ok:
        readme = ", but its README is not checked" if report.content is not None and report.content.foreign_readme else ""
        click.echo(f"{shown(capsule)}: whole and unchanged{readme}")
        click.echo(f"  experiment id  {report.id}\n  seal           {report.seal}\n  image          {report.image_id}")
        for note in report.notes:
            click.echo(f"note: {visible(note, escaped=True)}")
    else:
        click.echo(f"{shown(capsule)}: damaged, {len(report.problems)} problem(s)", err=True)
        for problem in report.problems:
            click.echo(f"  {problem}", err=True)
    return 0 if report.ok else 1
