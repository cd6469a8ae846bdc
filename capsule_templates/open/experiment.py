"""The model: a small quantized network whose bit widths are trained with it (HGQ2). Make it yours."""

import keras
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QDense


def build_model(
    input_shape: tuple[int, ...],
    outputs: int,
    hidden: tuple[int, ...] = (16, 8),
    beta0: float = 2e-5,
    weight_bits: int = 6,
    integer_bits: int = 3,
    fraction_bits: int = 4,
) -> keras.Model:
    """Dense layers with ReLU and a linear output (a logit: hardware needs no sigmoid to tell above from below).

    ``beta0`` weighs effective bit operations (EBOPs, a measure of logic) against the loss; the bits are where training starts.
    """
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", b0=weight_bits, overflow_mode="WRAP"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", i0=integer_bits, f0=fraction_bits, overflow_mode="WRAP"),
        LayerConfigScope(enable_ebops=True, beta0=beta0),
    ):
        return keras.Sequential([keras.layers.Input(input_shape), *(QDense(width, activation="relu") for width in hidden), QDense(outputs)])
