"""Small models of many kinds: each uses what a CPU could compute in its own way."""

import keras
import tensorflow as tf

K = keras.layers


def build_model(input_shape: tuple[int, ...], outputs: int, kind: str) -> keras.Model:
    """A classifier with a softmax whose middle is of the kind named."""
    given = keras.Input(input_shape)
    middle = globals()[kind](given)
    return keras.Model(given, K.Dense(outputs, activation="softmax")(middle))


def dense(x):
    return K.Dense(32, activation="relu")(K.Dense(64, activation="tanh")(x))


def convolution(x):
    x = K.Conv2D(16, 3, activation="relu")(K.Reshape((8, 8, 1))(x))
    x = K.DepthwiseConv2D(3, padding="same")(K.MaxPooling2D(2)(x))
    return K.GlobalAveragePooling2D()(K.Conv2D(8, 2)(x))


def normalization(x):
    x = K.BatchNormalization()(K.Dense(48)(x))
    return K.LayerNormalization()(K.Dense(32, activation="silu")(x))


def attention(x):
    x = K.Reshape((8, 8))(x)
    return K.Flatten()(K.Softmax()(K.MultiHeadAttention(2, 8)(x, x)))


def gelu(x):
    return K.Dense(32, activation="gelu")(K.Dense(64, activation="gelu")(x))


def lstm(x):
    return K.LSTM(16)(K.Reshape((8, 8))(x))


def embedding(x):
    return K.Flatten()(K.Embedding(65, 4)(keras.ops.cast(x * 16 + 32, "int32")))


def contraction64(x):
    return K.Dense(64)(K.Dense(64)(x))


def contraction512(x):
    return K.Dense(512)(K.Dense(512)(x))


def contraction2048(x):
    return K.Dense(64)(K.Dense(2048)(x))


@keras.saving.register_keras_serializable()
class Bessel(K.Layer):
    """A function of TensorFlow's that approximates."""

    def call(self, x):
        return tf.math.bessel_i0e(x)


def bessel(x):
    return K.Dense(16)(Bessel()(K.Dense(16)(x)))
