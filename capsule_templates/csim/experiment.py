"""The model: plain Keras, quantized after training by hls4ml. Make it yours."""

import keras


def build_model(input_shape: tuple[int, ...], outputs: int, hidden: tuple[int, ...] = (16, 8)) -> keras.Model:
    """Dense layers with ReLU and a linear output (logits: hardware needs no sigmoid to tell above from below)."""
    layers = [keras.layers.Dense(width, activation="relu") for width in hidden]
    return keras.Sequential([keras.layers.Input(input_shape), *layers, keras.layers.Dense(outputs)])
