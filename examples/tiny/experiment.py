"""The smallest whole experiment: three features of MAGIC, three hidden neurons."""

import keras
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QDense


def build_model(input_shape: tuple[int, ...], outputs: int, hidden: int = 3, beta0: float = 1e-5) -> keras.Model:
    """One hidden layer with ReLU and a linear output; all bit widths are trained (HGQ2)."""
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", b0=5, overflow_mode="WRAP"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", i0=3, f0=3, overflow_mode="WRAP"),
        LayerConfigScope(enable_ebops=True, beta0=beta0),
    ):
        return keras.Sequential([keras.layers.Input(input_shape), QDense(hidden, activation="relu"), QDense(outputs)])
