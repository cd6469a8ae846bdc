"""``exseos capsule build``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.capsule.build import BuildRequest, build
from exseos.capsule.inspect import inspect
from exseos.cli.console import progress
from exseos.cli.options import (
    PATH,
    SPEC,
    data_files,
    json_option,
    limits,
    network_option,
    running_options,
    time_limit,
    toolchain_options,
    toolchains,
)
from exseos.cli.show import inspection_json, show_inspection
from exseos.errors import UsageError
from exseos.store import Store

_PARTS = frozenset({"image", "data"})


@click.command()
@click.argument("spec", type=SPEC)
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Default: NAME.capsule.zip here.")
@running_options
@toolchain_options
@network_option
@click.option("--without", default="", metavar="PARTS", help="Leave out 'image', 'data' or 'image,data': both ids stay the same.")
@click.option("--check", is_flag=True, help="Run every stage twice and name the outputs that are not exact.")
@click.option("--allow-failed-claims", is_flag=True, help="Pack the capsule even if claims do not hold.")
@click.option("--allow-inexact", is_flag=True, help="Train a model whose code gives other initial weights each time.")
@json_option
def command(
    spec: Path,
    output: Path | None,
    engine: str,
    memory_gib: float,
    hours: float,
    data: tuple[str, ...],
    toolchain: tuple[str, ...],
    network_for: tuple[str, ...],
    without: str,
    check: bool,
    allow_failed_claims: bool,
    allow_inexact: bool,
    as_json: bool,
) -> None:
    """Run the experiment of SPEC in a container and pack it as one capsule.

    Finished stages are kept: a build that was interrupted goes on where it stopped.
    """
    parts = frozenset(filter(None, without.split(",")))
    if not parts <= _PARTS:
        raise UsageError(f"--without takes image and data, found {', '.join(sorted(parts - _PARTS))!r}")
    request = BuildRequest(
        spec=spec,
        output=output,
        engine=engine,
        without=parts,
        check=check,
        allow_failed_claims=allow_failed_claims,
        data=data_files(data),
        limits=limits(memory_gib, hours),
        toolchains=toolchains(toolchain),
        network_for=frozenset(network_for),
        allow_inexact=allow_inexact,
    )
    with time_limit(hours), progress() as shown:
        built = build(request, Store(), shown)
    inspection = inspect(built.path)
    if as_json:
        click.echo(inspection_json(inspection, path=str(built.path)))
    else:
        show_inspection(inspection, built.path)
