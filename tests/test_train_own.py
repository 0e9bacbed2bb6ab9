"""Training networks of one's own: schedule, optimizers, data of any kind, what is printed."""

import csv
import json
import re

import keras
import numpy as np
import pytest

from brainprop import (
    EBP,
    BrainProp,
    Diagnostics,
    Experiment,
    build_model,
    evaluate,
    measure,
    save_run,
    train,
)
from brainprop.common.errors import BrainPropError
from brainprop.outputs.origin import Origin
from brainprop.training.callbacks import CSVLog
from brainprop.training.progress import Progress
from brainprop.training.run import MAX_LOSS, Outcome, Schedule, has_diverged

QUIET = {"verbose": 0, "batch_size": 16}


@pytest.fixture(scope="module")
def table():
    """Three classes of five features, which a small network tells apart."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(3, 5))

    def split(count):
        labels = rng.integers(3, size=count)
        return (centers[labels] + 0.2 * rng.normal(size=(count, 5))).astype("float32"), labels

    return split(96), split(48)


def network(rule=BrainProp, optimizer=None, shape=(5,), layers=(), metrics=("accuracy",), **kwargs):
    keras.utils.set_random_seed(1)
    inputs = keras.Input(shape)
    x = inputs
    for layer in [*layers, keras.layers.Dense(16, "relu"), keras.layers.Dense(3)]:
        x = layer(x)
    model = rule(inputs, x, name="own", **kwargs)
    model.compile(optimizer or keras.optimizers.SGD(0.1), metrics=list(metrics))
    return model


pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.mark.parametrize("rule", [BrainProp, EBP])
def test_a_table_is_learned_and_the_best_epoch_kept(rule, table, tmp_path):
    model = network(rule)
    done = train(model, table, epochs=15, **QUIET)
    assert done.model is model and done.best_accuracy > 0.9
    assert evaluate(model, *table[1]).accuracy == pytest.approx(done.best_accuracy)
    assert done.best_accuracy == max(done.history["val_accuracy"])
    assert {"loss", "seconds", "learning_rate"} < done.history.keys()
    saved = save_run(done, tmp_path)
    assert saved[0].name == f"own_{rule.__name__}_weights.h5" and len(saved) >= 4


def test_an_epoch_ends_with_its_last_step_in_an_execution_of_several(table):
    """96 images are six steps, which executions of four steps do not divide."""
    model = network()
    model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"], steps_per_execution=4)
    done = train(model, table, epochs=2, **QUIET)
    assert model.optimizer.iterations == 12 and model.steps_per_execution == 4
    assert done.history["loss"] == pytest.approx(
        train(network(), table, epochs=2, **QUIET).history["loss"]
    )


def test_the_best_weights_are_those_that_were_validated(table):
    """The callback validates averaged weights, and trains on with the others."""
    model = network(EBP, keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.95))
    watch = keras.callbacks.SwapEMAWeights()
    done = train(model, table, epochs=3, callbacks=[watch], **QUIET)
    assert evaluate(model, *table[1]).loss == pytest.approx(
        done.history["val_loss"][done.best_epoch - 1], rel=1e-5
    )


def test_the_losses_that_layers_add_are_evaluated(table):
    model = network(EBP, layers=[keras.layers.ActivityRegularization(l2=0.1)])
    images, labels = (np.concatenate([part] * 3)[:140] for part in table[1])
    loss, accuracy = model.evaluate(images, labels, batch_size=128, verbose=0)
    found = evaluate(model, images, labels)
    assert (found.loss, found.accuracy) == pytest.approx((loss, accuracy), rel=1e-5)


def test_the_names_of_the_classes_are_kept(table):
    done = train(network(), table, epochs=1, class_names=["a", "b", "c"], **QUIET)
    assert done.class_names == ("a", "b", "c")
    with pytest.raises(BrainPropError, match="2 names for 3 classes"):
        train(network(), table, epochs=1, class_names=["a", "b"], **QUIET)


def test_plain_sgd_starts_with_the_compiled_rate_and_is_halved_on_the_papers_schedule(table):
    model = network(optimizer=keras.optimizers.SGD(0.02))
    done = train(model, table, epochs=3, **QUIET)
    np.testing.assert_allclose(done.history["learning_rate"], [0.02] * 3)
    assert done.experiment.halving_epochs == 100 and done.experiment.patience == 45
    done = train(model, table, epochs=3, halving_epochs=1, **QUIET)
    np.testing.assert_allclose(done.history["learning_rate"], [0.02, 0.01, 0.005])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.02)


class CustomSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Has no `get_config`, which Keras's `fit` does not need."""

    def __call__(self, step):
        return 0.1 / (1 + keras.ops.cast(step, "float32"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.Adam(0.01),
        lambda: keras.optimizers.SGD(0.01, momentum=0.9),
        lambda: keras.optimizers.SGD(CustomSchedule()),
        lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 6, 0.5)),
    ],
    ids=["Adam", "momentum", "custom schedule", "schedule"],
)
def test_any_other_optimizer_is_left_as_it_was_compiled(make, table):
    """The same steps as by Keras's fit on the same batches, all of them full."""
    ours, keras_own = network(optimizer=make()), network(optimizer=make())
    done = train(ours, table, epochs=2, seed=4, **QUIET)
    from brainprop.training.batches import training_batches

    batches = training_batches(*table[0], 16, seed=4)
    fitted = keras_own.fit(batches, steps_per_epoch=6, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(done.history["loss"], fitted.history["loss"], rtol=1e-6)
    assert done.experiment.halving_epochs is None
    rate = float(keras_own.optimizer.learning_rate)
    assert done.history["learning_rate"][-1] == pytest.approx(rate)


def test_any_other_optimizer_is_halved_only_if_asked(table):
    done = train(
        network(optimizer=keras.optimizers.Adam(0.01)), table, epochs=2, halving_epochs=1, **QUIET
    )
    np.testing.assert_allclose(done.history["learning_rate"], [0.01, 0.005])
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 6, 0.5)
    with pytest.raises(BrainPropError, match="halving_epochs needs"):
        train(network(optimizer=keras.optimizers.SGD(decay)), table, halving_epochs=1, **QUIET)


