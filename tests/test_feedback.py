"""Separate feedback connections: each mode against its equation, written out in NumPy."""

import contextlib

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from programs import run_on_devices

from brainprop import (
    EBP,
    BrainProp,
    BrainPropError,
    LocallyConnected2D,
    LocalNetwork,
    build_model,
    load_weights,
    measure,
    save_weights,
)
from brainprop.experiments import FEEDBACK, Experiment
from brainprop.training.fit import train

pytestmark = pytest.mark.usefixtures("small_networks")
OWN = [mode for mode in FEEDBACK if mode != "symmetric"]
OF_KERNELS = ["learned", "random", "sign"]
RULES = {BrainProp: {"exploration_rate": 0}, EBP: {}}
LEARNING_RATE = 0.1
CLASSES = 4


def normal(seed, stddev=0.5):
    return keras.initializers.RandomNormal(stddev=stddev, seed=seed)


def dense(units, seed, activation=None, l2=0.0, **kwargs):
    regularizer = keras.regularizers.L2(l2) if l2 else None
    return keras.layers.Dense(
        units,
        activation,
        use_bias=False,
        kernel_initializer=normal(seed),
        kernel_regularizer=regularizer,
        **kwargs,
    )


def small_network(rule=BrainProp, l2=0.0, **kwargs):
    """Three hidden ReLU layers and a linear output, compiled with plain SGD."""
    inputs = activity = keras.Input((5,))
    for seed, units in enumerate((9, 8, 7), start=3):
        activity = dense(units, seed, "relu", l2)(activity)
    outputs = dense(CLASSES, 6, None, l2)(activity)
    return compiled(rule, inputs, outputs, **kwargs)


def compiled(rule, inputs, outputs, **kwargs):
    model = rule(inputs, outputs, **RULES[rule], **kwargs)
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    return model


def some_trials(shape=(5,), count=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, *shape), "float32"), rng.integers(CLASSES, size=count)


def forward_kernels(model):
    return [weight.numpy() for weight in trainable(model)]


def trainable(model):
    """The layers' weights, without what the rule itself keeps."""
    return [weight for layer in model.layers for weight in layer.trainable_weights]


def kept(model):
    """What the rule keeps for each layer above the first, in their order."""
    return [value.numpy() for value in model.feedback.kernels.values()]


def signals(rule, outputs, labels):
    """What goes down from the output units: eta's share of each trial, float64."""
    if rule is BrainProp:
        selected = outputs.argmax(-1)
        delta = (selected == labels) - outputs.max(-1)
        return delta[:, None] * np.eye(CLASSES)[selected] / len(labels)
    exponentials = np.exp(outputs - outputs.max(-1, keepdims=True))
    softmax = exponentials / exponentials.sum(-1, keepdims=True)
    return (np.eye(CLASSES)[labels] - softmax) / len(labels)


def written_out(rule, mode, weights, feedback, images, labels, l2=0.0):
    """A step of a dense ReLU network: the new weights, and the new feedback."""
    weights = [weight.astype("float64") for weight in weights]
    activities = [images.astype("float64")]
    for weight in weights[:-1]:
        activities.append(np.maximum(activities[-1] @ weight, 0))
    error = signals(rule, activities[-1] @ weights[-1], labels)
    down, updates = error, []
    for layer in reversed(range(len(weights))):
        updates.insert(0, activities[layer].T @ down)
        if layer == 0:
            break
        own = feedback[layer - 1]
        if mode == "direct":
            passed = error @ own
        elif mode == "sign":
            passed = down @ (np.sign(weights[layer]) * own).T
        else:
            passed = down @ own.T
        down = passed * (activities[layer] > 0)
    new = [w + LEARNING_RATE * (u - 2 * l2 * w) for w, u in zip(weights, updates, strict=True)]
    if mode == "learned":
        pairs = zip(feedback, updates[1:], strict=True)
        feedback = [b + LEARNING_RATE * (update - 2 * l2 * b) for b, update in pairs]
    return new, feedback


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("mode", OWN)
def test_three_steps_are_those_written_out(rule, mode, l2=0.02):
    model = small_network(rule, l2, feedback=mode, feedback_seed=1)
    weights, feedback = forward_kernels(model), kept(model)
    start, symmetric = weights, small_network(rule, l2)
    for step in range(3):
        images, labels = some_trials(seed=step)
        weights, feedback = written_out(rule, mode, weights, feedback, images, labels, l2)
        model.train_on_batch(images, labels)
        symmetric.train_on_batch(images, labels)
    for ours, expected in zip(forward_kernels(model), weights, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)
    for ours, expected in zip(kept(model), feedback, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)
    # It is another way than the symmetric one, on which the first kernel changed, too.
    first, usual = forward_kernels(model)[0], forward_kernels(symmetric)[0]
    assert np.abs(first - usual).max() > 1e-3 and np.abs(first - start[0]).max() > 1e-3


