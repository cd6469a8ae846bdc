"""Time a training step with exact kernels, fixed cache sizes and the audit against one without, in turn.

    python -m benchmarks.training [--smallest]

Each measurement is a process of its own in the image of ``examples/tiny``, under bubblewrap: Keras'
``fit`` on ``tiny`` and ``magic`` as their specs say, after the graph is traced. The fastest of all counts: a step
takes one of two times here, with and without, as the threads happen to lie on the cores.
Exit code 1 if a step with them takes more than a twentieth longer.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.measure import load, start
from exseos.engines.bubblewrap import Bubblewrap
from exseos.store import Store
from tests.numerics.inside import example_image, run_inside
from tests.numerics.steps import EXAMPLES

ENGINES = ("bubblewrap",)
TARGET = 1.05


def main(argument: str | None, smallest: bool) -> int:
    """Measure both examples; ``argument`` is not used."""
    store = Store()
    image = example_image(store)
    rounds, steps = (1, 20) if smallest else (5, 200)
    slow = []
    for example in EXAMPLES:
        found: dict[str, list[dict[str, float]]] = {"with": [], "without": []}
        for _ in range(rounds):
            for how, results in found.items():
                module = ["tests.numerics.steps", example, str(steps), f"--{how}"]
                with tempfile.TemporaryDirectory() as folder:
                    code, said = run_inside(Bubblewrap(), image, store, module, Path(folder), seconds=600)
                if code != 0:
                    raise SystemExit(f"{' '.join(module)} ended with {code}\n{said[-3000:]}")
                results.append(json.loads(next(line for line in said.splitlines() if line.startswith("{"))))
        times = {how: min(one["milliseconds"] for one in results) for how, results in found.items()}
        peaks = {how: max(one["peak_mib"] for one in results) for how, results in found.items()}
        ratio = times["with"] / times["without"]
        print(
            f"{example}: a step takes {times['with']:.2f} ms with exact kernels, fixed cache sizes and audit, "
            f"{times['without']:.2f} ms without: {ratio:.2f} x; peak {peaks['with']:.0f} and {peaks['without']:.0f} MiB"
        )
        if ratio > TARGET:
            slow.append(example)
    print(load())
    return 1 if slow else 0


if __name__ == "__main__":
    start(main)
