"""The files that `-s` leaves."""

import errno
import json
import os
import pickle
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brainprop import build_model, load_weights
from brainprop.common.errors import BrainPropError
from brainprop.experiments import Experiment
from brainprop.outputs import results
from brainprop.outputs.plots import accuracy_figure
from brainprop.training.fit import train
from brainprop.training.run import Outcome, Run

PROJECT = Path(__file__).parents[1]
PARTS = ("accuracy.pdf", "accuracy.png", "history.json", "history.pkl", "weights.h5")


pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.fixture(scope="module")
def model():
    return build_model("MNIST", "smallconv", "BrainProp")


@pytest.fixture
def run(model):
    history = {
        "accuracy": [0.5, 0.75, 0.875],
        "loss": [0.4, 0.3, float("nan")],
        "val_accuracy": [0.6, 0.8, 0.7],
        "val_loss": [0.4, 0.2, 0.3],
        "learning_rate": [0.1, 0.1, 0.1],
        "seconds": [3.0, 2.0, 2.5],
    }
    experiment = Experiment("MNIST", "conv", "BrainProp")
    return Run(experiment, history, 2, 0.8, Outcome.DIVERGED, 60_000, 10_000, model=model)


def names(number=""):
    return {f"MNIST_conv_BrainProp{number}_{part}" for part in PARTS}


def files(directory):
    return {path.name for path in directory.iterdir()}


def test_names_and_numbers_are_those_of_the_2020_code(run, model, tmp_path):
    expected = set()
    for number in ("", "_0", "_1"):
        expected |= names(number)
        results.save_run(run, tmp_path)
        assert files(tmp_path) == expected


def test_a_resumed_run_replaces_its_own_files_and_no_others(run, tmp_path):
    other = replace(run, history=run.history | {"seconds": [3.5, 2.0, 2.5]})
    first = {name: values[:2] for name, values in run.history.items()}
    results.save_run(other, tmp_path)
    results.save_run(replace(run, history=first), tmp_path)
    results.save_run(replace(run, resumed=True), tmp_path)
    results.save_run(replace(run, resumed=True), tmp_path)
    assert files(tmp_path) == names() | names("_0")
    for number, history in (("", other.history), ("_0", run.history)):
        told = json.loads((tmp_path / f"MNIST_conv_BrainProp{number}_history.json").read_text())
        assert told["history"]["seconds"] == history["seconds"]
    (tmp_path / "MNIST_conv_BrainProp_0_history.json").write_text("not JSON")
    results.save_run(replace(run, resumed=True), tmp_path)
    assert files(tmp_path) == names() | names("_0") | names("_1")


def test_a_run_that_is_resumed_and_saved_again_keeps_its_names(data, tmp_path):
    (tmp_path / "out").mkdir()
    for epochs in (1, 2, 2):
        experiment = Experiment("MNIST", "small", "EBP", epochs=epochs)
        run = train(experiment, data, checkpoint_dir=tmp_path / "checkpoints", resume=True)
        results.save_run(run, tmp_path / "out")
        assert files(tmp_path / "out") == {f"MNIST_small_EBP_{part}" for part in PARTS}
    told = json.loads((tmp_path / "out" / "MNIST_small_EBP_history.json").read_text())
    assert told["epochs"] == 2


def test_a_run_takes_one_number_for_all_its_files(run, model, tmp_path):
    (tmp_path / "MNIST_conv_BrainProp_history.pkl").write_text("an earlier run's")
    results.save_run(run, tmp_path)
    assert files(tmp_path) == {"MNIST_conv_BrainProp_history.pkl"} | names("_0")


def test_runs_that_end_at_the_same_moment_keep_all_their_files(run, model, tmp_path):
    saves = [threading.Thread(target=results.save_run, args=(run, tmp_path)) for _ in range(4)]
    for save in saves:
        save.start()
    for save in saves:
        save.join()
    assert files(tmp_path) == names() | names("_0") | names("_1") | names("_2")


def test_the_pickled_history_is_that_of_the_2020_code(run, model, tmp_path):
    results.save_run(run, tmp_path)
    with open(tmp_path / "MNIST_conv_BrainProp_history.pkl", "rb") as file:
        dataset, algorithm, history = pickle.load(file)
    assert (dataset, algorithm) == ("MNIST", "BrainProp")
    assert set(history) == {"accuracy", "val_accuracy", "loss", "val_loss", "lr"}
    assert history["val_accuracy"] == [0.6, 0.8, 0.7]
    assert history["lr"] == [0.1, 0.1, 0.1]


def test_the_json_history_tells_the_whole_run(run, model, tmp_path):
    results.save_run(run, tmp_path)
    text = (tmp_path / "MNIST_conv_BrainProp_history.json").read_text()
    told = json.loads(text, parse_constant=pytest.fail)  # NaN is not JSON
    assert told["settings"] == run.experiment.settings()
    assert told["settings"]["seed"] == 1
    assert told["images"] == {"training": 60_000, "validation": 10_000}
    assert set(told["versions"]) == {"brainprop", "python", "tensorflow", "keras", "numpy"}
    if (PROJECT / ".git").exists():
        commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=PROJECT, text=True)
        assert told["commit"].removesuffix("-dirty") == commit.strip()
    assert (told["best_epoch"], told["best_val_accuracy"], told["epochs"]) == (2, 0.8, 3)
    assert told["history"]["seconds"] == [3.0, 2.0, 2.5]
    assert told["history"]["loss"] == [0.4, 0.3, None]
    assert told["outcome"] == "the loss grows without bound"


