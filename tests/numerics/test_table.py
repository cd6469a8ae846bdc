"""Which operations the table takes for exact, by what scans found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exseos.worker.numerics.audit import TABLE
from tests.numerics import layers
from tests.numerics.table import judge

pytestmark = pytest.mark.experiment

Groups = list[dict[str, Any]]


def outcome(items: dict[str, str], operations: dict[str, Any], used: dict[str, Any], **more: Any) -> dict[str, Any]:
    counted = dict.fromkeys(operations, 5000)
    return {
        "items": items,
        "operations": operations,
        "used": used,
        "failed": {},
        "values": counted,
        "libraries": {"kernels.so": "1"},
        "missing": [],
        "packages": {"numpy": "2.4.6"},
        **more,
    }


EXP = {"exp": {"Exp": ["float32"], "Cast": []}}


def test_equal_everywhere_is_exact() -> None:
    one = outcome({"exp": "a"}, {"Exp|float32": {"in": ["out"]}}, EXP)
    table, remarks = judge({"here": [one], "there": [one]})
    assert table["exact"] == {"Exp": ["float32"], "Cast": []}
    assert table["packages"] == {"numpy": "2.4.6"}
    assert remarks == []


def test_other_numbers_of_equal_input_are_not_though_the_item_is_equal() -> None:
    one = outcome({"exp": "a"}, {"Exp|float32": {"in": ["out"]}}, EXP)
    two = outcome({"exp": "a"}, {"Exp|float32": {"in": ["other"]}}, EXP)
    table, _ = judge({"here": [one], "there": [two]})
    assert table["exact"] == {"Exp": [], "Cast": []}


def test_an_item_that_differs_is_laid_to_what_is_known_to_differ() -> None:
    one = outcome({"exp": "a", "add": "b"}, {"Exp|float32": {"in": ["out"]}}, {**EXP, "add": {"Add": ["float32"]}})
    two = outcome({"exp": "c", "add": "b"}, {"Exp|float32": {"in": ["other"]}}, {**EXP, "add": {"Add": ["float32"]}})
    table, remarks = judge({"here": [one], "there": [two]})
    assert table["exact"] == {"Add": ["float32"]}
    assert remarks == ["exp differs: Exp float32"]


def test_else_to_all_that_runs_in_graphs_only() -> None:
    used = {"graph": {"_FusedMatMul": ["float32"], "Exp": ["float32"]}, "exp": {"Exp": ["float32"]}, "other": {"_FusedMatMul": ["float32"]}}
    operations = {"Exp|float32": {"in": ["out"]}}
    one = outcome({"graph": "a", "exp": "b", "other": "c"}, operations, used)
    two = outcome({"graph": "z", "exp": "b", "other": "c"}, operations, used)
    table, remarks = judge({"here": [one], "there": [two]})
    assert table["exact"] == {"Exp": ["float32"]}
    assert "graph differs: _FusedMatMul, _FusedMatMul float32" in remarks


def test_too_few_numbers_show_nothing() -> None:
    one = outcome({"exp": "a"}, {"Exp|float32": {"in": ["out"]}}, EXP, values={"Exp|float32": 12})
    table, remarks = judge({"here": [one], "there": [one]})
    assert table["exact"]["Exp"] == []
    assert remarks == ["Exp (float32): compared on 12 numbers only"]


def test_numpy_that_differs_is_no_exact_package() -> None:
    one, two = (outcome({"numpy exp float32": digest}, {}, {"numpy exp float32": {}}) for digest in "ab")
    table, remarks = judge({"here": [one], "there": [two]})
    assert table["packages"] == {}
    assert any("NumPy differs" in remark for remark in remarks)


def test_no_layer_of_keras_is_forgotten() -> None:
    assert layers.missing() == []


def test_what_is_known_to_approximate_is_not_in_the_table() -> None:
    exact = json.loads(TABLE.read_text())["exact"]
    assert "float32" not in exact.get("BesselI0e", [])
    assert "complex64" not in exact.get("Log", [])
    assert {"float32", "float64"} <= set(exact["MatMul"])