@pytest.fixture(scope="module")
def plain(table):
    return train(network(), table, epochs=2, **QUIET)


@pytest.mark.parametrize("labels", ["columns", "one-hot", "floats", "lists", "uint8"])
def test_labels_have_any_form_that_the_rules_take(labels, table, plain):
    def of(split):
        x, y = split
        form = {
            "columns": y[:, None],
            "one-hot": np.eye(3)[y],
            "floats": y.astype("float64"),
            "lists": y.tolist(),
            "uint8": y.astype("uint8"),
        }
        return x, form[labels]

    other = train(network(), (of(table[0]), of(table[1])), epochs=2, **QUIET)
    np.testing.assert_allclose(other.history["loss"], plain.history["loss"], rtol=1e-6)
    np.testing.assert_allclose(other.history["val_accuracy"], plain.history["val_accuracy"])
    evaluation = evaluate(other.model, *of(table[1]))
    assert evaluation.accuracy == pytest.approx(other.best_accuracy)


def images(count=48):
    rng = np.random.default_rng(2)
    labels = rng.integers(3, size=count)
    pixels = rng.integers(0, 50, (count, 4, 4, 1), "uint8")
    pixels[np.arange(count), labels] = 255
    return pixels, labels


@pytest.fixture(scope="module")
def scaled():
    """A run on images that are scaled already."""
    pixels, labels = images()
    split = (pixels / 255).astype("float32"), labels
    model = network(shape=(4, 4, 1), layers=[keras.layers.Flatten()])
    return train(model, (split, split), epochs=3, **QUIET)


@pytest.mark.parametrize("kind", ["uint8", "int32", "float64"])
def test_a_network_of_ones_own_gets_arrays_as_they_are(kind, scaled):
    """It scales them itself; if they were divided by 255 again, its outputs would differ."""
    pixels, labels = images()
    split = pixels.astype(kind), labels
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    done = train(network(shape=(4, 4, 1), layers=layers), (split, split), epochs=3, **QUIET)
    np.testing.assert_allclose(done.history["loss"], scaled.history["loss"], rtol=1e-4)
    outputs = evaluate(done.model, *split).outputs
    np.testing.assert_allclose(outputs, done.model(split[0]), rtol=1e-5)


