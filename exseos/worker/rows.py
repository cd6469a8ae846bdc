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
    """Batches of ``x`` [rows, features…] and ``y``, which may be memory-mapped files.

    Shuffled by ``order(rows, seed, epoch)`` if a seed is given, else in the order of the file. The last batch may be
    shorter. Rows of a batch are read in ascending order, as a file likes it, then put in place.
    """

    def __init__(self, x: NDArray[Any], y: NDArray[Any] | None, batch_size: int, seed: int | None = None) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._x = x
        self._y = y
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0
        self._order = self._shuffled()

    def _shuffled(self) -> NDArray[np.int64] | None:
        return None if self._seed is None else order(len(self._x), self._seed, self._epoch)

    def __len__(self) -> int:
        """Batches in one epoch; Keras and HGQ2 ask for it."""
        return -(-len(self._x) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        start = index * self._batch_size
        stop = min(start + self._batch_size, len(self._x))
        if self._order is None:
            return self._pair(slice(start, stop), None)
        wanted = self._order[start:stop]
        ascending = np.argsort(wanted)
        return self._pair(wanted[ascending], ascending)

    def _pair(self, rows: Any, ascending: NDArray[np.int64] | None) -> tuple[NDArray[Any], ...]:
        parts = [np.asarray(array[rows]) for array in (self._x, self._y) if array is not None]
        if ascending is not None:
            back = np.argsort(ascending)
            parts = [part[back] for part in parts]
        return tuple(parts)

    def on_epoch_end(self) -> None:
        """Go on to the next epoch's order."""
        self._epoch += 1
        self._order = self._shuffled()
