"""The hls4ml project as a vendor's tool gets it: a copy to work in, with another part or clock if the spec says so, and test data."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from exseos.errors import StageError
from exseos.toolchains.base import Work
from exseos.toolchains.earlier import read_predictions, read_x

FOLDER = "hls4ml"
TEST_DATA = "tb_data"


def copy_project(work: Work, folder: Path) -> dict[str, Any]:
    """Copy the project into ``folder`` (which exists); returns ``convert.json``."""
    shutil.copytree(work.inputs["convert"] / FOLDER, folder, dirs_exist_ok=True)
    facts: dict[str, Any] = work.read_json("convert", "convert.json")
    return facts


def write_test_data(work: Work, folder: Path, rows: int) -> None:
    """Write ``rows`` test rows and Keras's outputs for the project's test bench, in the text form that it reads."""
    import numpy as np

    inputs = read_x(work.inputs["prepare"], "test")[:rows]
    outputs = read_predictions(work.inputs)[:rows]
    target = folder / TEST_DATA
    target.mkdir(exist_ok=True)
    for name, values in (("tb_input_features.dat", inputs), ("tb_output_predictions.dat", outputs)):
        np.savetxt(target / name, values.reshape(len(values), -1), fmt="%.9g")


def replace_once(path: Path, old: str, new: str) -> None:
    """Replace the one line of a project's file that begins with ``old``; raises ``StageError`` if hls4ml wrote another kind of file."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    found = [index for index, line in enumerate(lines) if line.startswith(old)]
    if len(found) != 1:
        raise StageError(
            f"{path.name} has {len(found)} lines that begin with {old!r}",
            where="synthesize",
            hint="This version of hls4ml writes another project: leave out 'part' and 'clock_ns' here and set them in 'convert'.",
        )
    lines[found[0]] = new + "\n"
    path.write_text("".join(lines), encoding="utf-8")
