"""``python3 -m tests.numerics.steps EXAMPLE STEPS [--without]``: time training steps, in the image.

Prints JSON: ``milliseconds`` for a step in the fastest of several ``fit`` of Keras, and the process' ``peak_mib``. With
``--without`` TensorFlow's own kernels and this CPU's cache sizes are used, and nothing is audited.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

EXAMPLES: dict[str, dict[str, Any]] = {
    "tiny": {"features": 3, "rows": 512, "given": {"hidden": 3, "beta0": 5e-5}},
    "magic": {"features": 10, "rows": 512, "given": {"hidden": (16, 8), "beta0": 2e-5}},
}
"""As their specs say; the rows of one batch."""
_FITS = 10
_FOLDER = Path(__file__).parents[2] / "examples"


def main(example: str, steps: int, without: bool) -> None:
    """Measure, and print."""
    from exseos.worker import numerics
    from exseos.worker.determinism import start_training
    from exseos.worker.numerics import caches, kernels
    from exseos.worker.numerics.audit import Audit

    if without:
        kernels.load = lambda folder: None
        caches.fix = lambda places: None
    numerics.activate_on_import()
    start_training(1)
    audit = None if without else Audit()
    model, rows = _model(example), _rows(example, 4)
    given = {"epochs": 1, "steps_per_epoch": steps, "shuffle": False, "verbose": 0}
    model.fit(rows, **{**given, "steps_per_epoch": 8})  # traces the graph
    seconds = []
    for _ in range(_FITS):
        begun = time.perf_counter()
        model.fit(rows, **given)
        if audit is not None:
            audit.collect()
        seconds.append(time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"milliseconds": 1000 * min(seconds) / steps, "peak_mib": peak}))


def _model(example: str) -> Any:
    import keras

    place = importlib.util.spec_from_file_location("experiment", _FOLDER / example / "experiment.py")
    assert place is not None and place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    one = EXAMPLES[example]
    model = module.build_model((one["features"],), 1, **one["given"])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    metric = keras.metrics.BinaryAccuracy(threshold=0.0)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=[metric], jit_compile=False)
    return model


def _rows(example: str, batches: int) -> Any:
    from exseos.worker.rows import Epochs

    one = EXAMPLES[example]
    random = np.random.default_rng(1)
    x = random.standard_normal((batches * one["rows"], one["features"])).astype(np.float32)
    return Epochs(x, (x[:, :1] > 0).astype(np.float32), one["rows"], 1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), "--without" in sys.argv[3:])
