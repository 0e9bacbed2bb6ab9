"""Checkpoints: all that a run needs to resume as if it had never stopped.

Nothing here imports TensorFlow.
"""

import dataclasses
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brainprop.common.errors import BrainPropError
from brainprop.common.files import atomic_write, make_directory, writing
from brainprop.common.plugins import plugin_names
from brainprop.common.reading import check_regular, reading
from brainprop.experiments import Experiment
from brainprop.training.run import Schedule

KEPT = 2
# A resumed run may train longer or stop sooner; anything else would make it another run.
ADJUSTABLE = ("epochs", "patience")
_RESUME = "set that right, then resume with --resume (brainprop.reproduce: with the same command)"
_NAME = re.compile(r"checkpoint-\d{4,}")


@dataclass
class Checkpoint:
    """The state of a run after an epoch.

    Attributes:
        epoch: The number of epochs completed.
        settings: `Experiment.settings()` of the run.
        history: As `Run.history`.
        early_stopping: The attributes `wait` and `best` of Keras's `EarlyStopping`.
        best_epoch: As `Run.best_epoch`.
        best_accuracy: As `Run.best_accuracy`.
        stopped: Whether early stopping has ended the run. See `is_finished`.
        variables: The model's and the optimizer's variables, among them the random state of
            dropout and exploration. Shuffling has none: see `batches.training_batches`.
        best_weights: The weights of the best epoch.
        data: `splits.checksum` of the data; `None` in a checkpoint of the first versions.
        plugins: The names of the plugins' files that the run had loaded.
    """

    epoch: int
    settings: dict
    history: dict[str, list]
    early_stopping: dict
    best_epoch: int
    best_accuracy: float
    stopped: bool
    variables: list[np.ndarray] = field(repr=False)
    best_weights: list[np.ndarray] = field(repr=False)
    data: int | None = None
    plugins: list[str] = field(default_factory=plugin_names)

    def is_finished(self, settings: Experiment | Schedule) -> bool:
        """Returns whether nothing is left to train; more patience lets a stopped run resume."""
        impatient = self.early_stopping["wait"] >= settings.patience
        return self.epoch >= settings.epochs or (self.stopped and impatient)


class CheckpointFolder:
    """The folder of a run's checkpoints: the one that it resumes from, and those that it adds.

    Only one run can write into a folder: two would remove each other's checkpoints.

    Args:
        directory: The folder. It is created if it is missing.
        settings: The settings of the run.
        data: `splits.checksum` of its data.
        resume: Whether to resume from the newest checkpoint there, if there is one.

    Attributes:
        resumed: The checkpoint to resume from, or `None`.

    Raises:
        BrainPropError: If the folder cannot be written to, or its checkpoints are damaged or
            another run's.
    """

    def __init__(
        self, directory: str | Path, settings: Experiment | Schedule, data: int, resume: bool
    ):
        self.directory, self.settings, self.data = Path(directory), settings, data
        make_directory(self.directory, "checkpoint_dir")
        self.known = set(paths(self.directory))
        if self.known and not resume:
            raise BrainPropError(
                f"{directory} holds the checkpoints of an earlier run: pass --resume to resume "
                "it, or choose another folder for checkpoints"
            )
        self.resumed = newest(self.directory, settings)
        if self.resumed and self.resumed.data not in (None, data):
            raise BrainPropError(
                f"the checkpoints in {directory} are of a run on other images or labels: give the "
                "--data-dir with its data, or choose another folder for checkpoints"
            )

    @property
    def epoch(self) -> int:
        """The number of epochs that are completed at the start."""
        return self.resumed.epoch if self.resumed else 0

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to train."""
        return self.resumed is not None and self.resumed.is_finished(self.settings)

    @property
    def start(self) -> str:
        """Where the run starts, in words."""
        if self.resumed is None:
            return f"no checkpoint in {self.directory} yet: starting from the beginning"
        if self.is_finished:
            return f"the run in {self.directory} is finished, after epoch {self.epoch}"
        return f"resuming after epoch {self.epoch}, from {self.directory}"

    def add(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint.

        Raises:
            BrainPropError: If it cannot be written, or another run writes into the folder too.
        """
        if not self.known.issuperset(paths(self.directory)):
            raise BrainPropError(
                f"another run writes checkpoints into {self.directory}, too: "
                "give each its own folder"
            )
        self.known.add(save(checkpoint, self.directory))


