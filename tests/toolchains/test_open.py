"""The open toolchain on tiny models, with the real tools: every level says the same, and says it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exseos.errors import StageError
from exseos.toolchains.open.interface import Interface
from tests.toolchains import tiny

pytestmark = pytest.mark.experiment


def test_all_levels_agree_bit_for_bit(binary: Path) -> None:
    keras = np.load(binary / "evaluate" / "predictions_test.npy")
    rtl = np.load(binary / "synthesize" / "rtl_test.npy")
    assert len(np.unique(keras)) > 10
    assert np.array_equal(rtl, keras)
    assert np.array_equal(np.load(binary / "simulate" / "csim_test.npy"), keras[:100])
    found = tiny.metrics(binary / "synthesize")
    assert (found["rtl_keras_mismatches"], found["rtl_csim_mismatches"], found["rtl_rows"]) == (0, 0, 200)
    assert found["accuracy"] == 0.9
    gate = tiny.metrics(binary / "implement")
    assert (gate["gate_rtl_mismatches"], gate["gate_rows"]) == (0, 40)


def test_the_interface_tells_how_to_drive_the_design(binary: Path) -> None:
    interface = Interface.model_validate_json((binary / "synthesize" / "interface.json").read_bytes())
    found = tiny.metrics(binary / "synthesize")
    assert found["latency_min_cycles"] == found["latency_max_cycles"] == interface.latency_cycles > 1
    assert found["interval_min"] == found["interval_max"] == 1
    verilog = (binary / "synthesize" / "rtl" / "model.v").read_text()
    assert f"input [{interface.input.bits - 1}:0] model_inp" in verilog
    assert f"output reg [{interface.output.bits - 1}:0] model_out" in verilog


def test_resources_are_those_of_yosys_and_nextpnr(binary: Path) -> None:
    cells = json.loads((binary / "synthesize" / "stat.json").read_bytes())["design"]["num_cells_by_type"]
    found = tiny.metrics(binary / "synthesize")
    assert (found["lut"], found["ff"], found["carry"]) == (cells["LUT4"], cells["TRELLIS_FF"], cells["CCU2C"])
    assert min(found["lut"], found["ff"], found["carry"]) > 0
    report = json.loads((binary / "implement" / "report.json").read_bytes())
    routed = tiny.metrics(binary / "implement")
    assert routed["ff"] == report["utilization"]["TRELLIS_FF"]["used"] == found["ff"]
    assert routed["lut_available"] == report["utilization"]["TRELLIS_COMB"]["available"] == 24288
    assert routed["clock_target_met"] == 1
    assert routed["fmax_mhz"] > 100
    assert routed["latency_ns"] == found["latency_max_cycles"] * 10


def test_same_bytes_whatever_surrounds_it(binary: Path, tmp_path: Path) -> None:
    other = tmp_path / "somewhere else"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    varied = {
        **os.environ,
        "TZ": "Pacific/Kiritimati",
        "PYTHONHASHSEED": "77",
        "LC_ALL": "C",
        "TMPDIR": str(scratch),
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "3",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    subprocess.run(
        [sys.executable, "-m", "tests.toolchains.tiny", str(binary), str(other)],
        cwd=tmp_path,
        env=varied,
        check=True,
        capture_output=True,
        timeout=600,
    )
    assert tiny.manifest(other, tiny.HARDWARE) == tiny.manifest(binary, tiny.HARDWARE)
    assert not [path for path in scratch.iterdir() if not path.name.startswith("exseos-wasm")]


def test_no_output_tells_where_it_was_made(binary: Path) -> None:
    traces = [str(binary).encode(), b"site-packages", sys.prefix.encode(), b"/tmp/"]
    for stage in tiny.HARDWARE:
        for path in (binary / stage).rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert not [trace for trace in traces if trace in content], path


def test_five_classes(tmp_path: Path) -> None:
    tiny.write_inputs(
        tmp_path, tiny.quantised_model(outputs=5), "multiclass", tiny.rows(50, 3, seed=1), tiny.rows(300, 3, seed=2, scale=3.0)
    )
    tiny.run(tmp_path, ["synthesize"])
    found = tiny.metrics(tmp_path / "synthesize")
    assert (found["rtl_keras_mismatches"], found["accuracy"]) == (0, 0.9)
    assert "rtl_csim_mismatches" not in found
    assert np.load(tmp_path / "synthesize" / "rtl_test.npy").shape == (300, 5)


def test_tables_and_multipliers(tmp_path: Path) -> None:
    import keras
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QDense, QSoftmax
    from hgq.utils import trace_minmax

    with QuantizerConfigScope(place="datalane", default_q_type="kif", i0=2, f0=2, overflow_mode="WRAP"):
        model = keras.Sequential([keras.layers.Input((3,)), QDense(3), QSoftmax()])
    trace_minmax(model, tiny.rows(50, 3, seed=1), verbose=False)
    tiny.write_inputs(tmp_path, model, "multiclass", tiny.rows(50, 3, seed=1), tiny.rows(60, 3, seed=2))
    tiny.run(tmp_path, ["synthesize", "implement"])
    found = tiny.metrics(tmp_path / "synthesize")
    assert found["rtl_keras_mismatches"] == 0 and found["dsp"] > 0
    assert list((tmp_path / "synthesize" / "rtl").glob("*.mem"))
    assert "gate_rtl_mismatches" not in tiny.metrics(tmp_path / "implement")
    assert "no model of MULT18X18D" in json.loads((tmp_path / "implement" / "report.json").read_bytes())["gate_check"]


def test_a_design_with_more_ports_than_the_part_has_pins(tmp_path: Path) -> None:
    tiny.write_inputs(tmp_path, tiny.quantised_model(features=40, hidden=1), "binary", tiny.rows(9, 40, seed=1), tiny.rows(9, 40, seed=2))
    parameters = {**tiny.PARAMETERS, "synthesize": {**tiny.SYNTHESIZE, "part": "LFE5U-12F-6TG144C"}}
    with pytest.raises(StageError, match="nextpnr-ecp5 failed") as caught:
        tiny.run(tmp_path, ["synthesize", "implement"], parameters=parameters)
    assert "does not fit LFE5U-12F-6TG144C" in str(caught.value.hint)


@pytest.mark.slow
def test_a_xilinx_part_is_mapped_but_not_routed(tmp_path: Path) -> None:
    tiny.write_inputs(tmp_path, tiny.quantised_model(hidden=1), "binary", tiny.rows(50, 3, seed=1), tiny.rows(20, 3, seed=2))
    parameters = {**tiny.PARAMETERS, "synthesize": {**tiny.SYNTHESIZE, "part": "xcu250-figd2104-2L-e"}}
    tiny.run(tmp_path, ["synthesize"], parameters=parameters)
    found = tiny.metrics(tmp_path / "synthesize")
    assert min(found["lut"], found["ff"]) > 0
    with pytest.raises(StageError, match="can map to xcu250-figd2104-2l-e but not place and route"):
        tiny.run(tmp_path, ["implement"], parameters=parameters)


def test_a_missed_clock_target_is_a_result(binary: Path, tmp_path: Path) -> None:
    parameters = {**tiny.PARAMETERS, "synthesize": {**tiny.SYNTHESIZE, "clock_ns": 0.5}, "implement": {"seed": 3, "gate_rows": 0}}
    tiny.run(binary, ["implement"], output=tmp_path, parameters=parameters)
    found = tiny.metrics(tmp_path / "implement")
    assert found["clock_target_met"] == 0
    cycles = tiny.metrics(binary / "synthesize")["latency_max_cycles"]
    assert found["latency_ns"] == pytest.approx(cycles * 1000 / found["fmax_mhz"], abs=1e-5)
    assert "gate_rows" not in found


def _refused(tmp_path: Path, model: Any, match: str, features: int = 3) -> StageError:
    tiny.write_inputs(tmp_path, model, "binary", tiny.rows(20, features, seed=1), tiny.rows(20, features, seed=2))
    with pytest.raises(StageError, match=match) as caught:
        tiny.run(tmp_path, ["synthesize"])
    return caught.value


def test_layers_that_are_not_quantised_are_named(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Dense(4, activation="relu", name="first"),
            keras.layers.Dense(2),
            keras.layers.Softmax(name="last"),
        ]
    )
    error = _refused(tmp_path, model, r"first \(Dense\), .*last \(Softmax\)")
    assert "QDense" in str(error.hint) and "logits" in str(error.hint)


def test_an_input_quantiser_that_saturates_is_explained(tmp_path: Path) -> None:
    import keras
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QDense

    with QuantizerConfigScope(place="datalane", default_q_type="kif", i0=2, f0=2, overflow_mode="SAT"):
        model = keras.Sequential([keras.layers.Input((3,)), QDense(1, name="only")])
    _refused(tmp_path, model, r"only \(QDense\): its input quantiser does not wrap")


def test_a_model_that_ignores_its_inputs_is_refused(tmp_path: Path) -> None:
    model = tiny.quantised_model()
    for layer in model.layers:
        layer.kernel.assign(layer.kernel * 0)
    _refused(tmp_path, model, "does not depend on its inputs")
