"""The number ranges of HGQ2's quantizers, and the effective bit operations (EBOPs) that follow from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_BLOCK = 8192
"""Rows at once in range tracing, which keeps only minima and maxima."""


def has_ebops(model: Any) -> bool:
    """Whether a layer of ``model`` is an HGQ2 layer that counts effective bit operations."""
    return any(getattr(layer, "enable_ebops", False) for layer in model._flatten_layers())


def uncounted(model: Any) -> list[str]:
    """Names of layers with a kernel whose EBOPs are not in the sum: Keras's own, and HGQ2's where counting is off."""
    return [layer.name for layer in model._flatten_layers() if hasattr(layer, "kernel") and not getattr(layer, "enable_ebops", False)]


def trace_ranges(model: Any, arrays: Mapping[str, NDArray[Any]]) -> int | None:
    """Fix the integer bits of HGQ2's activations by the training and validation rows; returns the EBOPs, None for a plain model.

    Test rows take no part: a value out of the traced range wraps around on them as it would in hardware.
    """
    if not has_ebops(model):
        return None
    from hgq.utils import trace_minmax

    from exseos.worker.rows import Batches

    trace_minmax(model, Batches(arrays["x_train"], None, _BLOCK), reset=True, verbose=False)
    if len(arrays["x_validation"]):
        return int(trace_minmax(model, Batches(arrays["x_validation"], None, _BLOCK), reset=False, verbose=False))
    return sum(int(layer.ebops) for layer in model.layers if getattr(layer, "enable_ebops", False))
