"""Which rows train, validate and test: a pure function of the labels, the sizes and the seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exseos.errors import StageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = ("train", "validation", "test")
_STREAM = 0x53504C49
"""Keys this use of the seed, so that no other use of it draws the same numbers."""


def sizes(rows: int, split: Mapping[str, Any]) -> tuple[int, int, int]:
    """Rows of each part. Whole numbers above 1 count rows; anything else is a fraction, rounded so that the parts add up."""
    values = [split[part] for part in PARTS]
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values) and sum(values) > 1:
        counts = (values[0], values[1], values[2])
    else:
        edges = [int(rows * sum(values[: index + 1]) + 0.5) for index in range(3)]
        counts = (edges[0], edges[1] - edges[0], edges[2] - edges[1])
    if sum(counts) > rows:
        raise StageError(f"the split wants {sum(counts)} rows, the data has {rows}", where="split")
    for part, count, value in zip(PARTS, counts, values, strict=True):
        if count < 1 and (part != "validation" or value):
            raise StageError(
                f"the {part} part would be empty: {rows} rows, split {value}", where="split", hint="Use more data or another split."
            )
    return counts


def split(rows: int, counts: tuple[int, int, int], seed: int, strata: NDArray[Any] | None = None) -> dict[str, NDArray[Any]]:
    """Row numbers of each part, in random order; every part has the same share of each of ``strata`` (class indices [rows]).

    Stratified: the rows of each class are permuted, and row k of n gets the key (k + ½) / n; sorted by it, every stretch of
    rows holds the classes in proportion, so consecutive stretches become the parts, with exactly the sizes asked for.
    """
    import numpy as np

    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _STREAM])))
    order = random.permutation(rows)
    if strata is not None:
        permuted = strata[order]
        key = np.empty(rows, np.float64)
        for stratum in range(int(strata.max()) + 1):
            members = np.flatnonzero(permuted == stratum)
            key[members] = (np.arange(len(members)) + 0.5) / max(1, len(members))
        order = order[np.lexsort((permuted, key))]
    parts = {}
    start = 0
    for part, count in zip(PARTS, counts, strict=True):
        parts[part] = random.permutation(order[start : start + count])
        start += count
    return parts
