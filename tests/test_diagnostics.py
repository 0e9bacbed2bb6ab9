"""Diagnostics: against NumPy, and that nobody notices them but the history."""

import csv
import json
import sys

import keras
import numpy as np
import pytest

from brainprop import BrainPropError, cli
from brainprop.experiments import Experiment
from brainprop.outputs.plots import diagnostics_figure
from brainprop.rules.brainprop import BrainProp
from brainprop.rules.ebp import EBP
from brainprop.training import diagnostics
from brainprop.training.callbacks import CSVLog
from brainprop.training.diagnostics import ERROR_BIN_CENTERS, Diagnostics, measure, probe_batches
from brainprop.training.fit import train
from brainprop.training.prepare import splits
from brainprop.training.run import Outcome, Run

LEARNING_RATE = 0.25
pytestmark = pytest.mark.usefixtures("small_networks")
LAYERS = ("1_Dense", "2_output")
OF_THE_NETWORK = {"q_selected", "q_right", "selected", "reward_prediction_error"}


@pytest.fixture(scope="module")
def probe():
    rng = np.random.default_rng(1)
    return rng.normal(size=(30, 6)).astype("float32"), rng.integers(4, size=30).astype("int32")


def small_network(rule, l2=0.0, dtype=None, masking=False):
    """Six inputs, four classes, five ReLUs: one is rarely active, the last two are dead."""
    inputs = keras.Input((6,))
    features = keras.layers.Masking(dtype=dtype)(inputs) if masking else inputs
    hidden = keras.layers.Dense(
        5,
        "relu",
        dtype=dtype,
        kernel_initializer=keras.initializers.RandomNormal(seed=2),
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
    )
    outputs = keras.layers.Dense(4, kernel_initializer=keras.initializers.RandomNormal(seed=3))
    model = rule(inputs, outputs(hidden(features)))
    model.compile(keras.optimizers.SGD(LEARNING_RATE), metrics=["accuracy"])
    kernel, bias = hidden.get_weights()
    hidden.set_weights([20 * kernel, bias + [0.1, 0.2, -3.5, -99, -99]])
    kernel, bias = outputs.get_weights()
    outputs.set_weights([10 * kernel, bias + [0, 0.2, 0.1, 0]])
    return model


def by_hand(model, images, labels):
    """The network and both rules' gradients of its kernels, in NumPy, by the equations."""
    w1, b1, w2, b2 = [weights.astype("float64") for weights in model.get_weights()]
    hidden = np.maximum(images @ w1 + b1, 0)
    q_values = hidden @ w2 + b2
    selected = q_values.argmax(1)
    attention = np.eye(4)[selected]
    errors = (selected == labels) - q_values.max(1)
    softmax = np.exp(q_values) / np.exp(q_values).sum(1, keepdims=True)

    def gradients(feedback):
        backwards = feedback @ w2.T * (hidden > 0)
        return images.T @ backwards / len(images), hidden.T @ feedback / len(images)

    rules = {
        "BrainProp": gradients(-errors[:, None] * attention),
        "EBP": gradients(softmax - np.eye(4)[labels]),
    }
    return hidden, q_values, errors, (w1, w2), rules


def degrees(a, b):
    return np.degrees(np.arccos(np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2))))


