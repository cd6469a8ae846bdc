"""``exseos image build``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.cli.console import progress
from exseos.image.image import Image
from exseos.progress import Progress
from exseos.resolve import find_lock
from exseos.resolve.check import check_experiment
from exseos.resolve.image import image_of, own_wheel
from exseos.spec import read_spec
from exseos.store import Store


def assembled(spec: Path, shown: Progress) -> Image:
    """The image of the spec at ``spec``."""
    store = Store()
    lock = find_lock(read_spec(spec, check_experiment(spec.parent)), store.cache, shown)
    wheel, pin = own_wheel(store.cache)
    return image_of(lock.model_copy(update={"exseos": pin}), wheel, store.cache, shown)


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
def command(spec: Path) -> None:
    """Assemble the image of SPEC and print its id. Needs no engine and no root."""
    with progress() as shown:
        image = assembled(spec, shown)
    click.echo(image.id)
