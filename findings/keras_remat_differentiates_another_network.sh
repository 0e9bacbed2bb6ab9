#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): keras.RematScope, which promises less memory for a second forward
# pass, gives gradients of another network on TensorFlow. A layer that it covers runs again in the backward
# pass, outside of the model's call. There its inner layers no longer know that they train: `training` reaches
# them through the context of the call, as Keras's guide recommends, and this context has ended. So
# batch normalization takes its moving averages instead of the batch's statistics, and dropout and noise are off.
# The forward pass, the loss and the moving averages stay right; the gradients of all layers in and below the block are
# those of inference. Given `training=True` by hand, dropout runs, but draws another mask than in the
# forward pass. No error, no warning, eagerly and in fit. Models without such layers are right.
# (A covered layer that gets `training` as an argument raises an error in a tf.function.)
# Way out: cover only layers that are the same in training and inference; or mode="activations".
#
# Seen (share of outputs whose gradient has the mask of the forward pass, for 1000 inputs of 1; the relative distance of
# a kernel's gradient, below a block with batch normalization, to the one by finite differences, and to the
# gradient of inference):
#   dropout            plain 1.000   covered 0.498   covered, training=True 0.518
#   batch normalization, eager      plain 0.000   covered 0.772   covered to inference 0.000
#   batch normalization, graph      plain 0.000   covered 0.772   covered to inference 0.000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import contextlib

import keras
import numpy as np
import tensorflow as tf


class Block(keras.layers.Layer):
    """Calls a layer; Keras tells that layer by itself whether it trains, unless `by_hand` does."""

    def __init__(self, inner, by_hand):
        super().__init__(name="block")
        self.inner, self.by_hand = inner, by_hand

    def call(self, inputs):
        return self.inner(inputs, training=True) if self.by_hand else self.inner(inputs)


def network(inner, covered, by_hand=False, size=1000, dense=False):
    scope = keras.RematScope(mode="list_of_layers", layer_names=["block"])
    with scope if covered else contextlib.nullcontext():
        inputs = keras.Input((size,), dtype="float64")
        kernel = keras.initializers.RandomNormal(seed=5)
        features = keras.layers.Dense(4, kernel_initializer=kernel)(inputs) if dense else inputs
        return keras.Model(inputs, Block(inner(), by_hand)(features))


def same_mask(covered, by_hand=False):
    model = network(lambda: keras.layers.Dropout(0.5, seed=3), covered, by_hand)
    inputs = tf.ones((1, 1000), tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = model(inputs, training=True)
    slopes = tape.gradient(outputs, inputs).numpy()
    assert set(np.unique(outputs)) == {0, 2}
    return np.mean((slopes != 0) == (outputs.numpy() != 0))


keras.config.set_floatx("float64")
plain, covered, by_hand = same_mask(False), same_mask(True), same_mask(True, by_hand=True)
print(f"dropout            plain {plain:.3f}   covered {covered:.3f}   covered, training=True {by_hand:.3f}")
assert plain == 1 and covered < 0.6 and by_hand < 0.6

rng = np.random.default_rng(0)
batch, signs = rng.normal(2, 3, (32, 6)), rng.normal(size=(32, 4))


def loss(model, training=True):
    return tf.reduce_sum(model(tf.constant(batch), training=training) * signs)


def kernel_gradient(model, graph, training=True):
    def gradient():
        with tf.GradientTape() as tape:
            value = loss(model, training)
        return tape.gradient(value, model.trainable_weights[0].value)

    return (tf.function(gradient, autograph=False) if graph else gradient)().numpy()


def by_differences(model, step=1e-6):
    kernel = model.trainable_weights[0]
    start, slopes = kernel.numpy(), np.zeros(kernel.shape)
    for at in np.ndindex(*kernel.shape):
        values = []
        for sign in (1, -1):
            moved = start.copy()
            moved[at] += sign * step
            kernel.assign(moved)
            values.append(loss(model).numpy())
        slopes[at] = (values[0] - values[1]) / (2 * step)
    kernel.assign(start)
    return slopes


def distance(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def normalized(covered):
    # Without a momentum its moving averages would change while they are compared.
    return network(lambda: keras.layers.BatchNormalization(momentum=1.0), covered, size=6, dense=True)


for name, graph in (("eager", False), ("graph", True)):
    models = normalized(False), normalized(True)
    true = by_differences(models[0])
    assert distance(by_differences(models[1]), true) < 1e-6  # The forward passes are equal.
    plain, covered = (kernel_gradient(model, graph) for model in models)
    inference = kernel_gradient(models[0], graph, training=False)
    errors = distance(plain, true), distance(covered, true), distance(covered, inference)
    print("batch normalization, {}      plain {:.3f}   covered {:.3f}   covered to inference {:.3f}".format(name, *errors))
    assert errors[0] < 1e-5 and errors[1] > 0.5 and errors[2] < 1e-9
PYTHON
