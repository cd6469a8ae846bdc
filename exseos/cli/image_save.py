"""``exseos image save``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.cli.console import progress
from exseos.cli.image_build import assembled
from exseos.cli.options import PATH, SPEC, toolchain_options, toolchains
from exseos.image.archive import save
from exseos.paths import shown


@click.command()
@click.argument("spec", type=SPEC)
@click.option("-o", "--output", type=PATH, default=Path("image.tar"), show_default=True, metavar="FILE")
@toolchain_options
def command(spec: Path, output: Path, toolchain: tuple[str, ...]) -> None:
    """Write the image of SPEC as one tar that `docker load` and `podman load` take."""
    with progress() as told:
        image = assembled(spec, toolchains(toolchain), told)
        save(image, output)
    click.echo(f"{image.id}  {shown(output)}")
