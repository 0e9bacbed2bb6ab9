"""The layers: against plain NumPy, and against those of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from brainprop.networks.layers import BatchNormalization, Dense, Dropout, LocallyConnected2D

EXACT = {"rtol": 1e-5, "atol": 1e-5}  # float32, sums of up to a hundred numbers
HALF = {"rtol": 0.02, "atol": 0.03}  # bfloat16 has 8 significant bits
POLICIES = ("mixed_bfloat16", "mixed_float16")


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def images(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def gradients(layer, x, upstream, training=True):
    """Outputs, and the gradients of inputs and weights given that of the outputs."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
    sources = [x, *(weight.value for weight in layer.trainable_weights)]
    return [np.asarray(g) for g in (y, *tape.gradient(y, sources, tf.cast(upstream, y.dtype)))]


class TestLocallyConnected2D:
    SIZES = [(3, 1), (3, 2), ((2, 3), (2, 1)), ((1, 4), (3, 2)), ((6, 5), 1)]

    @staticmethod
    def by_loops(x, kernel, bias, kernel_size, strides, upstream):
        """Outputs and gradients in float64, one position after the other."""
        x, kernel, upstream = (array.astype("float64") for array in (x, kernel, upstream))
        (kh, kw), (sh, sw) = kernel_size, strides
        y, dx, dkernel = np.empty(upstream.shape), np.zeros(x.shape), np.empty(kernel.shape)
        rows, columns = bias.shape[:2]
        for row in range(rows):
            for column in range(columns):
                field = np.s_[:, row * sh : row * sh + kh, column * sw : column * sw + kw]
                position = row * columns + column
                patch, error = x[field].reshape(len(x), -1), upstream[:, row, column]
                y[:, row, column] = patch @ kernel[position] + bias[row, column]
                dkernel[position] = patch.T @ error
                dx[field] += (error @ kernel[position].T).reshape(x[field].shape)
        return y, dx, dkernel, upstream.sum(0)

    @pytest.mark.parametrize(("kernel_size", "strides"), SIZES)
    def test_equals_a_loop_over_positions(self, rng, kernel_size, strides):
        x = images(rng, 4, 6, 5, 3)
        layer = LocallyConnected2D(7, kernel_size, strides, bias_initializer="random_normal")
        upstream = images(rng, *layer(x).shape)
        kernel, bias = (weight.numpy() for weight in layer.weights)
        assert layer.compute_output_shape(x.shape) == upstream.shape
        expected = self.by_loops(x, kernel, bias, layer.kernel_size, layer.strides, upstream)
        for ours, theirs in zip(gradients(layer, x, upstream), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, **EXACT)

    def test_gradient_equals_finite_differences(self, rng):
        layer = LocallyConnected2D(2, 2, activation="tanh", dtype="float64")
        x = images(rng, 2, 4, 3, 2).astype("float64")
        upstream = rng.normal(size=layer(x).shape)
        _, dx, dkernel, _ = gradients(layer, x, upstream)
        direction = rng.normal(size=x.shape)
        kernel, step = layer.kernel.numpy(), 1e-5

        def change(x_step, kernel_step):
            layer.kernel.assign(kernel + kernel_step)
            ahead = np.sum(upstream * layer(x + x_step))
            layer.kernel.assign(kernel - kernel_step)
            return (ahead - np.sum(upstream * layer(x - x_step))) / (2 * step)

        assert change(step * direction, 0) == pytest.approx(np.sum(dx * direction), rel=1e-6)
        direction = rng.normal(size=kernel.shape)
        assert change(0, step * direction) == pytest.approx(np.sum(dkernel * direction), rel=1e-6)

    def test_equals_a_convolution_when_all_positions_share_their_weights(self, rng):
        x, kernel = images(rng, 2, 9, 8, 3), images(rng, 3, 3, 3, 4)
        layer = LocallyConnected2D(4, 3, 2, activation="relu", use_bias=False)
        layer.build(x.shape)
        assert layer.bias is None
        assert layer.kernel.shape == (4 * 3, 27, 4)
        layer.kernel.assign(np.tile(kernel.reshape(1, 27, 4), (12, 1, 1)))
        convolution = tf.nn.relu(tf.nn.conv2d(x, kernel, 2, "VALID"))
        np.testing.assert_allclose(layer(x), convolution, **EXACT)

    def test_weights_are_those_of_keras_2(self):
        layer = LocallyConnected2D(4, (3, 2), strides=(1, 2))
        layer.build((None, 8, 9, 3))
        assert {weight.name: weight.shape for weight in layer.weights} == {
            "kernel": (6 * 4, 3 * 2 * 3, 4),
            "bias": (6, 4, 4),
        }

    def test_config_round_trip(self):
        arguments = {
            "filters": 4,
            "kernel_size": (3, 2),
            "strides": (2, 1),
            "padding": "valid",
            "activation": "relu",
            "use_bias": True,
            "kernel_initializer": keras.initializers.RandomNormal(0, 0.1, seed=1),
            "bias_initializer": "ones",
            "kernel_regularizer": keras.regularizers.L2(0.5),
            "bias_regularizer": keras.regularizers.L1(0.5),
            "kernel_constraint": keras.constraints.NonNeg(),
            "bias_constraint": keras.constraints.MaxNorm(2),
        }
        layer = LocallyConnected2D(**arguments)
        config = layer.get_config()
        assert arguments.keys() <= config.keys()
        copy = LocallyConnected2D.from_config(config)
        assert copy.get_config() == config
        assert copy.kernel_regularizer.l2 == 0.5
        assert copy.activation is keras.activations.relu

    def test_regularizers_and_constraints_act(self, rng):
        layer = LocallyConnected2D(
            2, 2, kernel_regularizer=keras.regularizers.L2(0.5), kernel_constraint="non_neg"
        )
        layer(images(rng, 1, 3, 3, 1))
        assert float(layer.losses[0]) == pytest.approx(0.5 * np.sum(layer.kernel.numpy() ** 2))
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.apply([tf.ones(layer.kernel.shape)], [layer.kernel])
        assert np.all(layer.kernel.numpy() >= 0)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"padding": "same"}, "padding, not 'same'"),
            ({"filters": 0}, "filters must be a positive integer, not 0"),
            ({"filters": 2.5}, "filters must be a positive integer, not 2.5"),
            ({"kernel_size": 0}, "kernel_size must be a positive integer"),
            ({"strides": (1, 2, 3)}, "strides must be a positive integer"),
        ],
    )
    def test_bad_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            LocallyConnected2D(**{"filters": 2, "kernel_size": 3, **arguments})

    @pytest.mark.parametrize("shape", [(None, None, 8, 3), (None, 8, 8, None), (None, 8, 2, 3)])
    def test_bad_images(self, shape):
        with pytest.raises(ValueError, match="images of a fixed size"):
            LocallyConnected2D(2, 3).build(shape)

    def test_bad_rank(self):
        with pytest.raises(ValueError, match="expected ndim=4"):
            LocallyConnected2D(2, 3)(tf.ones([2, 8, 3]))


