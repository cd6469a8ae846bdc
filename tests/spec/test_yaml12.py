"""Scalars of the YAML 1.2 core schema, and the lines of keys and values."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exseos.errors import UsageError
from exseos.spec import MAX_BYTES, read_spec
from exseos.spec.yaml12 import load


def value_of(text: str) -> object:
    return load(f"key: {text}\n", "spec.yaml").value["key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        ("+.5", 0.5),
        ("2.", 2.0),
        ("-0.0", -0.0),
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        ("nil", "nil"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("inf", "inf"),
        ("nan", "nan"),
        ("3.10", 3.1),
        ('"3.10"', "3.10"),
        ("'3.10'", "3.10"),
        ('"true"', "true"),
        ("1.2.3", "1.2.3"),
        ("hls4ml==1.3.0", "hls4ml==1.3.0"),
        ("ap_fixed<16,6>", "ap_fixed<16,6>"),
        ("experiment.py:build", "experiment.py:build"),
        ("[1, 1.0, '1']", [1, 1.0, "1"]),
        ("|\n  two\n  lines", "two\nlines\n"),
        (">-\n  one\n  line", "one line"),
    ],
)
def test_scalar(text: str, value: object) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    found = value_of(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


def test_more_digits_than_python_converts() -> None:
    assert value_of("9" * 5000) == math.inf


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_writes_is_read_back(number: float) -> None:
    assert value_of(repr(number)) == number


@given(st.integers(-(2**53), 2**53))
def test_every_whole_number_is_read_back(number: int) -> None:
    assert value_of(str(number)) == number


plain_text = st.text("abc:#-?*&!|>%@` '\"{}[],~0123456789.eE+_xo\u00e4\u03bb")
nested = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | plain_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_text, inner, max_size=3),
    max_leaves=8,
)


@given(nested)
def test_json_is_yaml(value: object) -> None:
    assert load(json.dumps({"key": value}, ensure_ascii=False), "spec.yaml").value == {"key": value}


@pytest.mark.parametrize("text", ['a: "\\ud800"', '"\\udc00": 1', 'a: ["\\ud83d\\ude00"]'])
def test_half_a_character_is_no_text(text: str) -> None:
    """No encoding has it, so that nothing which says it could be written."""
    with pytest.raises(UsageError, match=r"U\+D[0-9A-F]{3} is half a character"):
        load(text, "spec.yaml")


def test_keys_are_text() -> None:
    assert load("{1: a, null: b, true: c, 1.0: d}", "spec.yaml").value == {"1": "a", "null": "b", "true": "c", "1.0": "d"}


def test_merge_keys_mean_nothing() -> None:
    assert load("<<: {a: 1}\n", "spec.yaml").value == {"<<": {"a": 1}}


def test_lines_of_keys_items_and_what_is_not_written_down() -> None:
    document = load("a: 1\n\nb:\n  - x\n  -\n    c: 2\n    d: {e: 3,\n      f: 4}\n", "spec.yaml")
    assert {path: document.line(path) for path in [("a",), ("b",), ("b", 0), ("b", 1, "c"), ("b", 1, "d", "e"), ("b", 1, "d", "f")]} == {
        ("a",): 1,
        ("b",): 3,
        ("b", 0): 4,
        ("b", 1, "c"): 6,
        ("b", 1, "d", "e"): 7,
        ("b", 1, "d", "f"): 8,
    }
    assert document.line(("b", 1, "d", "missing", "deeper")) == 7
    assert document.line(("nowhere",)) == 1


@pytest.mark.parametrize(("prefix", "newline"), [("", "\n"), ("", "\r\n"), ("\ufeff", "\n"), ("%YAML 1.2\n---\n", "\n")])
def test_other_encodings_of_the_same_text(tmp_path: Path, prefix: str, newline: str) -> None:
    path = tmp_path / "spec.yaml"
    lines = ["exseos: 1", "name: a", "title: ö", "data: {e: {path: e.csv, format: csv}}", "model: {call: 'm.py:f'}", ""]
    path.write_bytes((prefix + newline.join(lines)).encode())
    assert read_spec(path).experiment().title == "ö"


def test_a_huge_file_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(UsageError, match="at most 256 KiB"):
        read_spec(path)


def test_a_folder_instead_of_a_spec(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Did you mean .*/spec\.yaml\?"):
        read_spec(tmp_path)


def test_no_such_spec(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such spec") as caught:
        read_spec(tmp_path / "spec.yaml")
    assert caught.value.where == str(tmp_path / "spec.yaml")
