"""NumPy's ``.npz``: a zip of arrays. Pickled objects are never loaded, since they can run code."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exseos.errors import StageError
from exseos.formats.arrays import ArrayOptions, table_of
from exseos.formats.base import Format, Request, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Npz(Format):
    """``target`` names the array to predict; without ``features``, every other array with as many rows is taken."""

    name = "npz"
    options = ArrayOptions

    def _read(self, path: Path, request: Request, options: Any) -> Table:
        import numpy as np

        try:
            file = np.load(path, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise StageError("this is a single array (.npy), not an .npz", where=str(path), hint="Save with numpy.savez(x=…, y=…).")
            with file:
                return table_of(_NpzArrays(str(path), file), request, options)
        except (zipfile.BadZipFile, ValueError, EOFError) as error:
            raise StageError(
                f"not a readable .npz file: {error}",
                where=str(path),
                hint="Arrays of Python objects are refused: save plain numbers or text.",
            ) from None


class _NpzArrays:
    def __init__(self, where: str, file: Any) -> None:
        self.where = where
        self._file = file
        self._loaded: dict[str, NDArray[Any]] = {}

    def names(self) -> list[str]:
        return sorted(self._file.files)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.load(name, None).shape

    def load(self, name: str, rows: int | None) -> NDArray[Any]:
        import numpy as np

        if name not in self._loaded:
            self._loaded[name] = np.asarray(self._file[name])
        array = self._loaded[name]
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8")
        return array[:rows] if array.ndim else array


FORMAT = Npz()
