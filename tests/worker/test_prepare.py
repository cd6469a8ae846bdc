"""From files to arrays: labels, split, steps, and that nothing of the test part reaches the training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exseos.errors import StageError, UsageError
from exseos.worker import labels, user_code
from exseos.worker.split import PARTS, sizes, split
from exseos.worker.stages.base import Context
from exseos.worker.stages.prepare import Prepare
from exseos.worker.steps import base as steps

pytestmark = pytest.mark.experiment

SPLIT = {"train": 0.5, "validation": 0.25, "test": 0.25, "stratify": True}
_STEP = """
import numpy as np

def ratio(x, features, power=1.0):
    assert features[0] == "a"
    return np.column_stack([x, (x[:, 0] / x[:, 1]) ** power])

def clip(train_x, train_y, quantile):
    assert len(train_x) == len(train_y)
    limit = np.quantile(abs(train_x), quantile, axis=0)
    def apply(x):
        return np.clip(x, -limit, limit)
    apply.features = [f"clipped {index}" for index in range(train_x.shape[1])]
    return apply
"""


@pytest.fixture(autouse=True)
def no_cpu_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests run in the test process, whose NumPy was not started with the switches."""
    monkeypatch.setattr("exseos.worker.determinism.check_numpy", lambda: None)


def prepare(folder: Path, data: dict[str, str] | str, prepare_section: list[Any] = [], seed: int = 3, **parameters: Any) -> Path:  # noqa: B006
    """Run the stage on CSV texts; returns the output folder."""
    texts = {"events": data} if isinstance(data, str) else data
    output = folder / "out"
    output.mkdir(parents=True)
    (folder / "step.py").write_text(_STEP)
    paths = {}
    for name, text in texts.items():
        paths[name] = folder / f"{name}.csv"
        paths[name].write_text(text)
    section = {
        "data": {name: {"format": "csv", "target": "y", "features": None, "options": {}} for name in texts},
        "split": SPLIT,
        "prepare": prepare_section,
        "task": "auto",
        **parameters,
    }
    with user_code.importable(folder):
        Prepare().run(Context(section, seed, {}, paths, folder, output))
    return output


def csv(rows: int = 40, scale: float = 1.0) -> str:
    random = np.random.Generator(np.random.PCG64(9))
    values = random.integers(1, 1000, (rows, 2)) / 8 * scale
    return "a,b,y\n" + "".join(f"{a!r},{b!r},{'nyn'[index % 3]}\n" for index, (a, b) in enumerate(values.tolist()))


def summary(output: Path) -> Any:
    return json.loads((output / "prepared.json").read_bytes())


def arrays(output: Path, kind: str = "x") -> list[NDArray[Any]]:
    return [np.load(output / f"{kind}_{part}.npy") for part in PARTS]


def test_the_outputs_are_as_documented(tmp_path: Path) -> None:
    output = prepare(tmp_path, csv())
    assert sorted(path.name for path in output.iterdir()) == sorted([*(f"{k}_{p}.npy" for k in "xy" for p in PARTS), "prepared.json"])
    found = summary(output)
    assert found == {
        "task": "binary",
        "classes": ["n", "y"],
        "input_shape": [2],
        "features": ["a", "b"],
        "steps": [],
        "rows": {"train": 20, "validation": 10, "test": 10},
    }
    for x, y in zip(arrays(output), arrays(output, "y"), strict=True):
        assert (x.dtype, y.dtype, x.ndim, y.ndim) == (np.float32, np.int64, 2, 1)
        assert x.flags.c_contiguous


def test_rows_keep_their_labels_and_appear_once(tmp_path: Path) -> None:
    text = "a,y\n" + "".join(f"{index},{'pq'[index % 2]}\n" for index in range(100))
    output = prepare(tmp_path, text)
    x, y = np.concatenate(arrays(output))[:, 0], np.concatenate(arrays(output, "y"))
    assert sorted(x.tolist()) == list(range(100))
    np.testing.assert_array_equal(x % 2, y)


def test_standardize_is_fitted_on_the_training_part(tmp_path: Path) -> None:
    plain = arrays(prepare(tmp_path / "plain", csv()))
    output = prepare(tmp_path / "scaled", csv(), ["standardize"])
    mean, deviation = plain[0].astype("f8").mean(axis=0), plain[0].astype("f8").std(axis=0)
    for raw, scaled in zip(plain, arrays(output), strict=True):
        np.testing.assert_allclose(scaled, (raw - mean) / deviation, rtol=1e-5)
    (step,) = summary(output)["steps"]
    assert step["name"] == "standardize" and step["columns"] == ["a", "b"]
    np.testing.assert_allclose(step["mean"], mean, rtol=1e-12)


def test_min_max_fills_its_range_with_the_training_part(tmp_path: Path) -> None:
    output = prepare(tmp_path, csv(), [{"min_max": {"low": -1, "high": 3, "columns": ["b"]}}])
    train = arrays(output)[0]
    assert (train[:, 1].min(), train[:, 1].max()) == (-1, 3)
    assert train[:, 0].max() > 3


