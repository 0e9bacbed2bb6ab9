"""Outputs must be linear: behind whatever layer another activation hides, it is found."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from brainprop.rules.brainprop import BrainProp
from brainprop.rules.ebp import EBP

CLASSES = 4


def behind(*stack):
    """Applies layers or functions one after the other."""

    def build(inputs):
        for layer in stack:
            inputs = layer(inputs)
        return inputs

    return build


def dense(activation=None):
    return lambda inputs: layers.Dense(CLASSES, activation)(inputs)


def nested(*stack):
    """The same, as a model of its own within the network."""

    def build(inputs):
        inner = keras.Input(inputs.shape[1:])
        return keras.Model(inner, behind(*stack)(inner))(inputs)

    return build


def sequential(*stack):
    return lambda inputs: keras.Sequential([*stack])(inputs)


NOT_LINEAR = {
    "softmax": behind(dense("softmax")),
    "TensorFlow's softmax": behind(dense(tf.nn.softmax)),
    "softmax layer": behind(dense(), layers.Softmax()),
    "softmax operation": behind(dense(), keras.ops.softmax),
    "softmax, float32": behind(dense("softmax"), layers.Activation("linear", dtype="float32")),
    "softmax, reshape": behind(dense("softmax"), layers.Reshape((CLASSES,))),
    "softmax, identity": behind(dense("softmax"), layers.Identity()),
    "softmax, flatten": behind(dense("softmax"), layers.Flatten()),
    "softmax, dropout": behind(dense("softmax"), layers.Dropout(0.1)),
    "softmax, cast": behind(dense("softmax"), lambda x: keras.ops.cast(x, "float16")),
    "softmax, product": behind(dense("softmax"), lambda x: 5 * x),
    "softmax, pooling": behind(
        lambda x: layers.Reshape((5, 1, 1))(x),
        layers.Conv2D(CLASSES, 1, activation="softmax"),
        layers.GlobalAveragePooling2D(),
    ),
    "softmax in a model": nested(dense("softmax")),
    "softmax in a model in a model": nested(nested(dense(), layers.Softmax())),
    "softmax in a model, float32": behind(
        sequential(layers.Dense(6), layers.Dense(CLASSES, "softmax")), layers.Identity()
    ),
    "sigmoid": behind(dense("sigmoid")),
    "tanh": behind(dense("tanh")),
    "relu": behind(dense("relu")),
    "relu layer, float32": behind(dense(), layers.ReLU(), layers.Activation("linear")),
    "leaky relu": behind(dense(), layers.LeakyReLU()),
    "relu operation": behind(dense(), keras.ops.relu),
    "gelu": behind(dense("gelu")),
    "recurrent": behind(lambda x: layers.Reshape((5, 1))(x), lambda x: layers.LSTM(CLASSES)(x)),
    "cells": behind(
        lambda x: layers.Reshape((5, 1))(x),
        lambda x: layers.RNN([layers.LSTMCell(3), layers.GRUCell(CLASSES)])(x),
    ),
    "both directions": behind(
        lambda x: layers.Reshape((5, 1))(x), lambda x: layers.Bidirectional(layers.GRU(2))(x)
    ),
    "softmax at each step": behind(
        lambda x: layers.Reshape((1, 5))(x),
        lambda x: layers.TimeDistributed(layers.Dense(CLASSES, "softmax"))(x),
        layers.Flatten(),
    ),
    "model at each step": behind(
        lambda x: layers.Reshape((1, 5))(x),
        lambda x: layers.TimeDistributed(
            keras.Sequential([keras.Input((5,)), layers.Dense(CLASSES, "softmax")])
        )(x),
        layers.Flatten(),
    ),
    "wrapped": lambda x: layers.SpectralNormalization(layers.Dense(CLASSES, "softmax"))(x),
    "lambda": behind(dense(), layers.Lambda(tf.nn.softmax)),
    "lambda of its own": behind(
        dense(), layers.Lambda(lambda x: tf.nn.softmax(x), output_shape=(CLASSES,))
    ),
    "clipped": behind(dense(), lambda x: keras.ops.clip(x, 0, 1)),
    "softmax, model without weights": behind(dense("softmax"), nested(layers.Identity())),
    "mean of two softmaxes": lambda x: layers.Average()([dense("softmax")(x) for _ in range(2)]),
    "sigmoid of each class": lambda x: layers.Concatenate()(
        [layers.Dense(1, "sigmoid")(x) for _ in range(CLASSES)]
    ),
    "softmax written out": behind(
        dense(), keras.ops.exp, lambda x: x / keras.ops.sum(x, -1, keepdims=True)
    ),
}
LINEAR = {
    "dense": behind(dense()),
    "linear": behind(dense("linear")),
    "dense after softmax": behind(dense("softmax"), dense()),
    "dense after relu": behind(dense("relu"), dense()),
    "float32": behind(dense(), layers.Activation("linear", dtype="float32")),
    "scaled": behind(dense(), layers.Rescaling(2.0)),
    "normalized": behind(dense("relu"), layers.BatchNormalization()),
    "pooled relus": behind(
        lambda x: layers.Reshape((5, 1, 1))(x),
        layers.Conv2D(CLASSES, 1, activation="relu"),
        layers.GlobalAveragePooling2D(),
    ),
    "nested": nested(dense("relu"), dense()),
    "pooled relus, by an operation": behind(
        lambda x: layers.Reshape((5, 1, 1))(x),
        layers.Conv2D(CLASSES, 1, activation="relu"),
        lambda x: keras.ops.mean(x, (1, 2)),
    ),
    "fixed projection": behind(
        dense("relu"), lambda x: keras.ops.matmul(x, np.ones((CLASSES, CLASSES), "float32"))
    ),
    "linear at each step": behind(
        lambda x: layers.Reshape((1, 5))(x),
        lambda x: layers.TimeDistributed(layers.Dense(CLASSES))(x),
        layers.Flatten(),
    ),
    "linear cells": behind(
        lambda x: layers.Reshape((5, 1))(x),
        lambda x: layers.RNN(layers.SimpleRNNCell(CLASSES, activation="linear"))(x),
    ),
    "gated": lambda x: layers.Multiply()([dense()(x), dense("sigmoid")(x)]),
    "bilinear": lambda x: keras.ops.einsum(
        "bi,bij->bj",
        layers.Dense(3, "tanh")(x),
        layers.Reshape((3, CLASSES))(layers.Dense(3 * CLASSES, "tanh")(x)),
    ),
    "advantages": lambda x: (
        layers.Dense(1)(x) + (lambda a: a - keras.ops.mean(a, 1, keepdims=True))(dense()(x))
    ),
    "sum": lambda x: layers.Add()([dense("relu")(x), dense()(x)]),
}


@pytest.mark.parametrize("rule", [BrainProp, EBP])
@pytest.mark.parametrize("name", NOT_LINEAR)
def test_outputs_that_are_not_linear_are_refused(rule, name):
    inputs = keras.Input((5,))
    outputs = NOT_LINEAR[name](inputs)
    with pytest.raises(ValueError, match="must be linear: take the .* from layer '"):
        rule(inputs, outputs)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
@pytest.mark.parametrize("name", LINEAR)
def test_linear_outputs_are_taken(rule, name):
    inputs = keras.Input((5,))
    assert rule(inputs, LINEAR[name](inputs)).output.shape == (None, CLASSES)


def test_a_log_softmax_is_the_same_for_ebp_alone():
    """The softmax of a log-softmax is the softmax."""
    inputs = keras.Input((5,))
    logits = dense()(inputs)
    features = np.random.default_rng(0).random((8, 5), "float32")
    labels = np.arange(8) % CLASSES
    losses = []
    for outputs in (logits, keras.ops.log_softmax(logits)):
        model = EBP(inputs, outputs)
        model.compile()
        losses.append(model.evaluate(features, labels, verbose=0))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    with pytest.raises(ValueError, match="take the logsoftmax"):
        BrainProp(inputs, keras.ops.log_softmax(logits))


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_outputs_that_are_not_one_tensor_are_refused(rule):
    inputs = keras.Input((5,))
    q_values = layers.Dense(CLASSES)(inputs)
    for outputs in ([q_values, q_values], [q_values], {"q_values": q_values}):
        with pytest.raises(ValueError, match="must be one tensor"):
            rule(inputs, outputs)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
@pytest.mark.parametrize("shape", [(1, 1, CLASSES), (1,)])
def test_outputs_of_another_shape_are_refused(rule, shape):
    inputs = keras.Input(shape)
    with pytest.raises(ValueError, match=r"of shape \(batch, classes\)"):
        rule(inputs, layers.Rescaling(2)(inputs))


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_linear_outputs_of_a_model_within_are_taken(rule):
    """Also where another output of it went through a softmax."""
    inner = keras.Input((5,))
    logits = layers.Dense(CLASSES)(inner)
    backbone = keras.Model(inner, [layers.Softmax()(logits), logits])
    inputs = keras.Input((5,))
    assert rule(inputs, backbone(inputs)[1]).output.shape == (None, CLASSES)


class Heads(layers.Layer):
    """Has an attribute of the name that models have for their output tensors."""

    def __init__(self):
        super().__init__()
        self.outputs = [layers.Dense(CLASSES)]

    def call(self, inputs):
        return self.outputs[0](inputs)


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_a_layer_may_call_its_own_layers_outputs(rule):
    inputs = keras.Input((5,))
    assert rule(inputs, Heads()(inputs)).output.shape == (None, CLASSES)
