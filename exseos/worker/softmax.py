"""Fixed-point numbers for softmax layers.

At its defaults hls4ml 1.3 gives the layer before a softmax a result of 38 bits or so; the softmax looks its
exponentials up by the highest bits of that, which are the same for all logits, and says 1/classes for every row.
Here the logits' range over the training rows fixes the result's integer bits, and the tables are as fine as needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from exseos.errors import StageError

_MOST_INTEGER_BITS = 8
"""Beyond differences of 128 the table of exponentials would need more than 2**14 entries."""
_STEP_BITS = 6
"""The exponential is tabulated in steps of 2**-6 logits."""
_FRACTION_BITS = 12
_INTEL = ("Quartus", "oneAPI")
_INTEL_INTEGER_BITS = 6
"""hls4ml computes Quartus's and oneAPI's tables for logits of 6 integer bits and sums of 8, whatever the model's types are."""


@dataclass(frozen=True)
class Softmax:
    """One softmax layer as hls4ml names it, the layer before it, the logits' range, and the numbers that follow."""

    name: str
    before: str
    backend: str
    classes: int
    lowest: float
    highest: float

    @property
    def needed_bits(self) -> int:
        """Integer bits, sign included, that hold the logits of the training rows and the difference of any two of them."""
        largest = max(abs(self.lowest), abs(self.highest), self.highest - self.lowest)
        return max(2, math.ceil(math.log2(largest + 1)) + 1)

    @property
    def integer_bits(self) -> int:
        """Integer bits of the logits."""
        return _INTEL_INTEGER_BITS if self.backend in _INTEL else self.needed_bits

    @property
    def most_integer_bits(self) -> int:
        """What the backend's tables can cover."""
        return _INTEL_INTEGER_BITS if self.backend in _INTEL else _MOST_INTEGER_BITS

    @property
    def logits(self) -> str:
        """The fixed-point type of the logits: they are rounded and saturate."""
        return f"fixed<{self.integer_bits + _FRACTION_BITS},{self.integer_bits},RND,SAT>"

    @property
    def table_size(self) -> int:
        """Entries of both tables."""
        return 2**12 if self.backend in _INTEL else int(2 ** max(12, self.integer_bits + _STEP_BITS))

    def apply(self, layers: dict[str, Any]) -> None:
        """Set the numbers in hls4ml's configuration by layer name."""
        sum_bits = max(3, math.ceil(math.log2(self.classes + 1)))
        layers.setdefault(self.before, {}).setdefault("Precision", {})["result"] = self.logits
        own = layers.setdefault(self.name, {})
        own.setdefault("Precision", {}).update(result="ufixed<16,0,RND,SAT>", accum=f"ufixed<{17 + sum_bits},{sum_bits},RND,SAT>")
        # hls4ml ignores these under "Precision", where its own configuration puts them.
        if self.backend in _INTEL:
            own.update(exp_table_t="fixed<22,8,RND,SAT>", inv_table_t="fixed<18,2,RND,SAT>")
        else:
            inverse = f"ufixed<{15 + sum_bits},{sum_bits},RND,SAT>"
            own.update(exp_table_t="ufixed<17,1,RND,SAT>", inv_table_t="ufixed<17,0,RND,SAT>", inv_inp_t=inverse)
        own["TableSize"] = self.table_size

    def summary(self) -> dict[str, Any]:
        """For ``convert.json``."""
        return {"name": self.name, "logits_of": self.before, "logits": self.logits, "table_size": self.table_size}


def softmax_settings(model: Any, layers: list[dict[str, Any]], rows: Any, backend: str) -> list[Softmax]:
    """The choices for every unquantised softmax of ``model``; ``layers`` is hls4ml's list of the model's layers.

    ``rows`` are the training rows [rows, features…]. HGQ2's QSoftmax brings its own numbers and is left alone. Raises
    ``StageError`` for logits that the tables of ``backend`` cannot cover.
    """
    import keras

    found = []
    names = [layer["name"] for layer in layers if layer["class_name"] == "Softmax"]
    for layer in model.layers:
        if isinstance(layer, keras.layers.Softmax) or (type(layer) is keras.layers.Activation and _is_softmax(layer)):
            before, logits, name = layer.input._keras_history.operation.name, layer.input, layer.name
        elif _is_softmax(layer) and type(layer).__module__.startswith("keras."):
            before, logits, name = layer.name, layer.output, f"{layer.name}_softmax"
        else:
            continue
        if name not in names:
            raise StageError(f"hls4ml does not name the softmax of {layer.name}: it names {', '.join(names) or 'none'}", where="convert")
        lowest, highest = _range(model, layer, logits, rows)
        found.append(_checked(Softmax(name, before, backend, int(layer.output.shape[-1]), lowest, highest)))
    return found


def _is_softmax(layer: Any) -> bool:
    import keras

    return getattr(layer, "activation", None) is keras.activations.softmax


def _range(model: Any, layer: Any, logits: Any, rows: Any) -> tuple[float, float]:
    """The smallest and largest logit over ``rows``; a fused activation is taken out while they are computed."""
    import keras

    fused = logits is layer.output
    activation = layer.activation if fused else None
    if fused:
        layer.activation = keras.activations.linear
    try:
        values = keras.Model(model.inputs, logits).predict(rows, batch_size=4096, verbose=0)
    finally:
        if fused:
            layer.activation = activation
    return float(values.min()), float(values.max())


def _checked(softmax: Softmax) -> Softmax:
    if not math.isfinite(softmax.lowest + softmax.highest) or softmax.needed_bits > softmax.most_integer_bits:
        raise StageError(
            f"the logits before the softmax {softmax.name} run from {softmax.lowest:.4g} to {softmax.highest:.4g} on the training rows; "
            f"the tables of {softmax.backend} cover differences up to {2 ** (softmax.most_integer_bits - 1) - 1}",
            where="convert",
            hint="End the model in its logits (no softmax, from_logits in the loss): the class is the largest logit anyway.",
        )
    return softmax
