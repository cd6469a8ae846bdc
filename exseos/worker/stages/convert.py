"""The ``convert`` stage: the trained model as an HLS project of hls4ml.

Parameters: ``{"convert": {"backend", "io_type", "strategy", "precision", "reuse_factor", "part", "clock_ns"}}``, all present;
``part`` may be null for the backend's own default. ``strategy: distributed_arithmetic`` is set on dense layers, the others
take latency. A model of HGQ2 layers brings its precisions; ``precision`` counts for plain Keras layers.

Reads ``train/model.keras`` and ``prepare/x_train.npy``. Writes

    hls4ml/         the project, byte-stable
    convert.json    hls4ml's version, part, project name, sizes of input and output, and per layer name, class, precisions,
                    strategy and reuse factor (hls4ml takes the nearest one that divides a layer's work)
"""

from __future__ import annotations

import dataclasses

from exseos.digest import sha256_file, sha256_json
from exseos.toolchains.earlier import read_x
from exseos.toolchains.keras_model import load_model
from exseos.worker.hls_project import Settings, write_project
from exseos.worker.stages.base import Context, Stage


class Convert(Stage):
    """See the module."""

    name = "convert"
    libraries = ("tensorflow", "keras", "hgq", "hls4ml", "hls4ml.converters")

    def run(self, context: Context) -> None:
        """Raises ``StageError`` for a layer that hls4ml cannot convert and for a softmax that it would get wrong."""
        settings = Settings.of(context.parameters["convert"])
        path = context.inputs["train"] / "model.keras"
        context.progress(f"converting for {settings.backend}", None, None)
        model = load_model(path)
        rows = read_x(context.inputs["prepare"], "train")
        stamp = sha256_json({"model": sha256_file(path), "settings": dataclasses.asdict(settings)})
        context.write_json("convert.json", write_project(model, settings, rows, context.output, stamp))
