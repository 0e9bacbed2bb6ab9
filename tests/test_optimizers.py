"""Plain gradient descent, beside Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from brainprop.networks.optimizers import SGD


def pair(**arguments):
    return SGD(0.1, **arguments), keras.optimizers.SGD(0.1, **arguments)


def steps(optimizer, gradients):
    """The values of a weight after each step."""
    variable, values = keras.Variable(np.linspace(-1, 1, 6).reshape(3, 2), dtype="float32"), []
    for gradient in gradients:
        optimizer.apply([gradient], [variable])
        values.append(variable.numpy())
    return values


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"momentum": 0.9, "nesterov": True},
        {"weight_decay": 0.1},
        {"clipnorm": 0.5},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 2},
    ],
    ids=str,
)
def test_updates_are_those_of_keras(arguments):
    rng = np.random.default_rng(1)
    gradients = [tf.constant(rng.normal(size=(3, 2)).astype("float32")) for _ in range(4)]
    ours, stock = (steps(optimizer, gradients) for optimizer in pair(**arguments))
    np.testing.assert_allclose(ours, stock, rtol=1e-6, atol=1e-7)
    assert np.any(ours[-1] != ours[0])


def test_sparse_gradients_change_their_rows_as_in_keras():
    rows = tf.IndexedSlices(tf.ones((2, 2)), tf.constant([2, 0]), tf.constant([3, 2]))
    ours, stock = (steps(optimizer, [rows]) for optimizer in pair())
    np.testing.assert_allclose(ours, stock, rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_fit_is_that_of_keras(policy, jit_compile):
    x = np.random.default_rng(1).normal(size=(8, 3)).astype("float32")
    found = []
    for optimizer in pair():
        layer = keras.layers.Dense(2, kernel_initializer="ones", dtype=policy)
        model = keras.Sequential([keras.Input((3,)), layer])
        model.compile(optimizer, "mse", jit_compile=jit_compile)
        for _ in range(3):
            model.train_on_batch(x, x[:, :2])
        found.append(layer.kernel.numpy())
    np.testing.assert_allclose(*found, rtol=1e-6 if policy == "float32" else 1e-2)
    assert np.any(found[0] != 1)


def test_a_saved_model_goes_on_with_it(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(SGD(0.25, momentum=0.5), "mse")
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert type(loaded) is SGD
    assert loaded.get_config() == model.optimizer.get_config()
    assert loaded.iterations == 1
