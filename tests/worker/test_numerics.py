"""Exact kernels, fixed cache sizes and the audit, in processes of their own: what is loaded stays loaded."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exseos.errors import HostError
from exseos.worker import determinism, numerics
from exseos.worker.numerics import caches, kernels
from exseos.worker.numerics.audit import TABLE, merge, not_in, operations
from exseos.worker.numerics.probe import fixed_weights

pytestmark = pytest.mark.experiment


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the warm-up of an image fills."""
    folder = tmp_path_factory.mktemp("numerics")
    numerics.build(folder)
    return folder


def python(program: str, built: Path | None) -> str:
    """What ``program`` prints, with the switches of a worker."""
    variables = {**determinism.environment(), "PATH": os.environ["PATH"]}
    if built is not None:
        variables[numerics.FOLDER] = str(built)
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


AUDITED = """
import json, threading
from exseos.worker import numerics
numerics.activate_on_import()
import tensorflow as tf
from exseos.worker.numerics.audit import Audit
found = []
for body in {bodies}:
    audit = Audit()
    exec(body)
    audit.close()
    found.append(audit.unknown())
print(json.dumps(found))
"""


LITE = """
f = tf.function(lambda x: x * x).get_concrete_function(tf.TensorSpec((4,)))
tf.lite.Interpreter(model_content=tf.lite.TFLiteConverter.from_concrete_functions([f]).convert())
"""


def audited(bodies: list[str], built: Path) -> list[list[str]]:
    """What each of the programs ``bodies`` uses that is not known to be exact."""
    found: list[list[str]] = json.loads(python(AUDITED.format(bodies=bodies), built))
    return found


def test_the_audit_names_what_was_not_compared(built: Path) -> None:
    named = {
        "tf.math.bessel_i0e(tf.ones(3))": "BesselI0e (float32)",
        "tf.function(tf.math.bessel_i1e)(tf.ones(3))": "BesselI1e (float32)",
        "t = threading.Thread(target=lambda: tf.math.bessel_i0(tf.ones(3))); t.start(); t.join()": "BesselI0 (float32)",
        "tf.function(tf.math.exp, jit_compile=True)(tf.ones(3))": "code compiled by XLA (jit_compile)",
        "tf.math.log(tf.complex(tf.ones(3), tf.ones(3)))": "Log (complex64)",
        "import subprocess; subprocess.run(['true'])": "a program or process that the training started",
        "import multiprocessing as m; p = m.get_context('spawn').Process(); p.start(); p.join()": "a program or process",
        LITE: "a model of TensorFlow Lite",
        "with tf.Graph().as_default(), tf.compat.v1.Session() as s: s.run(tf.ones(3))": "a session of TensorFlow 1",
        "import lxml.etree": "the compiled code of lxml",
    }
    for (body, name), found in zip(named.items(), audited(list(named), built), strict=True):
        assert any(one.startswith(name) for one in found), (body, found)


def test_the_audit_knows_what_was_compared(built: Path) -> None:
    body = "x = tf.random.normal((64, 64), seed=1); tf.nn.softmax(x @ x); tf.function(lambda x: tf.math.rsqrt(x * x))(x)"
    found = str(audited([body], built))
    assert all(name not in found for name in ("MatMul", "Softmax", "Rsqrt", "Mul", "RandomStandardNormal", "XLA")), found


def test_another_build_of_tensorflow_is_not_known(built: Path, tmp_path: Path) -> None:
    record = json.loads((built / "numerics.json").read_text())
    record["libraries"]["libm.so.6"] = "0" * 64
    (tmp_path / "numerics.json").write_text(json.dumps(record))
    (tmp_path / kernels.LIBRARY).write_bytes((built / kernels.LIBRARY).read_bytes())
    [found] = audited([""], tmp_path)
    assert any("libm.so.6" in one and one.endswith("not the build whose operations were compared") for one in found), found


def test_other_kernels_than_those_compiled_are_refused(built: Path, tmp_path: Path) -> None:
    (tmp_path / "numerics.json").write_bytes((built / "numerics.json").read_bytes())
    (tmp_path / kernels.LIBRARY).write_bytes((built / kernels.LIBRARY).read_bytes() + b" ")
    program = "from exseos.worker import numerics\ntry: numerics.active()\nexcept Exception as error: print(type(error).__name__, error)"
    found = python(program, tmp_path)
    assert found.startswith("HostError")
    assert "the compiled kernels are not those that were compiled for this image" in found


