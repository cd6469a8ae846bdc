"""``python3 -m tests.numerics.without PART``: a worker that lacks a part of what makes it exact.

Without ``kernels``, TensorFlow's own are used; without ``caches``, Eigen blocks for other sizes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from exseos.engines.base import Command, ImageSource, Limits, Mount, Process
from exseos.engines.bubblewrap import Bubblewrap

_PYTHON = "/usr/bin/python3"
_TESTS = Path(__file__).parents[1]
_MOUNTED = "/checkout/tests"
_SMALL = (16 << 10, 256 << 10, 4 << 20)


class Without(Bubblewrap):
    """Starts such a worker instead of the real one."""

    name: ClassVar[str] = "without"

    def __init__(self, part: str) -> None:
        self._part = part

    def start(self, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> Process:
        if command.argv != [_PYTHON, "-m", "exseos.worker"]:
            return super().start(image, command, mounts, limits)
        argv = [_PYTHON, "-m", "tests.numerics.without", self._part]
        path = f"{image.environment['PYTHONPATH']}:{Path(_MOUNTED).parent}"
        command = replace(command, argv=argv, environment={**command.environment, "PYTHONPATH": path})
        return super().start(image, command, [*mounts, Mount(_TESTS, _MOUNTED)], limits)


def main(part: str) -> None:
    """Be the worker."""
    from exseos.worker.__main__ import main as work
    from exseos.worker.numerics import caches, kernels

    if part == "kernels":
        kernels.load = lambda folder: None
    elif part == "caches":
        fix = caches.fix
        caches.fix = lambda places: fix(places, _SMALL)
    else:
        raise SystemExit(f"there is no part {part!r}")
    work()


if __name__ == "__main__":
    main(sys.argv[1])