class TestDense:
    def pair(self, shape, **arguments):
        """Our layer and Keras's, with the same weights."""
        layers = Dense(7, **arguments), keras.layers.Dense(7, **arguments)
        for layer in layers:
            layer.build(shape)
        layers[1].set_weights(layers[0].get_weights())
        return layers

    def test_weights_names_and_arguments_are_those_of_keras(self):
        ours, stock = self.pair((None, 5), activation="relu", kernel_regularizer="l2")
        assert [w.name for w in ours.weights] == [w.name for w in stock.weights]
        assert ours.get_config() == stock.get_config() | {"name": ours.name}
        assert ours.name.rstrip("_0123456789") == "dense"

    @pytest.mark.parametrize("use_bias", [True, False])
    @pytest.mark.parametrize("shape", [(6, 5), (1, 5), (4, 3, 5)])
    def test_outputs_and_gradients_equal_those_of_keras(self, rng, shape, use_bias):
        arguments = {"use_bias": use_bias, "bias_initializer": "normal", "activation": "tanh"}
        layers = ours, _ = self.pair(shape, **arguments)
        x = images(rng, *shape)
        upstream = images(rng, *ours(x).shape)
        ours, stock = (gradients(layer, x, upstream) for layer in layers)
        assert len(ours) == 3 + use_bias
        for a, b in zip(ours, stock, strict=True):
            np.testing.assert_allclose(a, b, **EXACT)

    @pytest.mark.parametrize("policy", POLICIES)
    def test_mixed_precision_is_that_of_keras(self, rng, policy):
        layers = self.pair((6, 5), dtype=policy)
        x, upstream = images(rng, 6, 5), images(rng, 6, 7)
        ours, stock = (gradients(layer, x, upstream) for layer in layers)
        for a, b in zip(ours, stock, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a.astype("float32"), b.astype("float32"), **HALF)

    def test_second_derivatives_equal_those_of_keras(self, rng):
        x, found = tf.constant(images(rng, 6, 5)), []
        for layer in self.pair(x.shape, activation="tanh"):
            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    y = layer(x)
                slope = tape.gradient(y, x)
            found.append(outer.gradient(slope, x))
        np.testing.assert_allclose(*found, **EXACT)

    def test_low_rank_adaptation_is_that_of_keras(self, rng):
        layers = ours, stock = self.pair((6, 5))
        for layer in layers:
            layer.enable_lora(2)
            layer.lora_kernel_b.assign(tf.ones((2, 7)))
        stock.set_weights(ours.get_weights())
        x = images(rng, 6, 5)
        np.testing.assert_allclose(ours(x), stock(x), **EXACT)


