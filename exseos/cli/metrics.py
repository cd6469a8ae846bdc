"""``exseos metrics``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.cli.options import json_option
from exseos.errors import UsageError
from exseos.readers.collect import Collected, collect


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@click.option("--compare", is_flag=True, help="One table over all paths: a column for each path and level.")
def command(paths: tuple[Path, ...], as_json: bool, compare: bool) -> int:
    """Read the numbers of tool reports: files, project folders or trees, each file recognised by its content.

    What was skipped, and why, goes to standard error. Fails if there was no report at all.
    """
    from exseos.cli.show_metrics import metrics_json, show_comparison, show_metrics, show_skipped

    if compare and as_json:
        raise UsageError("--compare is a table", where="--json", hint="leave one of the two out: --json has every number already")
    if compare:
        apart = {path: collect([path]) for path in paths}
        collected = Collected(
            [report for each in apart.values() for report in each.reports], [s for each in apart.values() for s in each.skipped]
        )
        show_comparison(apart)
    else:
        collected = collect(paths)
        if as_json:
            click.echo(metrics_json(collected))
        else:
            show_metrics(collected)
    show_skipped(collected)
    return 0 if collected.reports else 1
