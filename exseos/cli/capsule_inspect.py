"""``exseos capsule inspect``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.capsule.inspect import inspect
from exseos.cli.options import PATH, json_option
from exseos.cli.show import inspection_json, show_inspection


@click.command()
@click.argument("capsule", type=PATH)
@json_option
def command(capsule: Path, as_json: bool) -> None:
    """Show ids, metrics and claims of CAPSULE. Proves nothing: see `exseos capsule verify`."""
    inspection = inspect(capsule)
    if as_json:
        click.echo(inspection_json(inspection))
    else:
        show_inspection(inspection, capsule)
