"""JSON of strangers: read as any JSON reader would, or refused by an error of ours before it takes memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exseos.errors import CapsuleError
from exseos.records.bounded import read_json

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


def read(data: bytes, **bounds: int) -> Any:
    return read_json(data, "x.json", **{"most_bytes": 1 << 20, **bounds})


@given(plain, st.booleans())
def test_it_reads_what_json_is(value: Any, ascii_only: bool) -> None:
    assert read(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{}{}", "not JSON"),
        (b"'x'", "not JSON"),
        (b"[1,]", "not JSON"),
        (b"01", "not JSON"),
        (b"\xff", "not JSON"),
        (b'"\xed\xa0\x80"', "not JSON"),
        (b'"\\ud800"', "not JSON"),
        (b'{"\\uDFFF\\ud83d\\ude00":1}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ("{}".encode("utf-16"), "not JSON"),
        (b'"\n"', "not JSON"),
        (b"NaN", "NaN is no JSON"),
        (b"[Infinity]", "Infinity is no JSON"),
        (b"-Infinity", "-Infinity is no JSON"),
        (b"1e999", "a number beyond those of 64 bits"),
        (b"-1e999", "a number beyond those of 64 bits"),
        (b"1" * 401, "a number of 401 digits"),
        (b"1." + b"0" * 400, "a number of 402 digits"),
        (b'{"a":1,"a":1}', "a key is given twice"),
        (b'[{"b":{"a":1,"\\u0061":2}}]', "a key is given twice"),
        (b'{"a":1,"\\u0061":2}', "a key is given twice"),
        (b"[" * 33 + b"]" * 33, "values are nested deeper than 32 levels"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "values are nested deeper than 32 levels"),
        (b"[" * 100_000, "values are nested deeper than 32 levels"),
        (b"[" + b"1," * 300_000 + b"1]", "it holds some 300001 values, and at most 300000 are read"),
        (b"[" + b"{}," * 200_000 + b"1]", "values, and at most 300000 are read"),
        (b" " * (1 << 20) + b"1", "it has 1048577 bytes, and at most 1048576 are read"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else "",
)
def test_it_refuses_all_else(data: bytes, what: str) -> None:
    with pytest.raises(CapsuleError) as caught:
        read(data)
    assert what in caught.value.what
    assert caught.value.where == "x.json"


def test_what_is_just_within_bounds() -> None:
    assert read(b"[" * 32 + b"]" * 32)
    assert read(b"1" * 400) == int("1" * 400)
    assert len(read(b"[" + b"1," * 299_998 + b"1]")) == 299_999
    assert read(b" " * ((1 << 20) - 1) + b"1") == 1
    assert read(b"[1,2]", most_values=2) == [1, 2]
    with pytest.raises(CapsuleError):
        read(b"[1,2,3]", most_values=2)


@pytest.mark.parametrize("text", ['"' + "[{" * 50 + '"', '"\\"' + "[" * 50 + '"', '{"[[[[' + "[" * 40 + '":"]]\\\\"}', '"\\\\"'])
def test_brackets_in_texts_nest_nothing(text: str) -> None:
    assert read(text.encode()) == json.loads(text)


@pytest.mark.parametrize("tail", ['"', '\\"', "\\", "", '\\\\"'])
def test_depth_cannot_be_hidden_behind_a_text(tail: str) -> None:
    """Whatever stands in front of them, brackets that a parser would follow are counted."""
    data = f'["a{tail}",{"[" * 100}{"]" * 100}]'.encode()
    with pytest.raises(CapsuleError):
        read(data)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_an_error_of_ours(data: bytes) -> None:
    try:
        value = read(data)
    except CapsuleError:
        return
    assert value == json.loads(data.decode())


@given(st.text(alphabet='[]{},:"\\ 1eE.-+ntfu', max_size=80))
def test_any_text_that_looks_like_json(text: str) -> None:
    try:
        value = read(text.encode())
    except CapsuleError:
        return
    assert value == json.loads(text)


def test_time_and_memory() -> None:
    """Eight megabytes of the worst of each kind."""
    code = """
import resource, time
from exseos.errors import CapsuleError
from exseos.records.bounded import read_json
size = 8 << 20
worst = [b"[" * size, b'{"a":' * (size // 5), b"[" + b"1," * (size // 2), b'"' + b"\\\\\\\\" * (size // 2), b'"' * size, b"1" * size,
         b'["' + b'","' * 250_000 + b'"]', b"[" + b"9" * 399 + b"]", b'"' + b"\\\\" * (size - 1), b"-" * size, b'{"' + b"a" * size]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin = time.process_time()
for data in worst:
    try:
        read_json(data, "x", most_bytes=size)
    except CapsuleError:
        pass
print(round(time.process_time() - begin), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seconds, megabytes = map(int, done.stdout.split())
    assert seconds < 20
    assert megabytes < 200
