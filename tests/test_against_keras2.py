"""The paper's networks under BrainProp, step for step beside Keras 2.

The output layer and the loss below do what those of the paper's 2020 code do: all Q-values but the
selected one become 0, and what is left is compared with the reward. See `docs/differences.md`.
"""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from tf_keras import layers

from brainprop import BrainProp
from brainprop.networks.architectures import build_network
from brainprop.paper import ARCHITECTURES

BATCH_SIZE = 16
L2 = 1e-3
IMAGE_SHAPE = 10, 10, 1  # Keras 2 is slow at locally connected layers for larger ones.


class SelectedOutput(layers.Dense):
    """A linear output layer that keeps the largest Q-value of each trial and zeroes the others."""

    def call(self, inputs):
        q = super().call(inputs)
        return q * tf.one_hot(tf.argmax(q, axis=1), self.units)


def reward_loss(labels, q):
    """Half the squared reward-prediction error, summed and divided by the full batch size."""
    selected = tf.cast(q != 0, q.dtype)
    reward = tf.reduce_sum(selected * tf.one_hot(tf.reshape(labels, [-1]), q.shape[-1]), axis=1)
    delta = reward - tf.reduce_sum(q, axis=1)
    return tf.reduce_sum(delta**2) / 2 / BATCH_SIZE


def keras2_network(architecture):
    kernel = {"use_bias": False, "kernel_regularizer": tf_keras.regularizers.L2(L2)}
    relu = kernel | {"activation": "relu"}
    hidden = {
        "dense": [layers.Flatten(), layers.Dense(1500, **relu), layers.Dense(1000, **relu)],
        "conv": [
            *(layers.Conv2D(32, 3, padding="same", **relu), layers.BatchNormalization()),
            *(layers.Conv2D(32, 3, 2, padding="same", **relu), layers.BatchNormalization()),
            layers.Flatten(),
        ],
        "loccon": [
            *(layers.LocallyConnected2D(32, 3, **relu), layers.BatchNormalization()),
            *(layers.LocallyConnected2D(32, 3, 2, **relu), layers.BatchNormalization()),
            layers.Flatten(),
        ],
    }[architecture]
    output = [layers.Dense(500, **relu), SelectedOutput(10, **kernel)]
    model = tf_keras.Sequential([layers.Input(IMAGE_SHAPE), *hidden, *output])
    model.compile(tf_keras.optimizers.SGD(0.1), reward_loss)
    return model


@pytest.mark.parametrize("architecture", ["dense", "conv", "loccon"])
def test_steps_are_those_of_keras_2(architecture):
    row = ARCHITECTURES[architecture]
    without_dropout = tuple(block for block in row.layers if block[0] != "dropout")
    row = replace(row, layers=without_dropout, kernel_stddev=0.05, l2=L2)
    ours = BrainProp(*build_network(row, IMAGE_SHAPE, 10, itertools.count()), exploration_rate=0)
    ours.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
    ours.update_batch_size = BATCH_SIZE
    theirs = keras2_network(architecture)
    before = ours.get_weights()
    theirs.set_weights(before)

    rng = np.random.default_rng(1)
    right = 0
    for count in (BATCH_SIZE, BATCH_SIZE, BATCH_SIZE, BATCH_SIZE // 2):  # The last one is smaller.
        images, labels = rng.random((count, *IMAGE_SHAPE), "float32"), rng.integers(3, size=count)
        right += ours.train_on_batch(images, labels, return_dict=True)["accuracy"] * count
        theirs.train_on_batch(images, labels)
    assert 0 < right < 3.5 * BATCH_SIZE  # There were rewarded and unrewarded trials.
    for start, our_end, their_end in zip(
        before, ours.get_weights(), theirs.get_weights(), strict=True
    ):
        change = np.linalg.norm(their_end - start)
        assert change > 0
        assert np.linalg.norm(our_end - their_end) < 1e-4 * change
