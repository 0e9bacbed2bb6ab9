"""Training: schedule, stopping, the best epoch, interruption and resuming."""

import csv
import gc
import json
import os
import shutil
import signal
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from programs import run_on_devices
from tensorflow.python.framework.config import disable_op_determinism  # None is public.

from brainprop.common import commands
from brainprop.common.commands import handled_by
from brainprop.common.errors import BrainPropError
from brainprop.datasets.splits import hold_out
from brainprop.experiments import Experiment
from brainprop.networks import models
from brainprop.rules.brainprop import BrainProp
from brainprop.training import checkpoints
from brainprop.training.batches import evaluation_batches, training_batches
from brainprop.training.callbacks import CSVLog, Interruption
from brainprop.training.evaluation import evaluate
from brainprop.training.fit import train
from brainprop.training.run import Outcome

pytestmark = pytest.mark.usefixtures("small_networks")

FIGURES = ("accuracy", "loss", "val_accuracy", "val_loss", "learning_rate", "seconds")


def experiment(architecture="small", **overrides):
    settings = {"batch_size": 50, "epochs": 4} | overrides
    return Experiment("MNIST", architecture, "BrainProp", **settings)


# Nothing changes from epoch to epoch: no batch normalization, and steps too small to matter.
STANDSTILL = {"learning_rate": 1e-12, "patience": 3}


def run(settings, data, checkpoint_dir=None, **kwargs):
    done = train(settings, data, checkpoint_dir=checkpoint_dir, **kwargs)
    return done.model, done


def without_seconds(history):
    return {name: values for name, values in history.items() if name != "seconds"}


@pytest.fixture(scope="module")
def whole(data):
    """A run of four epochs with dropout and batch normalization, and its model."""
    return run(experiment("smallconv"), data)


@pytest.fixture(scope="module")
def first_epoch(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first_epoch")
    run(experiment(epochs=1), data, folder)
    return folder


@pytest.fixture
def begun(first_epoch, tmp_path):
    """A folder with the one checkpoint of a run's first epoch."""
    return shutil.copytree(first_epoch, tmp_path / "begun")


def test_batches_hold_every_image_once_an_epoch_in_an_order_of_its_own(data):
    (images, labels), _ = data
    numbered = np.arange(len(images), dtype="int32")
    steps = int(np.ceil(len(images) / 50))
    batches = training_batches(images, numbered, 50, seed=1).take(2 * steps)
    batches = [[x.numpy() for x in batch] for batch in batches]
    epochs = [np.concatenate([b[1] for b in batches[i : i + steps]]) for i in (0, steps)]
    for order in epochs:
        np.testing.assert_array_equal(np.sort(order), numbered)
        assert np.any(order != numbered)
    assert np.any(epochs[0] != epochs[1])
    pixels, indices = batches[3]
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels, images[indices] / 255, rtol=1e-6)
    resumed = training_batches(images, numbered, 50, seed=1, first_epoch=1).take(steps)
    np.testing.assert_array_equal(np.concatenate([b[1] for b in resumed]), epochs[1])


