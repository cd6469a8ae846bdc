"""The odd files that csv and keel must read, and those they must refuse with line and column."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exseos.errors import StageError
from exseos.formats import base, delimited
from exseos.formats.base import Table

pytestmark = pytest.mark.experiment


def read(tmp_path: Path, content: str | bytes, form: str = "csv", target: Any = "y", features: Any = None, **options: Any) -> Table:
    path = tmp_path / "data"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return base.find(form).read(path, target=target, features=features, options=options)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("a,b,y\n1.5,2,7\n3,4.25,8\n", {}),
        ("\ufeffa,b,y\r\n1.5,2,7\r\n3,4.25,8", {}),
        ("# made by hand\na;b;y\n\n1.5;2;7\n# half way\n3;4.25;8\n", {"separator": ";"}),
        ("a;b;y\n1,5;2;7\n3;4,25;8\n", {"separator": ";", "decimal": ","}),
        ("a\tb\ty\n1.5\t2\t7\n3\t4.25\t8\n", {"separator": "tab"}),
        ("  a  b  y\n 1.5   2  7\n 3\t4.25 8\n", {"separator": "whitespace"}),
        ('"a","b","y"\n"1.5", "2","7"\n3,4.25,8\n', {}),
        ("1.5,2,7\n3,4.25,8\n", {"names": ["a", "b", "y"]}),
        ("9,8,7\n1.5,2,7\n3,4.25,8\n", {"names": ["a", "b", "y"], "header": True}),
        ("a,b,y\n1.5,2,7\n0,?,0\n3,4.25,8\n", {"drop_missing": True}),
        (gzip.compress(b"a,b,y\n1.5,2,7\n3,4.25,8\n"), {}),
        ("a,b,y\n1.5,2,7\n3,4.25,8\n".encode("utf-16"), {"encoding": "utf-16"}),
    ],
)
def test_odd_csv_files_give_the_same_table(tmp_path: Path, content: str | bytes, options: dict[str, Any]) -> None:
    table = read(tmp_path, content, **options)
    assert table.features == ("a", "b")
    np.testing.assert_array_equal(table.x, [[1.5, 2.0], [3.0, 4.25]])
    np.testing.assert_array_equal(table.y, [7.0, 8.0])


def test_columns_without_names_are_numbered(tmp_path: Path) -> None:
    table = read(tmp_path, "1,2,3\n4,5,6\n", target="x2")
    assert (table.features, table.y.tolist()) == (("x1", "x3"), [2.0, 5.0])


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("a,b,y\n1,2,3\n4,,6\n", 3, "column 'b' is missing"),
        ("# c\na,b,y\n\n1,2,3\n4,NA,6\n", 5, "column 'b' is missing"),
        ("a,b,y\n1,2,3\n4,5\n", 3, "2 cells, but there are 3 columns"),
        ("a,b,y\n1,2,3\n4,5x,6\n", 3, "'5x' in column 'b' is not a number"),
        ("a,a,y\n1,2,3\n", 1, "two columns are called 'a'"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, content: str, line: int, words: str) -> None:
    with pytest.raises(StageError, match=words) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'data'}:{line}: ")


def test_a_bad_row_is_named_beyond_the_first_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK", 4)
    with pytest.raises(StageError, match="'oops' in column 'b'") as caught:
        read(tmp_path, "a,b,y\n" + "1,2,3\n" * 9 + "1,oops,3\n")
    assert ":11: " in str(caught.value)


def test_blocks_do_not_change_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "a,b,y\n" + "".join(f"{i}.5,{'uvw'[i % 3]},{i}\n" for i in range(50))
    whole = read(tmp_path, content)
    monkeypatch.setattr(delimited, "_BLOCK", 7)
    blocks = read(tmp_path, content)
    np.testing.assert_array_equal(whole.x, blocks.x)
    assert whole.categories == blocks.categories == {1: ("u", "v", "w")}


def test_text_columns_become_indices_of_sorted_texts(tmp_path: Path) -> None:
    table = read(tmp_path, "colour,size,y\nred,1,a\nblue,2,b\nred,3,a\n", text=["size"])
    assert table.categories == {0: ("blue", "red"), 1: ("1", "2", "3")}
    np.testing.assert_array_equal(table.x, [[1, 0], [0, 1], [1, 2]])


def test_several_targets(tmp_path: Path) -> None:
    table = read(tmp_path, "a,u,v\n1,2,3\n4,5,6\n", target=["v", "u"])
    np.testing.assert_array_equal(table.y, [[3, 2], [6, 5]])
    assert table.targets == ("v", "u")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no rows"):
        read(tmp_path, "")
    with pytest.raises(StageError, match="no rows"):
        read(tmp_path, "a,b,y\n")


KEEL = """@relation weather
@attribute 'wind speed' real [0.0, 50.0]
@attribute outlook {sunny, rain}
@attribute temperature integer [-10, 40]
@attribute play {yes, no}
@inputs temperature, outlook
@outputs play
@data
12.5, sunny, 21, yes
30.25, rain, 11, no
"""


def test_keel_follows_its_inputs_and_outputs(tmp_path: Path) -> None:
    table = read(tmp_path, KEEL, "keel", target=None)
    assert table.features == ("temperature", "outlook")
    assert table.targets == ("play",)
    assert table.y.tolist() == ["yes", "no"]
    np.testing.assert_array_equal(table.x, [[21, 1], [11, 0]])
    assert table.categories == {1: ("rain", "sunny")}


def test_keel_names_can_hold_blanks(tmp_path: Path) -> None:
    table = read(tmp_path, KEEL, "keel", target="temperature", features=["wind speed"])
    assert table.x.tolist() == [[12.5], [30.25]]


def test_keel_without_header_calls_the_last_column_class(tmp_path: Path) -> None:
    table = read(tmp_path, "5.1, 3.5, setosa\n4.9, 3.0, virginica\n", "keel", target="Class")
    assert table.features == ("x1", "x2")
    assert table.y.tolist() == ["setosa", "virginica"]


def test_keel_names_the_line_of_a_missing_value(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="column 'outlook' is missing") as caught:
        read(tmp_path, KEEL.replace("30.25, rain", "30.25, ?"), "keel", target=None)
    assert ":10: " in str(caught.value)
