"""One run of a folder: trains what is left of it, unless another process does."""

import logging
import signal
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from brainprop.common.errors import BrainPropError, StdoutLost, printable
from brainprop.common.files import atomic_write, writing
from brainprop.common.plugins import plugin_failure
from brainprop.common.startup import start_tensorflow
from brainprop.experiments import Experiment, data_for
from brainprop.outputs.summary import read_summary, write_summary
from brainprop.reproduce.run_folder import Busy, RunFiles
from brainprop.training.run import Outcome


class Status(Enum):
    """What became of an attempt at a run."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"
    BUSY = "busy"
    FAILED = "failed"


@dataclass(frozen=True)
class Attempt:
    """An attempt at a run: its status, a line that describes it, and the signal that ended it."""

    status: Status
    message: str
    interrupted_by: signal.Signals | None = None

    def print(self, name: str) -> None:
        """Prints the line, with the name of the run; on stderr if it failed."""
        stream = sys.stderr if self.status is Status.FAILED else sys.stdout
        print(f"{name}: {self.message}", file=stream, flush=True)


def finished(files: RunFiles) -> Attempt:
    """Returns the attempt of a finished run. It failed if the result is damaged or another run's.

    Folders of images in different places can have the same name.
    """
    try:
        result = read_summary(files.result)
    except BrainPropError as error:
        return Attempt(Status.FAILED, str(error))
    there, here = result.experiment.settings(), files.experiment.settings()
    for name in here:  # Defaults are not in the file's name, and a plugin can change its own.
        if there.get(name) != here[name]:
            other = f"{printable(files.result)} is of {name} {printable(there.get(name))}"
            return Attempt(Status.FAILED, f"{other}: give this run another folder for --results")
    status = Status.DIVERGED if result.diverged else Status.FINISHED
    return Attempt(status, status.value)


def complete(
    experiment: Experiment,
    folder: Path,
    data_dir: Path | None = None,
    gpus: int | None = None,
    patience: float = 0,
) -> Attempt:
    """Trains what is left of a run, and writes its files.

    Waits `patience` seconds for another process that trains the run. See `load_data` for
    `data_dir`, and `devices.strategy` for `gpus`.

    Raises:
        StdoutLost: If stdout is closed. The checkpoints stay.
    """
    files = RunFiles(folder, experiment)
    try:
        with writing(folder, "make room"), files.claimed(patience):
            if files.is_finished:
                files.clear()  # The lock, which this process has just made again.
                return finished(files)
            return _train(experiment, files, data_dir, gpus)
    except Busy as busy:
        return Attempt(Status.BUSY, f"busy in {busy}")
    except StdoutLost:
        raise
    except BrainPropError as error:
        return Attempt(Status.FAILED, str(error))
    except Exception as error:
        failure = plugin_failure(error)
        if not failure:
            raise
        return Attempt(Status.FAILED, str(failure))


def start_for_many_runs() -> None:
    """Starts TensorFlow without its warning of retracing, which every run's new network causes."""
    start_tensorflow()
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in record.getMessage()


def _train(
    experiment: Experiment, files: RunFiles, data_dir: Path | None, gpus: int | None
) -> Attempt:
    data = data_for(experiment, data_dir)
    start_for_many_runs()
    import keras

    from brainprop.common import devices
    from brainprop.networks.weights import save_weights
    from brainprop.training.diagnostics import Diagnostics, probe_batches
    from brainprop.training.fit import train

    devices.announce(f"{experiment.name}, seed {experiment.seed}")
    keras.utils.clear_session()  # An earlier run's memory, and the numbers in its layers' names.
    with devices.reported_failures(), devices.strategy(gpus).scope():
        measured = experiment.feedback != "symmetric"  # The history then has its angles.
        run = train(
            experiment,
            data,
            checkpoint_dir=files.checkpoint_dir,
            resume=True,
            callbacks=[Diagnostics(probe_batches(data, experiment))] if measured else [],
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
