"""``exseos lock``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.cli.console import progress
from exseos.resolve import lock_folder, make_lock
from exseos.resolve.check import check_experiment
from exseos.spec import read_spec
from exseos.store import Store


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
def command(spec: Path) -> None:
    """Resolve SPEC anew and write the lock beside it.

    Wheels, Debian packages and data files are pinned by version and SHA-256. A build uses this lock as long as it fits.
    """
    with progress() as shown:
        document = read_spec(spec, check_experiment(spec.parent))
        lock = make_lock(document, Store().cache, shown)
        lock.write(lock_folder(spec))
        shown.step(f"locked {len(lock.wheels)} wheels, {len(lock.packages)} Debian packages, {len(lock.data)} data files")
    click.echo(lock_folder(spec))
