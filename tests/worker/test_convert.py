"""Conversion by hls4ml and its C simulation, with g++: byte-stable projects, a softmax that works, errors that name the layer."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exseos.errors import StageError
from exseos.worker import hls_project
from tests.toolchains import tiny

pytestmark = pytest.mark.experiment


@pytest.fixture(scope="module")
def softmax(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs of a plain Keras model with a softmax fused into its last layer, trained a little on five classes."""
    import keras

    keras.utils.set_random_seed(1)
    x = tiny.rows(6000, 6, seed=5)
    y = (x @ np.random.default_rng(6).normal(size=(6, 5)) + tiny.rows(6000, 5, seed=7)).argmax(1)
    model = keras.Sequential(
        [keras.layers.Input((6,)), keras.layers.Dense(6, activation="relu"), keras.layers.Dense(5, activation="softmax", name="out")]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=4, batch_size=64, verbose=0)
    folder = tmp_path_factory.mktemp("softmax")
    tiny.write_inputs(folder, model, "multiclass", x[:5000], x[5000:])
    return folder


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quantised binary classifier, converted."""
    folder = tmp_path_factory.mktemp("binary")
    tiny.write_binary_inputs(folder)
    return tiny.run(folder, ["convert"])


def _with(**changes: Any) -> dict[str, Any]:
    return {**tiny.PARAMETERS, "convert": {**tiny.CONVERT, **changes}, "simulate": {"rows": None}}


def test_a_softmax_says_what_keras_says(softmax: Path, tmp_path: Path) -> None:
    tiny.run(softmax, ["convert", "simulate"], output=tmp_path, parameters=_with())
    found = tiny.metrics(tmp_path / "simulate")
    assert found["csim_decision_agreement"] >= 0.99
    assert found["csim_max_difference"] < 0.02
    assert found["csim_rows"] == 1000
    assert found["csim_keras_mismatches"] > 900
    chosen = json.loads((tmp_path / "convert" / "convert.json").read_bytes())["softmax"][0]
    assert (chosen["name"], chosen["logits_of"], chosen["table_size"]) == ("out_softmax", "out", 4096)


def test_hls4mls_own_choice_is_caught(softmax: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls_project, "softmax_settings", lambda *_: [])
    with pytest.raises(StageError, match="the outputs are the same for all 1000 rows"):
        tiny.run(softmax, ["convert", "simulate"], output=tmp_path, parameters=_with())
    assert not (tmp_path / "simulate" / "csim_test.npy").exists()


def test_logits_beyond_any_table_are_refused(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, name="out"), keras.layers.Softmax(name="last")])
    model.layers[0].kernel.assign(np.array([[900.0, 1.0], [1.0, -900.0], [0.0, 0.0]]))
    tiny.write_inputs(tmp_path, model, "multiclass", tiny.rows(50, 3, seed=1), tiny.rows(9, 3, seed=2))
    with pytest.raises(StageError, match=r"before the softmax last run from -\d") as caught:
        tiny.run(tmp_path, ["convert"])
    assert "from_logits" in str(caught.value.hint)


@pytest.mark.parametrize("backend", ["Vitis", "Vivado", "Quartus", "oneAPI", "Catapult", "Libero"])
def test_projects_are_the_same_bytes_for_every_backend(softmax: Path, tmp_path: Path, backend: str) -> None:
    parameters = _with(backend=backend, io_type="io_parallel")
    once, again = (tiny.run(softmax, ["convert"], output=tmp_path / name, parameters=parameters) for name in ("once", "again"))
    found = tiny.manifest(once, ["convert"])
    assert found == tiny.manifest(again, ["convert"])
    assert len(found) > 30
    assert not [name for name in found if name.endswith((".so", ".tar.gz", ".keras"))]


def test_libero_projects_are_made_without_smarthls(softmax: Path, tmp_path: Path) -> None:
    tiny.run(softmax, ["convert"], output=tmp_path, parameters=_with(backend="Libero", part="MPFS250T", clock_ns=6.5))
    project = tmp_path / "convert" / "hls4ml"
    assert (project / "config.tcl").read_text().splitlines()[1:] == [
        "set_project PolarFireSoC MPFS250T hw_only",
        "set_parameter CLOCK_PERIOD 6.5",
    ]
    assert "SmartHLSPath: SmartHLS\n" in (project / "hls4ml_config.yml").read_text()
    top = (project / "firmware" / "myproject.cpp").read_text()
    handed_over = re.findall(r"i < (\d+); i\+\+\) \{\s+(\S+) = \S+;", top)
    assert [size for size, _ in handed_over] == ["6", "5"]  # each array by its own size
    assert re.fullmatch(r"input_layer(_\d+)?\[i\]", handed_over[0][1])  # Keras counts the layers of a process
    assert handed_over[1][1].endswith("_struct.data[i]")
    written = [path for path in project.rglob("*") if path.is_file() and str(tmp_path) in path.read_text(errors="replace")]
    assert (written, sorted(path.name for path in project.glob("Makefile*"))) == ([], ["Makefile", "Makefile.compile"])


def test_strategies_types_and_part_reach_the_project(binary: Path, tmp_path: Path) -> None:
    parameters = _with(strategy="distributed_arithmetic", io_type="io_stream", part="xc7a100t-csg324-1", clock_ns=8.0)
    tiny.run(binary, ["convert", "simulate"], output=tmp_path, parameters=parameters)
    made = json.loads((tmp_path / "convert" / "convert.json").read_bytes())
    assert (made["part"], made["clock_ns"], made["io_type"], made["hls4ml"][:2]) == ("xc7a100t-csg324-1", 8, "io_stream", "1.")
    assert [layer["strategy"] for layer in made["layers"] if layer["class"] == "Dense"] == ["distributed_arithmetic"] * 2
    assert all("fixed<" in kind or "int<" in kind for layer in made["layers"] for kind in layer["precision"].values())
    found = tiny.metrics(tmp_path / "simulate")
    assert (found["csim_keras_mismatches"], found["csim_max_difference"], found["accuracy"]) == (0, 0, 0.9)


def test_resource_strategy_and_reuse_factor(softmax: Path, tmp_path: Path) -> None:
    tiny.run(softmax, ["convert"], output=tmp_path, parameters=_with(strategy="resource", reuse_factor=3, precision="ap_fixed<18,7>"))
    made = json.loads((tmp_path / "convert" / "convert.json").read_bytes())
    dense = [layer for layer in made["layers"] if layer["class"] == "Dense"]
    assert [(layer["strategy"], layer["reuse_factor"]) for layer in dense] == [("resource", 3), ("resource", 3)]


def test_a_layer_that_hls4ml_lacks_is_named(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Reshape((2, 2, 1)), keras.layers.Conv2DTranspose(1, 2, name="grow"), keras.layers.Flatten()]
    )
    tiny.write_inputs(tmp_path, model, "multiclass", tiny.rows(9, 4, seed=1), tiny.rows(9, 4, seed=2))
    with pytest.raises(StageError, match=r"hls4ml cannot convert the layer grow \(Conv2DTranspose\) for Vitis") as caught:
        tiny.run(tmp_path, ["convert"])
    assert "Replace it" in str(caught.value.hint)


def test_catapult_and_quantised_layers_do_not_go_together(binary: Path, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"hls4ml cannot convert .* for Catapult"):
        tiny.run(binary, ["convert"], output=tmp_path, parameters=_with(backend="Catapult"))


def test_a_project_that_does_not_compile_says_why(binary: Path, tmp_path: Path) -> None:
    for stage in ("prepare", "evaluate", "convert"):
        shutil.copytree(binary / stage, tmp_path / stage)
    with (tmp_path / "convert" / "hls4ml" / "firmware" / "myproject.cpp").open("a") as source:
        source.write("\nthis is not C++\n")
    with pytest.raises(StageError, match=r"g\+\+ \(C simulation\) failed") as caught:
        tiny.run(tmp_path, ["simulate"])
    assert "this is not C++" in str(caught.value)


def test_oneapi_needs_its_own_compiler(softmax: Path, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="a project for oneAPI compiles with the vendor's compiler only"):
        tiny.run(softmax, ["convert", "simulate"], output=tmp_path, parameters=_with(backend="oneAPI"))


@pytest.mark.parametrize(
    ("precision", "io_type", "index", "words"),
    [
        ("ap_fixed<16,6>", "io_parallel", None, ""),
        ("ap_fixed<16,6>", "io_stream", -1, "index -2 out of bounds"),  # Keras counts from the end of the table
        ("ap_fixed<16,4>", "io_parallel", 8, "index -16 out of bounds"),  # in Keras's table, but 4 bits and a sign hold up to 7
    ],
)
def test_an_index_beyond_a_table_is_told(tmp_path: Path, precision: str, io_type: str, index: int | None, words: str) -> None:
    """hls4ml checks no index: the design would say what happens to lie in memory behind its table."""
    import keras

    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Embedding(9, 2, name="words"), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    x = np.random.default_rng(3).integers(0, 8, (60, 4)).astype(np.float32)
    if index is not None:
        x[57, 2] = index
    tiny.write_inputs(tmp_path, model, "binary", x[:20], x)
    tiny.run(tmp_path, ["convert"], parameters=_with(precision=precision, io_type=io_type))
    before = tiny.manifest(tmp_path, ["convert"])
    if index is None:
        tiny.run(tmp_path, ["simulate"], parameters=_with())
        assert tiny.metrics(tmp_path / "simulate")["csim_max_difference"] < 0.01
    else:
        with pytest.raises(StageError, match=r"reads beyond a table of words \(Embedding\): " + words) as caught:
            tiny.run(tmp_path, ["simulate"], parameters=_with())
        assert "indices of the table only" in str(caught.value.hint)
        assert list((tmp_path / "simulate").iterdir()) == []
    assert tiny.manifest(tmp_path, ["convert"]) == before