def test_the_kernels_are_asserted_active(built: Path) -> None:
    load = f"tensorflow.load_library({str(built / kernels.LIBRARY)!r})"
    program = "import tensorflow\n{load}\nfrom exseos.worker.numerics import kernels\ntry: kernels.check()\nexcept Exception as e: print(e)"
    without = python(program.format(load=""), None)
    assert "Reciprocal has no exact kernel for float32" in without
    assert "Rsqrt does not divide as IEEE 754 says" in without
    assert python(program.format(load=load), None) == ""


def test_the_kernels_are_the_same_bytes_each_time(built: Path, tmp_path: Path) -> None:
    library, problem = kernels.compile_library(numerics.tensorflow_folder(), tmp_path)
    assert (library, problem) == (tmp_path / kernels.LIBRARY, None)
    assert (tmp_path / kernels.LIBRARY).read_bytes() == (built / kernels.LIBRARY).read_bytes()


def test_headers_that_do_not_fit_are_told(tmp_path: Path) -> None:
    library, problem = kernels.compile_library(tmp_path, tmp_path)
    assert library is None
    assert problem is not None
    assert problem.startswith("kernels.cc does not fit this TensorFlow: kernels.cc:")


def test_a_wheel_without_the_symbols_is_no_error(tmp_path: Path) -> None:
    for name in caches.LIBRARIES:
        (tmp_path / name).write_bytes(b"no library")
    assert caches.find(tmp_path) == {}


def test_the_cache_sizes_hold(built: Path) -> None:
    places = json.loads((built / "numerics.json").read_text())["places"]
    assert set(places) == set(caches.LIBRARIES)
    program = (
        "from exseos.worker import numerics\nfrom exseos.worker.numerics import caches\nnumerics.active()\n"
        f"print([list(caches._variable(*one)[0]) for one in {list(places.items())}])"
    )
    assert python(program, built).strip() == str([list(caches.SIZES)] * 2)


def test_a_place_that_holds_no_sizes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (ctypes.c_long * 3)(-1, 5, 7), ctypes.c_ubyte(1)
    monkeypatch.setattr(caches, "_variable", lambda name, place: wrong)
    with pytest.raises(HostError, match="does not keep Eigen's cache sizes"):
        caches.fix({caches.LIBRARIES[0]: (0, 0)})
    assert list(wrong[0]) == [-1, 5, 7]


def test_each_type_of_an_operation_is_known_by_itself() -> None:
    used: dict[str, set[str]] = {}
    merge(used, {"Exp": ["float32"], "Shape": []})
    merge(used, {"Exp": ["float64"], "Erfinv": ["float64"], "Where": []})
    exact = {"Exp": ["float32"], "Shape": []}
    assert sorted(not_in(used, exact)) == ["Erfinv (float64)", "Exp (float64)", "Where"]


def test_the_table_is_of_these_kernels(built: Path) -> None:
    """The table was made with the image's compiler; what it holds of the operations replaced must be there."""
    table = json.loads(TABLE.read_text())
    assert kernels.LIBRARY in table["libraries"]
    for name, types in kernels.REPLACED.items():
        if not name.startswith("_") and name not in ("Inv", "LRN", "Atan2", "Ndtri"):
            assert set(types) <= set(table["exact"].get(name, [])), name


def test_the_weights_of_the_probe_follow_from_shapes() -> None:
    assert fixed_weights((16, 8)).tobytes() == fixed_weights((16, 8)).tobytes()
    assert abs(fixed_weights((64, 8))).max() <= 0.5
    bias = fixed_weights((8,))
    assert bias.min() >= 0.5
    assert bias.max() < 1.5


def test_what_tensorflow_fuses_is_named_by_its_parts() -> None:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef()
    for op, attribute, parts in (
        ("_FusedConv2D", "fused_ops", [b"FusedBatchNorm", b"Relu"]),
        ("_UnaryOpsComposition", "op_names", [b"Abs"]),
    ):
        node = graph.node.add(op=op)
        node.attr["T"].type = 1
        node.attr[attribute].list.s.extend(parts)
    assert operations(graph) == {"_FusedConv2D:FusedBatchNorm+Relu": {"float32"}, "_UnaryOpsComposition:Abs": {"float32"}}
