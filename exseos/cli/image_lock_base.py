"""``exseos image lock-base``."""

from __future__ import annotations

import click

from exseos.cli.console import progress
from exseos.image.base_lock import lock_base
from exseos.store import Store


@click.command()
def command() -> None:
    """Resolve the packages of the base layer anew and write base.lock into this installation."""
    with progress() as shown:
        lock = lock_base(Store().cache, shown)
    click.echo(f"{len(lock.packages)} packages of Debian {lock.suite} as of {lock.date}")