def test_the_last_smaller_batch_counts_in_the_loss_and_is_divided_by_the_full_size():
    """One epoch of a linear network, in NumPy: 7 trials in batches of 4 and 3."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(7, 3)).astype("float32"), np.array([0, 1, 2, 0, 1, 2, 0])
    inputs = keras.Input((3,))
    model = BrainProp(inputs, keras.layers.Dense(3, use_bias=False)(inputs), exploration_rate=0)
    model.compile(keras.optimizers.SGD(0.5), metrics=["accuracy"])
    (kernel,) = model.get_weights()
    done = train(model, ((x, y), (x, y)), epochs=1, batch_size=4, seed=3)
    losses = []
    for images, labels in training_batches(x, y, 4, seed=3).take(2):
        images, labels = images.numpy(), labels.numpy()
        q = images @ kernel
        selected = q.argmax(1)
        delta = (selected == labels) - q.max(1)
        losses.extend(delta**2 / 2)
        kernel = kernel + 0.5 / 4 * images.T @ (delta[:, None] * np.eye(3)[selected])
    assert len(labels) == 3 and len(losses) == 7
    np.testing.assert_allclose(done.history["loss"], [np.mean(losses)], rtol=1e-5)
    np.testing.assert_allclose(done.model.get_weights()[0], kernel, rtol=1e-5)
    assert model.update_batch_size == 0  # As before.


def test_evaluation_batches_keep_the_order(data):
    _, (images, labels) = data
    batches = list(evaluation_batches(images, labels, 30))
    np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), labels)
    np.testing.assert_allclose(np.concatenate([b[0] for b in batches]), images / 255, rtol=1e-6)


def test_history_and_best_epoch(data, whole):
    model, done = whole
    assert done.test_accuracy is None  # The test set chose the epoch.
    assert done.outcome is Outcome.COMPLETED and done.epochs == 4
    assert set(done.history) == {
        "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate", "seconds",
        "reward", "abs_reward_prediction_error", "explored",
    }  # fmt: skip
    assert all(len(values) == 4 for values in done.history.values())
    assert done.best_accuracy == max(done.history["val_accuracy"])
    assert done.best_epoch == 1 + int(np.argmax(done.history["val_accuracy"]))
    # The model is left with the best epoch's weights.
    assert evaluate(model, *data[1]).accuracy == pytest.approx(done.best_accuracy)


def test_the_best_epoch_is_kept_when_it_is_not_the_last(data):
    class Forget(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                self.model.set_weights([0 * weight for weight in self.model.get_weights()])

    model, done = run(experiment(), data, callbacks=[Forget()])
    *earlier, last = done.history["val_accuracy"]
    assert last < max(earlier)
    assert 1 <= done.best_epoch < 4
    assert evaluate(model, *data[1]).accuracy == pytest.approx(max(earlier))


def test_numbers_of_numpy_in_the_logs_are_kept(data, tmp_path):
    class Measure(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["measure"] = np.float32(epoch)

    _, done = run(experiment(epochs=2), data, tmp_path, callbacks=[Measure()])
    assert done.history["measure"] == [0, 1]
    assert checkpoints.newest(tmp_path, done.experiment).history["measure"] == [0, 1]


def test_the_folder_for_checkpoints_may_be_new_and_a_text(data, tmp_path):
    settings = experiment(epochs=1)
    run(settings, data, str(tmp_path / "new" / "folder"))
    assert checkpoints.newest(tmp_path / "new" / "folder", settings).epoch == 1
    (tmp_path / "file").touch()
    with pytest.raises(BrainPropError, match="checkpoint_dir .*file cannot be written"):
        run(settings, data, tmp_path / "file")


def test_the_learning_rate_follows_the_schedule(data):
    _, done = run(experiment(halving_epochs=2), data)
    np.testing.assert_allclose(done.history["learning_rate"], [0.1, 0.1, 0.05, 0.05], rtol=1e-6)


def test_training_stops_when_validation_accuracy_does_not_rise(data):
    _, done = run(experiment(**STANDSTILL, epochs=20), data)
    assert done.outcome is Outcome.STOPPED and done.epochs == 4


def test_a_rise_below_min_delta_is_no_progress_but_counts_for_the_best(data):
    _, done = run(experiment("smallconv", min_delta=0.999, patience=3, epochs=20), data)
    assert done.outcome is Outcome.STOPPED and done.epochs == 4
    assert done.best_accuracy == max(done.history["val_accuracy"]) > done.history["val_accuracy"][0]


def test_divergence_ends_the_run_and_keeps_the_best(data):
    _, done = run(experiment(learning_rate=1000.0, epochs=20), data)
    assert done.outcome is Outcome.DIVERGED
    assert not done.history["loss"][-1] <= 1e6
    assert done.best_epoch < done.epochs < 20


class InSecondEpoch(keras.callbacks.Callback):
    """Calls a function at the end of the second epoch's first batch."""

    def __init__(self, function):
        super().__init__()
        self.function, self.epoch = function, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 0):
            self.function()


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), "OOM"),
        (OSError(28, "No space left on device"), "No space left"),
        (ConnectionRefusedError(111, "Connection refused"), "a callback's output cannot"),
        (BrokenPipeError(32, "Broken pipe"), "stdout was closed"),
    ],
)
def test_a_failure_ends_the_run_and_keeps_the_best(data, error, hint):
    def fail():
        raise error

    model, done = run(experiment(), data, callbacks=[InSecondEpoch(fail)])
    assert done.outcome is Outcome.FAILED and done.epochs == done.best_epoch == 1
    assert hint in str(done.failure)
    assert evaluate(model, *data[1]).accuracy == pytest.approx(done.best_accuracy)


