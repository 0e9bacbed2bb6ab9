"""The files that `-s` leaves: plots, history and the best epoch's weights."""

import itertools
import json
import os
import pickle
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from brainprop.common.errors import BrainPropError, one_line
from brainprop.common.files import atomic_write
from brainprop.networks.weights import serialized
from brainprop.outputs import plots
from brainprop.outputs.summary import write_summary
from brainprop.training.run import Run

Writers = dict[str, Callable[[Path], object]]  # By the last part of the file's name.


def save_run(run: Run, directory: str | Path = ".") -> list[Path]:
    """Saves a finished or interrupted run, never over another run's files.

    The names are those of the 2020 code, `{dataset}_{architecture}_{algorithm}_weights.h5` and
    so on. If such a file exists, a number goes before the last part of all names. A resumed run
    replaces the files that it saved before.

    Args:
        run: What `train` returned. At least one epoch must be complete.
        directory: The folder for the files. It is created if it is missing.

    Returns:
        The paths of the weights, the history as a pickle and as JSON, and the plot as PDF and PNG;
        then the diagnostics' plot as PDF and PNG, if the history has diagnostics.

    Raises:
        BrainPropError: If not everything could be saved there. The rest is then in the home folder
            or the folder for temporary files, if it could be saved at all; the message names it.
    """
    directory, writers = Path(directory), _writers(run)
    with suppress(OSError):  # Writing into it then fails, with the reason.
        directory.mkdir(parents=True, exist_ok=True)
    saved, problems = _save(run, writers, directory)
    if not problems:
        return saved
    lost = problems
    for refuge in (os.path.expanduser("~"), tempfile.gettempdir()):
        rescued, lost = _save(run, {part: writers[part] for part in lost}, Path(refuge))
        saved += rescued
    reason = next(iter(problems.values()))
    raise BrainPropError(
        f"cannot write {', '.join(problems)} into {directory} ({one_line(reason)}): "
        f"saved {', '.join(map(str, saved)) or 'nothing'}"
        + (f"; {', '.join(lost)} could not be saved anywhere" if lost else "")
    ) from reason


def _save(run: Run, writers: Writers, directory: Path) -> tuple[list[Path], dict[str, Exception]]:
    """Saves as many files as it can under one number. Returns their paths, and the errors by part.

    The first file claims the number: if two runs end at once, only one can create it.
    """
    numbers = itertools.chain([""], (f"_{count}" for count in itertools.count()))
    while True:
        stem = f"{run.experiment.name}{next(numbers)}"
        targets = {part: directory / f"{stem}_{part}" for part in writers}
        own = run.resumed and _is_earlier_piece(directory / f"{stem}_history.json", run)
        if not own and any(map(os.path.exists, targets.values())):
            continue
        saved: list[Path] = []
        problems: dict[str, Exception] = {}
        for part, write in writers.items():
            try:
                with atomic_write(targets[part], overwrite=own) as unfinished:
                    write(unfinished)
                saved.append(targets[part])
            except Exception as error:  # The other files are saved all the same.
                problems[part] = error
                if isinstance(error, FileExistsError) and not saved:
                    break  # Another run has just taken this number.
        else:
            return saved, problems


def _is_earlier_piece(path: Path, run: Run) -> bool:
    """Returns whether a history is of an earlier piece of this run: it has the same first epoch.

    No other run's first epoch takes the same time to the nanosecond.
    """
    with suppress(OSError, ValueError, LookupError, TypeError):
        history = json.loads(path.read_text())["history"]
        return history["seconds"][0] == run.history["seconds"][0]
    return False


def _writers(run: Run) -> Writers:
    figures = {"accuracy": plots.accuracy_figure}
    if "reward_prediction_error" in run.history:  # Of `diagnostics.Diagnostics`.
        figures["diagnostics"] = plots.diagnostics_figure

    def draw(name: str, kind: str, path: Path) -> None:
        plots.write_figure(figures[name](run), path, kind)

    return {
        "weights.h5": lambda path: path.write_bytes(serialized(run.model)),
        "history.pkl": lambda path: path.write_bytes(_pickled_history(run)),
        "history.json": lambda path: write_summary(run, path),
        **{
            f"{name}.{kind}": partial(draw, name, kind)
            for name in figures
            for kind in ("pdf", "png")
        },
    }


def _pickled_history(run: Run) -> bytes:
    """Returns the 2020 code's history: a list of data set, algorithm and Keras's history."""
    history = {key: run.history[key] for key in ("accuracy", "val_accuracy", "loss", "val_loss")}
    history["lr"] = run.history["learning_rate"]
    return pickle.dumps([run.experiment.dataset, run.experiment.algorithm, history], protocol=4)
