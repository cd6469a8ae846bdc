"""The ``simulate`` stage: the HLS project, compiled with g++ and its bit-accurate types, on rows of the test part.

Parameters: ``{"simulate": {"rows": 2000}}``: the first so many test rows, all if null.

Reads ``convert/hls4ml``, ``convert.json``, ``prepare/x_test.npy``, ``y_test.npy``, ``prepared.json``,
``evaluate/predictions_test.npy``, ``objective.json``. Writes

    csim_test.npy    the project's outputs, float32 [rows, outputs…]
    metrics.json     level csim: accuracy, csim_keras_mismatches (rows that differ from Keras bit for bit),
                     csim_max_difference, csim_decision_agreement (part of the rows with Keras's decision), csim_rows
"""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from exseos.errors import StageError
from exseos.metrics import Metric
from exseos.toolchains.agreement import decisions, largest_difference, mismatches, quality, refuse_constant
from exseos.toolchains.earlier import read_objective, read_predictions, read_prepared, read_x, read_y
from exseos.toolchains.process import SECONDS, run_tool, tail
from exseos.worker.hls_project import FOLDER
from exseos.worker.stages.base import Context, Stage

_INCLUDES = {
    "Vitis": ("firmware/ap_types",),
    "Vivado": ("firmware/ap_types",),
    "Quartus": ("firmware/ac_types", "firmware/ap_types"),
    "Catapult": ("firmware/ac_types/include", "firmware/ac_math/include", "firmware/ac_simutils/include", "firmware/nnet_utils"),
}
_DRIVER = Path(__file__).with_name("csim.cc")
_CHECKED = ("-fsanitize=bounds", "-fno-sanitize-recover=bounds")
"""An index beyond its array ends the program: what lies there is another thing in every run, and no number of the design."""
_TABLE = re.compile(rb"(typename CONFIG_T::\w+) (embeddings|table)(\[[^][]*\])(?=\s*[,)])")
"""A table that a function of hls4ml takes as a pointer, whose length the compiler then does not know."""
_BEYOND = re.compile(r"(\w+\.\w+):\d+:\d+: runtime error: (index \S+ out of bounds for type '[^']{1,200}')")
_BY_INDEX = ("Embedding", "UnaryLUT")
"""hls4ml's layers whose inputs are an index of a table."""


class Simulate(Stage):
    """See the module."""

    name = "simulate"
    libraries = ("numpy",)

    def run(self, context: Context) -> None:
        """Raises ``StageError`` if the project does not compile or crashes, or if its outputs ignore the inputs."""
        import numpy as np

        facts = context.read_json("convert", "convert.json")
        rows = read_x(context.inputs["prepare"], "test")[: context.parameters["simulate"]["rows"]]
        keras = read_predictions(context.inputs)[: len(rows)]
        with TemporaryDirectory() as scratch:
            folder = Path(scratch) / FOLDER
            shutil.copytree(context.inputs["convert"] / FOLDER, folder)
            context.progress("compiling the C simulation", None, None)
            compile_project(folder, facts)
            context.progress(f"simulating {len(rows)} rows", None, None)
            outputs = run_project(folder, facts, rows).reshape(keras.shape)
        refuse_constant(
            outputs,
            keras,
            where="simulate",
            hint="The precisions of the HLS project lose the model: see convert.json; give more bits, or end the model in its logits.",
        )
        np.save(context.output / "csim_test.npy", outputs)
        context.write_metrics(_metrics(context, outputs, keras, facts["hls4ml"]))


