"""Checkpoints: all that a run needs to go on as if it had never stopped."""

import dataclasses
import json
import re
import sys
import zipfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from brainprop.errors import BrainPropError
from brainprop.experiments import Experiment
from brainprop.files import written_whole

KEPT = 2
# A resumed run may train longer or stop sooner; anything else would make it another run.
ADJUSTABLE = ("epochs", "patience")
# What NumPy raises for a file that is not what it wrote.
_DAMAGE = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)


@dataclass
class Checkpoint:
    """The state of a run after an epoch.

    Attributes:
        epoch: Number of epochs completed.
        settings: `Experiment.settings()` of the run.
        history: As `Run.history`.
        early_stopping: The attributes of Keras's `EarlyStopping` that count epochs.
        best_epoch: As `Run.best_epoch`.
        best_accuracy: As `Run.best_accuracy`.
        stopped: Whether early stopping has ended the run.
        variables: The model's and the optimizer's variables, among them the random state of
            dropout and exploration. Shuffling has none: see `pipeline.training_batches`.
        best_weights: The weights of the best epoch.
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


def save(checkpoint: Checkpoint, directory: Path) -> Path:
    """Writes a checkpoint, whole or not at all, and removes all but the last two.

    Raises:
        OSError: It could not be written; those before it are still there.
    """
    state = asdict(checkpoint)
    arrays = {
        f"{name}_{index}": value
        for name in ("variables", "best_weights")
        for index, value in enumerate(state.pop(name))
    }
    path = directory / f"checkpoint-{checkpoint.epoch:04d}.npz"
    with written_whole(path) as partial, partial.open("wb") as file:
        np.savez(file, state=np.array(json.dumps(state)), **arrays)
    for old in paths(directory)[:-KEPT]:
        old.unlink()
    return path


def paths(directory: Path) -> list[Path]:
    """The checkpoints in a folder, the oldest first."""
    return sorted(
        path for path in directory.glob("*.npz") if re.fullmatch(r"checkpoint-\d{4,}", path.stem)
    )


def epoch_of(path: Path) -> int:
    """The number of epochs completed in a checkpoint, which its name tells."""
    return int(path.stem.removeprefix("checkpoint-"))


def load(path: Path) -> Checkpoint:
    """Reads a checkpoint; the zip container's checksums tell whether it is whole.

    Raises:
        BrainPropError: It is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            state = json.loads(str(file["state"]))
            for name in ("variables", "best_weights"):
                count = sum(key.startswith(f"{name}_") for key in file.files)
                state[name] = [file[f"{name}_{index}"] for index in range(count)]
        return Checkpoint(**state)
    except (
        OSError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as e:
        raise BrainPropError(f"the checkpoint {path} is damaged: delete it") from e


def newest(directory: Path, experiment: Experiment) -> Checkpoint | None:
    """The newest checkpoint that is whole, or `None` where there is none at all.

    Raises:
        BrainPropError: It belongs to another experiment, or none is whole.
    """
    candidates = paths(directory)
    for path in reversed(candidates):
        try:
            checkpoint = load(path)
        except BrainPropError:
            print(f"{path} is damaged: going on from the one before", file=sys.stderr)
            continue
        _check_settings(checkpoint.settings, experiment, path)
        return checkpoint
    if candidates:
        raise BrainPropError(
            f"all checkpoints in {directory} are damaged: delete them to start from the beginning"
        )
    return None


def _check_settings(stored: dict, experiment: Experiment, path: Path) -> None:
    """Refuses to go on with other settings, and names them."""
    # A setting that came into being after the checkpoint had its default then.
    defaults = {field.name: field.default for field in dataclasses.fields(experiment)}
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
