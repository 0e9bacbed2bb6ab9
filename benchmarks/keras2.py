"""The paper's networks in Keras 2, which its 2020 code used: BrainProp as an output layer and loss.

The output layer keeps the Q-value of the selected class and makes the others 0; the loss compares
what is left with the reward. See `docs/differences.md`.
"""

from collections.abc import Callable

import tensorflow as tf
import tf_keras
from tf_keras import layers

from brainprop.paper import ARCHITECTURES, Architecture


class SelectedOutput(layers.Dense):
    """A linear output layer that keeps the Q-value of the selected class of each trial.

    Args:
        exploration_rate: The share of trials whose class is drawn, not the greedy one.
    """

    def __init__(self, units: int, exploration_rate: float, **kwargs):
        super().__init__(units, **kwargs)
        self.exploration_rate = exploration_rate

    def call(self, inputs, training=None):
        q = super().call(inputs)
        selected = tf.argmax(q, axis=1)
        if training and self.exploration_rate:
            drawn = tf.random.categorical(q, 1)[:, 0]
            explores = tf.random.uniform(tf.shape(selected)) < self.exploration_rate
            selected = tf.where(explores, drawn, selected)
        return q * tf.one_hot(selected, self.units)


def network(
    architecture: str | Architecture,
    image_shape: tuple[int, int, int],
    classes: int,
    batch_size: int,
    exploration_rate: float = 0.02,
) -> tf_keras.Model:
    """Builds and compiles a network of the paper.

    Args:
        architecture: A name in `brainprop.paper.ARCHITECTURES`, or such a row.
        image_shape: Height, width, channels.
        classes: Number of output units.
        batch_size: By which the loss divides its sum over the batch, a last, smaller one too.
        exploration_rate: Of BrainProp.
    """
    row = ARCHITECTURES[architecture] if isinstance(architecture, str) else architecture

    def kernel() -> dict:
        return {
            "use_bias": False,
            "kernel_initializer": tf_keras.initializers.RandomNormal(0.0, row.kernel_stddev),
            "kernel_regularizer": tf_keras.regularizers.L2(row.l2) if row.l2 else None,
        }

    def relu() -> dict:
        return kernel() | {"activation": "relu"}

    blocks: dict[str, Callable[..., list]] = {
        "conv": lambda filters, strides=1: [
            layers.Conv2D(filters, 3, strides, padding="same", **relu()),
            layers.BatchNormalization(),
        ],
        "locally_connected": lambda filters, strides=1: [
            layers.LocallyConnected2D(filters, 3, strides, **relu()),
            layers.BatchNormalization(),
        ],
        "dense": lambda units: [layers.Dense(units, **relu())],
        "max_pool": lambda: [layers.MaxPooling2D(2)],
        "dropout": lambda rate: [layers.Dropout(rate)],
        "flatten": lambda: [layers.Flatten()],
    }

    def loss(labels, q):
        """Half the squared reward-prediction error, summed and divided by the batch size."""
        selected = tf.cast(q != 0, q.dtype)
        right = tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), classes)
        delta = tf.reduce_sum(selected * right, axis=1) - tf.reduce_sum(q, axis=1)
        return tf.reduce_sum(delta**2) / 2 / batch_size

    hidden = [layer for name, *arguments in row.layers for layer in blocks[name](*arguments)]
    output = SelectedOutput(classes, exploration_rate, **kernel())
    model = tf_keras.Sequential([layers.Input(image_shape), *hidden, output])
    model.compile(tf_keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return model
