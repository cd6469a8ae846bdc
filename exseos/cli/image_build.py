"""``exseos image build``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from exseos.cli.console import progress
from exseos.cli.options import SPEC, toolchain_options, toolchains
from exseos.image.image import Image
from exseos.progress import Progress
from exseos.resolve import find_lock
from exseos.resolve.check import check_experiment
from exseos.resolve.image import image_of, own_wheel
from exseos.resolve.toolchains import find_installations
from exseos.spec import read_spec
from exseos.store import Store


def assembled(spec: Path, given: Mapping[str, Path], shown: Progress) -> Image:
    """The image of the spec at ``spec``; ``given`` are the vendors' toolchains to pin if there is no lock yet."""
    store = Store()
    document = read_spec(spec, check_experiment(spec.parent))
    lock = find_lock(document, store.cache, shown, find_installations(document.experiment(), given, (), shown))
    wheel, pin = own_wheel(store.cache)
    return image_of(lock.model_copy(update={"exseos": pin}), document.experiment(), wheel, store.cache, shown).image


@click.command()
@click.argument("spec", type=SPEC)
@toolchain_options
def command(spec: Path, toolchain: tuple[str, ...]) -> None:
    """Assemble the image of SPEC and print its id. Needs no engine and no root."""
    with progress() as shown:
        image = assembled(spec, toolchains(toolchain), shown)
    click.echo(image.id)
