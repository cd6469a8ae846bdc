"""Rows for training: batches from files, in an order that is a pure function of (seed, epoch)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STREAM = 0x524F5753
"""Keys this use of the seed, so that no other use of it draws the same numbers."""


def order(rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of the row numbers: the same for one (rows, seed, epoch), whatever ran before."""
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _STREAM, epoch])))
    return random.permutation(rows)


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """``x`` [rows, features…] and ``y``, which may be memory-mapped files, once, in the order of the file.

    The last batch may be shorter.
    """

    def __init__(self, x: NDArray[Any], y: NDArray[Any] | None, batch_size: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._arrays = [array for array in (x, y) if array is not None]
        self._batch_size = batch_size

    def __len__(self) -> int:
        """Batches in one pass; HGQ2 asks for it."""
        return -(-len(self._arrays[0]) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        start = index * self._batch_size
        return tuple(np.asarray(array[start : start + self._batch_size]) for array in self._arrays)


class Epochs(keras.utils.PyDataset):  # type: ignore[misc]
    """One endless sequence of shuffled batches: batch ``i`` is batch ``i mod steps`` of epoch ``i div steps``.

    Give ``fit`` ``steps_per_epoch=steps``. So the rows of a batch follow from its number alone, not from when Keras
    calls its hooks or how far it reads ahead. Without a seed, every epoch has the order of the file.
    """

    def __init__(self, x: NDArray[Any], y: NDArray[Any], batch_size: int, seed: int | None) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._x = x
        self._y = y
        self._batch_size = batch_size
        self._seed = seed
        self._known: tuple[int, NDArray[np.int64]] | None = None
        self.steps = -(-len(x) // batch_size)
        """Batches in one epoch; the last may be shorter."""

    @property
    def num_batches(self) -> None:
        """None tells Keras that it never ends."""

    def _order(self, epoch: int) -> NDArray[np.int64]:
        known = self._known
        if known is None or known[0] != epoch:
            rows = len(self._x)
            known = (epoch, np.arange(rows) if self._seed is None else order(rows, self._seed, epoch))
            self._known = known
        return known[1]

    def __getitem__(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        epoch, step = divmod(index, self.steps)
        rows = self._order(epoch)[step * self._batch_size : (step + 1) * self._batch_size]
        # A file is read forwards; then each row goes to its place. NumPy's unstable sorts follow the CPU.
        ascending = np.argsort(rows, kind="stable")
        back = np.argsort(ascending, kind="stable")
        forwards = rows[ascending]
        return np.asarray(self._x[forwards])[back], np.asarray(self._y[forwards])[back]
