"""The files that `-s` leaves: plots, history and the best epoch's weights."""

import contextlib
import itertools
import json
import os
import pickle
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from brainprop.common.errors import BrainPropError, one_line
from brainprop.common.files import atomic_write
from brainprop.networks.weights import serialized
from brainprop.outputs import plots
from brainprop.outputs.summary import write_summary
from brainprop.training.run import Run


def save_run(run: Run, directory: str | Path = ".") -> list[Path]:
    """Saves a finished or interrupted run, never over another run's files.

    The names are those of the 2020 code, `{dataset}_{architecture}_{algorithm}_weights.h5` and
    so on. If such a file exists, a number goes before the last part of all names. A resumed run
    replaces the files that it saved before.

    Args:
        run: What `train` returned. At least one epoch must be complete.
        directory: The folder for the files. It is made if it does not exist.

    Returns:
        The paths of the weights, the plot as a PDF and as a PNG, and the history as a pickle and as
        JSON; then the diagnostics' plot as both, if there are diagnostics in the history.

    Raises:
        BrainPropError: If not everything could be saved there. The rest is then in the home folder
            or the folder for temporary files, if it could be saved at all; the message names it.
    """
    directory, writers = Path(directory), _writers(run)
    with contextlib.suppress(OSError):  # The files that it does not take tell.
        directory.mkdir(parents=True, exist_ok=True)
    saved, problems = _save(run, writers, directory)
    if not problems:
        return saved
    first = next(iter(problems.values()))
    lost = problems
    for refuge in (os.path.expanduser("~"), tempfile.gettempdir()):
        rest = {part: write for part, write in writers.items() if part in lost}
        rescued, lost = _save(run, rest, Path(refuge))
        saved += rescued
    raise BrainPropError(
        f"{directory} takes no {', '.join(problems)} ({one_line(first)}): "
        f"saved are {', '.join(map(str, saved)) or 'none'}"
        + (f"; {', '.join(lost)} could not be saved anywhere" if lost else "")
    ) from first


Writers = dict[str, Callable[[Path], object]]


def _save(run: Run, writers: Writers, directory: Path) -> tuple[list[Path], dict[str, Exception]]:
    """Saves all files that it can under one number, and returns their paths and the problems.

    The first file takes the number: if two runs end at once, only one can have its name.
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
                with atomic_write(targets[part], overwrite=own) as passing:
                    write(passing)
                saved.append(targets[part])
            except Exception as error:  # Whatever it is, the other files matter.
                problems[part] = error
                if isinstance(error, FileExistsError) and not saved:
                    break  # Another run has just taken this number.
        else:
            return saved, problems


def _is_earlier_piece(path: Path, run: Run) -> bool:
    """Returns whether a history is an earlier piece of this run: its first epoch is the same one.

    No other run's first epoch takes the same time to the nanosecond.
    """
    try:
        history = json.loads(path.read_text())["history"]
        return history["seconds"][0] == run.history["seconds"][0]
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _writers(run: Run) -> Writers:
    """Returns what writes each file, by the last part of its name."""
    figures = {"accuracy": plots.accuracy_figure}
    if "reward_prediction_error" in run.history:  # Of `diagnostics.Diagnostics`.
        figures["diagnostics"] = plots.diagnostics_figure
    drawn = {
        f"{name}.{kind}": partial(_draw, draw, run, kind)
        for name, draw in figures.items()
        for kind in ("pdf", "png")
    }
    return {
        "weights.h5": lambda path: path.write_bytes(serialized(run.model)),
        "history.pkl": lambda path: path.write_bytes(_pickled_history(run)),
        "history.json": lambda path: write_summary(run, path),
        **drawn,
    }


def _draw(draw: Callable[[Run], Figure], run: Run, kind: str, path: Path) -> None:
    plots.write_figure(draw(run), path, kind)


def _pickled_history(run: Run) -> bytes:
    """Returns the 2020 code's history: a list of data set, algorithm and Keras's history."""
    history = {key: run.history[key] for key in ("accuracy", "val_accuracy", "loss", "val_loss")}
    history["lr"] = run.history["learning_rate"]
    return pickle.dumps([run.experiment.dataset, run.experiment.algorithm, history], protocol=4)