class TestBatchNormalization:
    def pair(self, shape, **arguments):
        """Our layer and Keras's, with the same weights, none of them at its initial value."""
        rng = np.random.default_rng(2)
        layers = BatchNormalization(**arguments), keras.layers.BatchNormalization(**arguments)
        for layer in layers:
            layer.build(shape)
        values = [rng.uniform(0.5, 1.5, weight.shape) for weight in layers[0].weights]
        for layer in layers:
            layer.set_weights(values)
        return layers

    def test_weights_and_names_are_those_of_keras(self):
        ours, stock = self.pair((None, 4, 4, 3))
        assert [w.name for w in ours.weights] == [w.name for w in stock.weights]
        assert ours.get_config() | {"name": ""} == stock.get_config() | {"name": ""}

    @pytest.mark.parametrize("training", [True, False])
    def test_outputs_and_gradients_equal_those_of_keras(self, rng, training):
        x, upstream = 3 + 2 * images(rng, 8, 6, 5, 3), images(rng, 8, 6, 5, 3)
        ours, stock = (gradients(layer, x, upstream, training) for layer in self.pair(x.shape))
        assert len(ours) == 4
        for a, b in zip(ours, stock, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)

    def test_moving_averages_over_steps(self, rng):
        """The mean as in Keras 3; the variance of each batch unbiased, as in Keras 2."""
        shape, momentum = (8, 6, 5, 3), 0.9
        n = np.prod(shape[:3])
        ours, stock = self.pair(shape, momentum=momentum)
        variance = unchanged = ours.moving_variance.numpy()
        for step in range(5):
            x = step + images(rng, *shape)
            ours(x, training=True), stock(x, training=True)
            batch = np.var(x.astype("float64"), axis=(0, 1, 2), ddof=1)
            variance = momentum * variance + (1 - momentum) * batch
        np.testing.assert_allclose(ours.moving_mean, stock.moving_mean, rtol=1e-5)
        np.testing.assert_allclose(ours.moving_variance, variance, rtol=1e-5)
        # From the same start, what the batches brought differs by Bessel's factor.
        left = momentum**5 * unchanged
        factor = (ours.moving_variance - left) / (stock.moving_variance - left)
        np.testing.assert_allclose(factor, np.full(3, n / (n - 1)), rtol=1e-5)

    @pytest.mark.parametrize("frozen", [False, True])
    def test_statistics_rest_without_training_or_when_frozen(self, rng, frozen):
        x = images(rng, 4, 5, 5, 3)
        layers = ours, stock = self.pair(x.shape)
        before = [weight.numpy() for weight in ours.weights]
        for layer in layers:
            layer.trainable = not frozen
        outputs = [layer(x, training=frozen) for layer in layers]
        np.testing.assert_allclose(*outputs, **EXACT)
        for value, weight in zip(before, ours.weights, strict=True):
            np.testing.assert_array_equal(value, weight)

    @pytest.mark.parametrize(
        ("shape", "arguments"),
        [
            ((8, 3), {}),
            ((8, 3, 4, 5), {"axis": 1}),
            ((8, 4, 5, 3), {"center": False}),
            ((8, 4, 5, 3), {"scale": False}),
            ((8, 4, 5, 3), {"dtype": "float64"}),
        ],
    )
    def test_falls_back_to_keras(self, rng, shape, arguments):
        x = images(rng, *shape).astype(arguments.get("dtype", "float32"))
        ours, stock = self.pair(shape, **arguments)
        np.testing.assert_array_equal(ours(x, training=True), stock(x, training=True))
        for name in ("moving_mean", "moving_variance"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(stock, name))

    def test_masked_values_do_not_count(self, rng):
        x = images(rng, 4, 5, 5, 3)
        mask = tf.constant(rng.integers(0, 2, x.shape[:3]), tf.bool)
        ours, stock = self.pair(x.shape)
        outputs = [layer(x, training=True, mask=mask) for layer in (ours, stock)]
        np.testing.assert_array_equal(*outputs)

    @pytest.mark.parametrize("policy", POLICIES)
    def test_mixed_precision_keeps_statistics_in_float32(self, rng, policy):
        x, upstream = images(rng, 8, 6, 5, 3), images(rng, 8, 6, 5, 3)
        ours, stock = self.pair(x.shape, dtype=policy)
        results = [gradients(layer, x, upstream) for layer in (ours, stock)]
        assert results[0][0].dtype == ours.compute_dtype
        assert {weight.dtype for weight in ours.weights} == {"float32"}
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(
                a.astype("float32"), b.astype("float32"), rtol=0.02, atol=0.1
            )
        np.testing.assert_allclose(ours.moving_mean, stock.moving_mean, rtol=1e-4)


