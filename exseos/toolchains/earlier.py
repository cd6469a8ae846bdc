"""What the stages prepare and train left, as later stages read it.

Code of the user ran in those stages, so every file may be anything: each is bounded, typed and compared with the others before
it is used, and a ``StageError`` says which one is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exseos.errors import StageError

if TYPE_CHECKING:
    import numpy as np

_MOST_TEXT = 64 << 20
_BLOCK = 1 << 20
_HINT = "Code of the experiment wrote this file, and it is not what the stage writes: mend the code."

M = TypeVar("M", bound=BaseModel)
Task = Literal["binary", "multiclass", "regression"]
Part = Literal["train", "validation", "test"]


class Rows(BaseModel):
    """How many rows each part has."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    train: Annotated[int, Field(ge=1)]
    validation: Annotated[int, Field(ge=0)]
    test: Annotated[int, Field(ge=1)]


class Prepared(BaseModel):
    """``prepared.json``: what is known of the arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    task: Task
    classes: tuple[str, ...]
    input_shape: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=8)]
    rows: Rows
    steps: list[Any]
    features: tuple[str, ...]


class Objective(BaseModel):
    """``objective.json``: what the outputs of a model mean."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    loss: str
    """Name of the Keras loss."""
    from_logits: bool
    threshold: float | None
    """Binary with one output: above it the second class is predicted. None: the largest output decides, or regression."""


def read_text(path: Path) -> bytes:
    """The content of a text file; one that is missing or longer than any stage writes is a ``StageError``."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_TEXT + 1)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise StageError("there is no such file", where=path.name, hint=_HINT) from error
    if len(content) > _MOST_TEXT:
        raise StageError(f"the file is longer than {_MOST_TEXT >> 20} MiB", where=path.name, hint=_HINT)
    return content


def read_json(path: Path) -> Any:
    """The JSON in a file."""
    try:
        return json.loads(read_text(path), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise StageError(f"this is no JSON: {str(error)[:200]}", where=path.name, hint=_HINT) from error


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def read_prepared(folder: Path) -> Prepared:
    """``prepared.json`` in the outputs of prepare."""
    path = folder / "prepared.json"
    found = _validated(Prepared, path)
    wanted = {"binary": len(found.classes) == 2, "multiclass": len(found.classes) >= 2, "regression": not found.classes}
    if not wanted[found.task]:
        raise StageError(f"the task is {found.task}, with {len(found.classes)} classes", where=path.name, hint=_HINT)
    return found


def read_objective(folder: Path) -> Objective:
    """``objective.json`` in the outputs of train or evaluate."""
    return _validated(Objective, folder / "objective.json")


def _validated(model: type[M], path: Path) -> M:
    try:
        return model.model_validate_json(read_text(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise StageError(f"{place}: {first['msg']}"[:300], where=path.name, hint=_HINT) from error


def read_x(folder: Path, part: Part) -> np.ndarray[Any, Any]:
    """The features of a part: float32 [rows, features…], of the shape that ``prepared.json`` says."""
    prepared = read_prepared(folder)
    return read_array(folder / f"x_{part}.npy", "float32", (getattr(prepared.rows, part), *prepared.input_shape))


def read_y(folder: Path, part: Part) -> np.ndarray[Any, Any]:
    """The targets of a part: class indices, int64 [rows], or float32 [rows, outputs] of a regression."""
    import numpy as np

    prepared = read_prepared(folder)
    path, rows = folder / f"y_{part}.npy", getattr(prepared.rows, part)
    if prepared.task == "regression":
        return read_array(path, "float32", (rows, None))
    y = read_array(path, "int64", (rows,))
    if rows and not 0 <= int(np.min(y)) <= int(np.max(y)) < len(prepared.classes):
        raise StageError(f"a class is not one of the {len(prepared.classes)} there are", where=path.name, hint=_HINT)
    return y


def read_predictions(inputs: Mapping[str, Path]) -> np.ndarray[Any, Any]:
    """Keras's outputs on the test rows, float32 [rows, outputs], from the stages ``evaluate`` and ``prepare`` of ``inputs``."""
    rows = read_prepared(inputs["prepare"]).rows.test
    return read_array(inputs["evaluate"] / "predictions_test.npy", "float32", (rows, None))


def read_array(path: Path, dtype: str, shape: tuple[int | None, ...]) -> np.ndarray[Any, Any]:
    """The array in a ``.npy`` file, which stays in the file; ``shape`` with None for a length that may be any. All numbers are finite."""
    import numpy as np

    try:
        array: np.ndarray[Any, Any] = np.lib.format.open_memmap(path, mode="r")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise StageError("there is no such file", where=path.name, hint=_HINT) from error
    except OSError:
        raise
    except Exception as error:  # the reader of the header raises whatever its parser does
        raise StageError(f"this is no array of numbers: {str(error)[:200]}", where=path.name, hint=_HINT) from error
    if array.dtype != np.dtype(dtype) or not array.flags.c_contiguous:
        raise StageError(f"the array holds {array.dtype}, not {dtype} in C order", where=path.name, hint=_HINT)
    fits = len(array.shape) == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    if not fits or 0 in array.shape[1:]:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise StageError(f"the array has the shape {array.shape}, not ({wanted})", where=path.name, hint=_HINT)
    if array.dtype.kind == "f":
        flat = array.reshape(-1)
        if not all(np.isfinite(flat[start : start + _BLOCK]).all() for start in range(0, flat.size, _BLOCK)):
            raise StageError("a number of the array is not finite", where=path.name, hint=_HINT)
    return array
