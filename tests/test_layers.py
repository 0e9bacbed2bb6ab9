"""The layers that Keras 3 lacks, against plain NumPy and against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from brainprop.layers import BatchNormalization, LocallyConnected2D

IMAGES = (3, 7, 6, 2)  # batch, height, width, channels


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def locally_connected(images, kernel, kernel_size, strides):
    """A loop over positions, as the layer's documentation defines it."""
    (rows, columns), (down, right) = kernel_size, strides
    _, height, width, _ = images.shape
    outputs = []
    for top in range(0, height - rows + 1, down):
        outputs.append([])
        for left in range(0, width - columns + 1, right):
            field = images[:, top : top + rows, left : left + columns].reshape(len(images), -1)
            position = sum(map(len, outputs))
            outputs[-1].append(field @ kernel[position])
    return np.array(outputs).transpose(2, 0, 1, 3)


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("kernel_size", [(3, 3), (2, 3)])
def test_locally_connected_is_the_loop_over_positions(kernel_size, strides):
    images = random(*IMAGES)
    layer = LocallyConnected2D(4, kernel_size, strides, use_bias=False)
    layer.build(images.shape)
    expected = locally_connected(images, layer.kernel.numpy(), kernel_size, strides)
    outputs = layer(images)
    assert outputs.shape == layer.compute_output_shape(images.shape) == expected.shape
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strides", [1, 2])
def test_locally_connected_gradients_are_those_of_the_loop(strides):
    """The output is linear in image and kernel, so exact differences need no small steps."""
    images, upstream = random(*IMAGES), None
    layer = LocallyConnected2D(4, 3, strides, use_bias=False)
    layer.build(images.shape)
    kernel = layer.kernel.numpy()
    with tf.GradientTape() as tape:
        inputs = tf.constant(images)
        tape.watch(inputs)
        outputs = layer(inputs)
    upstream = random(*outputs.shape, seed=1)
    by_image, by_kernel = tape.gradient(outputs, [inputs, layer.kernel.value], upstream)

    def change(image_direction, kernel_direction):
        moved = locally_connected(image_direction, kernel_direction, (3, 3), layer.strides)
        return np.sum(moved * upstream)

    for seed in range(5):
        direction = random(*images.shape, seed=seed + 2)
        assert np.sum(by_image * direction) == pytest.approx(change(direction, kernel), rel=1e-3)
        direction = random(*kernel.shape, seed=seed + 2)
        assert np.sum(by_kernel * direction) == pytest.approx(change(images, direction), rel=1e-3)


def test_locally_connected_weights_are_laid_out_as_in_keras_2():
    layer = LocallyConnected2D(4, (2, 3), strides=(2, 1))
    layer.build((None, 7, 6, 2))
    assert layer.kernel.shape == (3 * 4, 2 * 3 * 2, 4)
    assert layer.bias.shape == (3, 4, 4)
    assert [weight.name for weight in layer.weights] == ["kernel", "bias"]


def test_locally_connected_applies_bias_and_activation():
    images = random(*IMAGES)
    layer = LocallyConnected2D(4, 3, activation="relu", bias_initializer="ones")
    layer.build(images.shape)
    expected = locally_connected(images, layer.kernel.numpy(), (3, 3), (1, 1)) + 1
    np.testing.assert_allclose(layer(images), np.maximum(expected, 0), rtol=1e-4, atol=1e-5)


def test_locally_connected_comes_back_from_its_config_and_from_a_file(tmp_path):
    inputs = keras.Input(IMAGES[1:])
    layer = LocallyConnected2D(
        4, (2, 3), 2, activation="relu", use_bias=False, kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(0.1),
    )  # fmt: skip
    model = keras.Model(inputs, layer(inputs))
    assert LocallyConnected2D.from_config(layer.get_config()).get_config() == layer.get_config()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    images = random(*IMAGES)
    np.testing.assert_array_equal(loaded(images), model(images))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_locally_connected_under_mixed_precision(policy):
    images = random(*IMAGES)
    layer = LocallyConnected2D(4, 3, dtype=policy)
    outputs = layer(images)
    expected = locally_connected(images, layer.kernel.numpy(), (3, 3), (1, 1))
    assert outputs.dtype == layer.compute_dtype
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), expected, atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({"padding": "same"}, IMAGES),
        ({"kernel_size": 0}, IMAGES),
        ({"strides": (1, 2, 3)}, IMAGES),
        ({}, (None, None, 6, 2)),
        ({}, (None, 2, 6, 2)),
    ],
)
def test_locally_connected_refuses_what_it_cannot_do(arguments, shape):
    with pytest.raises(ValueError):
        LocallyConnected2D(**{"filters": 4, "kernel_size": 3} | arguments).build(shape)