class TestDropout:
    @pytest.mark.parametrize("rate", [0.3, 0.8])
    def test_keeps_the_rate_and_the_mean(self, rate):
        x = np.ones((1001, 999), "float32")
        y = Dropout(rate, seed=1)(x, training=True).numpy()
        kept = np.mean(y > 0)
        standard_error = np.sqrt(rate * (1 - rate) / x.size)
        assert kept == pytest.approx(1 - rate, abs=4 * standard_error)
        assert set(np.unique(y)) == {0, y.max()}
        # The exact probability is a multiple of 2**-16, and its inverse the scale.
        probability = round((1 - rate) * 2**16) / 2**16
        assert probability == pytest.approx(1 - rate, abs=2**-17)
        assert y.max() == pytest.approx(1 / probability, rel=1e-6)

    def test_numbers_are_dropped_independently(self):
        """The two halves of a random word, and neighbours along every axis."""
        kept = Dropout(0.5, seed=1)(np.ones((64, 64, 64), "float32"), training=True).numpy() > 0
        for a, b in [(kept[..., ::2], kept[..., 1::2])] + [
            (np.delete(kept, 0, axis), np.delete(kept, -1, axis)) for axis in range(3)
        ]:
            assert np.mean(a == b) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(a.size))

    def test_gradient_goes_through_what_is_kept(self, rng):
        x, upstream = 1 + rng.random((2, 50, 7)), rng.random((2, 50, 7))
        y, dx = gradients(Dropout(0.3, seed=1, dtype="float64"), x, upstream)
        np.testing.assert_allclose(dx, upstream * y / x)

    def test_seed_generator_holds_the_state(self):
        x = np.ones((64, 64), "float32")
        layer, same = Dropout(0.5, seed=1), Dropout(0.5, seed=1)
        first = layer(x, training=True).numpy()
        state = layer.seed_generator.state.numpy()
        second = layer(x, training=True).numpy()
        assert np.any(first != second)
        np.testing.assert_array_equal(same(x, training=True), first)
        layer.seed_generator.state.assign(state)
        np.testing.assert_array_equal(layer(x, training=True), second)
        assert np.any(first != Dropout(0.5, seed=2)(x, training=True))

    @pytest.mark.parametrize("rate", [0, 1e-9, 0.3, 1 - 1e-9, 1])
    def test_all_rates_and_inference(self, rate):
        x, layer = np.ones((2, 3), "float32"), Dropout(rate)
        np.testing.assert_array_equal(layer(x, training=False), x)
        y = layer(x, training=True).numpy()
        assert np.all(np.isfinite(y))
        if rate in (0, 1):
            np.testing.assert_array_equal(y, x * (1 - rate))

    def test_noise_shape(self):
        layer = Dropout(0.5, noise_shape=(None, 1), seed=1)
        y = layer(np.ones((100, 8), "float32"), training=True).numpy()
        assert np.all(y == y[:, :1])
        assert len(np.unique(y)) == 2


