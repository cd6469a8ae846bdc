"""Benchmarks: each module measures something beside a peer, in the same run, and prints the figures.

    scripts/with-engines .venv-dev/bin/python -m benchmarks [--smallest]            all of them
    .venv-dev/bin/python -m benchmarks.NAME [--smallest] [ARGUMENT]                  one of them

What every module of this package (but ``measure``, which they share) keeps to:

* it ends in ``measure.start(main)``; ``main(argument, smallest)`` measures, prints and returns 0 if its targets are met, else 1;
* with ``--smallest`` it takes seconds, asks for nothing that is not in the repository or a warm store, prints the same figures, and
  the exit code says only whether it ran: ``tests/e2e/test_benchmarks.py`` runs every module so, and finds new ones by itself;
* ``ENGINES``, if it has that, names the engines that it needs.
"""

from __future__ import annotations

import pkgutil
from pathlib import Path

SHARED = "measure"


def modules() -> list[str]:
    """The names of all benchmarks."""
    found = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in found if name not in (SHARED, "__main__"))
