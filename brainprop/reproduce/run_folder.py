"""A folder of runs that any number of processes train together.

    MNIST_conv_BrainProp_seed1.json                   a finished run: `outputs.summary`
    MNIST_conv_BrainProp_seed1_weights.h5             its best epoch's weights
    MNIST_conv_BrainProp_seed2_epochs=9.json          a run with other settings than the paper's
    unfinished/MNIST_conv_BrainProp_seed3/            the checkpoints of an unfinished run
    unfinished/MNIST_conv_BrainProp_seed3.lock        locked by the process that trains it

The JSON file appears last and whole, so it means that the run is finished. The kernel frees the
lock of a process that dies, and the next process resumes from the checkpoints.
"""

import fcntl
import functools
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from brainprop.experiments import Experiment
from brainprop.training import checkpoints

POLL_SECONDS = 0.5


class Busy(Exception):
    """Another process has the run: the message names it."""


class RunFiles:
    """The files of a run in the folder of all runs. Runs of different settings share none.

    Attributes:
        experiment: The run.
        name: Data set, architecture, algorithm, seed, and the settings that are not the paper's.
        result: The summary of the finished run.
        weights: The weights of the best epoch.
        checkpoint_dir: The checkpoints, until the run is finished.
        lock: The file that is locked while a process trains the run.
    """

    def __init__(self, folder: Path, experiment: Experiment):
        self.experiment = experiment
        overrides = experiment.overrides().items()
        settings = "".join(f"_{name}={value}" for name, value in overrides)
        self.name = f"{experiment.name}_seed{experiment.seed}{settings}"
        self.result = folder / f"{self.name}.json"
        self.weights = folder / f"{self.name}_weights.h5"
        self.checkpoint_dir = folder / "unfinished" / self.name
        self.lock = folder / "unfinished" / f"{self.name}.lock"

    @property
    def is_finished(self) -> bool:
        """Whether there is a result."""
        return self.result.exists()

    @property
    def epochs(self) -> int:
        """The number of epochs completed in the newest checkpoint."""
        return checkpoints.epochs(self.checkpoint_dir)

    @property
    def locked_by(self) -> str | None:
        """The process that trains the run, if one does."""
        try:
            with self.lock.open() as file:
                return _locked_by(file, fcntl.LOCK_SH)
        except OSError:  # There is no lock, or it is another user's.
            return None

    @contextmanager
    def claimed(self, patience: float) -> Iterator[None]:
        """Locks the run, so that no other process trains it.

        Raises:
            Busy: If another process has had it for `patience` seconds.
        """
        self.lock.parent.mkdir(exist_ok=True)
        deadline = time.monotonic() + patience
        with self.lock.open("a+") as file:
            while other := _locked_by(file, fcntl.LOCK_EX):
                if time.monotonic() >= deadline:
                    raise Busy(other)
                time.sleep(POLL_SECONDS)
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            yield

    def clear(self) -> None:
        """Removes the checkpoints and the lock."""
        shutil.rmtree(self.checkpoint_dir, ignore_errors=True)
        self.lock.unlink(missing_ok=True)


def _locked_by(file: TextIO, kind: int) -> str | None:
    """Locks a file until it is closed, or returns which process has locked it.

    On a drive that has no locks, such as some network drives, this only prints a warning: work
    that two processes do twice is lost time and no damage, since files appear whole.
    """
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        return file.read() or "another process"
    except OSError as error:
        _warn_of_no_locks(Path(file.name).parents[1], error.strerror)
    return None


@functools.cache  # Once is enough.
def _warn_of_no_locks(folder: Path, reason: str) -> None:
    print(
        f"warning: {folder} is on a drive without file locks ({reason}): do not run this command "
        "more than once at a time there, or several processes train the same run",
        file=sys.stderr,
    )