def test_the_papers_networks_get_bytes_scaled_and_floats_as_they_are(data):
    """Also after a copy by Keras."""
    (train_images, train_labels), (test_images, test_labels) = data
    floats = (train_images / 255, train_labels), (test_images / 255, test_labels)
    histories = []
    for given in (data, floats):
        model = build_model("MNIST", "small", "EBP")
        histories.append(train(model, given, epochs=1, batch_size=50, verbose=0).history)
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-6)
    by_experiment = train(
        Experiment("MNIST", "small", "EBP", epochs=1, batch_size=50), data, verbose=0
    )
    assert by_experiment.history["loss"] == histories[0]["loss"]
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    expected = evaluate(model, test_images / 255, test_labels).outputs
    np.testing.assert_allclose(
        evaluate(copy, test_images, test_labels).outputs, expected, atol=1e-6
    )
    of_bytes, of_floats = (
        measure(model, [(given[:50], test_labels[:50])])
        for given in (test_images, (test_images / 255).astype("float32"))
    )
    for name, value in of_floats.items():
        np.testing.assert_allclose(of_bytes[name], value, rtol=1e-3, err_msg=name)


class Notes(keras.callbacks.Callback):
    """Adds to the logs what no figure is, from the second epoch on."""

    values = {
        "text": "so far so good",
        "nothing": None,
        "scalar": np.float32(0.5),
        "count": np.int64(3),
        "flag": np.bool_(True),
        "array": np.arange(4).reshape(2, 2),
        "tensor": keras.ops.ones(2),
        "ragged": [[1], [2, np.float16(3)]],
        "infinite": np.array([np.inf, 1]),
        "names": {"a": np.float32("nan"), "b": [1.5]},
        "letters": b"abc",
        "object": Schedule,
    }

    def on_epoch_end(self, epoch, logs=None):
        if epoch:
            logs.update(self.values)


def test_callbacks_may_put_anything_into_the_logs(table, tmp_path):
    expected = {
        "text": "so far so good", "nothing": None, "scalar": 0.5, "count": 3, "flag": True,
        "array": [[0, 1], [2, 3]], "tensor": [1, 1], "ragged": [[1], [2, 3]],
        "infinite": [None, 1], "names": {"a": None, "b": [1.5]},
        "letters": "b'abc'", "object": str(Schedule),
    }  # fmt: skip

    def run(epochs):
        callbacks = [Notes(), CSVLog(tmp_path / "log.csv")]
        settings = {"checkpoint_dir": tmp_path / "run", "resume": True, **QUIET}
        return train(network(), table, epochs=epochs, callbacks=callbacks, **settings)

    run(2)
    done = run(3)
    assert done.outcome is Outcome.COMPLETED
    saved = {path.name: path for path in save_run(done, tmp_path / "saved")}
    assert len(saved) == 5
    text = saved["own_BrainProp_history.json"].read_text()
    history = json.loads(text, parse_constant=pytest.fail)["history"]
    assert {name: history[name][1] for name in expected} == expected
    assert all(history[name][2] == expected[name] for name in expected)
    assert history["ragged"][0] == [[None], [None, None]] and history["text"][0] is None
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (rows[2]["text"], rows[2]["scalar"]) == ("so far so good", "0.5")
    assert "array" not in rows[2] and "ragged" not in rows[2]


def test_an_experiments_settings_can_be_given_beside_it(data):
    done = train(Experiment("MNIST", "small", "EBP"), data, epochs=1, batch_size=50, verbose=0)
    assert done.epochs == 1
    assert done.experiment == Experiment("MNIST", "small", "EBP", epochs=1, batch_size=50)