def test_the_weights_are_the_models(run, model, tmp_path):
    results.save_run(run, tmp_path)
    other = build_model("MNIST", "smallconv", "BrainProp", seed=2)
    load_weights(other, tmp_path / "MNIST_conv_BrainProp_weights.h5")
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_plot_shows_both_accuracies_and_the_best_epoch(run):
    (axes,) = accuracy_figure(run).axes  # Without figures of trials, as under EBP.
    training, validation, best = axes.lines
    np.testing.assert_allclose(training.get_ydata(), [50, 75, 87.5])
    np.testing.assert_allclose(validation.get_ydata(), [60, 80, 70])
    np.testing.assert_array_equal(validation.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(best.get_xydata(), [[2, 80]])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["training", "validation", "best: 80.00 % (epoch 2)"]


@pytest.fixture
def refuge(tmp_path, monkeypatch):
    """The home folder, and the folder for temporary files, in a folder of their own."""
    for name in ("home", "temporary", "out"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(results.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    return tmp_path


def full(monkeypatch, *folders, parts=PARTS):
    """Lets files with certain names not be written into folders."""
    atomic_write = results.atomic_write

    @contextmanager
    def fill(path, overwrite=True):
        with atomic_write(path, overwrite) as partial:
            yield partial
            if path.parent.name in folders and path.name.endswith(parts):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(results, "atomic_write", fill)


def test_a_missing_folder_is_made(run, tmp_path):
    saved = results.save_run(run, tmp_path / "a" / "b")
    assert {path.name for path in saved} == files(tmp_path / "a" / "b") == names()


def test_what_a_full_disk_does_not_take_is_saved_elsewhere(run, model, refuge, monkeypatch):
    full(monkeypatch, "out", parts=("weights.h5", "accuracy.pdf"))
    with pytest.raises(BrainPropError, match="No space left on device") as caught:
        results.save_run(run, refuge / "out")
    rescued = {f"MNIST_conv_BrainProp_{part}" for part in ("weights.h5", "accuracy.pdf")}
    assert files(refuge / "home") == rescued
    assert files(refuge / "out") == names() - rescued
    assert files(refuge / "temporary") == set()
    for folder in ("home", "out"):
        for path in (refuge / folder).iterdir():
            assert str(path) in str(caught.value)
    load_weights(model, refuge / "home" / "MNIST_conv_BrainProp_weights.h5")


def test_where_the_home_folder_is_full_too_the_temporary_one_is_taken(
    run, model, refuge, monkeypatch
):
    full(monkeypatch, "out", "home")
    with pytest.raises(BrainPropError, match="temporary"):
        results.save_run(run, refuge / "out")
    assert files(refuge / "temporary") == names()
    assert files(refuge / "out") == files(refuge / "home") == set()


def test_a_user_without_a_home_folder_has_the_temporary_one(run, model, refuge, monkeypatch):
    monkeypatch.setattr(results.os.path, "expanduser", lambda path: path)
    full(monkeypatch, "out")
    with pytest.raises(BrainPropError, match="temporary"):
        results.save_run(run, refuge / "out")
    assert files(refuge / "temporary") == names()


def test_what_cannot_be_saved_anywhere_is_told(run, model, refuge, monkeypatch):
    full(monkeypatch, "out", "home", "temporary", parts=("history.json",))
    with pytest.raises(BrainPropError, match="history.json could not be saved anywhere"):
        results.save_run(run, refuge / "out")
    assert files(refuge / "out") == names() - {"MNIST_conv_BrainProp_history.json"}


def test_a_plot_that_fails_does_not_cost_the_weights(run, model, refuge, monkeypatch):
    def fail(*_):
        raise RuntimeError("Failed to process string with tex\nbecause latex could not be found")

    monkeypatch.setattr(results.plots, "accuracy_figure", fail)
    with pytest.raises(BrainPropError, match="accuracy.png could not be saved anywhere"):
        results.save_run(run, refuge / "out")
    assert files(refuge / "out") == {name for name in names() if "accuracy" not in name}


def test_a_folder_that_cannot_be_made(run, model, refuge):
    (refuge / "file").touch()
    with pytest.raises(BrainPropError, match="Not a directory"):
        results.save_run(run, refuge / "file" / "gone")
    assert files(refuge / "home") == names()


def test_a_single_epoch_is_one_tick(run):
    history = {name: values[:1] for name, values in run.history.items()}
    axes = accuracy_figure(replace(run, history=history, best_epoch=1)).axes[0]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_under_brainprop_a_second_panel_has_the_means_over_trials(run):
    run.history.update(
        reward=[float("nan"), 0.5, 0.75],
        abs_reward_prediction_error=[0.25, 0.5, 0.125],
        explored=[0.01, 0.02, 0.015],
    )
    _, trials = accuracy_figure(run).axes
    drawn = {line.get_label(): line.get_ydata() for line in trials.lines}
    assert list(drawn) == ["reward", "|reward-prediction error|", "share explored"]
    np.testing.assert_array_equal(drawn["reward"], run.history["reward"])
    np.testing.assert_array_equal(drawn["share explored"], [0.01, 0.02, 0.015])


def test_a_rule_of_ones_own_may_report_some_of_these_means(run):
    run.history["explored"] = [0.01, 0.02, 0.015]
    _, trials = accuracy_figure(run).axes
    assert [line.get_label() for line in trials.lines] == ["share explored"]


def test_the_plot_needs_no_display(run, tmp_path):
    """In a process of its own, since the tests may have chosen a backend."""
    script = (
        "import pickle, sys; from brainprop.outputs.plots import accuracy_figure, write_figure;"
        "write_figure(accuracy_figure(pickle.load(sys.stdin.buffer)), sys.argv[1], 'pdf')"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND")}
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "plot.pdf")],
        input=pickle.dumps(replace(run, model=None)), env=environment, cwd=PROJECT, check=True,
    )  # fmt: skip
    assert (tmp_path / "plot.pdf").read_bytes().startswith(b"%PDF")
