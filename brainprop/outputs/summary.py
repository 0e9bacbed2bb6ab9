"""The summary of a run: the JSON file that `-s` and `brainprop.reproduce` leave, and its reader.

Its keys are settings, images (how many), versions, commit (null outside of a git checkout), plugins
(their files' names), class_names, device, outcome, epochs, best_epoch, best_val_accuracy,
test_accuracy (null where the validation set is the test set) and history, in which `seconds` are
those of each epoch. A key "note", added by hand, appears in reports.
"""

import dataclasses
import json
import math
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from brainprop import __version__
from brainprop.common.errors import BrainPropError, printable
from brainprop.common.files import check_readable
from brainprop.common.plugins import plugin_names
from brainprop.common.reading import reading
from brainprop.experiments import Experiment
from brainprop.training.run import Run, has_diverged


def _commit() -> str | None:
    """Returns the git commit of the program, with "-dirty" if files differ from it."""
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        told = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):  # For example, git is not installed.
        return None
    return told.stdout.strip()


COMMIT = _commit()  # At the start: the files can change during a run.


def summary(run: Run) -> dict:
    """Returns what a run was and what came of it, for JSON: numbers not finite become `None`."""
    from brainprop.common import devices

    return {
        "settings": run.experiment.settings(),
        "images": {"training": run.training_images, "validation": run.validation_images},
        "versions": {
            "brainprop": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "keras", "numpy")},
        },
        "commit": COMMIT,
        "plugins": plugin_names(),
        "class_names": run.class_names,
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
    """Returns a number, or nested lists of numbers, with `None` for numbers that JSON lacks."""
    if isinstance(value, list):
        return [_finite(element) for element in value]
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Result:
    """A run as its summary describes it.

    Attributes:
        experiment: What was run.
        diverged: Whether the loss ended as no finite number. The other results then mean nothing.
        accuracy: In percent: of the best epoch, on the validation set, or on the test set where
            that is another one.
        best_epoch: The best epoch, counted from 1.
        val_accuracy: In percent, after each epoch.
        seconds: The median time of an epoch.
        training_images, validation_images: How many there were.
        device: What it ran on.
        note: A remark, added by hand.
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
    note: str

    @property
    def epochs(self) -> int:
        """The number of epochs to the stop."""
        return len(self.val_accuracy)

    @property
    def epochs_to_90_percent(self) -> int:
        """The first epoch, counted from 1, with 90 % of the run's own best validation accuracy."""
        enough = 0.9 * max(self.val_accuracy)
        return 1 + next(i for i, value in enumerate(self.val_accuracy) if value >= enough)


def read_summary(path: Path) -> Result:
    """Reads the summary of a run.

    Raises:
        BrainPropError: If the file cannot be read, or is no summary that this version knows.
    """
    with reading(path, "move it elsewhere to have the run repeated"):
        check_readable(path)
        told = json.loads(path.read_text(encoding="utf-8"))
        settings, history = told["settings"], told["history"]
        unknown = settings.keys() - {field.name for field in dataclasses.fields(Experiment)}
        if unknown:
            raise BrainPropError(
                f"{path} is of another version, with the setting {min(unknown)!r}: update BrainProp"
            )
        accuracy, test_accuracy = told["best_val_accuracy"], told["test_accuracy"]
        return Result(
            Experiment(**settings),
            has_diverged(history),
            100 * (accuracy if test_accuracy is None else test_accuracy),
            told["best_epoch"],
            tuple(100 * value for value in history["val_accuracy"]),
            median(history["seconds"]),
            told["images"]["training"],
            told["images"]["validation"],
            printable(told["device"]),
            printable(told.get("note", "")),
        )
