"""``exseos capsule unpack``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.capsule.unpack import SPEC_FILE, unpack
from exseos.cli.console import progress
from exseos.cli.options import PATH
from exseos.paths import shown, typed
from exseos.text import visible


@click.command()
@click.argument("capsule", type=PATH)
@click.argument("folder", type=PATH)
def command(capsule: Path, folder: Path) -> None:
    """Verify CAPSULE and unpack it into FOLDER, which must be empty or new.

    The result is an experiment that can be changed and built; what is built from it records this capsule's id as its parent.
    """
    with progress() as told:
        unpacked = unpack(capsule, folder, told)
    given = "".join(f" --data {name}={typed(path)}" for name, path in sorted(unpacked.data.items()))
    click.echo(f"unpacked to {shown(folder)}; build it with: exseos capsule build {typed(folder / SPEC_FILE)}{given}")
    for name in unpacked.left_out:
        click.echo(f"  not in the capsule: {visible(name)}")
