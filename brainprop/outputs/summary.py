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
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from brainprop import __version__
from brainprop.common.errors import BrainPropError, printable
from brainprop.common.plugins import plugin_names
from brainprop.common.reading import read_bytes, reading
from brainprop.common.values import finite
from brainprop.experiments import Experiment
from brainprop.training.run import Run, has_diverged


def _commit() -> str | None:
    """Returns the git commit of the program, with "-dirty" if files differ from it."""
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    with suppress(OSError, subprocess.SubprocessError):  # For example, git is not installed.
        return subprocess.check_output(
            command, cwd=checkout, stderr=subprocess.DEVNULL, text=True
        ).strip()
    return None


COMMIT = _commit()  # At the start: the files can change during a run.


def write_summary(run: Run, path: Path) -> None:
    """Writes the summary of a run."""
    from brainprop.common import devices

    summary = {
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
        "history": finite(run.history),
    }
    path.write_text(json.dumps(summary, indent=1) + "\n")


@dataclass(frozen=True)
class Result:
    """A run as its summary describes it. Accuracies are in percent, epochs count from 1.

    Attributes:
        experiment: The settings.
        diverged: Whether the loss diverged. The other results then mean nothing.
        accuracy: The best epoch's, on the test set.
        val_accuracy: The validation accuracy after each epoch.
        epochs_to_best: The best epoch.
        epochs_to_90_percent: The first epoch with 90 % of the best validation accuracy.
        epochs_to_stop: The number of epochs trained.
        seconds_per_epoch: The median.
        training_images, validation_images: How many.
        device: The processor or GPU, in words.
        note: A remark that was added by hand.
    """

    experiment: Experiment
    diverged: bool
    accuracy: float
    val_accuracy: tuple[float, ...]
    epochs_to_best: int
    epochs_to_90_percent: int
    epochs_to_stop: int
    seconds_per_epoch: float
    training_images: int
    validation_images: int
    device: str
    note: str


def read_summary(path: Path) -> Result:
    """Reads the summary of a run.

    Raises:
        BrainPropError: If the file cannot be read, or is not a summary that this version knows.
    """
    with reading(path, "move it elsewhere to have the run repeated"):
        content = json.loads(read_bytes(path))
        settings, history = content["settings"], content["history"]
        unknown = settings.keys() - {field.name for field in dataclasses.fields(Experiment)}
        if unknown:
            raise BrainPropError(
                f"{path} is of another version, with the setting {min(unknown)!r}: update BrainProp"
            )
        accuracy, test_accuracy = content["best_val_accuracy"], content["test_accuracy"]
        curve = [100 * value for value in history["val_accuracy"]]
        result = Result(
            experiment=Experiment(**settings),
            diverged=has_diverged(history),
            accuracy=100 * (accuracy if test_accuracy is None else test_accuracy),
            val_accuracy=tuple(curve),
            epochs_to_best=content["best_epoch"],
            epochs_to_90_percent=1 + [value >= 0.9 * max(curve) for value in curve].index(True),
            epochs_to_stop=len(curve),
            seconds_per_epoch=median(history["seconds"]),
            training_images=content["images"]["training"],
            validation_images=content["images"]["validation"],
            device=printable(content["device"]),
            note=printable(content.get("note", "")),
        )
        fields = [field for field in dataclasses.fields(result) if field.type in (float, int)]
        numbers = [*curve, *(getattr(result, field.name) for field in fields)]
        if not all(map(math.isfinite, numbers)):  # It takes nothing but numbers.
            raise ValueError("a number in it is not finite")
        return result