def test_own_networks_resume_bit_for_bit(table, tmp_path):
    def layers():
        return [keras.layers.Dropout(0.3, seed=5)]

    def run(epochs, **kwargs):
        model = network(optimizer=keras.optimizers.Adam(0.01), layers=layers(), seed=3)
        return train(model, table, epochs=epochs, **QUIET, **kwargs)

    whole = run(4)
    run(2, checkpoint_dir=tmp_path)
    resumed = run(4, checkpoint_dir=tmp_path, resume=True)
    for name in ("loss", "val_loss", "reward", "explored"):
        assert resumed.history[name] == whole.history[name]
    for a, b in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(BrainPropError, match="another run .*seed 1 there, 2 here"):
        train(network(), table, seed=2, checkpoint_dir=tmp_path, resume=True, **QUIET)


def test_a_model_that_keras_has_numbered_again_resumes(table, tmp_path):
    """Keras numbers the models of a process, so the same cell of a notebook makes another name."""
    settings, names = {"checkpoint_dir": tmp_path, "resume": True, **QUIET}, []
    for epochs in (1, 2):
        model = BrainProp.from_model(network())
        model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
        assert train(model, table, epochs=epochs, **settings).resumed == (epochs == 2)
        names.append(model.name)
    assert names[0] != names[1]
    with pytest.raises(BrainPropError, match="another run .*network brain_prop there, own here"):
        train(network(), table, epochs=3, **settings)