@pytest.mark.parametrize("weight_decay", [0, 0.01])
def test_learned_feedback_is_that_of_the_network_written_out_locally(weight_decay):
    local = LocalNetwork(
        (5, 9, 8, 7, CLASSES), 0.02, 0.4, 0, weight_decay, random_feedback=True, seed=2
    )
    model = small_network(l2=weight_decay / 2, feedback="learned")
    model.optimizer.learning_rate = local.learning_rate
    for weight, value in zip(trainable(model), local.feedforward, strict=True):
        weight.assign(value)
    for weight, value in zip(model.feedback.kernels.values(), local.feedback, strict=True):
        weight.assign(value.T)
    start = kept(model)
    for image, label in zip(*some_trials(count=30), strict=True):
        local.trial(image, label)
        model.train_on_batch(image[None], np.array([label]))
    for ours, theirs in zip(forward_kernels(model), local.feedforward, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    for ours, theirs, before in zip(kept(model), local.feedback, start, strict=True):
        np.testing.assert_allclose(ours, theirs.T, atol=1e-5)
        assert np.abs(ours - before).max() > 1e-3


def image_network(layer, **kwargs):
    """A linear convolution, then a layer of images with a bias and ReLUs, then a dense output."""
    inputs = keras.Input((6, 5, 2))
    below = keras.layers.Conv2D(3, 3, padding="same", kernel_initializer=normal(1))(inputs)
    above = layer(below)
    return compiled(EBP, inputs, dense(CLASSES, 3)(keras.layers.Flatten()(above)), **kwargs)


IMAGE_LAYERS = {
    "same": lambda: keras.layers.Conv2D(
        4, (3, 2), 2, "same", activation="relu", kernel_initializer=normal(2)
    ),
    "valid": lambda: keras.layers.Conv2D(
        4, (3, 2), (1, 2), activation="relu", kernel_initializer=normal(2)
    ),
    "local": lambda: LocallyConnected2D(
        4, (3, 2), 2, activation="relu", kernel_initializer=normal(2)
    ),
}


def passed_down(errors, kernel, shape, strides, corner, local):
    """A convolution's input gradient, loop by loop.

    Args:
        errors: Shape `(batch, rows, columns, filters)`.
        kernel: Shape `(height, width, channels, filters)`; of a local one, with positions first.
        shape: Of the inputs.
        strides: Two numbers.
        corner: Where the first receptive field begins: a row and a column, 0 or less.
        local: Whether each position has its own kernel.
    """
    found = np.zeros(shape)
    for row in range(errors.shape[1]):
        for column in range(errors.shape[2]):
            own = kernel[row * errors.shape[2] + column] if local else kernel
            for i in range(own.shape[0]):
                for j in range(own.shape[1]):
                    y, x = row * strides[0] + i + corner[0], column * strides[1] + j + corner[1]
                    if 0 <= y < shape[1] and 0 <= x < shape[2]:
                        found[:, y, x] += errors[:, row, column] @ own[i, j].T
    return found


@pytest.mark.parametrize("kind", IMAGE_LAYERS)
def test_a_convolutions_errors_come_down_through_the_other_kernel(kind):
    model = image_network(IMAGE_LAYERS[kind](), feedback="random", feedback_seed=3)
    images, labels = some_trials((6, 5, 2))
    probe = keras.Model(model.input, [layer.output for layer in model.layers[1:]])
    below, above, _, outputs = (values.numpy() for values in probe(images))
    kernel, from_outputs = kept(model)
    if kind == "local":
        kernel = kernel.reshape(-1, 3, 2, 3, 4)
    errors = (signals(EBP, outputs, labels) @ from_outputs.T).reshape(above.shape) * (above > 0)
    # "same" pads 6 and 5 pixels to 7 and 6, below and on the right; 3 columns fit into 6 pixels.
    strides = (1, 2) if kind == "valid" else (2, 2)
    errors = passed_down(errors, kernel, below.shape, strides, (0, 0), kind == "local")
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    update = np.zeros((3, 3, 2, 3))
    for i in range(3):
        for j in range(3):
            window = padded[:, i : i + 6, j : j + 5]
            update[i, j] = np.einsum("nyxc,nyxf->cf", window, errors)
    before = model.layers[1].kernel.numpy()
    model.train_on_batch(images, labels)
    change = model.layers[1].kernel.numpy() - before
    assert np.abs(update).max() > 0.01
    np.testing.assert_allclose(change, LEARNING_RATE * update, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
def test_a_one_dimensional_convolution_learns_as_the_same_one_in_two_dimensions(padding):
    trained = []
    for dimensions in (1, 2):
        inputs = activity = keras.Input((9, 2))
        if dimensions == 2:
            activity = keras.layers.Reshape((9, 1, 2))(inputs)
        for _ in range(2):
            if dimensions == 1:
                layer = keras.layers.Conv1D(3, 3, padding=padding, activation="relu")
            elif padding == "causal":
                activity = keras.layers.ZeroPadding2D(((2, 0), (0, 0)))(activity)
                layer = keras.layers.Conv2D(3, (3, 1), activation="relu")
            else:
                layer = keras.layers.Conv2D(3, (3, 1), padding=padding, activation="relu")
            activity = layer(activity)
        outputs = dense(CLASSES, 3)(keras.layers.Flatten()(activity))
        model = compiled(EBP, inputs, outputs, feedback="learned")
        rng = np.random.default_rng(4)
        model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
        for step in range(2):
            model.train_on_batch(*some_trials((9, 2), seed=step))
        trained.append([weight.reshape(-1) for weight in model.get_weights()])
    for a, b in zip(*trained, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
    ("mode", "network"),
    [
        ("learned", ("MNIST", "conv")),
        ("random", ("MNIST", "loccon")),
        ("random", ("CIFAR10", "deep")),
    ],
)
def test_with_the_forward_kernels_as_feedback_a_step_is_the_symmetric_one(mode, network):
    models = [
        build_model(*network, "BrainProp", kernel_stddev=0.05, feedback=feedback)
        for feedback in ("symmetric", mode)
    ]
    assert len(models[1].feedback.kernels) == {"deep": 8}.get(network[1], 3)
    for layer, kernel in models[1].feedback.kernels.items():
        assert np.any(kernel.numpy() != layer.kernel.numpy())
        kernel.assign(layer.kernel)
    images, labels = some_trials(models[0].input_shape[1:], count=4)
    for model in models:
        model.run_eagerly = True  # Tracing a large network for one step would take longer.
        model.train_on_batch(images, labels)
    for usual, other in zip(*(m.layers for m in models), strict=True):
        for a, b in zip(usual.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    if mode == "learned":
        for layer, kernel in models[1].feedback.kernels.items():
            np.testing.assert_allclose(kernel, layer.kernel, atol=1e-6)


def test_direct_feedback_passes_pooling_batch_normalization_and_relus():
    """Against stock Keras, cut below the dense layer, whose activity's error is put in."""
    inputs = keras.Input((6, 6, 2))
    below = keras.layers.Conv2D(5, 3, activation="relu", kernel_initializer=normal(1))(inputs)
    below = keras.layers.BatchNormalization()(below)
    activity = keras.layers.MaxPooling2D()(below)
    outputs = dense(CLASSES, 3)(keras.layers.Flatten()(activity))
    model = compiled(EBP, inputs, outputs, feedback="direct", feedback_seed=1)
    images, labels = some_trials((6, 6, 2))
    network = keras.Model(inputs, [model.layers[-2].output, outputs])
    (matrix,) = kept(model)
    assert matrix.shape == (CLASSES, 20)
    weights = [w for layer in model.layers[:-1] for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        flat, found = network(images, training=True)
    error = signals(EBP, found.numpy(), labels)
    updates = tape.gradient(flat, weights, (error @ matrix).astype("float32"))
    before = [weight.numpy() for weight in weights]
    model.train_on_batch(images, labels)
    for weight, old, update in zip(weights, before, updates, strict=True):
        assert np.abs(update).max() > 1e-3
        np.testing.assert_allclose(weight - old, LEARNING_RATE * update, atol=1e-5)


def flat_and_nested(rule, **kwargs):
    """One network, without and with a functional and a Sequential model in it."""
    seeds = (3, 4, 5, 6)
    inputs = activity = keras.Input((5,))
    for seed in seeds[:3]:
        activity = dense(6, seed, "relu")(activity)
    flat = compiled(rule, inputs, dense(CLASSES, seeds[3])(activity), **kwargs)
    inner = keras.Input((6,))
    functional = keras.Model(inner, dense(6, 4, "relu")(inner))
    sequential = keras.Sequential([dense(6, 5, "relu"), keras.layers.Dropout(0.0)])
    inputs = keras.Input((5,))
    activity = sequential(functional(dense(6, 3, "relu")(inputs)))
    nested = compiled(rule, inputs, dense(CLASSES, 6)(activity), **kwargs)
    return flat, nested


@pytest.mark.parametrize("mode", OWN)
def test_nested_models_learn_as_flat_ones(mode):
    flat, nested = flat_and_nested(BrainProp, feedback=mode, feedback_seed=2)
    for step in range(2):
        for model in (flat, nested):
            model.train_on_batch(*some_trials(seed=step))
    for a, b in zip(forward_kernels(flat), forward_kernels(nested), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert len(kept(nested)) == 3


@pytest.mark.parametrize("mode", ["learned"] * 4 + OWN)
def test_a_layer_that_is_used_twice_has_one_feedback(mode):
    """Learned feedback was at times read after it had changed, in one graph of three."""
    inputs = keras.Input((5,))
    twice = dense(5, 1, "relu")
    outputs = dense(CLASSES, 2)(twice(twice(inputs)))
    model = compiled(EBP, inputs, outputs, feedback=mode, feedback_seed=1)
    images, labels = some_trials()
    own = list(model.feedback.kernels.values())
    w1, w2 = (w.numpy().astype("float64") for w in trainable(model))
    hidden = [images, np.maximum(images @ w1, 0)]
    hidden.append(np.maximum(hidden[1] @ w1, 0))
    error = signals(EBP, hidden[2] @ w2, labels)
    if mode == "direct":
        first, second = (matrix.numpy() for matrix in own)
        upper, lower = error @ second, error @ first
    else:
        first, second = (
            model.feedback.kernel(layer).numpy() for layer in (twice, model.layers[-1])
        )
        upper = error @ second.T
        lower = (upper * (hidden[2] > 0)) @ first.T
    update = hidden[1].T @ (upper * (hidden[2] > 0)) + images.T @ (lower * (hidden[1] > 0))
    model.train_on_batch(images, labels)
    np.testing.assert_allclose(twice.kernel - w1, LEARNING_RATE * update, atol=1e-5)


def twin_network(mode):
    """A model is called on the images, and on their opposites."""
    inputs = keras.Input((5,))
    body = keras.Sequential([keras.Input((5,)), dense(6, 1, "relu"), dense(7, 2, "relu")])
    both = [body(inputs), body(keras.layers.Rescaling(-1.0, 1.0)(inputs))]
    outputs = dense(CLASSES, 3)(keras.layers.Concatenate()(both))
    return compiled(EBP, inputs, outputs, feedback=mode, feedback_seed=1)


@pytest.mark.parametrize("mode", OWN)
def test_a_nested_model_that_is_called_twice_has_one_feedback(mode):
    """Under direct feedback, each use has its own, as it has in a layer."""
    model = twin_network(mode)
    images, labels = some_trials()
    w1, w2, w3 = (w.astype("float64") for w in forward_kernels(model))
    stimuli = [images, 1 - images]
    lower = [np.maximum(x @ w1, 0) for x in stimuli]
    upper = [np.maximum(x @ w2, 0) for x in lower]
    top = np.hstack(upper)
    error = signals(EBP, top @ w3, labels)
    if mode == "direct":
        *to_lower, to_top = (matrix.numpy() for matrix in model.feedback.weights)
        passed = error @ to_top
    else:
        b2, b3 = (model.feedback.kernel(layer).numpy() for layer in model.feedback.kernels)
        passed = error @ b3.T
    update1, update2 = np.zeros_like(w1), np.zeros_like(w2)
    for use, down in enumerate(np.split(passed, 2, axis=1)):
        down = down * (upper[use] > 0)
        update2 += lower[use].T @ down
        below = error @ to_lower[use] if mode == "direct" else down @ b2.T
        update1 += stimuli[use].T @ (below * (lower[use] > 0))
    model.train_on_batch(images, labels)
    updates = (update1, update2, top.T @ error)
    for ours, before, update in zip(forward_kernels(model), (w1, w2, w3), updates, strict=True):
        np.testing.assert_allclose(ours, before + LEARNING_RATE * update, atol=1e-5)
    if mode == "learned":
        np.testing.assert_allclose(kept(model)[0], b2 + LEARNING_RATE * update2, atol=1e-5)


@pytest.mark.parametrize("mode", OWN)
def test_a_nested_model_above_itself_learns_as_its_layers_do(mode):
    def network(nested):
        inputs = keras.Input((5,))
        layers = [dense(6, 1, "relu"), dense(5, 2, "relu")]
        body = keras.Sequential([keras.Input((5,)), *layers])
        activity = inputs
        for _ in range(3):
            for step in [body] if nested else layers:
                activity = step(activity)
        outputs = dense(CLASSES, 3)(activity)
        return compiled(EBP, inputs, outputs, feedback=mode, feedback_seed=1)

    weights = []
    for nested in (False, True):
        model = network(nested)
        for step in range(2):
            model.train_on_batch(*some_trials(seed=step))
        weights.append(model.get_weights())
    for flat, within in zip(*weights, strict=True):
        np.testing.assert_allclose(within, flat, atol=1e-6)


class Weighted(keras.layers.Layer):
    """A layer of one's own, whose product with its kernel nothing names."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3))

    def call(self, inputs):
        return inputs @ self.kernel


@pytest.mark.parametrize("mode", OWN)
@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.DepthwiseConv2D(3),
        lambda: keras.layers.Conv2DTranspose(3, 3),
        lambda: keras.layers.SeparableConv2D(3, 3),
        Weighted,
        lambda: keras.layers.TimeDistributed(keras.layers.Dense(3)),
    ],
)
def test_layers_that_feedback_cannot_pass_are_refused_in_one_line(mode, layer):
    with pytest.raises(
        BrainPropError, match=f"{mode} feedback is not defined for the layer"
    ) as caught:
        image_network(layer(), feedback=mode)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["random", "sign", "direct"])
def test_fixed_feedback_that_would_be_zero_is_refused_in_one_line(mode):
    inputs = keras.Input((5,))
    output = keras.layers.Dense(3, kernel_initializer="zeros", name="last")
    outputs = output(keras.layers.Dense(4, "relu")(inputs))
    with pytest.raises(BrainPropError, match="would be 0 for ever at the layer 'last'"):
        BrainProp(inputs, outputs, feedback=mode)
    assert BrainProp(inputs, outputs, feedback="learned").feedback.weights


@pytest.mark.parametrize("mode", FEEDBACK)
def test_a_mask_ends_where_it_does_without_feedback(mode):
    images = np.random.default_rng(1).normal(size=(8, 6, 4)).astype("float32")
    images[:, 4:] = 0
    inputs = keras.Input((6, 4))
    steps = dense(5, 1)(keras.layers.Masking()(inputs))
    steps = keras.layers.Conv1D(5, 3, padding="same")(steps)  # It ends the mask.
    outputs = dense(3, 2)(keras.layers.GlobalAveragePooling1D()(steps))
    model = EBP(inputs, outputs, feedback=mode, feedback_seed=1)
    np.testing.assert_allclose(model.feedback.network(images), model(images), atol=1e-6)


class OwnConvolution(keras.layers.Conv2D):
    """It has a `convolution_op`, and does not use it."""

    def call(self, inputs):
        return keras.ops.conv(inputs, self.kernel)


def test_a_convolution_that_does_not_use_its_convolution_op_is_refused():
    model = image_network(OwnConvolution(3, 3), feedback="random")
    with pytest.raises(BrainPropError, match="does not use its convolution_op"):
        model.train_on_batch(*some_trials((6, 5, 2)))


@pytest.mark.parametrize("mode", OWN)
def test_any_layer_may_be_the_first(mode):
    """It passes nothing down."""
    inputs = keras.Input((6, 5, 2))
    activity = keras.layers.Rescaling(2.0)(inputs)
    activity = keras.layers.DepthwiseConv2D(3, activation="relu")(activity)
    outputs = dense(CLASSES, 3)(keras.layers.Flatten()(keras.layers.PReLU()(activity)))
    model = compiled(BrainProp, inputs, outputs, feedback=mode)
    model.train_on_batch(*some_trials((6, 5, 2)))
    assert len(model.feedback.kernels) == 1


def test_the_size_of_direct_feedbacks_matrices_must_be_known():
    inputs = keras.Input((None, None, 2))
    activity = keras.layers.Conv2D(3, 3)(keras.layers.Conv2D(3, 3)(inputs))
    outputs = dense(CLASSES, 3)(keras.layers.GlobalAveragePooling2D()(activity))
    compiled(EBP, inputs, outputs, feedback="learned")
    with pytest.raises(BrainPropError, match="direct feedback cannot reach .* no fixed size"):
        compiled(EBP, inputs, outputs, feedback="direct")


@pytest.mark.parametrize("mode", OWN)
def test_copies_have_the_feedback(mode, tmp_path):
    model = small_network(feedback=mode, feedback_seed=5)
    start, trials = kept(model), some_trials()
    model.train_on_batch(*trials)
    model.save(tmp_path / "model.keras")
    copies = {
        "clone": keras.models.clone_model(model),
        "config": BrainProp.from_config(model.get_config()),
    }
    copies["config"].compile(keras.optimizers.SGD(LEARNING_RATE))
    for copy in copies.values():
        for a, b in zip(start, kept(copy), strict=True):
            np.testing.assert_array_equal(a, b)
        copy.set_weights(model.get_weights())
    copies["file"] = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, *copies.values()):
        each.train_on_batch(*trials)
    for how, copy in copies.items():
        assert (copy.feedback.mode, copy.feedback.seed) == (mode, 5)
        for a, b in zip(model.get_weights(), copy.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=how)


def test_a_symmetric_model_is_saved_as_before():
    assert "feedback" not in EBP.from_model(small_network(EBP)).get_config()


@pytest.mark.parametrize("mode", OWN)
def test_a_model_of_ones_own_gets_it_and_keeps_its_layers_as_they_were(mode):
    source = keras.Sequential([keras.Input((5,)), dense(6, 1, "relu"), dense(CLASSES, 2)])
    model = BrainProp.from_model(source, feedback=mode, exploration_rate=0)
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    beside = EBP.from_model(source)
    beside.compile(keras.optimizers.SGD(LEARNING_RATE))
    model.train_on_batch(*some_trials())
    assert [layer.name for layer in model.layers[1:]] == [layer.name for layer in source.layers]
    # Another rule on the same layers still differentiates through the transposed kernels.
    images, labels = some_trials()
    weights = [weight.numpy() for weight in source.weights]
    expected, _ = written_out(EBP, "random", weights, weights[1:], images, labels)
    beside.train_on_batch(images, labels)
    for ours, new in zip(source.weights, expected, strict=True):
        np.testing.assert_allclose(ours, new, atol=1e-5)


@pytest.mark.parametrize("mode", OWN)
def test_weights_files_are_the_2020_codes(mode, tmp_path):
    symmetric = build_model("MNIST", "smallconv", "BrainProp")
    model = BrainProp.from_model(symmetric, feedback=mode)
    found = []
    for each in (symmetric, model):
        save_weights(each, tmp_path / "weights.h5")
        names = []
        with h5py.File(tmp_path / "weights.h5") as file:
            file.visit(names.append)
        found.append(names)
    assert found[0] == found[1]
    before = kept(model)
    load_weights(model, tmp_path / "weights.h5")
    for a, b in zip(before, kept(model), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mode", OWN)
def test_mixed_precision_follows_single_precision(mode):
    """To the 8 bits of bfloat16, on kernels that are kept in 32."""
    changes = []
    for mixed in (False, True):
        settings = {"exploration_rate": 0, "mixed_precision": mixed}
        model = build_model("MNIST", "smallconv", "BrainProp", feedback=mode, **settings)
        assert all(value.dtype == np.float32 for value in kept(model))
        before = forward_kernels(model)[0]
        model.train_on_batch(*some_trials((28, 28, 1), count=32))
        changes.append((forward_kernels(model)[0] - before).ravel())
    cosine = np.dot(*changes) / np.prod([np.linalg.norm(change) for change in changes])
    assert cosine > 0.9


@pytest.mark.parametrize("mode", OWN)
def test_xla_and_eager_steps_are_the_same(mode):
    images, labels = some_trials()
    weights = []
    for how in ({}, {"jit_compile": True}, {"run_eagerly": True}):
        model = small_network(l2=0.02, feedback=mode, feedback_seed=1)
        model.compile(keras.optimizers.SGD(LEARNING_RATE), **how)
        for _ in range(2):
            model.train_on_batch(images, labels)
        weights.append(model.get_weights())
    for usual, *others in zip(*weights, strict=True):
        for other in others:
            np.testing.assert_allclose(other, usual, atol=1e-5)


@pytest.mark.parametrize("mode", OWN)
def test_a_layer_that_keras_would_run_again_keeps_its_feedback(mode):
    """`keras.RematScope` recomputes a layer in the backward pass."""
    images, labels = some_trials((6, 5, 2))
    weights = []
    for scope in (contextlib.nullcontext(), keras.RematScope(mode="full")):
        with scope:
            layer = IMAGE_LAYERS["same"]()
        model = image_network(layer, feedback=mode, feedback_seed=1)
        model.train_on_batch(images, labels)
        weights.append(model.get_weights())
    for once, again in zip(*weights, strict=True):
        np.testing.assert_allclose(again, once, atol=1e-6)


@pytest.mark.parametrize("mode", OWN)
def test_momentum_and_other_optimizers_take_feedback_kernels(mode):
    """Kernels that start alike and get the same gradients stay alike."""
    model = small_network(feedback=mode)
    if mode in ("learned", "random"):
        for layer, kernel in model.feedback.kernels.items():
            kernel.assign(layer.kernel)
    start = kept(model)
    model.compile(keras.optimizers.Adam(0.01))
    for step in range(3):
        model.train_on_batch(*some_trials(seed=step))
    for layer, before in zip(model.feedback.kernels, start, strict=True):
        after = model.feedback.kernels[layer].numpy()
        if mode == "learned":
            np.testing.assert_allclose(after, layer.kernel, atol=1e-6)
            assert np.abs(after - before).max() > 1e-3
        else:
            np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("l2", [0.0, 0.02])
def test_the_feedback_of_a_frozen_layer_does_not_learn(l2):
    model = small_network(l2=l2, feedback="learned")
    frozen, free = list(model.feedback.kernels)[:2]
    frozen.trainable = False
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    before = {layer: model.feedback.kernels[layer].numpy() for layer in (frozen, free)}
    model.train_on_batch(*some_trials())
    np.testing.assert_array_equal(model.feedback.kernels[frozen], before[frozen])
    assert np.abs(model.feedback.kernels[free] - before[free]).max() > 1e-4


@pytest.mark.parametrize("mode", OWN)
def test_the_loss_is_the_symmetric_networks(mode):
    """Feedback kernels decay, and do not count in the loss."""
    losses = []
    for feedback in ("symmetric", mode):
        model = small_network(l2=0.02, feedback=feedback)
        model.run_eagerly = True
        losses.append(model.train_on_batch(*some_trials()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_feedback_is_drawn_as_the_kernels_are_with_other_numbers():
    models = [build_model("MNIST", "dense", "EBP", seed=s, feedback="random") for s in (1, 1, 2)]
    first, again, other = map(kept, models)
    for a, b, c, layer in zip(first, again, other, models[0].feedback.kernels, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.std() == pytest.approx(0.01, rel=0.05)
        for different in (c, layer.kernel.numpy()):
            correlation = np.corrcoef(a.ravel(), different.ravel())[0, 1]
            assert abs(correlation) < 5 / np.sqrt(a.size)


def test_signs_have_the_size_of_the_initial_kernel():
    model = small_network(feedback="sign")
    for layer, size in zip(model.feedback.kernels, kept(model), strict=True):
        kernel = layer.kernel.numpy()
        assert size == pytest.approx(np.sqrt(np.mean(kernel**2)))
        np.testing.assert_allclose(model.feedback.kernel(layer), np.sign(kernel) * size)


@pytest.mark.parametrize("mode", OWN)
def test_a_resumed_run_is_the_whole_one_bit_for_bit(mode, data, tmp_path):
    settings = {"batch_size": 50, "feedback": mode}

    def run(epochs, **kwargs):
        experiment = Experiment("MNIST", "small", "BrainProp", epochs=epochs, **settings)
        done = train(experiment, data, verbose=0, **kwargs)
        return done.model.get_weights(), done.history

    whole, history = run(2)
    run(1, checkpoint_dir=tmp_path)
    resumed, again = run(2, checkpoint_dir=tmp_path, resume=True)
    assert history["loss"] == again["loss"] and history["val_loss"] == again["val_loss"]
    for a, b in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(a, b)


TWO_DEVICES = """
import keras
import numpy as np

from brainprop import BrainProp
from brainprop.networks.layers import BatchNormalization

rng = np.random.default_rng(0)
images, labels = rng.random((16, 6, 6, 1), "float32"), rng.integers(4, size=16)
several = devices(2)


def trained(strategy, mode, hidden):
    with strategy.scope():
        inputs = activity = keras.Input((6, 6, 1))
        for layer in hidden():
            activity = layer(activity)
        outputs = keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e-3))(activity)
        model = BrainProp(inputs, outputs, exploration_rate=0, feedback=mode, feedback_seed=1)
        model.compile(keras.optimizers.SGD(0.05))
        weights = np.random.default_rng(1)
        model.set_weights([weights.normal(0, 0.3, weight.shape) for weight in model.weights])
    model.fit(images, labels, batch_size=8, shuffle=False, verbose=0)
    return model


def dense():
    return [keras.layers.Flatten(), *(keras.layers.Dense(8, "relu") for _ in range(2))]


def convolutions():
    '''Batch normalization makes the devices wait for one another within a step.'''
    yield from (keras.layers.Conv2D(3, 3), BatchNormalization())
    yield from (keras.layers.Conv2D(3, 3), BatchNormalization(), keras.layers.Flatten())


for mode in ("learned", "random", "sign", "direct"):
    one, two = (trained(s, mode, dense) for s in (devices(1), several))
    for a, b in zip(one.get_weights(), two.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-5)
    model = trained(several, mode, convolutions)
    for kept in model.feedback.weights:
        np.testing.assert_array_equal(*kept.value.values)
"""


def test_two_devices_learn_as_one():
    run_on_devices(TWO_DEVICES)


def degrees(a, b):
    a, b = np.ravel(a).astype("float64"), np.ravel(b).astype("float64")
    return np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("mode", FEEDBACK)
def test_diagnostics_tell_the_angles_to_symmetric_feedback(rule, mode):
    """Of the update to that of the same rule, and of BrainProp's to backpropagation's."""
    model = small_network(rule, feedback=mode, feedback_seed=1)
    images, labels = some_trials(count=30)
    measured = measure(model, [(images, labels)])
    weights = forward_kernels(model)

    def update(rule, mode, feedback):
        new, _ = written_out(rule, mode, weights, feedback, images, labels)
        return [after - before for before, after in zip(weights, new, strict=True)]

    own = weights[1:] if mode == "symmetric" else kept(model)
    used, symmetric = update(rule, mode, own), update(rule, "random", weights[1:])
    brainprop, ebp = update(BrainProp, mode, own), update(EBP, "random", weights[1:])
    names = [name.split("/")[1] for name in measured if name.startswith("weight_norm/")]
    for i, name in enumerate(names):
        found = {key.split("/")[0]: value for key, value in measured.items() if name in key}
        assert found["angle"] == pytest.approx(degrees(brainprop[i], ebp[i]), abs=0.01)
        assert ("angle_to_symmetric" in found) == (mode != "symmetric")
        if mode != "symmetric":
            expected = degrees(used[i], symmetric[i])
            assert found["angle_to_symmetric"] == pytest.approx(expected, abs=0.05)
        assert ("feedback_angle" in found) == (i > 0 and mode in OF_KERNELS)
        if "feedback_angle" in found:
            back = np.sign(weights[i]) if mode == "sign" else own[i - 1]
            assert found["feedback_angle"] == pytest.approx(degrees(weights[i], back), abs=0.01)
    assert len(names) == 4


def test_modes_are_names_in_any_case_of_letters():
    assert Experiment("MNIST", "conv", "EBP").feedback == "symmetric"
    assert Experiment("MNIST", "conv", "EBP", feedback="Learned").feedback == "learned"
    with pytest.raises(BrainPropError, match="unknown feedback 'learnt'.*did you mean learned"):
        Experiment("MNIST", "conv", "EBP", feedback="learnt")
    with pytest.raises(BrainPropError, match="unknown feedback 'fa'"):
        small_network(feedback="fa")
