"""``exseos capsule replay``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from exseos.capsule.basis import Trust
from exseos.capsule.replay import ReplayRequest, replay
from exseos.cli.console import progress
from exseos.cli.options import (
    PATH,
    data_files,
    json_option,
    limits,
    network_option,
    running_options,
    time_limit,
    toolchain_options,
    toolchains,
)
from exseos.cli.show import show_verdict, verdict_json
from exseos.network import CAPSULE
from exseos.store import Store


@click.command()
@click.argument("capsule", type=PATH)
@running_options
@toolchain_options
@network_option
@click.option(
    "--accept-toolchain",
    "accept",
    multiple=True,
    metavar="NAME",
    help="Take another version of NAME than the capsule's; the verdict says so.",
)
@click.option("--allow-failed-claims", is_flag=True, help="Claims that the capsule itself records as failed do not count.")
@click.option("--trust-worker", is_flag=True, help="Run the capsule's own exseos though it is no known release; the verdict says so.")
@click.option("--trust-image", is_flag=True, help="Take an image that cannot be assembled from the lock here; the verdict says so.")
@click.option("--trust-data", is_flag=True, help="Take data that cannot be compared with their source here; the verdict says so.")
@click.option("--fetch", is_flag=True, help="Fetch data from addresses that the capsule names, in public networks only.")
@click.option("--offline", is_flag=True, help="Fetch nothing at all: no wheels and packages either.")
@json_option
def command(
    capsule: Path,
    engine: str,
    memory_gib: float,
    hours: float,
    data: tuple[str, ...],
    toolchain: tuple[str, ...],
    network_for: tuple[str, ...],
    accept: tuple[str, ...],
    allow_failed_claims: bool,
    trust_worker: bool,
    trust_image: bool,
    trust_data: bool,
    fetch: bool,
    offline: bool,
    as_json: bool,
) -> int:
    """Run CAPSULE again in a sandbox and judge it claim by claim.

    Exit code 0: every claim was replayed and holds, with identical numbers. 5: so it is, some numbers only within tolerance.
    3: something differs. 4: it holds so far, but something could not be checked here, or nothing is claimed.
    """
    request = ReplayRequest(
        capsule=capsule,
        engine=engine,
        allow_failed_claims=allow_failed_claims,
        data=data_files(data),
        limits=limits(memory_gib, hours),
        toolchains=toolchains(toolchain),
        network_for=frozenset(network_for),
        accept=frozenset(accept),
        trust=Trust(worker=trust_worker, image=trust_image, data=trust_data),
        network=replace(CAPSULE, fetch=fetch, offline=offline),
    )
    with time_limit(hours), progress() as shown:
        verdict = replay(request, Store(), shown)
    if as_json:
        click.echo(verdict_json(verdict))
    else:
        show_verdict(verdict)
    return verdict.exit_code