def test_an_error_of_a_callback_of_ones_own_is_raised(data):
    def fail():
        raise ValueError("my own")

    with pytest.raises(ValueError, match="my own"):
        run(experiment(), data, callbacks=[InSecondEpoch(fail)])


def test_a_failure_before_there_is_anything_to_keep_is_raised(data, tmp_path, monkeypatch):
    def fill(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fill)
    _, done = run(experiment(), data, tmp_path)
    assert done.outcome is Outcome.FAILED and "--resume" in str(done.failure)

    class Fail(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            fill()

    with pytest.raises(BrainPropError, match="No space left"):
        run(experiment(), data, callbacks=[Fail()])


def test_weights_that_diverge_in_an_epochs_last_step_are_not_the_best(data):
    """The training loss, of before the step, is still finite then."""

    class Diverge(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 4:
                weights = self.model.get_weights()
                self.model.set_weights([np.full_like(weight, np.nan) for weight in weights])

    model, done = run(experiment(epochs=1), data, callbacks=[Diverge()])
    assert np.isfinite(done.history["loss"][0])
    assert done.outcome is Outcome.DIVERGED and done.best_epoch == 0


def test_resuming_needs_a_folder_to_go_on_from(data):
    with pytest.raises(BrainPropError, match="resume needs checkpoint_dir"):
        run(experiment(), data, resume=True)


def test_a_checkpoint_of_another_network_is_refused(data, begun):
    (path,) = checkpoints.paths(begun)
    checkpoint = checkpoints.load(path)
    checkpoint.variables[0] = checkpoint.variables[0][:-1]
    checkpoints.save(checkpoint, begun)
    with pytest.raises(BrainPropError, match="of another network"):
        run(experiment(), data, begun, resume=True)


# A network's variables and its optimizer's as commit 89d5c4c kept them, for MNIST dense.
VARIABLES_OF_89D5C4C = [
    ((2,), "int64"), ((784, 1500), "float32"), ((1500, 1000), "float32"), ((1000, 500), "float32"),
    ((500, 10), "float32"), ((), "int64"), ((), "float32"),
]  # fmt: skip
SETTINGS_OF_89D5C4C = (
    "dataset", "architecture", "algorithm", "seed", "epochs", "patience", "min_delta",
    "learning_rate", "halving_epochs", "batch_size", "kernel_stddev", "l2", "exploration_rate",
    "max_train_samples", "max_eval_samples", "validation_split", "mixed_precision", "jit_compile",
    "deterministic",
)  # fmt: skip


def test_a_checkpoint_of_an_earlier_version_is_resumed(data, tmp_path):
    """Commit 89d5c4c kept fewer settings and figures, and no plugins."""
    run(experiment("dense", epochs=1), data, tmp_path)
    (path,) = checkpoints.paths(tmp_path)
    with np.load(path) as file:
        arrays = dict(file)
    state = json.loads(str(arrays["state"]))
    del state["plugins"]
    state["settings"] = {name: state["settings"][name] for name in SETTINGS_OF_89D5C4C}
    state["history"] = {name: state["history"][name] for name in FIGURES}
    arrays["state"] = np.array(json.dumps(state))
    np.savez(path, **arrays)
    variables = checkpoints.load(path).variables
    assert [(v.shape, v.dtype.name) for v in variables] == VARIABLES_OF_89D5C4C
    _, done = run(experiment("dense", epochs=2), data, tmp_path, resume=True)
    _, whole = run(experiment("dense", epochs=2), data)
    assert done.history["loss"] == whole.history["loss"]
    assert np.isnan(done.history["reward"][0])
    assert done.history["reward"][1] == whole.history["reward"][1]


def test_signals_wait_until_the_caller_is_done(data):
    before = signal.getsignal(signal.SIGTERM)
    settings = experiment()
    kill = InSecondEpoch(lambda: os.kill(os.getpid(), signal.SIGTERM))
    interruption = Interruption()
    with handled_by(interruption.note):
        done = train(settings, data, callbacks=[kill], interruption=interruption)
        assert done.interrupted_by is interruption.received is signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):  # a second one ends it at once
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_same_seed_gives_the_same_run(data, whole):
    (_, again), (_, other) = (run(experiment("smallconv", seed=seed), data) for seed in (1, 2))
    assert without_seconds(whole[1].history) == without_seconds(again.history)
    assert without_seconds(whole[1].history) != without_seconds(other.history)


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(data, whole, tmp_path):
    whole_model, uninterrupted = whole
    run(experiment("smallconv", epochs=1), data, tmp_path)
    run(experiment("smallconv", epochs=3), data, tmp_path, resume=True)
    model, resumed = run(experiment("smallconv"), data, tmp_path, resume=True)
    assert without_seconds(resumed.history) == without_seconds(uninterrupted.history)
    assert resumed.best_epoch == uninterrupted.best_epoch
    for a, b in zip(model.get_weights(), whole_model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [path.name for path in checkpoints.paths(tmp_path)] == [
        "checkpoint-0003.npz",
        "checkpoint-0004.npz",
    ]


def test_early_stopping_goes_on_counting_after_resuming(data, tmp_path, capsys):
    run(experiment(**STANDSTILL, epochs=2), data, tmp_path)
    _, done = run(experiment(**STANDSTILL, epochs=20), data, tmp_path, resume=True)
    assert done.outcome is Outcome.STOPPED and done.epochs == 4
    assert "finished" not in capsys.readouterr().out
    _, again = run(experiment(**STANDSTILL, epochs=20), data, tmp_path, resume=True)
    assert again.outcome is Outcome.STOPPED and again.epochs == 4
    assert f"the run in {tmp_path} is finished, after epoch 4\n" in capsys.readouterr().out


def test_a_run_that_has_stopped_goes_on_with_more_patience(data, tmp_path):
    run(experiment(**STANDSTILL, epochs=20), data, tmp_path)
    patient = experiment(**STANDSTILL | {"patience": 5}, epochs=20)
    _, done = run(patient, data, tmp_path, resume=True)
    assert done.outcome is Outcome.STOPPED and done.epochs == 6


def test_a_run_that_has_all_its_epochs_is_finished_until_it_is_given_more(data, tmp_path, capsys):
    model, done = run(experiment(epochs=2), data, tmp_path)
    finished, again = run(experiment(epochs=2), data, tmp_path, resume=True)
    assert "is finished, after epoch 2" in capsys.readouterr().out
    assert again.outcome is Outcome.COMPLETED and again.history == done.history
    for a, b in zip(finished.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    _, longer = run(experiment(epochs=3), data, tmp_path, resume=True)
    assert longer.epochs == 3
    assert "resuming after epoch 2" in capsys.readouterr().out


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(data, tmp_path, capsys):
    _, whole = run(experiment(), data, tmp_path)
    newest = checkpoints.paths(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:-1000])
    _, resumed = run(experiment(), data, tmp_path, resume=True)
    assert newest.name in capsys.readouterr().err
    assert without_seconds(resumed.history) == without_seconds(whole.history)


def test_every_damage_to_a_checkpoint_is_noticed(begun):
    (path,) = checkpoints.paths(begun)
    intact = path.read_bytes()
    rng = np.random.default_rng(0)
    noticed = 0
    for position in rng.integers(len(intact), size=20):
        damaged = bytearray(intact)
        damaged[position] ^= 0x01
        path.write_bytes(damaged)
        try:
            checkpoints.load(path)
        except BrainPropError:
            noticed += 1
    assert noticed >= 19  # A few bytes of the container, such as times of day, mean nothing.


def test_all_checkpoints_damaged_is_an_error(data, begun):
    for path in checkpoints.paths(begun):
        path.write_bytes(b"")
    with pytest.raises(BrainPropError, match="damaged"):
        run(experiment(), data, begun, resume=True)


def test_two_runs_do_not_share_a_folder_for_checkpoints(data, tmp_path):
    """The one that finds the other's checkpoint ends, whose checkpoints all stay."""
    foreign = InSecondEpoch(lambda: run(experiment(epochs=3), data, tmp_path / "other"))
    move = InSecondEpoch(
        lambda: (tmp_path / "other").joinpath("checkpoint-0003.npz").rename(
            tmp_path / "checkpoint-0003.npz"
        )
    )  # fmt: skip
    _, done = run(experiment(), data, tmp_path, callbacks=[foreign, move])
    assert done.outcome is Outcome.FAILED and done.epochs == 2
    assert "another run writes checkpoints into" in str(done.failure)
    assert [checkpoints.epoch_of(path) for path in checkpoints.paths(tmp_path)] == [1, 3]


def test_the_images_of_a_run_are_let_go_of(data):
    (images, labels), test_set = data
    images = images.copy()
    gone = weakref.ref(images)
    run(experiment(epochs=1), ((images, labels), test_set))
    del images
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("change", [{"seed": 2}, {"batch_size": 40}, {"learning_rate": 0.2}])
def test_resuming_with_other_settings_is_refused_and_names_them(data, begun, change):
    with pytest.raises(BrainPropError, match=next(iter(change))):
        run(experiment(**change), data, begun, resume=True)


def test_checkpoints_of_an_earlier_run_are_not_mixed_up(data, begun):
    with pytest.raises(BrainPropError, match="--resume"):
        run(experiment(), data, begun)


def test_a_run_goes_on_with_its_own_data_only(data, begun):
    ((images, labels), test_set) = data
    for other in (
        ((images[::-1], labels), test_set),
        ((images, labels[::-1]), test_set),
        ((images, labels), (test_set[0][:50], test_set[1][:50])),
    ):
        with pytest.raises(BrainPropError, match="other images or labels"):
            run(experiment(), other, begun, resume=True)
    # The first versions kept no checksum.
    (path,) = checkpoints.paths(begun)
    checkpoint = checkpoints.load(path)
    checkpoint.data = None
    checkpoints.save(checkpoint, begun)
    assert run(experiment(epochs=2), data, begun, resume=True)[1].epochs == 2


def test_resuming_before_the_first_checkpoint_starts_from_the_beginning(data, tmp_path, capsys):
    _, done = run(experiment(epochs=1), data, tmp_path, resume=True)
    assert done.epochs == 1
    assert "from the beginning" in capsys.readouterr().out


@pytest.mark.parametrize("number", commands.SIGNALS)
def test_a_signal_ends_training_after_the_batch_and_resuming_goes_on(
    data, whole, tmp_path, number, request
):
    usual = signal.signal(number, signal.default_int_handler)  # Under nohup, SIGHUP is ignored.
    request.addfinalizer(lambda: signal.signal(number, usual))
    settings = experiment("smallconv")
    steps = 0

    class SignalInThirdEpoch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            nonlocal steps
            steps += 1
            if steps == 12:
                os.kill(os.getpid(), number)

    handlers = [signal.getsignal(number) for number in commands.SIGNALS]
    done = train(settings, data, checkpoint_dir=tmp_path, callbacks=[SignalInThirdEpoch()])
    assert done.outcome is Outcome.INTERRUPTED and done.interrupted_by is number
    assert done.epochs == 2 and steps == 12
    assert [signal.getsignal(number) for number in commands.SIGNALS] == handlers
    _, resumed = run(settings, data, tmp_path, resume=True)
    assert without_seconds(resumed.history) == without_seconds(whole[1].history)


def test_a_validation_split_chooses_the_epoch_and_leaves_the_test_set_for_the_end(data):
    settings = experiment(validation_split=0.2)
    model, done = run(settings, data)
    train_set, test_set = data
    _, validation_set = hold_out(train_set, 0.2, settings.seed)
    assert done.test_accuracy == pytest.approx(evaluate(model, *test_set).accuracy)
    assert done.best_accuracy == pytest.approx(evaluate(model, *validation_set).accuracy)


def test_a_failure_of_the_final_test_keeps_the_run(data, monkeypatch):
    def fail(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")

    monkeypatch.setattr("brainprop.training.evaluation._loss", fail)
    _, done = run(experiment(epochs=1, validation_split=0.2), data)
    assert done.outcome is Outcome.FAILED and "OOM" in str(done.failure)
    assert done.best_epoch == 1 and done.test_accuracy is None


def test_hold_out_takes_the_same_part_of_every_class(data):
    (images, labels), _ = data
    (kept, kept_labels), (taken, taken_labels) = hold_out((images, labels), 0.2, seed=1)
    expected = [round(0.2 * count) for count in np.bincount(labels)]
    np.testing.assert_array_equal(np.bincount(taken_labels), expected)
    both = np.concatenate([kept, taken]).reshape(len(images), -1)
    assert len(np.unique(both, axis=0)) == len(np.unique(images.reshape(len(images), -1), axis=0))
    again = hold_out((images, labels), 0.2, seed=1)[1][0]
    other = hold_out((images, labels), 0.2, seed=2)[1][0]
    np.testing.assert_array_equal(taken, again)
    assert np.any(taken != other)
    for given in (labels[:, None], np.eye(10)[labels]):
        _, (found, found_labels) = hold_out((images, given), 0.2, seed=1)
        np.testing.assert_array_equal(found, taken)
        assert found_labels.shape == (len(taken), *given.shape[1:])
    with pytest.raises(BrainPropError, match="holding out 0.01"):
        hold_out((images[:5], labels[:5]), 0.01, seed=1)


def test_figures_of_trials_are_those_of_the_trials(data):
    """Without exploration the mean reward is the accuracy; with nothing else, none is greedy."""
    _, greedy = run(experiment(epochs=2, exploration_rate=0), data)
    np.testing.assert_allclose(greedy.history["reward"], greedy.history["accuracy"], rtol=1e-6)
    assert greedy.history["explored"] == [0, 0]
    _, random = run(experiment(epochs=1, exploration_rate=1), data)
    assert random.history["explored"][0] == pytest.approx(0.9, abs=0.1)  # of ten classes
    assert 0 < random.history["abs_reward_prediction_error"][0] < 1


class Number(keras.callbacks.Callback):
    """Adds a figure of its own."""

    def on_epoch_end(self, epoch, logs=None):
        logs["number"] = epoch + 10


def test_a_resumed_runs_log_has_each_epoch_once_under_its_own_headings(data, tmp_path):
    log = tmp_path / "log.csv"
    run(experiment(epochs=1), data, tmp_path, callbacks=[CSVLog(log)])
    watchers = [Number(), CSVLog(log)]
    run(experiment(epochs=2), data, tmp_path, resume=True, callbacks=watchers)
    checkpoints.paths(tmp_path)[-1].unlink()  # As if killed between the log and the checkpoint.
    _, done = run(experiment(epochs=3), data, tmp_path, resume=True, callbacks=watchers)
    np.testing.assert_array_equal(done.history["number"], [np.nan, 11, 12])
    with log.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert {"reward", "abs_reward_prediction_error", "explored"} < rows[0].keys()
    for name, values in done.history.items():
        np.testing.assert_allclose([float(row[name]) for row in rows], values, err_msg=name)


def test_a_signal_that_the_shell_ignores_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interruption = Interruption()
        with handled_by(interruption.note):
            signal.raise_signal(signal.SIGINT)
            assert interruption.received is None
            signal.raise_signal(signal.SIGTERM)
            assert interruption.received == signal.SIGTERM
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_training_learns_with_mixed_precision(data):
    model, done = run(experiment("smallconv", epochs=10, mixed_precision=True), data)
    assert done.best_accuracy > 0.5
    assert all(weight.dtype == "float32" for weight in model.weights)
    assert model.layers[1].compute_dtype == "bfloat16"
    assert model.layers[-1].compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_a_float16_run_goes_on_with_its_loss_scale(data, tmp_path, monkeypatch, request):
    request.addfinalizer(disable_op_determinism)
    monkeypatch.setattr(models, "mixed_precision_policy", lambda: "mixed_float16")

    def of(epochs):
        return experiment(epochs=epochs, mixed_precision=True, deterministic=True)

    _, whole = run(of(2), data)
    run(of(1), data, tmp_path)
    model, resumed = run(of(2), data, tmp_path, resume=True)
    assert without_seconds(resumed.history) == without_seconds(whole.history)
    assert model.optimizer.step_counter.numpy() == 10


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    log = CSVLog(tmp_path / "gone" / "log.csv")
    log.set_model(keras.Sequential())
    log.model.history = keras.callbacks.History()
    log.model.history.history = {"loss": [1.0]}
    with pytest.raises(BrainPropError, match=r"gone/log.csv cannot be written \(No such file"):
        log.on_train_end()


def test_a_resumed_runs_log_and_history_keep_figures_that_are_no_longer_taken(data, tmp_path):
    log = tmp_path / "log.csv"
    run(experiment(epochs=1), data, tmp_path, callbacks=[Number(), CSVLog(log)])
    again = experiment(epochs=2)
    _, done = run(again, data, tmp_path, resume=True, callbacks=[CSVLog(log)])
    np.testing.assert_array_equal(done.history["number"], [10, np.nan])
    late = tmp_path / "late.csv"  # Begun once the run was finished.
    run(again, data, tmp_path, resume=True, callbacks=[CSVLog(late)])
    assert late.read_text() == log.read_text()
    with log.open() as file:
        numbers = [float(row["number"]) for row in csv.DictReader(file)]
    np.testing.assert_array_equal(numbers, [10, np.nan])


PARTS = """
import numpy as np

from brainprop import BrainPropError
from brainprop.experiments import Experiment
from brainprop.training.fit import train

rng = np.random.default_rng(0)


def run(number, training_images, validation_images):
    data = [
        (rng.integers(256, size=(n, 28, 28, 1)).astype("uint8"), np.arange(n) % 10)
        for n in (training_images, validation_images)
    ]
    with devices(number).scope():
        settings = Experiment("MNIST", "dense", "BrainProp", epochs=1, batch_size=8)
        return train(settings, data).outcome


for sizes, what in (
    ((3, 12, 6), "8 images of a batch"),
    ((2, 15, 6), "15 training images"),
    ((2, 14, 5), "5 images to evaluate on"),
):
    try:
        run(*sizes)
    except BrainPropError as error:
        assert f"{sizes[0]} GPUs cannot share {what} evenly" in str(error), error
    else:
        raise AssertionError(what)
run(2, 14, 130)  # The last batches are smaller.
"""

TWO_DEVICES = """
import numpy as np

from brainprop import build_model, register_architecture

register_architecture("small", (("flatten",), ("dense", 30), ("dense", 20)))
rng = np.random.default_rng(0)
images, labels = rng.random((128, 28, 28, 1), "float32"), rng.integers(10, size=128)
for rule in ("BrainProp", "EBP"):
    weights = []
    for strategy in (devices(1), devices(2)):
        with strategy.scope():
            model = build_model(
                "MNIST", "small", rule, exploration_rate=0, kernel_stddev=0.1, l2=1e-3
            )
        before = model.get_weights()
        loss = model.fit(images, labels, batch_size=32, epochs=3, shuffle=False, verbose=0)
        weights.append((model.get_weights(), loss.history["loss"]))
        with strategy.scope():  # On all images at once, as `evaluate` calculates it.
            loss = model.compute_loss(y=labels, y_pred=model.predict(images, verbose=0))
        np.testing.assert_allclose(loss, model.evaluate(images, labels, verbose=0)[0], rtol=1e-5)
    (one, one_loss), (two, two_loss) = weights
    for start, a, b in zip(before, one, two):
        assert np.abs(a - start).max() > 2e-5
        np.testing.assert_allclose(a, b, atol=5e-7)
    np.testing.assert_allclose(one_loss, two_loss, rtol=1e-5)
"""


DIAGNOSTICS = """
import numpy as np

from brainprop import build_model
from brainprop.training.diagnostics import measure

rng = np.random.default_rng(0)
probe = rng.random((32, 28, 28, 1), "float32"), rng.integers(10, size=32)
measured = []
for strategy in (devices(1), devices(2)):
    with strategy.scope():
        measured.append(measure(build_model("MNIST", "dense", "BrainProp"), [probe]))
one, two = measured
assert one.keys() == two.keys()
for name in one:
    np.testing.assert_allclose(one[name], two[name], rtol=1e-4, err_msg=name)
"""


MOVING_AVERAGES = """
import numpy as np

from brainprop import build_model, register_architecture

register_architecture("small", (("conv", 4, 2), ("flatten",)))
rng = np.random.default_rng(0)
images, labels = rng.random((64, 28, 28, 1), "float32"), rng.integers(10, size=64)
strategy = devices(2)
with strategy.scope():
    model = build_model("MNIST", "small", "BrainProp")
model.fit(images, labels, batch_size=32, epochs=2, verbose=0)
for variable in model.non_trainable_variables:
    if "moving" in variable.path:
        first, second = map(np.asarray, strategy.experimental_local_results(variable.value))
        np.testing.assert_array_equal(first, second)
        assert np.ptp(first) > 0, variable.path  # It has learned something.
"""


def test_devices_keep_the_same_moving_averages():
    run_on_devices(MOVING_AVERAGES)


def test_diagnostics_on_devices_are_those_on_one():
    run_on_devices(DIAGNOSTICS)


def test_two_devices_learn_what_one_learns():
    """Twelve steps, without dropout and batch normalization, which see a device's part only."""
    run_on_devices(TWO_DEVICES)


def test_devices_share_a_batch_evenly_or_refuse_it():
    run_on_devices(PARTS)