@pytest.mark.parametrize("rule", [BrainProp, EBP])
@pytest.mark.parametrize("parts", [[30], [12, 12, 6]], ids=str)
def test_the_measures_are_those_computed_by_hand(rule, parts, probe):
    images, labels = probe
    model = small_network(rule, l2=0.5)  # which is in no update
    ends = np.cumsum(parts)[:-1]
    measured = measure(model, zip(np.split(images, ends), np.split(labels, ends), strict=True))
    hidden, q_values, errors, kernels, gradients = by_hand(model, images, labels)
    for index, layer in enumerate(LAYERS):
        angle = degrees(gradients["BrainProp"][index], gradients["EBP"][index])
        update = LEARNING_RATE * np.linalg.norm(gradients[rule.__name__][index])
        assert measured[f"angle/{layer}"] == pytest.approx(angle, rel=1e-3)
        assert measured[f"update_norm/{layer}"] == pytest.approx(update, rel=1e-4)
        assert measured[f"weight_norm/{layer}"] == pytest.approx(np.linalg.norm(kernels[index]))
    assert measured["dead/1_Dense"] == np.mean(hidden.max(0) == 0) == 2 / 5
    assert "dead/2_output" not in measured
    selected = q_values.argmax(1)
    assert measured["q_selected"] == pytest.approx(q_values.max(1).mean(), rel=1e-4)
    assert measured["q_right"] == pytest.approx(q_values[np.arange(30), labels].mean(), rel=1e-4)
    assert measured["selected"] == [np.sum(selected == c) for c in range(4)]
    counts = measured["reward_prediction_error"]
    nearest = np.abs(errors[:, None] - ERROR_BIN_CENTERS).argmin(1)
    assert counts == np.bincount(nearest, minlength=len(ERROR_BIN_CENTERS)).tolist()
    assert sum(counts) == 30 and max(counts) < 30


def test_the_update_is_the_one_that_brainprops_training_step_makes(probe):
    images, labels = probe
    model = small_network(BrainProp)
    model.exploration_rate = 0
    measured = measure(model, [probe])
    assert measure(model, probe).keys() == measured.keys()  # One batch needs no list.
    before = [layer.get_weights()[0] for layer in model.layers[1:]]
    model.fit(images, labels, batch_size=30, verbose=0)
    for layer, old, name in zip(model.layers[1:], before, LAYERS, strict=True):
        step = np.linalg.norm(layer.get_weights()[0] - old)
        assert measured[f"update_norm/{name}"] == pytest.approx(step, rel=1e-3)


def test_frozen_layers_are_left_out_and_the_others_keep_their_names(probe):
    model = small_network(BrainProp)
    expected = measure(model, [probe])
    model.layers[-1].trainable = False
    measured = measure(model, [probe])
    assert measured == {name: expected[name] for name in expected if LAYERS[1] not in name}
    assert f"angle/{LAYERS[0]}" in measured
    model.trainable = False
    assert set(measure(model, [probe])) == {name for name in measured if LAYERS[0] not in name}


def test_a_network_without_kernels_is_measured_too(probe):
    inputs = keras.Input((6,))
    model = BrainProp(inputs, keras.layers.Rescaling(2.0)(inputs))
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    measured = measure(model, [probe])
    assert set(measured) == OF_THE_NETWORK
    assert measured["q_selected"] == pytest.approx(2 * probe[0].max(axis=1).mean())


def test_kernels_in_nested_models_are_measured_as_in_a_flat_one(probe):
    """Nested twice, with one frozen layer in between."""
    rng = np.random.default_rng(3)
    weights = [rng.normal(size=shape).astype("float32") for shape in ((6, 5), (5, 5), (5, 4))]

    def layers():
        dense = keras.layers.Dense
        return [dense(5, "relu", use_bias=False), dense(5, "relu", use_bias=False),
                dense(4, use_bias=False)]  # fmt: skip

    first, second, last = layers()
    inner = keras.Sequential([keras.Input((5,)), second])
    body = keras.Sequential([keras.Input((6,)), first, inner])
    inputs = keras.Input((6,))
    nested = BrainProp(inputs, last(body(inputs)))
    flat_layers = layers()
    flat = BrainProp.from_model(keras.Sequential([keras.Input((6,)), *flat_layers]))
    for model, frozen in ((nested, second), (flat, flat_layers[1])):
        frozen.trainable = False
        model.compile(keras.optimizers.SGD(LEARNING_RATE))
        for weight, value in zip(model.weights, weights, strict=True):
            weight.assign(value)
    measured, expected = measure(nested, [probe]), measure(flat, [probe])
    assert {"angle/1_Dense", "dead/1_Dense", "angle/3_output"} < measured.keys()
    assert not any("2_Dense" in name for name in measured)
    assert measured.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(measured[name], value, rtol=1e-5, err_msg=name)


