"""``exseos doctor``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from exseos.capsule.doctor import examine
from exseos.cli.options import SPEC, json_option, toolchain_options, toolchains
from exseos.cli.show_doctor import examination_json, show_examination


@click.command()
@click.argument("spec", required=False, type=SPEC)
@toolchain_options
@json_option
def command(spec: Path | None, toolchain: tuple[str, ...], as_json: bool) -> int:
    """Tell what this machine can do and what would stop a build, of SPEC if it is given, each problem with the next step.

    Engines are tried and installed tools are asked for their versions. The network is not used. Fails if something would stop a build.
    """
    with Console(stderr=True).status("looking at this machine"):
        examination = examine(spec, toolchains(toolchain))
    if as_json:
        click.echo(examination_json(examination))
    else:
        show_examination(examination)
    return 1 if examination.stops else 0