def small_network():
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((8, 8, 3))
    for strides in (1, 2):
        x = LocallyConnected2D(4, 3, strides, activation="relu")(x)
        x = BatchNormalization()(x)
    x = keras.layers.Conv2D(4, 3, padding="same")(x)
    x = Dense(6, activation="relu")(keras.layers.Flatten()(x))
    x = Dropout(0.3, seed=1)(x)
    return keras.Model(inputs, keras.layers.Dense(2, dtype="float32")(x))


def test_save_and_load(rng, tmp_path):
    model, x = small_network(), images(rng, 5, 8, 8, 3)
    model(x, training=True)  # so that the moving averages are not the initial ones
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]
    np.testing.assert_array_equal(loaded(x), model(x))


def test_jit_compile_changes_nothing(rng):
    x = images(rng, 6, 8, 8, 3)
    plain, jitted = small_network(), small_network()
    for model, jit in ((plain, False), (jitted, True)):
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
        for _ in range(2):
            model.train_on_batch(x, np.eye(2, dtype="float32")[[0, 1] * 3])
    for a, b in zip(plain.get_weights(), jitted.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", POLICIES)
def test_mixed_precision(rng, policy):
    x = images(rng, 64, 8, 8, 3)
    expected = small_network()(x)
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        model = small_network()
        outputs = model(x)
        gradient = gradients(model, x, tf.ones_like(outputs))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert model.layers[1].compute_dtype == policy.removeprefix("mixed_")
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    np.testing.assert_allclose(outputs, expected, **HALF)
    assert all(np.all(np.isfinite(g)) for g in gradient)


def test_any_batch_size_in_one_trace(rng):
    model = small_network()
    function = tf.function(model, input_signature=[tf.TensorSpec([None, 8, 8, 3])])
    for batch in (1, 7):
        x = images(rng, batch, 8, 8, 3)
        np.testing.assert_allclose(function(x), model(x), **EXACT)
    assert function.experimental_get_tracing_count() == 1