def save(checkpoint: Checkpoint, directory: Path) -> Path:
    """Writes a checkpoint, whole or not at all, and removes all but the last two.

    Raises:
        BrainPropError: If it cannot be written. The earlier ones stay.
    """
    state = vars(checkpoint).copy()
    arrays = {
        f"{name}_{index}": value
        for name in ("variables", "best_weights")
        for index, value in enumerate(state.pop(name))
    }
    path = directory / f"checkpoint-{checkpoint.epoch:04d}.npz"
    with writing(path, _RESUME):
        with atomic_write(path) as partial, partial.open("wb") as file:
            np.savez(file, state=np.array(json.dumps(state)), **arrays)
        for old in paths(directory)[:-KEPT]:
            old.unlink(missing_ok=True)
    return path


def paths(directory: Path) -> list[Path]:
    """Returns the checkpoints in a folder, the oldest first."""
    return sorted(
        (path for path in directory.glob("*.npz") if _NAME.fullmatch(path.stem)), key=epoch_of
    )


def epoch_of(path: Path) -> int:
    """Returns the number of epochs completed in a checkpoint, from its name."""
    return int(path.stem.removeprefix("checkpoint-"))


def epochs(directory: Path) -> int:
    """Returns the epochs completed in the newest checkpoint of a folder; 0 if there is none."""
    return max(map(epoch_of, paths(directory)), default=0)


def load(path: Path) -> Checkpoint:
    """Reads a checkpoint; the zip container's checksums show whether it is whole.

    Raises:
        BrainPropError: If it is damaged or not a checkpoint.
    """
    with reading(path, "move it away"):
        check_regular(path)
        with np.load(path, allow_pickle=False) as archive:
            state = json.loads(str(archive["state"]))
            for name in ("variables", "best_weights"):
                count = sum(member.startswith(f"{name}_") for member in archive.files)
                state[name] = [archive[f"{name}_{index}"] for index in range(count)]
        return Checkpoint(**state)


def newest(directory: Path, settings: Experiment | Schedule) -> Checkpoint | None:
    """Returns the newest checkpoint that is whole, or `None` if there is none at all.

    Raises:
        BrainPropError: If it belongs to another run, or none is whole.
    """
    candidates = paths(directory)
    for path in reversed(candidates):
        try:
            checkpoint = load(path)
        except BrainPropError as error:
            print(f"warning: {error}; trying the one before", file=sys.stderr)
            continue
        _check_settings(checkpoint.settings, settings, path)
        return checkpoint
    if candidates:
        raise BrainPropError(
            f"all checkpoints in {directory} are damaged or cannot be read, as printed above: set "
            "that right, or move those that are damaged away to start from the beginning"
        )
    return None


def _check_settings(stored: dict, settings: Experiment | Schedule, path: Path) -> None:
    """Checks that a checkpoint has the same settings.

    Raises:
        BrainPropError: If not. The message names the differences.
    """
    # A setting that is newer than the checkpoint had its default then.
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    unknown = stored.keys() - defaults.keys()
    if unknown:
        raise BrainPropError(
            f"{path} is another version's, with the setting {ascii(min(unknown))}: update "
            "BrainProp, or choose another folder for checkpoints"
        )
    there, here = _flat(defaults | stored), _flat(defaults | settings.settings())
    differences = [
        f"{name} {there[name]} there, {here[name]} here"
        for name in there
        if name in here and name not in ADJUSTABLE and there[name] != here[name]
    ]
    if differences:
        raise BrainPropError(
            f"{path} belongs to another run ({'; '.join(differences)}): "
            "give the same settings or choose another folder for checkpoints"
        )


def _flat(settings: dict) -> dict:
    """Returns the settings, with those of a custom network's rule and optimizer unpacked.

    Keras numbers the names of the models of a process, so a network's name loses its number.
    """
    if "network" in settings:
        settings["network"] = re.sub(r"_\d+$", "", settings["network"])
    parts = {name: settings.pop(name, None) or {} for name in ("rule", "optimizer")}
    own = {f"{name}'s {key}": value for name, part in parts.items() for key, value in part.items()}
    return settings | own