def test_a_run_whose_variables_are_bfloat16_resumes(table, tmp_path):
    """NumPy's files have no such type."""
    keras.config.set_dtype_policy("bfloat16")

    def run(epochs, **kwargs):
        model = network(optimizer=keras.optimizers.SGD(0.125), seed=3)
        return train(model, table, epochs=epochs, **QUIET, **kwargs)

    try:
        whole = run(3)
        run(1, checkpoint_dir=tmp_path)
        resumed = run(3, checkpoint_dir=tmp_path, resume=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert resumed.resumed and resumed.history["val_loss"] == whole.history["val_loss"]
    for a, b in zip(resumed.model.weights, whole.model.weights, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(keras.ops.cast(a, "float32"), keras.ops.cast(b, "float32"))


def test_a_rule_of_ones_own_has_diagnostics_and_a_figure(table, tmp_path, capsys):
    class MyRule(EBP):
        pass

    done = train(network(MyRule), table, epochs=1, callbacks=[Diagnostics(table[1])], **QUIET)
    saved = save_run(done, tmp_path)
    assert "own_MyRule_diagnostics.pdf" in {path.name for path in saved}
    assert Origin.of(saved[0]).dataset == "" and capsys.readouterr().err == ""


def test_weights_that_are_swapped_after_each_epoch_are_swapped_back_when_resumed(table, tmp_path):
    def run(epochs, **kwargs):
        model = network(EBP, keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9))
        watch = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        return train(model, table, epochs=epochs, callbacks=[watch], **QUIET, **kwargs)

    whole = run(4, checkpoint_dir=tmp_path / "whole")
    run(2, checkpoint_dir=tmp_path / "parts")
    resumed = run(4, checkpoint_dir=tmp_path / "parts", resume=True)
    for name in ("loss", "val_loss"):
        assert resumed.history[name] == whole.history[name]


def test_another_rule_or_optimizer_is_another_run(table, tmp_path):
    adam, settings = keras.optimizers.Adam, {"checkpoint_dir": tmp_path, "resume": True, **QUIET}
    train(network(optimizer=adam(0.01)), table, epochs=1, **settings)
    for optimizer, rule, difference in (
        (adam(0.01, beta_1=0.5), {}, "optimizer's beta_1 0.9 there, 0.5 here"),
        (keras.optimizers.Adamax(0.01), {}, "optimizer's class Adam there, Adamax here"),
        (adam(0.01), {"exploration_rate": 1}, "rule's exploration_rate 0.02 there, 1.0 here"),
        (adam(0.01), {"feedback": "random"}, "rule's feedback symmetric there, random here"),
    ):
        with pytest.raises(BrainPropError, match=f"another run .*{difference}"):
            train(network(optimizer=optimizer, **rule), table, epochs=2, **settings)


def test_another_argument_of_a_rule_of_ones_own_is_another_run(table, tmp_path):
    class Own(EBP):
        def __init__(self, *args, sizes=(1, 2), **kwargs):
            super().__init__(*args, **kwargs)
            self.sizes = sizes

        def get_config(self):
            return super().get_config() | {"sizes": self.sizes}

    settings = {"checkpoint_dir": tmp_path, "resume": True, **QUIET}
    for epochs in (1, 2):
        assert train(network(Own), table, epochs=epochs, **settings).epochs == epochs
    with pytest.raises(BrainPropError, match=r"rule's sizes \[1, 2\] there, \[3, 4\] here"):
        train(network(Own, sizes=(3, 4)), table, epochs=3, **settings)


def test_a_checkpoint_that_does_not_tell_the_rule_is_resumed(table, tmp_path, monkeypatch):
    """Those of earlier versions."""
    settings = {"checkpoint_dir": tmp_path, "resume": True, **QUIET}
    with monkeypatch.context() as earlier:
        earlier.setattr(
            Schedule, "settings", lambda self: vars(self) | {"rule": None, "optimizer": None}
        )
        train(network(), table, epochs=1, **settings)
    assert train(network(), table, epochs=2, **settings).epochs == 2


def test_the_learning_rate_of_a_resumed_optimizer_is_told(table, tmp_path, capsys):
    settings = {"checkpoint_dir": tmp_path, "resume": True, **QUIET}
    train(network(optimizer=keras.optimizers.Adam(0.01)), table, epochs=1, **settings)
    assert not capsys.readouterr().err
    done = train(network(optimizer=keras.optimizers.Adam(0.5)), table, epochs=2, **settings)
    assert done.history["learning_rate"] == pytest.approx([0.01, 0.01])
    assert "learning rate 0.01 is the checkpoint's" in capsys.readouterr().err


BAD = [
    (lambda m, d: train(m, d, epochs=0), "epochs must be"),
    (lambda m, d: train(m, d, batch_size=97), "from 1 to 96, not 97: there are 96 training images"),
    (lambda m, d: train(m, d, resume=True), "resume needs checkpoint_dir"),
    (lambda m, d: train(m, Experiment("MNIST", "dense", "EBP")), "leave the model out"),
    (lambda m, d: train(m), "data must be"),
    (lambda m, d: train(m, d[0]), "data must be|array of numbers|96"),
    (lambda m, d: train(m, (d[0], (d[1][0], d[1][1][:-1]))), "48 test images and 47 labels"),
    (lambda m, d: train(m, ((d[0][0], d[0][1] + 1), d[1])), "training labels must be 0 to 2"),
    (lambda m, d: train(m, (d[0], (d[1][0], np.full(48, "a")))), "test labels must be an array"),
    (lambda m, d: train(m, (d[0], (d[1][0], np.full(48, 1.5)))), "must be 0 to 2 .*, not 1.5$"),
    (lambda m, d: train(m, (d[0], (d[1][0], np.full(48, np.nan)))), "must be 0 to 2 .*, not nan$"),
    (lambda m, d: train(m, (d[0], (d[1][0], np.full((48, 3), np.inf)))), "finite .*, not inf$"),
    (lambda m, d: train(m, (d[0], (d[1][0], np.zeros((48, 2))))), r"\(n, 3\), not \(48, 2\)"),
    (lambda m, d: evaluate(m, d[1][0], d[1][1] + 0.5), "evaluation labels must be 0 to 2 .*, not"),
    (lambda m, d: evaluate(m, d[1][0], d[1][1][:-1]), "48 evaluation images and 47 labels"),
    (lambda m, d: evaluate(m, d[1][0][:0], d[1][1][:0]), "0 evaluation images and 0 labels"),
    (lambda m, d: measure(m, []), "no images to measure"),
    (lambda m, d: train(keras.Sequential([keras.Input((5,))]), d), "from_model"),
    (lambda m, d: train(network(metrics=()), d, batch_size=16), r'metrics=\["accuracy"\]'),
]


@pytest.mark.parametrize(("call", "problem"), BAD, ids=[problem for _, problem in BAD])
def test_bad_arguments_are_named(call, problem, table):
    with pytest.raises(BrainPropError, match=problem) as caught:
        call(network(), table)
    assert "\n" not in str(caught.value)


def test_the_call_of_earlier_versions_fails_in_one_line(table):
    with pytest.raises(TypeError, match="takes from 1 to 2 positional arguments but 3"):
        train(network(), Experiment("MNIST", "dense", "EBP"), table)


def test_a_model_that_is_not_compiled_is_named(table):
    inputs = keras.Input((5,))
    model = BrainProp(inputs, keras.layers.Dense(3)(inputs))
    for call in (lambda: train(model, table), lambda: measure(model, [table[1]])):
        with pytest.raises(BrainPropError, match="not compiled"):
            call()


def test_a_learning_rate_at_which_q_values_grow_stops_within_the_first_epoch(table, capsys):
    inputs = keras.Input((5,))
    sequential = keras.Sequential([inputs, keras.layers.Dense(16, "relu"), keras.layers.Dense(3)])
    model = BrainProp.from_model(sequential, seed=1)
    model.compile(keras.optimizers.SGD(30.0), metrics=["accuracy"])
    done = train(model, table, batch_size=8)
    assert done.outcome is Outcome.DIVERGED and done.epochs == 1 and done.best_epoch == 0
    assert not done.history["loss"][0] <= MAX_LOSS
    assert "a lower learning rate or another seed may help" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("loss", "val_loss", "diverged"),
    [
        (0.5, 0.5, False),
        (1e5, 0.5, False),
        (0.5, 1e9, False),  # Batch normalization's young averages.
        (1.1e6, 0.5, True),
        (float("nan"), 0.5, True),
        (float("inf"), 0.5, True),
        (0.5, float("nan"), True),
        (None, 0.5, True),  # As JSON has it.
        (0.5, None, True),
    ],
)
def test_when_a_loss_counts_as_diverged(loss, val_loss, diverged):
    history = {"loss": [0.1, loss], "val_loss": [0.1, val_loss]}
    assert has_diverged(history) is diverged


