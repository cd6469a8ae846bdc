"""What holds for every format: light to import, the same table whatever the format, clear errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exseos.errors import StageError, UsageError
from exseos.formats import base

pytestmark = pytest.mark.experiment

COLUMNS = ("width", "length", "kind")
X = np.array([[1.5, -2.25], [3.0, 4.125], [-5.75, 6.5]])
Y = np.array(["gamma", "hadron", "gamma"])


def _csv(path: Path, x: NDArray[np.float64], y: NDArray[np.str_]) -> None:
    rows = [",".join([*map(repr, map(float, row)), label]) for row, label in zip(x, y, strict=True)]
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")


def _keel(path: Path, x: NDArray[np.float64], y: NDArray[np.str_]) -> None:
    head = ["@relation test", "@attribute width real [-9, 9]", "@attribute length real [-9, 9]"]
    head += [f"@attribute kind {{{','.join(sorted(set(y)))}}}", "@inputs width, length", "@outputs kind", "@data"]
    rows = [", ".join([*map(repr, map(float, row)), label]) for row, label in zip(x, y, strict=True)]
    path.write_text("\n".join([*head, *rows]) + "\n")


def _npz(path: Path, x: NDArray[np.float64], y: NDArray[np.str_]) -> None:
    with path.open("wb") as stream:
        np.savez(stream, width=x[:, 0], length=x[:, 1], kind=y)


def _hdf5(path: Path, x: NDArray[np.float64], y: NDArray[np.str_]) -> None:
    with h5py.File(path, "w") as file:
        file["width"], file["length"], file["kind"] = x[:, 0], x[:, 1], y.astype("S")


WRITERS: dict[str, Callable[[Path, NDArray[np.float64], NDArray[np.str_]], None]] = {"csv": _csv, "hdf5": _hdf5, "keel": _keel, "npz": _npz}


def test_every_format_is_covered() -> None:
    assert base.names() == sorted(WRITERS)


def test_formats_declare_themselves_without_numpy() -> None:
    declare = "[base.find(name).options.model_json_schema() for name in base.names()]"
    code = f"import sys; from exseos.formats import base; {declare}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_reads_the_named_columns_in_the_named_order(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "events", X, Y)
    table = base.find(name).read(tmp_path / "events", features=["length", "width"], target="kind")
    assert table.features == ("length", "width")
    assert table.targets == ("kind",)
    assert table.y.tolist() == Y.tolist()
    assert table.x.dtype == np.float64
    np.testing.assert_array_equal(table.x, X[:, ::-1])


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_single_name_is_a_list_of_one(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "events", X, Y)
    table = base.find(name).read(tmp_path / "events", features="length", target="kind")
    np.testing.assert_array_equal(table.x, X[:, [1]])


@pytest.mark.parametrize("name", sorted(WRITERS))
@pytest.mark.parametrize(("features", "target", "nearest"), [(["lenght"], "kind", "length"), (None, "Kind", "kind")])
def test_a_wrong_name_gets_the_nearest(name: str, features: list[str] | None, target: str, nearest: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "events", X, Y)
    with pytest.raises(StageError, match="there is no") as caught:
        base.find(name).read(tmp_path / "events", features=features, target=target)
    assert f"Did you mean {nearest!r}?" in str(caught.value)
    assert str(tmp_path / "events") in str(caught.value)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_the_target_cannot_be_a_feature(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "events", X, Y)
    with pytest.raises(StageError, match="is a feature and the target"):
        base.find(name).read(tmp_path / "events", features=["length", "kind"], target="kind")


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_an_unknown_option_lists_the_known(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="banana") as caught:
        base.find(name).read(tmp_path / "events", options={"banana": 1})
    assert all(option in str(caught.value) for option in base.find(name).options.model_fields)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_file_of_another_kind_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(StageError) as caught:
        base.find(name).read(tmp_path / "events", target="kind")
    assert str(tmp_path / "events") in str(caught.value)


def test_an_unknown_format_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'csv'"):
        base.find("cvs")


_FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@pytest.mark.parametrize("name", sorted(WRITERS))
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(_FLOATS, _FLOATS, st.sampled_from(["gamma", "hadron"])), min_size=1, max_size=20))
def test_every_number_survives(name: str, rows: list[tuple[float, float, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("round") / "events"
    x = np.array([row[:2] for row in rows])
    WRITERS[name](path, x, np.array([row[2] for row in rows]))
    table = base.find(name).read(path, features=["width", "length"], target="kind")
    assert table.x.tobytes() == x.tobytes()
    assert table.y.tolist() == [row[2] for row in rows]
