"""Stage ``prepare``: data files → arrays for training, validation and test.

Parameters::

    data:    {NAME: {format, target, features, options}}   several sources are laid one after another, by name
    split:   {train, validation, test, stratify}           fractions; or whole numbers above 1: rows
    prepare: [standardize | {standardize: {…}} | {call: file.py:function, …}]
    task:    auto | binary | multiclass | regression

Outputs: ``x_*.npy`` float32 and ``y_*.npy`` for the three parts, ``prepared.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exseos.errors import StageError
from exseos.formats import base as formats
from exseos.formats.base import Table
from exseos.worker import determinism, labels, split, user_code
from exseos.worker.numerics.probe import numpy_probe
from exseos.worker.stages.base import Context, Stage
from exseos.worker.steps import base as steps
from exseos.worker.steps.base import Layout, Training

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Prepare(Stage):
    """Reads, encodes, splits, and fits every step on the training part alone."""

    name = "prepare"
    libraries = ("numpy",)

    def run(self, context: Context) -> None:
        determinism.check_numpy()
        parameters = context.parameters
        entries = [steps.find(entry) for entry in parameters.get("prepare", [])]
        table = read_sources(context)
        check_finite(table.x, table.features, "the data")
        orders = [order for step, options in entries if (order := step.label_order(options)) is not None]
        found = labels.encode(table.y, table.targets, parameters.get("task", "auto"), orders[-1] if orders else None)
        rows = split_rows(context, found)
        parts = {part: table.x[index].astype("float64") for part, index in rows.items()}
        layout = Layout(table.features, table.categories)
        fitted = []
        for step, options in entries:
            training = Training(
                _locked(parts["train"]), _locked(found.y[rows["train"]]), layout, found.classes, context.seed, context.files
            )
            result = step.fit(training, options)
            label = getattr(options, "call", step.name)
            for part, x in parts.items():
                parts[part] = result.apply(_locked(x)) if len(x) else x[:0].reshape(0, *result.apply(training.x[:1]).shape[1:])
                where = f"{user_code.SHOWN_AS}/{label}" if step.name == "call" else f"prepare.{label}"
                check_finite(parts[part], result.layout.features, f"the {part} part after {label}", where)
            layout = result.layout
            fitted.append({"name": step.name, **result.record})
            context.progress(f"{label}: {parts['train'].shape[1:]} values per row", None, None)
        _no_text_left(layout)
        for part, index in rows.items():
            _write(context.output, part, parts[part], found.y[index], layout.features)
        context.write_json("prepared.json", _summary(found, parts, fitted, layout))
        context.facts["probe"] = numpy_probe(len(parts["train"]), max(1, parts["train"][0].size))


def read_sources(context: Context) -> Table:
    """All sources as one table: read in the order of their names, so that the order in the spec does not matter."""
    import numpy as np

    tables = []
    for name, source in sorted(context.parameters["data"].items()):
        reader = formats.find(source["format"])
        context.progress(f"reading {name} ({source['format']})", None, None)
        tables.append(
            reader.read(
                context.data[name], features=source.get("features"), target=source.get("target"), options=source.get("options") or {}
            )
        )
        if tables[-1].features != tables[0].features or tables[-1].x.shape[1:] != tables[0].x.shape[1:]:
            raise StageError(
                f"has the columns {', '.join(tables[-1].features[:10])}, unlike the source before: {', '.join(tables[0].features[:10])}",
                where=f"data.{name}",
                hint="Sources are laid one after another: give them the same `features:`.",
            )
    if len(tables) == 1:
        return tables[0]
    if len({table.y.dtype.kind in "fiub" for table in tables}) > 1 or len({table.y.shape[1:] for table in tables}) > 1:
        raise StageError(
            "the targets of the sources are of different kinds", where="data", hint="Name targets that all hold text, or all numbers."
        )
    x, categories = _merged_categories(tables)
    return Table(x, np.concatenate([table.y for table in tables]), tables[0].features, tables[0].targets, categories)


def _merged_categories(tables: list[Table]) -> tuple[NDArray[Any], dict[int, tuple[str, ...]]]:
    """``x`` of all tables, with the indices of texts moved to the sorted texts of all of them."""
    import numpy as np

    columns = sorted({column for table in tables for column in table.categories})
    merged = {}
    parts = [table.x.copy() if columns else table.x for table in tables]
    for column in columns:
        if any(column not in table.categories for table in tables):
            raise StageError(f"column {tables[0].features[column]!r} holds text in one source and numbers in another", where="data")
        texts = tuple(sorted({text for table in tables for text in table.categories[column]}))
        for part, table in zip(parts, tables, strict=True):
            place = np.array([texts.index(text) for text in table.categories[column]], np.float64)
            part[:, column] = place[table.x[:, column].astype(np.int64)]
        merged[column] = texts
    return np.concatenate(parts), merged


def split_rows(context: Context, found: labels.Labels) -> dict[str, NDArray[Any]]:
    """Row numbers of the three parts; says if rows are left over, and refuses a training part without one of the classes."""
    import numpy as np

    wanted = context.parameters["split"]
    total = len(found.y)
    counts = split.sizes(total, wanted)
    strata = found.y if wanted.get("stratify", True) and found.classes else None
    rows = split.split(total, counts, context.seed, strata)
    if sum(counts) < total:
        context.progress(f"{total - sum(counts)} of {total} rows are in no part", None, None)
    for index, name in enumerate(found.classes):
        if not np.any(found.y[rows["train"]] == index):
            raise StageError(
                f"the training part has no row of class {name!r}", where="split", hint="Stratify, train on more rows, or merge the class."
            )
    return rows


def check_finite(x: NDArray[Any], features: tuple[str, ...], what: str, where: str = "prepare") -> None:
    """Raise ``StageError`` naming the first column and row of ``x`` that is NaN or infinite."""
    import numpy as np

    finite = np.isfinite(x)
    if finite.all():
        return
    place = np.argwhere(~finite)[0]
    named = x.ndim == 2 and len(features) == x.shape[1]
    column = repr(features[place[1]]) if named else f"{features[0]!r} at {tuple(int(index) for index in place[1:])}"
    count = int(x.size - finite.sum())
    raise StageError(
        f"{what}: column {column} is {x[tuple(place)]} in row {int(place[0]) + 1} ({count} such values in all)",
        where=where,
        hint="Mend or leave out such rows, or replace the values in a prepare function.",
    )


def _no_text_left(layout: Layout) -> None:
    if layout.categories:
        column, texts = min(layout.categories.items())
        raise StageError(
            f"feature {layout.features[column]!r} holds text ({', '.join(texts[:3])}, …)",
            where="prepare",
            hint="Add `one_hot` to `prepare:`, or leave the column out of `features:`.",
        )


def _locked(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _write(output: Path, part: str, x: NDArray[Any], y: NDArray[Any], features: tuple[str, ...]) -> None:
    import numpy as np

    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(x, dtype=np.float32)
    check_finite(narrow, features, f"the {part} part as float32")
    np.save(output / f"x_{part}.npy", narrow, allow_pickle=False)
    np.save(output / f"y_{part}.npy", np.ascontiguousarray(y), allow_pickle=False)


def _summary(found: labels.Labels, parts: Mapping[str, NDArray[Any]], fitted: list[dict[str, Any]], layout: Layout) -> dict[str, Any]:
    return {
        "task": found.task,
        "classes": list(found.classes),
        "input_shape": list(parts["train"].shape[1:]),
        "rows": {part: len(x) for part, x in parts.items()},
        "steps": fitted,
        "features": list(layout.features),
    }
