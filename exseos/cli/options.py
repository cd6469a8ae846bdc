"""Options that several commands share."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from exseos.engines.base import Limits
from exseos.errors import HostError, UsageError
from exseos.paths import absolute

_SPARE_SECONDS = 60.0
"""How long containers have to end by themselves."""
_LONGEST_ALARM = 1e8
F = TypeVar("F", bound=Callable[..., Any])


class HostPath(click.Path):
    """A path of this machine, absolute from here on; ``follow``: a link to a file stands for the file, with all that is beside it."""

    def __init__(self, *, follow: bool = False) -> None:
        super().__init__()
        self._follow = follow

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = absolute(os.fsdecode(super().convert(value, param, ctx)))
        return Path(os.path.realpath(path)) if self._follow and path.is_symlink() else path


PATH = HostPath()
SPEC = HostPath(follow=True)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")


def running_options(function: F) -> F:
    """Options of the commands that run containers: ``--engine``, ``--memory``, ``--hours`` and ``--data``."""
    function = click.option(
        "--hours",
        type=click.FloatRange(min=0, min_open=True),
        default=24.0,
        show_default=True,
        help="End the container after this time; finished stages are kept.",
    )(function)
    function = click.option(
        "--data", "data", multiple=True, metavar="NAME=FILE", help="Use FILE for the data source NAME; its SHA-256 is checked."
    )(function)
    function = click.option("--memory", "memory_gib", type=click.FloatRange(min=0.5), default=16.0, show_default=True, metavar="GIB")(
        function
    )
    return click.option(
        "--engine", default="auto", show_default=True, metavar="NAME", help="docker, bubblewrap, or auto: the first that works."
    )(function)


def toolchain_options(function: F) -> F:
    """Options of the commands that use vendors' toolchains: ``--toolchain``."""
    return click.option(
        "--toolchain",
        "toolchain",
        multiple=True,
        metavar="NAME=DIR",
        help="Mount the installation in DIR, read-only, for the vendor's toolchain NAME.",
    )(function)


def network_option(function: F) -> F:
    """``--allow-network-for``."""
    return click.option(
        "--allow-network-for",
        "network_for",
        multiple=True,
        metavar="NAME",
        help="Give the stages of the toolchain NAME this machine's network, for its licence server.",
    )(function)


def toolchains(pairs: tuple[str, ...]) -> dict[str, Path]:
    """``NAME=DIR`` pairs as a mapping."""
    return _pairs("--toolchain", "NAME=DIR", pairs)


def limits(memory_gib: float, hours: float) -> Limits:
    """The container's limits."""
    for option, value in (("--memory", memory_gib), ("--hours", hours)):
        if not math.isfinite(value):
            raise UsageError(f"{option} takes a finite number, found {value}")
    return Limits(memory_bytes=int(memory_gib * 2**30), seconds=hours * 3600)


@contextmanager
def time_limit(hours: float) -> Iterator[None]:
    """Raise ``HostError`` when the time is up, whatever runs then: containers end by themselves, a reader that hangs does not."""

    def stop(number: int, frame: object) -> None:
        raise HostError(f"the {hours:g} hours that --hours gives are over", hint="Finished stages are kept; give more with --hours.")

    seconds = hours * 3600
    if threading.current_thread() is not threading.main_thread() or seconds > _LONGEST_ALARM:
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds + _SPARE_SECONDS, _SPARE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def data_files(pairs: tuple[str, ...]) -> dict[str, Path]:
    """``NAME=FILE`` pairs as a mapping."""
    return _pairs("--data", "NAME=FILE", pairs)


def _pairs(option: str, form: str, pairs: tuple[str, ...]) -> dict[str, Path]:
    found = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise UsageError(f"{option} takes {form}, found {pair!r}")
        if name in found:
            raise UsageError(f"{option} names {name!r} twice")
        found[name] = absolute(path)
    return found
