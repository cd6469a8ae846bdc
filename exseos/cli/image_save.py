"""``exseos image save``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.cli.console import progress
from exseos.cli.image_build import assembled
from exseos.cli.options import toolchain_options, toolchains
from exseos.image.archive import save


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("image.tar"), show_default=True, metavar="FILE")
@toolchain_options
def command(spec: Path, output: Path, toolchain: tuple[str, ...]) -> None:
    """Write the image of SPEC as one tar that `docker load` and `podman load` take."""
    with progress() as shown:
        image = assembled(spec, toolchains(toolchain), shown)
        save(image, output)
    click.echo(f"{image.id}  {output}")
