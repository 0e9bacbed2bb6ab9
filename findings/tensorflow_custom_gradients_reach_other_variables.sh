#!/usr/bin/env bash
# TensorFlow 2.21.0 (Python 3.11): a tf.custom_gradient that uses variables returns a list of their
# gradients, in the order of its argument `variables`. That order is not the order of use. In a tf.function
# it is the order of the names as text, where "layer_10:0" comes before "layer_1:0"; eagerly it is the order
# of a set, and differs from run to run. So a rule that returns the gradients layer by layer is right in a
# tf.function for ten layers, and with the eleventh, layers of one width silently get each other's. Its
# documentation has an example with one variable. The way out is to look up each of `variables`, or to pass
# the variables' values as arguments.
#
# Seen (layers with a wrong gradient in a tf.function; eager networks of 20 with a wrong one):
#   10 layers, in order of use: 0 layers; 19 eager networks (this number varies)
#   11 layers, in order of use: 10 layers; 20 eager networks (this number varies)
#   11 layers, looked up: 0 layers; 0 eager networks
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.21.0
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import functools

import numpy as np
import tensorflow as tf

x = tf.constant(np.random.default_rng(0).normal(size=(8, 4)))


def wrong_layers(number, look_up, graph):
    rng = np.random.default_rng(1)
    weights = [tf.Variable(rng.normal(size=(4, 4)) / 2, name=f"layer_{i}") for i in range(number)]

    def network(x):
        for weight in weights:
            x = x @ weight
        return x

    @tf.custom_gradient
    def backpropagation(x):
        activities = [x]
        for weight in weights:
            activities.append(activities[-1] @ weight)

        def gradient(error, variables=None):
            updates = {}
            for activity, weight in zip(activities[-2::-1], weights[::-1]):
                updates[weight.ref()] = tf.transpose(activity) @ error
                error = error @ tf.transpose(weight)
            return error, [updates[w.ref()] for w in (variables if look_up else weights)]

        return activities[-1], gradient

    def gradients(function):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(function(x) ** 2)
        return tape.gradient(loss, weights)

    expected = gradients(network)
    step = functools.partial(gradients, backpropagation)
    found = (tf.function(step, autograph=False) if graph else step)()
    return sum(not np.allclose(a, b) for a, b in zip(found, expected))


seen = []
for number, look_up in ((10, False), (11, False), (11, True)):
    eager = sum(wrong_layers(number, look_up, graph=False) > 0 for _ in range(20))
    seen.append((wrong_layers(number, look_up, graph=True), eager))
    how = "looked up" if look_up else "in order of use"
    print(f"{number} layers, {how}: {seen[-1][0]} layers; {eager} eager networks")
assert [layers for layers, _ in seen] == [0, 10, 0]
assert seen[0][1] > 0 and seen[1][1] > 0 and seen[2][1] == 0
PYTHON
