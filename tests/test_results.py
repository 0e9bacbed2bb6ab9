"""The files that `-s` leaves."""

import json
import pickle
import threading

import numpy as np
import pytest

from brainprop import build_model, load_weights, results
from brainprop.experiments import Experiment
from brainprop.plots import accuracy_figure
from brainprop.training import Outcome, Run

PARTS = ("accuracy.pdf", "history.json", "history.pkl", "weights.h5")


@pytest.fixture(scope="module")
def model():
    return build_model("MNIST", "conv", "BrainProp")


@pytest.fixture
def run():
    history = {
        "accuracy": [0.5, 0.75, 0.875],
        "loss": [0.4, 0.3, float("nan")],
        "val_accuracy": [0.6, 0.8, 0.7],
        "val_loss": [0.4, 0.2, 0.3],
        "learning_rate": [0.1, 0.1, 0.1],
        "seconds": [3.0, 2.0, 2.5],
    }
    return Run(Experiment("MNIST", "conv", "BrainProp"), history, 2, 0.8, Outcome.DIVERGED)


def names(number=""):
    return {f"MNIST_conv_BrainProp{number}_{part}" for part in PARTS}


def files(directory):
    return {path.name for path in directory.iterdir()}


def test_names_and_numbers_are_those_of_the_2020_code(run, model, tmp_path):
    expected = set()
    for number in ("", "_0", "_1"):
        expected |= names(number)
        results.save_run(run, model, tmp_path)
        assert files(tmp_path) == expected


def test_a_run_takes_one_number_for_all_its_files(run, model, tmp_path):
    (tmp_path / "MNIST_conv_BrainProp_history.pkl").write_text("an earlier run's")
    results.save_run(run, model, tmp_path)
    assert files(tmp_path) == {"MNIST_conv_BrainProp_history.pkl"} | names("_0")


def test_runs_that_end_at_the_same_moment_keep_all_their_files(run, model, tmp_path):
    saves = [
        threading.Thread(target=results.save_run, args=(run, model, tmp_path)) for _ in range(4)
    ]
    for save in saves:
        save.start()
    for save in saves:
        save.join()
    assert files(tmp_path) == names() | names("_0") | names("_1") | names("_2")


def test_the_pickled_history_is_that_of_the_2020_code(run, model, tmp_path):
    results.save_run(run, model, tmp_path)
    with open(tmp_path / "MNIST_conv_BrainProp_history.pkl", "rb") as file:
        dataset, algorithm, history = pickle.load(file)
    assert (dataset, algorithm) == ("MNIST", "BrainProp")
    assert set(history) == {"accuracy", "val_accuracy", "loss", "val_loss", "lr"}
    assert history["val_accuracy"] == [0.6, 0.8, 0.7]
    assert history["lr"] == [0.1, 0.1, 0.1]


def test_the_json_history_tells_the_whole_run(run, model, tmp_path):
    results.save_run(run, model, tmp_path)
    text = (tmp_path / "MNIST_conv_BrainProp_history.json").read_text()
    told = json.loads(text, parse_constant=pytest.fail)  # NaN is not JSON
    assert told["settings"] == run.experiment.settings()
    assert told["settings"]["seed"] == 1
    assert set(told["versions"]) == {"brainprop", "python", "tensorflow", "keras", "numpy"}
    assert (told["best_epoch"], told["best_val_accuracy"], told["epochs"]) == (2, 0.8, 3)
    assert told["history"]["seconds"] == [3.0, 2.0, 2.5]
    assert told["history"]["loss"] == [0.4, 0.3, None]
    assert "finite" in told["outcome"]


def test_the_weights_are_the_models(run, model, tmp_path):
    results.save_run(run, model, tmp_path)
    other = build_model("MNIST", "conv", "BrainProp", seed=2)
    load_weights(other, tmp_path / "MNIST_conv_BrainProp_weights.h5")
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_plot_shows_both_accuracies_and_the_best_epoch(run):
    (axes,) = accuracy_figure(run).axes
    training, validation, best = axes.lines
    np.testing.assert_allclose(training.get_ydata(), [50, 75, 87.5])
    np.testing.assert_allclose(validation.get_ydata(), [60, 80, 70])
    np.testing.assert_array_equal(validation.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(best.get_xydata(), [[2, 80]])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["training", "validation", "best: 80.00 % (epoch 2)"]


def test_a_disk_that_fills_up_leaves_no_half_written_file(run, model, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.plots, "save_accuracy_figure", full)
    with pytest.raises(OSError, match="No space"):
        results.save_run(run, model, tmp_path)
    assert files(tmp_path) == {"MNIST_conv_BrainProp_weights.h5"}