def compile_project(folder: Path, facts: dict[str, Any], *, seconds: float = SECONDS) -> None:
    """Compile the project in ``folder`` (``facts``: its ``convert.json``) to the program ``csim`` there.

    All names are relative and the folder is the working folder, so no path enters the program. The headers of hls4ml there are
    changed so that every index is checked. Raises ``StageError``.
    """
    backend, project = facts["backend"], facts["project"]
    if backend not in _INCLUDES:
        raise StageError(
            f"a project for {backend} compiles with the vendor's compiler only",
            where="simulate",
            hint=f"Leave out `simulate`, or convert for {', '.join(sorted(_INCLUDES))}.",
        )
    shutil.copyfile(_DRIVER, folder / "csim.cc")
    for header in sorted((folder / "firmware" / "nnet_utils").glob("*.h")):
        header.write_bytes(_TABLE.sub(rb"\1 (&\2)\3", header.read_bytes()))
    compiler = [
        *("g++", "-std=c++17", "-O1", "-w", *_CHECKED, "-I."),
        *(f"-I{include}" for include in _INCLUDES[backend]),
        '-DWEIGHTS_DIR="firmware/weights"',
        *(f"-DTOP={project}_float", f"-DINPUT_SIZE={facts['input_size']}", f"-DOUTPUT_SIZE={facts['output_size']}"),
    ]
    sources = ["csim.cc", f"{project}_bridge.cpp", f"firmware/{project}.cpp"]

    def compile_one(number: int) -> None:
        command = [*compiler, "-c", "-o", f"part{number}.o", sources[number]]
        run_tool(command, folder, seconds, folder / f"g++{number}.log", what="g++ (C simulation)")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compile_one, reversed(range(len(sources)))))
    objects = [f"part{number}.o" for number in range(len(sources))]
    run_tool(["g++", *_CHECKED, "-o", "csim", *objects], folder, seconds, folder / "g++.log", what="g++ (C simulation)")


def run_project(folder: Path, facts: dict[str, Any], rows: Any, *, seconds: float = SECONDS) -> Any:
    """The outputs of the compiled project on ``rows`` [rows, features…]: float32 [rows, outputs].

    Raises ``StageError`` if it reads or writes beyond the end of an array.
    """
    import numpy as np

    rows.astype("<f4").tofile(folder / "rows.in")
    log = folder / "csim.log"
    try:
        run_tool(["./csim", "rows.in", "rows.out"], folder, seconds, log, what="C simulation")
    except StageError as error:
        if (beyond := _BEYOND.search(tail(log))) is None:
            raise
        layers = [f"{layer['name']} ({layer['class']})" for layer in facts["layers"] if layer["class"] in _BY_INDEX]
        whose = f" of {' or '.join(layers)}" if layers else ""
        raise StageError(
            f"the HLS project reads beyond a table{whose}: {beyond[2]} in {beyond[1]}",
            where="simulate",
            hint="Its outputs would be whatever lies in memory there. The rows must hold indices of the table only (none below 0), and the "
            "precision of the layer's input (convert.json) must hold the largest one: else it wraps around.",
        ) from error
    outputs = np.fromfile(folder / "rows.out", "<f4")
    if outputs.size != len(rows) * facts["output_size"]:
        raise StageError(
            f"the C simulation gave {outputs.size} numbers for {len(rows)} rows of {facts['output_size']} outputs",
            where="simulate",
            hint="The project's input has another size than the prepared rows.",
        )
    return outputs.reshape(len(rows), facts["output_size"])


def _metrics(context: Context, outputs: Any, keras: Any, version: str) -> list[Metric]:
    import numpy as np

    threshold = read_objective(context.inputs["evaluate"]).threshold
    task = read_prepared(context.inputs["prepare"]).task
    targets = read_y(context.inputs["prepare"], "test")[: len(outputs)]
    origin = {"origin": "csim_test.npy", "tool": "hls4ml", "version": version}
    metrics = [
        quality(task, outputs, targets, threshold, level="csim", origin="csim_test.npy", tool="hls4ml", version=version),
        Metric(name="csim_keras_mismatches", value=mismatches(outputs, keras), unit="count", level="csim", **origin),
        Metric(name="csim_max_difference", value=largest_difference(outputs, keras), unit="1", level="csim", **origin),
        Metric(name="csim_rows", value=len(outputs), unit="count", level="csim", **origin),
    ]
    if task != "regression":
        agreement = float(np.mean(decisions(outputs, threshold) == decisions(keras, threshold)))
        metrics.append(Metric(name="csim_decision_agreement", value=agreement, unit="1", level="csim", **origin))
    return metrics
