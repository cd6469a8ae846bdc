"""Shapes, types and trees of npz and hdf5."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from exseos.errors import StageError
from exseos.formats import base, hdf5

pytestmark = pytest.mark.experiment

IMAGES = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
LABELS = np.array([3, 1, 2, 1])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "run7.he5"
    hits = np.array(
        [(1.5, 2, b"in"), (3.25, 4, b"out"), (5.125, 6, b"in"), (7.75, 8, b"out")],
        dtype=[("energy", "f4"), ("layer", "i2"), ("side", "S3")],
    )
    with h5py.File(path, "w") as file:
        file["calorimeter/images"] = IMAGES
        file["calorimeter/label"] = LABELS
        file["calorimeter/hits"] = hits
        file["jets"] = np.array([[1.0, 2, 1, 0], [3, 4, 0, 1], [5, 6, 0, 1]])
        file["jet_names"] = np.array([b"pt", b"eta", b"j_g", b"j_q"])
        file.create_dataset("words", data=["a", "bc", "d", "e"], dtype=h5py.string_dtype())
        file["run_number"] = 7
    return path


def test_images_keep_their_shape_and_float32(tree: Path) -> None:
    table = base.find("hdf5").read(tree, features="calorimeter/images", target="/calorimeter/label")
    assert table.x.dtype == np.float32
    np.testing.assert_array_equal(table.x, IMAGES)
    np.testing.assert_array_equal(table.y, LABELS)
    assert table.features == ("calorimeter/images",)


def test_fields_of_compound_types_are_columns(tree: Path) -> None:
    table = base.find("hdf5").read(tree, features=["calorimeter/hits/layer", "calorimeter/hits/energy"], target="calorimeter/hits/side")
    np.testing.assert_array_equal(table.x, [[2, 1.5], [4, 3.25], [6, 5.125], [8, 7.75]])
    assert table.y.tolist() == ["in", "out", "in", "out"]


def test_a_table_with_named_columns(tree: Path) -> None:
    options = {"table": "jets", "columns": "jet_names"}
    table = base.find("hdf5").read(tree, features=["eta", "pt"], target=["j_g", "j_q"], options=options)
    np.testing.assert_array_equal(table.x, [[2, 1], [4, 3], [6, 5]])
    np.testing.assert_array_equal(table.y, [[1, 0], [0, 1], [0, 1]])
    with pytest.raises(StageError, match="Did you mean 'eta'"):
        base.find("hdf5").read(tree, features=["etta"], target="j_g", options=options)


def test_variable_length_text_as_labels(tree: Path) -> None:
    assert base.find("hdf5").read(tree, features="calorimeter/images", target="words").y.tolist() == ["a", "bc", "d", "e"]


def test_default_features_are_arrays_with_as_many_rows(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f", "w") as file:
        file["b"], file["a"], file["y"], file["other"] = [[1.0, 2], [3, 4]], [5.0, 6], [0, 1], [9.0, 9, 9]
    table = base.find("hdf5").read(tmp_path / "f", target="y")
    assert table.features == ("a", "b[0]", "b[1]")
    np.testing.assert_array_equal(table.x, [[5, 1, 2], [6, 3, 4]])


def test_reading_in_blocks_gives_the_same(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "_BLOCK_BYTES", 1)
    table = base.find("hdf5").read(tree, features="calorimeter/images", target="calorimeter/label")
    np.testing.assert_array_equal(table.x, IMAGES)


@pytest.mark.parametrize(
    ("features", "target", "words"),
    [
        ("jets", "calorimeter/label", "3 rows of features, but 4 of the target"),
        (["jets", "calorimeter/images"], "calorimeter/label", "'jets' has 3 rows, 'calorimeter/images' has 4"),
        ("words", "calorimeter/label", "are not numbers"),
        ("calorimeter/images", "run_number", "is a single value"),
        ("calorimeter", "calorimeter/label", "there is no array 'calorimeter'"),
    ],
)
def test_what_does_not_fit_is_refused(tree: Path, features: str, target: str, words: str) -> None:
    with pytest.raises(StageError, match=words):
        base.find("hdf5").read(tree, features=features, target=target)


def test_npz_decodes_byte_strings_and_takes_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.arange(6.0).reshape(3, 2), y=np.array([b"p", b"q", b"p"]))
    table = base.find("npz").read(tmp_path / "d.npz", target="y", options={"rows": 2})
    assert table.y.tolist() == ["p", "q"]
    np.testing.assert_array_equal(table.x, [[0, 1], [2, 3]])


def test_npz_never_unpickles(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.arange(2.0), y=np.array([{"a": 1}, None], dtype=object))
    with pytest.raises(StageError, match="Object arrays cannot be loaded"):
        base.find("npz").read(tmp_path / "d.npz", target="y")


def test_a_single_npy_is_named_as_such(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3))
    with pytest.raises(StageError, match=r"single array \(\.npy\)"):
        base.find("npz").read(tmp_path / "x.npy", target="y")
