"""``exseos lock``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.cli.console import progress
from exseos.cli.options import SPEC, toolchain_options, toolchains
from exseos.paths import shown
from exseos.resolve import lock_folder, make_lock
from exseos.resolve.check import check_experiment
from exseos.resolve.toolchains import find_installations
from exseos.spec import read_spec
from exseos.store import Store
from exseos.study.vendor import described


@click.command()
@click.argument("spec", type=SPEC)
@toolchain_options
def command(spec: Path, toolchain: tuple[str, ...]) -> None:
    """Resolve SPEC anew and write the lock beside it.

    Wheels, Debian packages and data files are pinned by version and SHA-256, vendors' toolchains by version and fingerprint. A build
    uses this lock as long as it fits.
    """
    with progress() as told:
        document = read_spec(spec, check_experiment(spec.parent))
        mounted = find_installations(document.experiment(), toolchains(toolchain), (), told)
        lock = make_lock(document, Store().cache, told, mounted)
        lock.write(lock_folder(spec))
        told.step(f"locked {len(lock.wheels)} wheels, {len(lock.packages)} Debian packages, {len(lock.data)} data files")
        for pin in lock.toolchains:
            told.step(f"locked {described(pin)}, fingerprint {pin.fingerprint[:19]}…")
    click.echo(shown(lock_folder(spec)))
