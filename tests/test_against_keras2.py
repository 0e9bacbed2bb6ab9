"""The paper's networks under BrainProp, step for step beside Keras 2: `benchmarks.keras2`."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest

from benchmarks import keras2
from brainprop import BrainProp
from brainprop.networks.architectures import build_network
from brainprop.paper import ARCHITECTURES

BATCH_SIZE = 16
L2 = 1e-3
IMAGE_SHAPE = 10, 10, 1  # Keras 2 is slow at locally connected layers for larger ones.


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_steps_are_those_of_keras_2(architecture):
    row = ARCHITECTURES[architecture]
    without_dropout = tuple(block for block in row.layers if block[0] != "dropout")
    stddev = 0.02 if architecture == "deep" else 0.05  # Larger ones would amplify rounding there.
    row = replace(row, layers=without_dropout, kernel_stddev=stddev, l2=L2)
    ours = BrainProp(*build_network(row, IMAGE_SHAPE, 10, itertools.count()), exploration_rate=0)
    ours.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
    ours.update_batch_size = BATCH_SIZE
    theirs = keras2.network(row, IMAGE_SHAPE, 10, BATCH_SIZE, exploration_rate=0)
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
        assert np.linalg.norm(our_end - their_end) < 1e-3 * change
