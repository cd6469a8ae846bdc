"""The command line: argv to one call, and the only place that prints and decides exit codes.

Exit codes: 0 good, 1 error, 2 usage, 3 does not reproduce, 4 holds so far but not all could be checked here.
"""

from __future__ import annotations

import codecs
import importlib
import io
import sys

import click

from exseos import __version__
from exseos.errors import ExseosError
from exseos.text import visible

_MOST_SAID = 50_000
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that ``--help`` stays quick."""

    def __init__(self, name: str, text: str, commands: dict[str, tuple[str, str]]) -> None:
        super().__init__(name, help=text, context_settings=_CONTEXT)
        self._lazy = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return None
        module, _ = self._lazy[cmd_name]
        command = getattr(importlib.import_module(f"exseos.cli.{module}"), "command")  # noqa: B009
        assert isinstance(command, click.Command)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._lazy.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        import difflib

        name = args[0]
        if name not in self._lazy and not name.startswith("-"):
            close = difflib.get_close_matches(name, self._lazy, n=1)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {close[0]!r}?" if close else ""))
        return super().resolve_command(ctx, args)


def _group() -> click.Group:
    group = LazyGroup(
        "exseos",
        "Make machine-learning-on-FPGA experiments reproducible: one spec, one capsule, one verdict.",
        {
            "init": ("init", "Start a new experiment from a template."),
            "lock": ("lock", "Pin everything a spec needs, in exact versions and SHA-256."),
            "capsule": ("capsule", "Build, verify, replay, inspect and unpack capsules."),
            "image": ("image", "Build and save the container image of an experiment."),
            "doctor": ("doctor", "Tell what this machine can do, and what would stop a build."),
            "metrics": ("metrics", "Read the numbers of tool reports: HLS, synthesis, place and route."),
            "schema": ("schema", "Print the JSON Schema of a spec, for editors."),
        },
    )
    version = click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version.")
    group.params.append(version)
    return group


def _version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"exseos {__version__}")
        context.exit()


def _print_any_character() -> None:
    """A terminal or log whose encoding lacks a character gets an escape for it, and plain ASCII (``LC_ALL=C``) is taken for UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if ascii_only else None, errors="backslashreplace")


def _tell(what: str, where: str | None, hint: str | None) -> None:
    """Print an error, which may quote a capsule or a worker: no line of it begins like one of ours."""
    place = f"{visible(where, escaped=True)}: " if where else ""
    first, *rest = f"{place}{visible(what, lines=True, limit=_MOST_SAID)}".split("\n")
    indent = "  " if any(line and not line.startswith("  ") for line in rest) else ""
    hints = [f"  {line}" for line in visible(hint, lines=True).split("\n")] if hint else []
    lines = [f"exseos: error: {first}", *(f"{indent}{line}" for line in rest), *hints]
    if not sys.stderr.isatty():
        click.echo("\n".join(lines), err=True)
        return
    from rich.console import Console

    from exseos.cli.console import say

    console = Console(stderr=True, highlight=False, emoji=False)
    for line in lines:
        say(console, line)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the entry point of the ``exseos`` script."""
    _print_any_character()
    try:
        result = _group().main(args=arguments, prog_name="exseos", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("exseos: interrupted; finished stages are kept", err=True)
        return 130
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        click.echo(visible(said.getvalue().rstrip("\n"), lines=True), err=True)
        return error.exit_code
    except ExseosError as error:
        _tell(error.what, error.where, error.hint)
        return error.exit_code
    except OSError as error:
        _tell(error.strerror or str(error), str(error.filename) if error.filename else None, None)
        return 1
    return result if isinstance(result, int) else 0
