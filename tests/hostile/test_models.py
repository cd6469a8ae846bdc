"""A trained model whose names want to be code: hls4ml writes them into C++ that later stages, and vendors' tools, compile and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exseos.errors import StageError

pytestmark = pytest.mark.experiment

CODE = [
    'a\n system("id");\n',
    'a"; b',
    "a{b",
    "a(b)",
    "a;b",
    "a\\\nb",
    "#include",
    "a'b",
    "a*b",
    "\u00e4",
]


def model(layer: str) -> Any:
    import keras

    return keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1, name=layer)], name="whole")


@pytest.mark.parametrize("name", CODE, ids=ascii)
def test_no_name_that_could_be_code_is_loaded(tmp_path: Path, name: str) -> None:
    from exseos.toolchains.keras_model import load_model
    from exseos.worker import keras_file

    keras_file.save(model(name), tmp_path / "model.keras")
    with pytest.raises(StageError, match="has a name or word"):
        load_model(tmp_path / "model.keras")


@pytest.mark.parametrize("name", [*CODE, "a b", "a-b", "a.b", "a::b", "1a", "a>b"], ids=ascii)
def test_no_name_that_is_none_in_cpp_is_converted(tmp_path: Path, name: str) -> None:
    from exseos.worker.hls_project import Settings, write_project

    settings = Settings("Vitis", "io_parallel", "latency", "ap_fixed<16,6>", 1, None, 5.0)
    with pytest.raises(StageError, match="cannot be one in C"):
        write_project(model(name), settings, np.zeros((2, 2), np.float32), tmp_path, "stamp")
    assert list(tmp_path.iterdir()) == []


def test_honest_names_are_loaded(tmp_path: Path) -> None:
    import keras

    from exseos.toolchains.keras_model import load_model
    from exseos.worker import keras_file

    given = keras.layers.Input((4, 3), name="rows")
    inner = keras.layers.EinsumDense("abc,cd->abd", (None, 2), name="mixed-1.2 a")(given)
    whole = keras.Model(given, keras.layers.Flatten()(keras.layers.Activation("relu")(inner)))
    keras_file.save(whole, tmp_path / "model.keras")
    assert [layer.name for layer in load_model(tmp_path / "model.keras").layers][:2] == ["rows", "mixed-1.2 a"]
