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
    """Names of layers whose bit operations are not in the sum of EBOPs, or not in full.

    In it are HGQ2's layers of the model itself, with all that they are made of. Not in it are those of a nested model, which HGQ2 does
    not look into, those with ``enable_ebops`` off, ``ebops_factor`` or a ``parallelization_factor`` below 1, and other layers with
    a matrix of weights.
    """
    whole = [layer for layer in model.layers if getattr(layer, "enable_ebops", False) and all(map(_unscaled, layer._flatten_layers()))]
    counted = {id(part) for layer in whole for part in layer._flatten_layers()}
    return [layer.name for layer in model._flatten_layers() if id(layer) not in counted and _computes(layer)]


def _unscaled(layer: Any) -> bool:
    return getattr(layer, "ebops_factor", 1) == 1 and not 0 < getattr(layer, "parallelization_factor", 1) < 1


def _computes(layer: Any) -> bool:
    """Whether a layer is one that HGQ2 can count, or has weights to multiply by; a quantizer's own weights are its bit widths."""
    import keras

    if isinstance(layer, keras.layers.Embedding) or "hgq.quantizer" in type(layer).__module__:
        return False
    return hasattr(layer, "enable_ebops") or any(len(weight.shape) > 1 for weight in layer._trainable_variables)


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