def test_a_kernel_in_a_wrapper_is_measured_as_without_it(probe):
    rng = np.random.default_rng(3)
    weights = [rng.normal(size=shape).astype("float32") for shape in ((6, 5), (5, 4))]

    def measured(wrap, unwrap):
        inputs = keras.Input((6,))
        hidden = wrap(keras.layers.Dense(5, "relu", use_bias=False))(
            keras.layers.Reshape((1, 6))(inputs) if unwrap else inputs
        )
        hidden = keras.layers.Flatten()(hidden)
        model = BrainProp(inputs, keras.layers.Dense(4, use_bias=False)(hidden))
        model.compile(keras.optimizers.SGD(LEARNING_RATE))
        model.set_weights(weights)
        return measure(model, [probe])

    wrapped, plain = measured(keras.layers.TimeDistributed, True), measured(lambda x: x, False)
    assert "dead/1_Dense" in plain and wrapped.keys() == plain.keys()
    for name, value in plain.items():
        np.testing.assert_allclose(wrapped[name], value, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("feedback", ["symmetric", "random"])
def test_a_layer_that_is_used_twice_has_relus_for_each_use(feedback, probe):
    images, labels = probe
    shared = keras.layers.Dense(6, "relu", use_bias=False)
    inputs = keras.Input((6,))
    outputs = keras.layers.Dense(4)(shared(shared(inputs)))
    model = BrainProp(inputs, outputs, feedback=feedback)
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    kernel = np.eye(6, dtype="float32")
    kernel[0, 0], kernel[1] = -1, 0  # The sign of unit 0 makes it dead in one use at least.
    shared.kernel.assign(kernel)
    first = np.maximum(images @ kernel, 0)
    peaks = np.concatenate([first.max(0), np.maximum(first @ kernel, 0).max(0)])
    assert measure(model, [(images, labels)])["dead/1_Dense"] == np.mean(peaks == 0)
    assert np.mean(peaks == 0) != np.mean(peaks[6:] == 0)


def test_kernels_of_layers_of_ones_own_and_several_inputs_are_measured(probe):
    images, labels = probe

    class Twice(keras.layers.Layer):
        """Keeps its layers to itself, as MultiHeadAttention does."""

        def __init__(self):
            super().__init__(name="twice")
            self.inner = keras.layers.Dense(5, name="inner")

        def build(self, shape):
            self.inner.build(shape)

        def call(self, x):
            return self.inner(x) * 2

    inputs = [keras.Input((6,)), keras.Input((6,))]
    activity = keras.layers.Add()([Twice()(inputs[0]), keras.layers.Dense(5)(inputs[1])])
    model = BrainProp(inputs, keras.layers.Dense(4)(activity))
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    measured = measure(model, [((images, -images), labels)])
    norms = {name: value for name, value in measured.items() if name.startswith("weight_norm")}
    assert set(norms) == {"weight_norm/1_Dense", "weight_norm/2_Dense", "weight_norm/3_output"}
    kernels = [weight for weight in model.weights if weight.name == "kernel"]
    for value, kernel in zip(norms.values(), kernels, strict=True):
        assert value == pytest.approx(np.linalg.norm(kernel))
    assert all(measured[name.replace("weight_norm", "update_norm")] > 0 for name in norms)


def test_a_reward_of_ones_own_is_measured_by_its_own_rule(probe):
    class Doubled(BrainProp):
        def reward(self, selected, right):
            return 2 * super().reward(selected, right)

    model = small_network(Doubled)
    measured = measure(model, [probe])
    images, labels = probe
    hidden, q_values, _, _, _ = by_hand(model, images, labels)
    selected = q_values.argmax(1)
    errors = 2 * (selected == labels) - q_values.max(1)
    gradient = hidden.T @ (-errors[:, None] * np.eye(4)[selected]) / len(images)
    expected = LEARNING_RATE * np.linalg.norm(gradient)
    assert measured["update_norm/2_output"] == pytest.approx(expected, rel=1e-4)


def test_labels_may_be_columns_or_one_hot(probe):
    images, labels = probe
    model = small_network(BrainProp)
    expected = measure(model, [probe])
    assert measure(model, [(images, labels[:, np.newaxis])]) == expected
    assert measure(model, [(images, np.eye(4, dtype="float32")[labels])]) == expected


def test_a_row_of_zeros_has_no_right_class(probe):
    images, labels = probe
    one_hot = np.eye(4, dtype="float32")[labels]
    one_hot[::3] = 0
    model = small_network(BrainProp)
    _, q_values, _, _, _ = by_hand(model, images, labels)
    measured = measure(model, (images, one_hot))
    rewarded = (q_values.argmax(1) == labels) & one_hot.any(1)
    nearest = np.abs((rewarded - q_values.max(1))[:, None] - ERROR_BIN_CENTERS).argmin(1)
    expected = np.bincount(nearest, minlength=len(ERROR_BIN_CENTERS)).tolist()
    assert measured["reward_prediction_error"] == expected
    of_right = q_values[np.arange(30), labels][one_hot.any(1)]
    assert measured["q_right"] == pytest.approx(of_right.mean(), rel=1e-4)
    assert np.isnan(measure(model, (images, 0 * one_hot))["q_right"])


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_masked_images_do_not_count(rule, probe):
    """As if they were not there. All of the first part are masked."""
    images, labels = probe
    images = images.copy()
    images[:10] = images[::4] = 0  # `Masking` masks these rows.
    counts = images.any(1)
    parts = zip(np.split(images, [10, 18]), np.split(labels, [10, 18]), strict=True)
    measured = measure(small_network(rule, masking=True), parts)
    expected = measure(small_network(rule), (images[counts], labels[counts]))
    assert measured.keys() == expected.keys() and sum(measured["selected"]) == counts.sum() < 20
    for name, value in expected.items():
        np.testing.assert_allclose(measured[name], value, rtol=1e-4, err_msg=name)
    with pytest.raises(BrainPropError, match="no images to measure"):
        measure(small_network(rule, masking=True), (0 * images, labels))


@pytest.mark.parametrize("masking", [False, True])
@pytest.mark.parametrize(
    ("dtype", "error"), [("float64", 1e-5), ("float16", 0.02), ("bfloat16", 0.1)]
)
def test_layers_of_any_precision_are_measured(dtype, error, masking, probe):
    images, labels = probe
    model = small_network(BrainProp, dtype=dtype, masking=masking)
    hidden, _, _, kernels, gradients = by_hand(model, images, labels)
    measured = measure(model, (images, labels))
    for index, layer in enumerate(LAYERS):
        update = LEARNING_RATE * np.linalg.norm(gradients["BrainProp"][index])
        assert measured[f"update_norm/{layer}"] == pytest.approx(update, rel=error)
        assert measured[f"weight_norm/{layer}"] == pytest.approx(np.linalg.norm(kernels[index]))
    assert measured["dead/1_Dense"] == np.mean(hidden.max(0) == 0)


def test_the_norm_of_a_kernel_of_16_bits_may_be_larger_than_they_hold(probe):
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(5, dtype="float16", kernel_initializer="ones")(inputs)
    model = BrainProp(inputs, keras.layers.Dense(4)(hidden))
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    model.weights[0].assign(np.full((6, 5), 200))
    assert measure(model, probe)["weight_norm/1_Dense"] == pytest.approx(200 * np.sqrt(30))


def test_errors_beyond_the_bins_count_in_the_outermost_and_nan_in_none():
    counts = diagnostics._histogram(np.array([-7, -1.2, 0.04, 0.06, 1.24, 99, np.nan]))
    assert (counts[0], counts[12], counts[13], counts[-1], sum(counts)) == (2, 1, 1, 2, 6)


@pytest.mark.parametrize(("weight", "counted"), [(np.nan, 0), (0.0, 30)])
def test_a_network_that_has_diverged_or_died_is_measured_without_a_warning(
    weight, counted, probe, recwarn
):
    model = small_network(BrainProp)
    model.set_weights([np.full_like(weights, weight) for weights in model.get_weights()])
    measured = measure(model, [probe])
    assert np.isnan(measured["angle/1_Dense"])
    assert sum(measured["reward_prediction_error"]) == counted
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def experiment(algorithm="BrainProp", architecture="small", **overrides):
    settings = {"batch_size": 50, "epochs": 3} | overrides
    return Experiment("MNIST", architecture, algorithm, **settings)


def trained(settings, data, probed=True, **kwargs):
    callbacks = [Diagnostics(probe_batches(data, settings))] if probed else []
    done = train(settings, data, callbacks=callbacks, **kwargs)
    return done.model, done


def is_diagnostic(name):
    return "/" in name or name in OF_THE_NETWORK


def rest(history):
    """What is in the history without diagnostics, but for the time."""
    return {k: v for k, v in history.items() if not is_diagnostic(k) and k != "seconds"}


def found(history):
    return {name: values for name, values in history.items() if is_diagnostic(name)}


@pytest.mark.parametrize(
    "settings",
    [
        {"architecture": "smallconv", "exploration_rate": 0.3},
        {"algorithm": "EBP"},
        {"mixed_precision": True, "validation_split": 0.2},
    ],
    ids=["conv", "EBP", "mixed precision"],
)
def test_training_goes_on_as_if_nobody_had_looked_bit_for_bit(settings, data):
    settings = experiment(**settings, epochs=2)
    model, run = trained(settings, data)
    undisturbed, alone = trained(settings, data, probed=False)
    assert rest(run.history) == rest(alone.history)
    assert not found(alone.history)
    assert set(found(run.history)) >= OF_THE_NETWORK
    assert run.test_accuracy == alone.test_accuracy
    # All variables: weights, moving averages, random state, metrics.
    for a, b in zip(model.variables, undisturbed.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    for name, values in found(run.history).items():
        assert len(values) == settings.epochs, name
        assert np.all(np.isfinite(values)), name
    _, (validation_images, _), _ = splits(data, settings)
    for name in ("selected", "reward_prediction_error"):
        np.testing.assert_array_equal(np.sum(run.history[name], axis=1), len(validation_images))


def test_the_learning_rate_of_the_epoch_is_in_the_update(data):
    _, run = trained(experiment(epochs=2, learning_rate=1e-9, halving_epochs=1), data)
    for layer in LAYERS:
        first, second = run.history[f"update_norm/{layer}"]
        assert second == pytest.approx(first / 2, rel=1e-3)


def test_a_resumed_run_has_the_diagnostics_of_all_epochs(data, tmp_path):
    _, whole = trained(experiment(), data)
    trained(experiment(epochs=2), data, checkpoint_dir=tmp_path)
    _, resumed = trained(experiment(), data, checkpoint_dir=tmp_path, resume=True)
    assert found(resumed.history) == found(whole.history)
    assert rest(resumed.history) == rest(whole.history)


@pytest.mark.parametrize("first", [True, False])
def test_a_history_of_ones_own_does_not_take_the_diagnostics(first, data):
    settings = experiment(epochs=2)
    callbacks = [keras.callbacks.History(), Diagnostics(probe_batches(data, settings))]
    done = train(settings, data, callbacks=callbacks if first else callbacks[::-1], verbose=0)
    assert set(found(done.history)) >= OF_THE_NETWORK
    assert all(len(values) == 2 for values in done.history.values())
    assert not found(callbacks[0].history)


@pytest.mark.parametrize("own", [(), (keras.callbacks.History,), (keras.callbacks.History,) * 2])
def test_keras_fit_has_a_row_for_each_epoch_that_it_trains(own, probe):
    model = small_network(BrainProp)
    before, *after = [make() for make in own] or [None]
    callbacks = [*([before] if before else []), Diagnostics([probe]), *after]
    options = {"initial_epoch": 2, "epochs": 4, "callbacks": callbacks, "verbose": 0}
    history = model.fit(*probe, **options).history
    assert set(found(history)) >= OF_THE_NETWORK
    assert all(len(values) == 2 for values in history.values())
    assert np.all(np.isfinite(history["q_right"]))


def test_epochs_that_nobody_measured_are_not_numbers(data, tmp_path):
    trained(experiment(epochs=1), data, probed=False, checkpoint_dir=tmp_path)
    _, resumed = trained(experiment(epochs=2), data, checkpoint_dir=tmp_path, resume=True)
    for values in found(resumed.history).values():
        missing, measured = values
        assert np.all(np.isnan(missing)) and np.shape(missing) == np.shape(measured)
        assert np.all(np.isfinite(measured))
    diagnostics_figure(resumed).draw_without_rendering()


def test_the_probe_batch_spans_a_validation_set_that_is_sorted(monkeypatch):
    monkeypatch.setattr(diagnostics, "PROBE_SIZE", 20)
    labels = np.repeat(np.arange(10), 100)
    validation = (np.zeros((1000, 28, 28, 1), "uint8"), labels)
    batches = list(probe_batches((None, validation), experiment()))
    probed = np.concatenate([part for _, part in batches])
    np.testing.assert_array_equal(np.bincount(probed), np.full(10, 2))


def test_the_probe_batch_is_of_the_images_held_out(data):
    settings = experiment(validation_split=0.2)
    _, (images, labels), _ = splits(data, settings)
    batches = [[np.asarray(part) for part in batch] for batch in probe_batches(data, settings)]
    probed = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    assert len(labels) < len(data[0][1])
    np.testing.assert_allclose(probed[0], images / 255, rtol=1e-6)
    np.testing.assert_array_equal(probed[1], labels)


def main(monkeypatch, *arguments):
    """The command line on few images of the bundled MNIST, in this process."""
    monkeypatch.setattr(sys, "argv", ["main.py"])
    few = ("--max-train-samples", 300, "--max-eval-samples", 60)
    return cli.main([str(argument) for argument in (*arguments, *few)])


def test_the_command_line_saves_history_plots_and_tensorboards_scalars(tmp_path, monkeypatch):
    saved, board = tmp_path / "saved", tmp_path / "board"
    command = ("MNIST", "small", "EBP", "--epochs", 2, "-s", "--output-dir", saved)
    watched = (*command, "--diagnostics", "--tensorboard", board, "--log-csv", tmp_path / "log.csv")
    assert main(monkeypatch, *watched) == 0
    assert (saved / "MNIST_small_EBP_diagnostics.pdf").read_bytes().startswith(b"%PDF")
    assert (saved / "MNIST_small_EBP_diagnostics.png").read_bytes().startswith(b"\x89PNG")
    text = (saved / "MNIST_small_EBP_history.json").read_text()
    history = json.loads(text, parse_constant=pytest.fail)["history"]
    per_layer = {f"{m}/{x}" for m in ("angle", "update_norm", "weight_norm") for x in LAYERS}
    assert set(found(history)) == per_layer | {"dead/1_Dense"} | OF_THE_NETWORK
    assert all(len(values) == 2 for values in history.values())
    assert [sum(counts) for counts in history["selected"]] == [60, 60]
    events = b"".join(path.read_bytes() for path in (board / "diagnostics").rglob("events*"))
    for name in ("angle/2_output", "dead/1_Dense", "q_right", "reward_prediction_error"):
        assert name.encode() in events
    with (tmp_path / "log.csv").open() as file:  # Numbers only.
        angles = [float(row["angle/2_output"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(angles, history["angle/2_output"])
    # A second run has numbered files, and without --diagnostics no plot of them.
    assert main(monkeypatch, *command) == 0
    names = {path.name for path in saved.glob("*_0_*")}
    parts = ("weights.h5", "accuracy.pdf", "accuracy.png", "history.pkl", "history.json")
    assert names == {f"MNIST_small_EBP_0_{part}" for part in parts}


def test_diagnostics_that_nothing_keeps_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(cli, "start_tensorflow", lambda: pytest.fail("TensorFlow imported"))
    assert main(monkeypatch, "MNIST", "dense", "EBP", "--diagnostics") == 2
    assert "--diagnostics needs -s" in capsys.readouterr().err


def test_a_log_goes_on_without_the_diagnostics(data, tmp_path):
    log = CSVLog(tmp_path / "log.csv")
    trained(experiment(epochs=1), data, checkpoint_dir=tmp_path)
    settings = experiment(epochs=3)
    done = train(settings, data, checkpoint_dir=tmp_path, resume=True, callbacks=[log])
    assert np.all(np.isnan(done.history["selected"][1:]))
    with log.path.open() as file:
        rows = list(csv.DictReader(file))
    assert [np.isnan(float(row["q_right"])) for row in rows] == [False, True, True]


def test_the_plot_shows_what_was_measured():
    history = {
        "accuracy": [0.5, 0.75], "val_accuracy": [0.6, 0.8],
        "q_selected": [0.25, 0.5], "q_right": [0.125, 0.75],
        "selected": [[10, 0, 0], [4, 0, 6]],
        "reward_prediction_error": [[10] + 24 * [0], 24 * [0] + [10]],
        "angle/1_Dense": [80.0, 20.0], "angle/2_output": [60.0, float("nan")],
        "update_norm/1_Dense": [0.1, 0.2], "update_norm/2_output": [0.3, 0.4],
        "weight_norm/1_Dense": [1.0, 2.0], "weight_norm/2_output": [3.0, 4.0],
        "dead/1_Dense": [0.5, 0.25],
    }  # fmt: skip
    run = Run(
        Experiment("MNIST", "dense", "BrainProp", classes=3), history, 2, 0.8, Outcome.COMPLETED,
        200, 100, class_names=("two", "$x^$", "nine"),
    )  # fmt: skip
    figure = diagnostics_figure(run)
    accuracy, q_values, errors, selected, angle, update, weight, dead, _ = figure.axes

    def curves(axes):
        return [list(line.get_ydata()) for line in axes.lines]

    assert curves(q_values) == [[0.25, 0.5], [0.125, 0.75]]
    np.testing.assert_array_equal(curves(angle)[:2], [[80, 20], [60, np.nan]])
    assert curves(update) == [[0.1, 0.2], [0.3, 0.4]]
    assert curves(weight) == [[1, 2], [3, 4]]
    assert curves(dead) == [[50, 25]]
    percent = selected.images[0].get_array()
    np.testing.assert_array_equal(percent.filled(0), [[100, 40], [0, 0], [0, 60]])
    np.testing.assert_array_equal(percent.mask, percent.filled(0) == 0)
    np.testing.assert_array_equal(
        errors.images[0].get_array().filled(0)[[0, -1]], [[100, 0], [0, 100]]
    )
    figure.draw_without_rendering()
    assert list(selected.get_yticks()) == [0, 1, 2]
    assert [label.get_text() for label in selected.get_yticklabels()] == ["two", "$x^$", "nine"]
    for axes in (accuracy, errors, angle):
        ticks = axes.get_xticks()
        np.testing.assert_array_equal(ticks, np.round(ticks))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["1 Dense", "2 output"]
    assert "on 10 validation images" in figure.get_suptitle()
