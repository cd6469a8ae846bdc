"""``exseos image base-context``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.cli.console import progress
from exseos.cli.options import PATH
from exseos.image.assemble import base_context
from exseos.paths import shown
from exseos.store import Store


@click.command()
@click.argument("folder", type=PATH)
def command(folder: Path) -> None:
    """Write rootfs.tar and Dockerfile.base into FOLDER, for `docker build -f Dockerfile.base FOLDER`."""
    with progress() as told:
        base_context(folder, Store().cache, told)
    click.echo(shown(folder))