def test_a_constant_column_does_not_become_nan(tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{index},4.5,{'pq'[index % 2]}\n" for index in range(20))
    assert not arrays(prepare(tmp_path / "s", text, ["standardize"]))[0][:, 1].any()
    assert not arrays(prepare(tmp_path / "m", text, ["min_max"]))[0][:, 1].any()


def _colours(other: str) -> str:
    rows = [("red", "blue")[index % 2] for index in range(19)] + [other]
    return "colour,b,y\n" + "".join(f"{colour},{index},{'pq'[index % 2]}\n" for index, colour in enumerate(rows))


def test_one_hot_takes_the_texts_of_the_training_part(tmp_path: Path) -> None:
    seed = next(seed for seed in range(50) if 19 not in split(20, (10, 5, 5), seed, np.arange(20) % 2)["train"])
    output = prepare(tmp_path, _colours("green"), ["one_hot"], seed=seed)
    assert summary(output)["features"] == ["colour=blue", "colour=red", "b"]
    x = np.concatenate(arrays(output))
    assert x[x[:, 2] == 19].tolist() == [[0, 0, 19]]
    assert x[x[:, 2] == 3].tolist() == [[1, 0, 3]]
    with pytest.raises(StageError, match="'green', which no row of the training part has"):
        prepare(tmp_path / "labels", _colours("green"), [{"encode_labels": {"columns": ["colour"]}}], seed=seed)


def test_text_columns_as_numbers(tmp_path: Path) -> None:
    output = prepare(tmp_path, _colours("red"), [{"encode_labels": {"columns": ["colour"], "order": ["q", "p"]}}])
    assert summary(output)["classes"] == ["q", "p"]
    x, y = np.concatenate(arrays(output)), np.concatenate(arrays(output, "y"))
    np.testing.assert_array_equal(y, 1 - x[:, 1] % 2)
    assert x[x[:, 1] == 3].tolist() == [[0, 3]]


def test_text_without_a_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"'colour' holds text \(blue, red, …\)"):
        prepare(tmp_path, _colours("red"))


def test_user_functions(tmp_path: Path) -> None:
    output = prepare(tmp_path, csv(), [{"call": "step.py:ratio", "power": 2}, {"call": "step.py:clip", "quantile": 0.5}])
    found = summary(output)
    assert found["features"] == ["clipped 0", "clipped 1", "clipped 2"]
    assert found["steps"][0] == {"name": "call", "call": "step.py:ratio", "parameters": {"power": 2}}
    plain = arrays(prepare(tmp_path / "plain", csv()))
    wide = [np.column_stack([x, (x[:, 0].astype("f8") / x[:, 1]) ** 2]) for x in plain]
    limit = np.quantile(abs(wide[0]), 0.5, axis=0)
    for expected, x in zip(wide, arrays(output), strict=True):
        np.testing.assert_allclose(x, np.clip(expected, -limit, limit), rtol=1e-6)


@pytest.mark.parametrize(
    "section",
    [["standardize"], ["min_max"], [{"call": "step.py:clip", "quantile": 0.9}], [{"call": "step.py:ratio"}, "standardize"]],
)
def test_the_test_and_validation_rows_never_change_what_is_fitted(section: list[Any], tmp_path: Path) -> None:
    """Rows outside the training part are replaced by wild ones: the training part and all that was fitted stay the same bytes."""
    lines = csv().splitlines()
    y = np.array([line[-1] == "y" for line in lines[1:]], dtype=int)
    train = set(split(40, (20, 10, 10), 3, y)["train"].tolist())
    wild = [line if index in train else f"{index * 1e5},{index - 7e5}{line[-2:]}" for index, line in enumerate(lines[1:])]
    one, two = prepare(tmp_path / "one", csv(), section), prepare(tmp_path / "two", "\n".join([lines[0], *wild]) + "\n", section)
    assert (one / "x_train.npy").read_bytes() == (two / "x_train.npy").read_bytes()
    assert (one / "prepared.json").read_bytes() == (two / "prepared.json").read_bytes()
    assert (one / "x_test.npy").read_bytes() != (two / "x_test.npy").read_bytes()


def test_sources_are_joined_in_the_order_of_their_names(tmp_path: Path) -> None:
    parts = {"one": "a,y\n" + "1,p\n2,q\n" * 5, "two": "a,y\n" + "3,q\n4,p\n" * 5}
    first = prepare(tmp_path / "1", parts)
    second = prepare(tmp_path / "2", dict(reversed(parts.items())))
    assert summary(first)["rows"] == {"train": 10, "validation": 5, "test": 5}
    assert [x.tolist() for x in arrays(first)] == [x.tolist() for x in arrays(second)]
    with pytest.raises(StageError, match="has the columns c, unlike the source before: a"):
        prepare(tmp_path / "3", {"one": parts["one"], "two": "c,y\n1,p\n"})


