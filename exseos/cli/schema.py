"""``exseos schema``."""

from __future__ import annotations

import click

from exseos.spec import json_schema


@click.command()
def command() -> None:
    """Print the JSON Schema of a spec.

    An editor with a YAML language server completes and checks a spec with it.
    """
    click.echo(json_schema(), nl=False)
