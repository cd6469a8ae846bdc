"""HDF5: datasets anywhere in the tree, named by path (``events/jets``), and fields of compound types (``events/jets/pt``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from exseos.errors import StageError
from exseos.formats.arrays import ArrayOptions, table_of
from exseos.formats.base import Format, Request, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK_BYTES = 1 << 26


class Hdf5(Format):
    """``target`` names the dataset to predict; without ``features``, every other dataset with as many rows is taken.

    Only the datasets named are read, in blocks of whole chunks, straight into the array returned.
    """

    name = "hdf5"
    options = ArrayOptions

    def _read(self, path: Path, request: Request, options: Any) -> Table:
        import h5py

        plain = Request(_stripped(request.features), _stripped(request.target))
        try:
            with h5py.File(path, "r", locking=False) as file:
                return table_of(_Hdf5Arrays(str(path), file), plain, options)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StageError(f"not a readable HDF5 file: {error}", where=str(path)) from None


def _stripped(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return names if names is None else tuple(name.strip("/") for name in names)


class _Hdf5Arrays:
    def __init__(self, where: str, file: Any) -> None:
        import h5py

        self.where = where
        self._datasets: dict[str, tuple[Any, str | None]] = {}

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                if item.dtype.names:
                    self._datasets.update({f"{name}/{one}": (item, one) for one in item.dtype.names})
                else:
                    self._datasets[name] = (item, None)

        file.visititems(visit)

    def names(self) -> list[str]:
        return sorted(self._datasets)

    def shape(self, name: str) -> tuple[int, ...]:
        dataset, part = self._datasets[name]
        return tuple(dataset.shape) + (tuple(dataset.dtype[part].shape) if part else ())

    def load(self, name: str, rows: int | None) -> NDArray[Any]:
        import h5py
        import numpy as np

        dataset, part = self._datasets[name]
        if dataset.shape == () or dataset.shape is None:
            return np.asarray(dataset[()])
        count = dataset.shape[0] if rows is None else min(rows, dataset.shape[0])
        kind = dataset.dtype[part] if part else dataset.dtype
        if h5py.check_string_dtype(kind) is not None:
            source = (dataset.fields(part) if part else dataset)[:count]
            return np.array([text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in source.ravel()]).reshape(
                source.shape
            )
        if kind.base.kind not in "fiub":
            raise StageError(f"dataset {name!r} has type {kind}, neither numbers nor text", where=self.where)
        result = np.empty((count, *self.shape(name)[1:]), kind.base)
        step = _step(dataset, result)
        for start in range(0, count, step):
            stop = min(start + step, count)
            result[start:stop] = dataset.fields(part)[start:stop] if part else dataset[start:stop]
        return result


def _step(dataset: Any, result: NDArray[Any]) -> int:
    """Rows to read at once: about 64 MiB, in whole chunks."""
    row_bytes = max(1, result.nbytes // max(1, len(result)))
    rows = max(1, _BLOCK_BYTES // row_bytes)
    chunk = dataset.chunks[0] if dataset.chunks else 1
    return max(chunk, rows // chunk * chunk)


FORMAT = Hdf5()
