"""The files that `-s` leaves: plot, history and the best epoch's weights."""

import itertools
import json
import math
import pickle
import platform
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import keras

from brainprop import __version__, devices, plots
from brainprop.files import written_whole
from brainprop.training import Run
from brainprop.weights import save_weights


def save_run(run: Run, model: keras.Model, directory: Path) -> list[Path]:
    """Saves a finished or interrupted run, never over an earlier one's files.

    The names are those of the 2020 code, `{dataset}_{architecture}_{algorithm}_weights.h5` and
    so on. Where such a file is there already, a number goes before the last part of all names.

    Args:
        run: At least one epoch of it must be complete.
        model: The model with the best epoch's weights, as `train` leaves it.
        directory: Where the files shall be; it must exist.

    Returns:
        The paths of the weights, the plot and the history, as a pickle and as JSON.

    Raises:
        OSError: A file could not be written; those before it are there, whole.
    """
    weights, *others = _writers(run, model)
    for number in itertools.chain([""], (f"_{count}" for count in itertools.count())):
        stem = directory / f"{run.experiment.name}{number}"
        targets = [Path(f"{stem}_{suffix}") for suffix, _ in (weights, *others)]
        if any(target.exists() for target in targets):
            continue
        # The weights' name is taken first: of two runs that end at once only one can have it,
        # and with it the number of the other names.
        with suppress(FileExistsError):
            weights[1](targets[0])
            break
    for target, (_, write) in zip(targets[1:], others, strict=True):
        with written_whole(target, overwrite=False) as partial:
            write(partial)
    return targets


def summary(run: Run) -> dict:
    """What a run was and what came of it, as JSON knows it; numbers that are not finite are null.

    The keys are settings, versions, device, outcome, epochs, best_epoch, best_val_accuracy,
    test_accuracy (null where the validation set is the test set) and history, in which `seconds`
    are those of each epoch.
    """
    history = {
        name: [value if math.isfinite(value) else None for value in values]
        for name, values in run.history.items()
    }
    return {
        "settings": run.experiment.settings(),
        "versions": {
            "brainprop": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "keras", "numpy")},
        },
        "device": devices.description(),
        "outcome": run.outcome.value,
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "best_val_accuracy": run.best_accuracy,
        "test_accuracy": run.test_accuracy,
        "history": history,
    }


def write_summary(run: Run, path: Path) -> None:
    """Writes `summary` as JSON."""
    path.write_text(json.dumps(summary(run), indent=1) + "\n")


def _writers(run: Run, model: keras.Model) -> list[tuple[str, Callable[[Path], None]]]:
    """The last part of each file's name, and what writes it."""
    return [
        ("weights.h5", lambda path: save_weights(model, path, overwrite=False)),
        ("accuracy.pdf", lambda path: plots.save_accuracy_figure(run, path)),
        ("history.pkl", lambda path: path.write_bytes(_pickled_history(run))),
        ("history.json", lambda path: write_summary(run, path)),
    ]


def _pickled_history(run: Run) -> bytes:
    """The 2020 code's history: a list of data set, algorithm and Keras's history."""
    keys = {
        "accuracy": "accuracy",
        "val_accuracy": "val_accuracy",
        "loss": "loss",
        "val_loss": "val_loss",
        "lr": "learning_rate",
    }
    history = {old: run.history[new] for old, new in keys.items()}
    return pickle.dumps([run.experiment.dataset, run.experiment.algorithm, history], protocol=4)