def normalizations(**kwargs):
    """The fused layer and Keras's own, with the same weights."""
    pair = BatchNormalization(**kwargs), keras.layers.BatchNormalization(**kwargs)
    for layer in pair:
        layer.build(IMAGES)
        layer.gamma.assign([0.5, 2.0])
        layer.beta.assign([1.0, -1.0])
    return pair


def forward_and_gradients(layer, images, training):
    inputs = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
    weights = [weight.value for weight in layer.trainable_weights]
    upstream = random(*outputs.shape, seed=1)
    return [outputs, *tape.gradient(outputs, [inputs, *weights], upstream)]


@pytest.mark.parametrize("training", [True, False])
def test_normalization_has_keras_outputs_and_gradients(training):
    images = 3 * random(*IMAGES) + 1
    results = [forward_and_gradients(layer, images, training) for layer in normalizations()]
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_moving_averages_are_keras_ones_but_for_the_unbiased_variance():
    fused, stock = normalizations(momentum=0.9)
    unbiased = np.ones(2, "float32")
    values = np.prod(IMAGES[:3])
    for step in range(4):
        images = (step + 1) * random(*IMAGES, seed=step) + step
        for layer in (fused, stock):
            layer(images, training=True)
        variance = images.var(axis=(0, 1, 2)) * values / (values - 1)
        unbiased = 0.9 * unbiased + 0.1 * variance
    np.testing.assert_allclose(fused.moving_mean, stock.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(fused.moving_variance, unbiased, rtol=1e-5)
    biased = (stock.moving_variance.numpy() - 0.9**4) * values / (values - 1) + 0.9**4
    np.testing.assert_allclose(fused.moving_variance, biased, rtol=1e-4)


def test_moving_averages_stand_still_when_frozen_or_evaluating():
    fused, _ = normalizations()
    before = [fused.moving_mean.numpy(), fused.moving_variance.numpy()]
    fused(random(*IMAGES), training=False)
    fused.trainable = False
    frozen = fused(random(*IMAGES), training=True)
    np.testing.assert_array_equal(frozen, fused(random(*IMAGES), training=False))
    for old, new in zip(before, (fused.moving_mean, fused.moving_variance), strict=True):
        np.testing.assert_array_equal(old, new)


def test_normalization_has_keras_weights_and_config():
    fused, stock = normalizations(name="norm")
    assert [w.path for w in fused.weights] == [w.path for w in stock.weights]
    assert fused.get_config() == stock.get_config()


@pytest.mark.parametrize("shape", [(8, 5), (4, 6, 5)])
def test_normalization_of_other_inputs_is_keras_own(shape):
    inputs = random(*shape)
    outputs = [
        layer(inputs, training=True)
        for layer in (BatchNormalization(), keras.layers.BatchNormalization())
    ]
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("options", [{"scale": False}, {"center": False}, {"axis": 1}])
def test_normalization_with_other_options_is_keras_own(options):
    images = random(*IMAGES)
    outputs = [
        layer(images, training=True)
        for layer in (BatchNormalization(**options), keras.layers.BatchNormalization(**options))
    ]
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("training", [True, False])
def test_normalization_under_mixed_precision_keeps_float32_statistics(dtype, training):
    images = random(*IMAGES)
    fused = BatchNormalization(dtype=f"mixed_{dtype}")
    outputs = fused(images, training=training)
    expected = keras.layers.BatchNormalization()(images, training=training)
    assert outputs.dtype == dtype
    assert fused.moving_variance.dtype == "float32"
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), expected, atol=0.05)
