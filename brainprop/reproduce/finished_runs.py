"""The finished runs in a folder, read from the JSON files that `results.summary` describes."""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from brainprop.common.errors import BrainPropError, printable
from brainprop.common.files import check_readable
from brainprop.common.reading import reading
from brainprop.experiments import Experiment
from brainprop.reproduce.run_folder import RunFiles
from brainprop.training.run import has_diverged


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        experiment: What was run.
        diverged: Whether its loss was no finite number in the end. The rest is then of no use.
        accuracy: In percent: of the best epoch, on the validation set, or on the test set where
            that is another one.
        best_epoch: That epoch, counted from 1.
        val_accuracy: In percent, after each epoch.
        seconds: The median time of an epoch.
        training_images, validation_images: How many there were.
        device: What it ran on.
    """

    experiment: Experiment
    diverged: bool
    accuracy: float
    best_epoch: int
    val_accuracy: tuple[float, ...]
    seconds: float
    training_images: int
    validation_images: int
    device: str

    @property
    def epochs(self) -> int:
        """The number of epochs to the stop."""
        return len(self.val_accuracy)


def read_results(folder: Path) -> list[Result]:
    """Reads the results in a folder, and tells on stderr which JSON files are none."""
    results = []
    for path in sorted(folder.glob("*.json")):
        try:
            with reading("it", "move it elsewhere, or have the run repeated"):
                results.append(_read(path))
        except BrainPropError as error:
            print(f"{printable(path)} is left out: {error}", file=sys.stderr)
    return results


def _read(path: Path) -> Result:
    check_readable(path)
    told = json.loads(path.read_text(encoding="utf-8"))
    experiment = Experiment(**told["settings"])
    expected = RunFiles(path.parent, experiment).result.name
    if path.name != expected:  # So that no run counts twice.
        raise BrainPropError(f"a run of its settings is called {expected}")
    if not _is_possible(told, experiment):
        raise ValueError("no run has such figures")
    accuracy, test_accuracy = told["best_val_accuracy"], told["test_accuracy"]
    return Result(
        experiment,
        has_diverged(told["history"]),
        100 * (accuracy if test_accuracy is None else test_accuracy),
        told["best_epoch"],
        tuple(100 * value for value in told["history"]["val_accuracy"]),
        median(told["history"]["seconds"]),
        told["images"]["training"],
        told["images"]["validation"],
        printable(told["device"]),
    )


def _is_possible(told: dict, experiment: Experiment) -> bool:
    """Whether a run can have had such a `results.summary`.

    Raises:
        Exception: Of many types, if something is missing: call it inside `reading`.
    """
    history, epochs, best_epoch = told["history"], told["epochs"], told["best_epoch"]
    figures = [history[name] for name in ("loss", "val_loss", "val_accuracy", "seconds")]
    images = [told["images"][name] for name in ("training", "validation")]
    tested = told["test_accuracy"] is not None
    if (
        not all(isinstance(number, int) for number in (epochs, best_epoch, *images))
        or min(images) < 1
        or any(len(values) != epochs for values in figures)
        or not all(0 <= value < math.inf for value in history["seconds"])
        or not all(0 <= value <= 1 for value in history["val_accuracy"])
        or (tested and not (experiment.validation_split and 0 <= told["test_accuracy"] <= 1))
    ):
        return False
    if has_diverged(told["history"]):  # Its best epoch is of no use.
        return True
    if not 1 <= best_epoch <= epochs:
        return False
    best, val_accuracy = told["best_val_accuracy"], history["val_accuracy"]
    return best == val_accuracy[best_epoch - 1] == max(val_accuracy)
