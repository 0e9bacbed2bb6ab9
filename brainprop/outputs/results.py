"""The files that `-s` leaves: plots, history and the best epoch's weights."""

import itertools
import json
import math
import os
import pickle
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from brainprop import __version__
from brainprop.common import devices
from brainprop.common.errors import BrainPropError, one_line
from brainprop.common.files import written_whole
from brainprop.common.plugins import plugin_names
from brainprop.networks.weights import serialized
from brainprop.outputs import plots
from brainprop.training.run import Run


def save_run(run: Run, directory: str | Path = ".") -> list[Path]:
    """Saves a finished or interrupted run, never over an earlier one's files.

    The names are those of the 2020 code, `{dataset}_{architecture}_{algorithm}_weights.h5` and
    so on. Where such a file is there already, a number goes before the last part of all names.

    Args:
        run: What `train` returned. At least one epoch must be complete.
        directory: The folder for the files; it must exist.

    Returns:
        The paths of the weights, the plot and the history, as a pickle and as JSON; then those of
        the diagnostics' plot, as a PDF and as a PNG, if there are diagnostics in the history.

    Raises:
        BrainPropError: Not everything could be saved there. The rest is in the home folder or the
            folder for temporary files, as far as it could be saved at all; the message tells.
    """
    directory, writers = Path(directory), _writers(run)
    saved, problems = _save(run.experiment.name, writers, directory)
    if not problems:
        return saved
    first = next(iter(problems.values()))
    rescued, lost = [], problems
    for refuge in _refuges():
        rest = {part: write for part, write in writers.items() if part in lost}
        paths, lost = _save(run.experiment.name, rest, refuge)
        rescued += paths
    raise BrainPropError(
        f"{directory} takes no {', '.join(problems)} ({one_line(first)}): "
        f"saved are {', '.join(map(str, [*saved, *rescued])) or 'none'}"
        + (f"; {', '.join(lost)} could not be saved anywhere" if lost else "")
    ) from first


def _refuges() -> Iterator[Path]:
    """The home folder and the one for temporary files, as far as there are any."""
    for find in (Path.home, lambda: Path(tempfile.gettempdir())):
        with suppress(OSError, RuntimeError):  # A user without an entry has no home.
            yield find()


Writers = dict[str, Callable[[Path], object]]


def _save(name: str, writers: Writers, directory: Path) -> tuple[list[Path], dict[str, Exception]]:
    """Saves all files that it can under one free number, and returns their paths and the problems.

    The first file takes the number: of two runs that end at once only one can have its name.
    """
    numbers = itertools.chain([""], (f"_{count}" for count in itertools.count()))
    while True:
        stem = f"{name}{next(numbers)}"
        targets = {part: directory / f"{stem}_{part}" for part in writers}
        if any(map(os.path.exists, targets.values())):
            continue
        saved: list[Path] = []
        problems: dict[str, Exception] = {}
        for part, write in writers.items():
            try:
                with written_whole(targets[part], overwrite=False) as partial:
                    write(partial)
            except FileExistsError as error:
                if not saved:
                    break  # Another run has just taken this number.
                problems[part] = error
            except Exception as error:  # Whatever it is, the other files matter.
                problems[part] = error
            else:
                saved.append(targets[part])
        else:
            return saved, problems


def summary(run: Run) -> dict:
    """What a run was and what came of it, as JSON knows it; numbers that are not finite are null.

    The keys are settings, images (how many), versions, plugins (their files' names), device,
    outcome, epochs, best_epoch, best_val_accuracy, test_accuracy (null where the validation set is
    the test set) and history, in which `seconds` are those of each epoch.
    """
    return {
        "settings": run.experiment.settings(),
        "images": {"training": run.training_images, "validation": run.validation_images},
        "versions": {
            "brainprop": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "keras", "numpy")},
        },
        "plugins": plugin_names(),
        "device": devices.description(),
        "outcome": run.outcome.value,
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "best_val_accuracy": run.best_accuracy,
        "test_accuracy": run.test_accuracy,
        "history": {name: _finite(values) for name, values in run.history.items()},
    }


def write_summary(run: Run, path: Path) -> None:
    """Writes `summary` as JSON."""
    path.write_text(json.dumps(summary(run), indent=1) + "\n")


def _finite(value):
    """A number or a list of them, nested or not, with `None` for what JSON has no number for."""
    if isinstance(value, list):
        return [_finite(element) for element in value]
    return value if math.isfinite(value) else None


def _writers(run: Run) -> Writers:
    """The last part of each file's name, and what writes it."""
    writers: Writers = {
        "weights.h5": lambda path: path.write_bytes(serialized(run.model)),
        "accuracy.pdf": lambda path: plots.write_figure(plots.accuracy_figure(run), path, "pdf"),
        "history.pkl": lambda path: path.write_bytes(_pickled_history(run)),
        "history.json": lambda path: write_summary(run, path),
    }
    if "reward_prediction_error" in run.history:  # `diagnostics.Diagnostics` has watched it.
        writers |= {
            "diagnostics.pdf": lambda path: plots.write_figure(
                plots.diagnostics_figure(run), path, "pdf"
            ),
            "diagnostics.png": lambda path: plots.write_figure(
                plots.diagnostics_figure(run), path, "png"
            ),
        }
    return writers


def _pickled_history(run: Run) -> bytes:
    """The 2020 code's history: a list of data set, algorithm and Keras's history."""
    history = {key: run.history[key] for key in ("accuracy", "val_accuracy", "loss", "val_loss")}
    history["lr"] = run.history["learning_rate"]
    return pickle.dumps([run.experiment.dataset, run.experiment.algorithm, history], protocol=4)
