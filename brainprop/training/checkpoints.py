"""Checkpoints: all that a run needs to go on as if it had never stopped."""

import dataclasses
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brainprop.common.errors import BrainPropError
from brainprop.common.files import writing, written_whole
from brainprop.common.plugins import plugin_names
from brainprop.common.reading import open_zip, read_array, reading
from brainprop.experiments import Experiment

KEPT = 2
# A resumed run may train longer or stop sooner; anything else would make it another run.
ADJUSTABLE = ("epochs", "patience")
FIGURES = ("accuracy", "loss", "val_accuracy", "val_loss", "learning_rate", "seconds")
_RESUME = "set that right, and go on with --resume (brainprop.reproduce: with the same command)"
_NAME = re.compile(r"checkpoint-\d{4,}")


@dataclass
class Checkpoint:
    """The state of a run after an epoch.

    Attributes:
        epoch: Number of epochs completed.
        settings: `Experiment.settings()` of the run.
        history: As `Run.history`.
        early_stopping: The attributes `wait` and `best` of Keras's `EarlyStopping`.
        best_epoch: As `Run.best_epoch`.
        best_accuracy: As `Run.best_accuracy`.
        stopped: Whether early stopping has ended the run. See `is_finished`.
        variables: The model's and the optimizer's variables, among them the random state of
            dropout and exploration. Shuffling has none: see `batches.training_batches`.
        best_weights: The weights of the best epoch.
        data: `datasets.checksum` of the data; `None` in a checkpoint of the first versions.
        plugins: The names of the plugins' files that the run had loaded.
    """

    epoch: int
    settings: dict
    history: dict[str, list[float]]
    early_stopping: dict
    best_epoch: int
    best_accuracy: float
    stopped: bool
    variables: list[np.ndarray] = field(repr=False)
    best_weights: list[np.ndarray] = field(repr=False)
    data: int | None = None
    plugins: list[str] = field(default_factory=plugin_names)

    def is_finished(self, experiment: Experiment) -> bool:
        """Whether nothing is left to train; a run that has stopped goes on with more patience."""
        impatient = self.early_stopping["wait"] >= experiment.patience
        return self.epoch >= experiment.epochs or (self.stopped and impatient)


def save(checkpoint: Checkpoint, directory: Path) -> Path:
    """Writes a checkpoint, whole or not at all, and removes all but the last two.

    Raises:
        BrainPropError: It could not be written; those before it are still there.
    """
    state = vars(checkpoint).copy()
    arrays = {
        f"{name}_{index}": value
        for name in ("variables", "best_weights")
        for index, value in enumerate(state.pop(name))
    }
    path = directory / f"checkpoint-{checkpoint.epoch:04d}.npz"
    with writing(path, _RESUME):
        with written_whole(path) as partial, partial.open("wb") as file:
            np.savez(file, state=np.array(json.dumps(state)), **arrays)
        for old in paths(directory)[:-KEPT]:
            old.unlink(missing_ok=True)
    return path


def paths(directory: Path) -> list[Path]:
    """The checkpoints in a folder, the oldest first."""
    return sorted(
        (path for path in directory.glob("*.npz") if _NAME.fullmatch(path.stem)), key=epoch_of
    )


def epoch_of(path: Path) -> int:
    """The number of epochs completed in a checkpoint, which its name tells."""
    return int(path.stem.removeprefix("checkpoint-"))


def epochs(directory: Path) -> int:
    """The number of epochs completed in the newest checkpoint of a folder; 0 if there is none."""
    return max(map(epoch_of, paths(directory)), default=0)


def load(path: Path) -> Checkpoint:
    """Reads a checkpoint; the zip container's checksums tell whether it is whole.

    Raises:
        BrainPropError: It is damaged, or of a version that keeps something else.
    """
    with reading(path, "delete it"):
        # Nothing in it is compressed, so it cannot hold more than its own size.
        with open_zip(path, path.stat().st_size) as archive:
            state = json.loads(str(read_array(archive, "state", "U")))
            members = archive.namelist()
            for name in ("variables", "best_weights"):
                count = sum(member.startswith(f"{name}_") for member in members)
                state[name] = [
                    read_array(archive, f"{name}_{index}", "fiu") for index in range(count)
                ]
        checkpoint = Checkpoint(**state)
        _check(checkpoint, epoch_of(path))
    return checkpoint


def _check(checkpoint: Checkpoint, epoch: int) -> None:
    """Refuses a state that no run can have had.

    Raises:
        Exception: Of many types: call it inside `reading`.
    """
    stopping, history = checkpoint.early_stopping, checkpoint.history
    types = [
        (checkpoint.epoch, int),
        (checkpoint.settings, dict),
        (checkpoint.best_epoch, int),
        (checkpoint.best_accuracy, float),
        (checkpoint.stopped, bool),
        (checkpoint.data, int | None),
        (stopping["wait"], int),
        (stopping["best"], float),
        *((value, int | float) for name in FIGURES for value in history[name]),
    ]
    if (
        not all(isinstance(value, kind) for value, kind in types)
        or len(stopping) != 2
        or not 1 <= checkpoint.best_epoch <= checkpoint.epoch == epoch
        or any(len(history[name]) != epoch for name in FIGURES)
    ):
        raise ValueError("its state is none that a run can have")


def newest(directory: Path, experiment: Experiment) -> Checkpoint | None:
    """The newest checkpoint that is whole, or `None` where there is none at all.

    Raises:
        BrainPropError: It belongs to another experiment, or none is whole.
    """
    candidates = paths(directory)
    for path in reversed(candidates):
        try:
            checkpoint = load(path)
        except BrainPropError as error:
            print(f"warning: {error}; trying the one before", file=sys.stderr)
            continue
        _check_settings(checkpoint.settings, experiment, path)
        return checkpoint
    if candidates:
        raise BrainPropError(
            f"all checkpoints in {directory} are damaged or cannot be read, as told above: set "
            "that right, or delete those that are damaged to start from the beginning"
        )
    return None


def _check_settings(stored: dict, experiment: Experiment, path: Path) -> None:
    """Refuses to go on with other settings, and names them."""
    # A setting that came into being after the checkpoint had its default then.
    defaults = {field.name: field.default for field in dataclasses.fields(experiment)}
    unknown = stored.keys() - defaults.keys()
    if unknown:
        raise BrainPropError(
            f"{path} is another version's, with the setting {ascii(min(unknown))}: update "
            "BrainProp, or give another --checkpoint-dir"
        )
    stored = defaults | stored
    differences = [
        f"{name} {stored[name]} there, {value} here"
        for name, value in experiment.settings().items()
        if name not in ADJUSTABLE and stored[name] != value
    ]
    if differences:
        raise BrainPropError(
            f"{path} belongs to another run ({'; '.join(differences)}): "
            "give the same settings or another --checkpoint-dir"
        )