def test_texts_of_several_sources_get_one_numbering(tmp_path: Path) -> None:
    parts = {"one": "k,a,y\n" + "u,1,p\nw,2,q\n" * 5, "two": "k,a,y\n" + "v,3,q\nw,4,p\n" * 5}
    output = prepare(tmp_path, parts, ["one_hot"])
    assert summary(output)["features"] == ["k=u", "k=v", "k=w", "a"]
    rows = {tuple(row) for row in np.concatenate(arrays(output)).tolist()}
    assert rows == {(1, 0, 0, 1), (0, 0, 1, 2), (0, 1, 0, 3), (0, 0, 1, 4)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b,y\n" + "1,2,p\n1,inf,q\n" * 10, "column 'b' is inf in row 2"),
        ("a,b,y\n" + "1,2,p\n" * 20, "only one class, 'p'"),
        ("a,b,y\n1,2,p\n3,4,q\n", "would be empty"),
        ("a,b,y\n" + "1,1e300,p\n1,2,q\n" * 10, "as float32: column 'b' is inf"),
    ],
)
def test_bad_data_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=words):
        prepare(tmp_path, text)


def test_regression(tmp_path: Path) -> None:
    text = "a,y\n" + "".join(f"{index},{index / 4}\n" for index in range(20))
    output = prepare(tmp_path, text, split={**SPLIT, "stratify": True})
    assert summary(output)["task"] == "regression" and summary(output)["classes"] == []
    y = arrays(output, "y")[0]
    assert y.dtype == np.float32 and y.shape == (10, 1)
    np.testing.assert_array_equal(y, arrays(output)[0] / 4)


@pytest.mark.parametrize(
    ("y", "task", "decided", "classes"),
    [
        (np.array([10.0, 9.0, 10.0]), "auto", "binary", ("9", "10")),
        (np.array([3, 1, 2]), "auto", "multiclass", ("1", "2", "3")),
        (np.array(["b", "a"]), "multiclass", "multiclass", ("a", "b")),
        (np.array([True, False]), "auto", "binary", ("0", "1")),
        (np.array([[0.0, 1], [1, 0]]), "auto", "binary", ("u", "v")),
        (np.array([0.5, 1.0]), "auto", "regression", ()),
        (np.arange(101.0), "auto", "regression", ()),
        (np.array([[0.0, 1], [1, 1]]), "auto", "regression", ()),
        (np.array([0, 1]), "regression", "regression", ()),
    ],
)
def test_the_task_follows_from_the_target(y: NDArray[Any], task: str, decided: str, classes: tuple[str, ...]) -> None:
    found = labels.encode(y, ("u", "v"), task)
    assert (found.task, found.classes) == (decided, classes)
    if y.ndim == 2 and classes:
        assert found.y.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("y", "task", "words"),
    [
        (np.array(["a", "b"]), "regression", "target is text"),
        (np.array(["a", "b", "c"]), "binary", "there are 3 classes"),
        (np.array([0.5, 1.5]), "binary", "fractional"),
        (np.array([1.0, np.nan]), "auto", "not finite in row 2"),
    ],
)
def test_a_task_that_does_not_fit_is_refused(y: NDArray[Any], task: str, words: str) -> None:
    with pytest.raises(StageError, match=words):
        labels.encode(y, ("y",), task)


@settings(deadline=None)
@given(strata=st.lists(st.integers(0, 3), min_size=12, max_size=300), seed=st.integers(0, 2**32 - 1), train=st.floats(0.3, 0.8))
def test_a_split_is_exact_and_stratified(strata: list[int], seed: int, train: float) -> None:
    y = np.array(strata)
    counts = sizes(len(y), {"train": train, "validation": (1 - train) / 2, "test": (1 - train) / 2})
    parts = split(len(y), counts, seed, y)
    assert [len(parts[part]) for part in PARTS] == list(counts)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(y)))[: sum(counts)] or sum(counts) < len(y)
    for stratum in set(strata):
        share = np.mean(y == stratum)
        for part in PARTS:
            assert abs(np.sum(y[parts[part]] == stratum) - share * len(parts[part])) <= 4
    again = split(len(y), counts, seed, y)
    assert all(np.array_equal(parts[part], again[part]) for part in PARTS)


def test_sizes_may_be_counts() -> None:
    assert sizes(100, {"train": 50, "validation": 0, "test": 20}) == (50, 0, 20)
    assert sizes(10, {"train": 0.7, "validation": 0.1, "test": 0.2}) == (7, 1, 2)
    with pytest.raises(StageError, match="wants 120 rows, the data has 100"):
        sizes(100, {"train": 50, "validation": 50, "test": 20})


def test_entries_of_the_prepare_section() -> None:
    assert steps.names() == ["encode_labels", "min_max", "one_hot", "standardize"]
    with pytest.raises((StageError, UsageError), match="no prepare step 'standardise'") as caught:
        steps.find("standardise")
    assert "Did you mean 'standardize'" in str(caught.value)
    with pytest.raises(StageError, match="the options of min_max are wrong: lowest"):
        steps.find({"min_max": {"lowest": 1}})
