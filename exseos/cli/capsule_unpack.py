"""``exseos capsule unpack``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.capsule.unpack import unpack
from exseos.cli.console import progress


@click.command()
@click.argument("capsule", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def command(capsule: Path, folder: Path) -> None:
    """Verify CAPSULE and unpack it into FOLDER, which must be empty or new.

    The result is an experiment that can be changed and built; what is built from it records this capsule's id as its parent.
    """
    with progress() as shown:
        unpacked = unpack(capsule, folder, shown)
    given = "".join(f" --data {name}={path}" for name, path in sorted(unpacked.data.items()))
    click.echo(f"unpacked to {folder}; build it with: exseos capsule build {folder / 'spec.yaml'}{given}")
    for name in unpacked.left_out:
        click.echo(f"  not in the capsule: {name}")