def test_training_prints_what_it_trains_on_and_a_line_an_epoch(table, capsys):
    done = train(network(), table, epochs=4, batch_size=16, patience=2, min_delta=1)
    first, *epochs, end = capsys.readouterr().out.splitlines()
    assert first == (
        "96 training images in 6 steps an epoch, 147 parameters; "
        "validation accuracy is on the test set, 48 images"
    )
    assert len(epochs) == done.epochs == 3
    for number, line in enumerate(epochs):
        best = max(done.history["val_accuracy"][: number + 1])
        assert re.fullmatch(
            rf"Epoch {number + 1}/4: loss: [\d.e-]+ accuracy: 0\.\d+ val_loss: [\d.e-]+ "
            rf"val_accuracy: {done.history['val_accuracy'][number]:.4f}; "
            rf"best {best:.4f} at epoch \d, no progress for {number} of 2 epochs; "
            r"\d+ s(, \d+ s( to \d+ s)? left)?",
            line,
        ), line
    assert end == "ended after epoch 3: no progress in validation accuracy"
    train(network(), table, epochs=1, **QUIET)
    assert capsys.readouterr().out == ""


def test_on_a_terminal_a_bar_shows_the_steps(table, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("brainprop.training.progress.BAR_SECONDS", 0)
    train(network(), table, epochs=1, batch_size=16)
    bars = [part for part in capsys.readouterr().out.split("\r\033[K") if "━" in part]
    assert len(bars) == 6 and bars[2].startswith(
        "Epoch 1/1 ━━━━━━━━━━━━━━━                3/6 loss:"
    )


@pytest.mark.parametrize(
    ("wait", "epochs", "expected"),
    [(0, 510, ", 2 min to 25 min left"), (40, 510, ", 15 s to 25 min left"),
     (0, 13, ", 9 s left"), (0, 10, "")],
)  # fmt: skip
def test_the_time_left_knows_that_training_may_stop_sooner(wait, epochs, expected):
    """After 10 epochs: the first took 60 s, the others 3 s each."""
    stopping = keras.callbacks.EarlyStopping(patience=45)
    stopping.wait = wait
    settings = Experiment("MNIST", "dense", "EBP", epochs=epochs)
    progress = Progress(settings, 60_000, "", None, None, stopping, 0)
    progress.set_model(network())
    progress.model.stop_training = False
    progress.new = [60.0, *[3.0] * 9]
    assert progress._time_left(10) == expected
