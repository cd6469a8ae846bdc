"""The trained Keras model as conversion and synthesis read it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from exseos.errors import StageError

_PROBABILITIES = {"sigmoid", "hard_sigmoid"}
_PASS_THROUGH = {"Dropout", "Flatten", "Identity", "QIdentity", "Quantizer", "Reshape"}


def load_model(path: Path) -> Any:
    """The ``keras.Model`` in a ``.keras`` file, HGQ2's layers included; a layer that needs user code is a ``StageError``."""
    import hgq  # noqa: F401  (registers its layers with Keras)
    import keras

    try:
        return keras.models.load_model(path, compile=False)
    except (TypeError, ValueError, ImportError) as error:
        raise StageError(
            f"the trained model cannot be read back: {error}",
            where=path.name,
            hint="Use layers of Keras and HGQ2 only; a Lambda or a class of your own cannot become hardware.",
        ) from error


def decision_threshold(path: Path) -> float:
    """The output above which a binary model says class 1: 0.5 behind a sigmoid, else 0 (a logit).

    Reads the configuration in the ``.keras`` file only, so it needs no TensorFlow.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))["config"]
    for layer in reversed(config["layers"]):
        if layer["class_name"].rpartition(">")[2] not in _PASS_THROUGH:
            return 0.5 if _activation(layer["config"]) in _PROBABILITIES else 0.0
    return 0.0


def _activation(config: dict[str, Any]) -> str:
    """The name of a layer's activation, however Keras wrote it."""
    activation = config.get("activation", "")
    if isinstance(activation, dict):
        activation = activation.get("config", "")
    if isinstance(activation, dict):
        activation = activation.get("name", "")
    return str(activation)
