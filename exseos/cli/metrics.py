"""``exseos metrics``."""

from __future__ import annotations

from pathlib import Path

import click

from exseos.cli.options import json_option
from exseos.readers.collect import collect


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def command(paths: tuple[Path, ...], as_json: bool) -> int:
    """Read the numbers of tool reports: files, project folders or trees, each file recognised by its content.

    What was skipped, and why, goes to standard error. Fails if there was no report at all.
    """
    from exseos.cli.show_metrics import metrics_json, show_metrics, show_skipped

    collected = collect(paths)
    if as_json:
        click.echo(metrics_json(collected))
    else:
        show_metrics(collected)
    show_skipped(collected)
    return 0 if collected.reports else 1
