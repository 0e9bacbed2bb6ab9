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
import logging
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TextIO

from brainprop.common.errors import BrainPropError, StdoutLost
from brainprop.common.files import atomic_write, writing
from brainprop.common.startup import start_tensorflow
from brainprop.experiments import Experiment, data_for
from brainprop.outputs.summary import read_summary, write_summary
from brainprop.training import checkpoints
from brainprop.training.run import Outcome

POLL_SECONDS = 0.5


class Status(Enum):
    """What became of an attempt at a run."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"
    BUSY = "busy"
    FAILED = "failed"


@dataclass(frozen=True)
class Attempt:
    """An attempt at a run.

    Attributes:
        status: What became of it.
        message: The same in a line.
        interrupted_by: The signal that interrupted it, if one did.
    """

    status: Status
    message: str
    interrupted_by: signal.Signals | None = None


class Busy(Exception):
    """Another process has the run: the message names it."""


@dataclass(frozen=True)
class RunFiles:
    """The files of a run. Runs of different settings share none.

    Attributes:
        folder: The folder of all runs.
        experiment: The run.
    """

    folder: Path
    experiment: Experiment

    @property
    def name(self) -> str:
        """Data set, architecture, algorithm, seed, and the settings that are not the paper's."""
        overrides = self.experiment.overrides().items()
        settings = "".join(f"_{name}={value}" for name, value in overrides)
        return f"{self.experiment.name}_seed{self.experiment.seed}{settings}"

    @property
    def result(self) -> Path:
        """The summary of the finished run."""
        return self.folder / f"{self.name}.json"

    @property
    def weights(self) -> Path:
        """The weights of the best epoch."""
        return self.folder / f"{self.name}_weights.h5"

    @property
    def checkpoint_dir(self) -> Path:
        """The checkpoints, until the run is finished."""
        return self.folder / "unfinished" / self.name

    @property
    def lock(self) -> Path:
        """The file that is locked while a process trains the run."""
        return self.folder / "unfinished" / f"{self.name}.lock"

    @property
    def is_finished(self) -> bool:
        """Whether there is a result."""
        return self.result.exists()

    @property
    def status(self) -> Status:
        """What became of a finished run.

        Raises:
            BrainPropError: If the result cannot be read.
        """
        return Status.DIVERGED if read_summary(self.result).diverged else Status.FINISHED

    @property
    def epochs(self) -> int:
        """The number of epochs completed in the newest checkpoint."""
        return checkpoints.epochs(self.checkpoint_dir)

    @property
    def locked_by(self) -> str | None:
        """The process that has the run, if one has."""
        try:
            with self.lock.open() as file:
                _lock(file, fcntl.LOCK_SH)
        except OSError:  # There is none, or it is another user's.
            pass
        except Busy as busy:
            return str(busy)
        return None

    @contextmanager
    def claimed(self, patience: float = 0) -> Iterator[None]:
        """Locks the run, so that no other process trains it.

        Args:
            patience: Seconds to wait for a process that has it.

        Raises:
            Busy: If another process still has it.
        """
        self.lock.parent.mkdir(exist_ok=True)
        deadline = time.monotonic() + patience
        with self.lock.open("a+") as file:
            while True:
                try:
                    _lock(file, fcntl.LOCK_EX)
                    break
                except Busy:
                    if time.monotonic() >= deadline:
                        raise
                time.sleep(POLL_SECONDS)
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            yield

    def clear(self) -> None:
        """Removes the checkpoints and the lock."""
        shutil.rmtree(self.checkpoint_dir, ignore_errors=True)
        self.lock.unlink(missing_ok=True)


def _lock(file: TextIO, kind: int) -> None:
    """Locks a file until it is closed, without waiting.

    On a drive that has no locks, such as some network drives, this only prints a warning: work
    that two processes do twice is lost time and no damage, since files appear whole.

    Raises:
        Busy: If another process has the lock.
    """
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise Busy(file.read() or "another process") from None
    except OSError as error:
        _warn_of_no_locks(Path(file.name).parents[1], error.strerror)


@functools.cache  # Once is enough.
def _warn_of_no_locks(folder: Path, reason: str) -> None:
    print(
        f"warning: {folder} is on a drive without file locks ({reason}): do not run this command "
        "more than once at a time there, or several processes train the same run",
        file=sys.stderr,
    )


def complete(
    experiment: Experiment,
    folder: Path,
    data_dir: Path | None = None,
    gpus: int | None = None,
    patience: float = 0,
) -> Attempt:
    """Trains what is left of a run, unless another process has it.

    Args:
        experiment: The run.
        folder: The folder of all runs.
        data_dir: See `datasets.load_data`.
        gpus: See `devices.strategy`.
        patience: Seconds to wait for a process that has the run.

    Returns:
        What became of it; its files are written.

    Raises:
        StdoutLost: If stdout is closed. The checkpoints stay.
    """
    files = RunFiles(folder, experiment)
    try:
        with writing(folder, "make room"), files.claimed(patience):
            if files.is_finished:
                files.clear()  # The lock, which this process has just made again.
                return Attempt(files.status, "finished by another process")
            return _train(files, data_dir, gpus)
    except Busy as busy:
        return Attempt(Status.BUSY, f"busy in {busy}")
    except StdoutLost:
        raise
    except BrainPropError as error:
        return Attempt(Status.FAILED, str(error))


def start_for_many_runs() -> None:
    """Starts TensorFlow without its warning of retracing: every run traces a network of its own."""
    start_tensorflow()
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in record.getMessage()


def _train(files: RunFiles, data_dir: Path | None, gpus: int | None) -> Attempt:
    """Trains what is left of a run that is claimed, and writes its files."""
    experiment = files.experiment
    data = data_for(experiment, data_dir)
    start_for_many_runs()
    import keras

    from brainprop.common import devices
    from brainprop.networks.weights import save_weights
    from brainprop.training.diagnostics import Diagnostics, probe_batches
    from brainprop.training.fit import train

    devices.announce(f"{experiment.name}, seed {experiment.seed}")
    keras.utils.clear_session()  # An earlier run's memory, and the numbers in its layers' names.
    with devices.failures_told(), devices.strategy(gpus).scope():
        measured = experiment.feedback != "symmetric"  # The history then has its angles.
        watchers = [Diagnostics(probe_batches(data, experiment))] if measured else []
        folder = files.checkpoint_dir
        run = train(
            experiment,
            data,
            checkpoint_dir=folder,
            resume=True,
            callbacks=watchers,
            class_names=experiment.dataset_row.class_names(data_dir),
        )
    if run.failure:
        raise run.failure  # The checkpoints stay, to resume from.
    if run.outcome is Outcome.INTERRUPTED:
        message = f"interrupted after epoch {files.epochs}"
        return Attempt(Status.INTERRUPTED, message, run.interrupted_by)
    if run.best_epoch:
        save_weights(run.model, files.weights)
    with atomic_write(files.result) as partial:
        write_summary(run, partial)
    files.clear()
    if run.outcome is Outcome.DIVERGED:
        return Attempt(Status.DIVERGED, f"diverged in epoch {run.epochs}")
    best = f"{100 * run.best_accuracy:.2f} % at epoch {run.best_epoch} of {run.epochs}"
    return Attempt(Status.FINISHED, f"best validation accuracy {best}")
