"""What happens around an epoch or a batch of training, as Keras callbacks."""

import csv
import itertools
import math
import signal
import time
from pathlib import Path

import keras
import numpy as np

from brainprop.common.errors import BrainPropError
from brainprop.common.files import written_whole
from brainprop.training import checkpoints
from brainprop.training.checkpoints import Checkpoint


def is_finite(logs) -> bool:
    """Whether an epoch's losses are finite; its last step shows up in the validation loss only."""
    return math.isfinite(logs["loss"]) and math.isfinite(logs["val_loss"])


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the epoch of the best validation accuracy.

    Keras's `EarlyStopping` keeps only those of the last rise by more than `min_delta`.

    Attributes:
        epoch: That epoch, counted from 1; 0 before the first.
        accuracy: Its validation accuracy, in [0, 1].
        weights: Its weights, as `model.get_weights()` returns them, or `None`.
    """

    def __init__(self):
        super().__init__()
        self.epoch, self.accuracy, self.weights = 0, 0.0, None

    def on_epoch_end(self, epoch, logs=None):
        better = self.weights is None or logs["val_accuracy"] > self.accuracy
        if better and is_finite(logs):
            self.epoch, self.accuracy = epoch + 1, logs["val_accuracy"]
            self.weights = self.model.get_weights()


class EpochSeconds(keras.callbacks.Callback):
    """Adds `seconds`, the time an epoch took with its evaluation, to the logs."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = time.perf_counter() - self.start


class Interrupted(Exception):
    """Training was asked to end."""


class Interruption(keras.callbacks.Callback):
    """Ends training after the batch during which a signal came; a second one does at once.

    A second SIGHUP does not: shell and system send one each when a terminal is closed.

    Attributes:
        received: The signal, or `None`.
    """

    def __init__(self):
        super().__init__()
        self.received = None

    def note(self, number, frame):
        """Handles a signal: give it to `signals.handled_by`."""
        if self.received is not None and number != signal.SIGHUP:
            raise KeyboardInterrupt(number)
        self.received = self.received or signal.Signals(number)

    def on_train_batch_end(self, batch, logs=None):
        if self.received is not None:
            raise Interrupted

    on_test_batch_end = on_train_batch_end


class Checkpointing(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch, and starts from one.

    Only one run may write into a folder: two would remove each other's.

    Args:
        directory: Where the checkpoints lie.
        experiment: The settings, kept with the checkpoint.
        data: `datasets.checksum` of the data, kept likewise.
        history, best, stopping: The callbacks whose state is kept; they come before this one.
        resumed: The checkpoint to start from, if any.
    """

    def __init__(self, directory, experiment, data, history, best, stopping, resumed):
        super().__init__()
        self.directory, self.experiment, self.data = directory, experiment, data
        self.resumed = resumed
        self.history, self.best, self.stopping = history, best, stopping

    def on_train_begin(self, logs=None):
        self.known = set(checkpoints.paths(self.directory))
        state = self.resumed
        if state is None:
            return
        # Loss scaling, which float16 takes, has variables that come into being only here.
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        variables, best = self._variables(), self.model.weights
        if not _match(variables, state.variables) or not _match(best, state.best_weights):
            raise BrainPropError(
                f"the checkpoint of epoch {state.epoch} in {self.directory} is of another network: "
                "give another --checkpoint-dir"
            )
        for variable, value in zip(variables, state.variables, strict=True):
            variable.assign(value)
        self.history.epoch = list(range(state.epoch))
        self.history.history.update(state.history)
        self.best.epoch, self.best.accuracy = state.best_epoch, state.best_accuracy
        self.best.weights = state.best_weights
        vars(self.stopping).update(state.early_stopping)

    def on_epoch_end(self, epoch, logs=None):
        if not is_finite(logs):
            return  # The last good checkpoint stays the newest.
        if not self.known.issuperset(checkpoints.paths(self.directory)):
            raise BrainPropError(
                f"another run writes checkpoints into {self.directory}, too: "
                "give each a --checkpoint-dir of its own"
            )
        written = checkpoints.save(
            Checkpoint(
                epoch=epoch + 1,
                settings=self.experiment.settings(),
                history=self.history.history,
                early_stopping={name: getattr(self.stopping, name) for name in ("wait", "best")},
                best_epoch=self.best.epoch,
                best_accuracy=self.best.accuracy,
                stopped=self.model.stop_training,
                variables=[np.asarray(variable) for variable in self._variables()],
                best_weights=self.best.weights,
                data=self.data,
            ),
            self.directory,
        )
        self.known.add(written)

    def _variables(self):
        """The model's variables, random state among them, and the optimizer's."""
        return [*self.model.variables, *self.model.optimizer.variables]


def _match(variables, values) -> bool:
    """Whether arrays have the shapes and kinds of data of variables."""
    return [(tuple(v.shape), np.dtype(v.dtype)) for v in variables] == [
        (value.shape, value.dtype) for value in values
    ]


class History(keras.callbacks.History):
    """Keras's history, aligned: a figure has NaN for each epoch in which nobody took it.

    Numbers of any library become Python's own, which JSON knows.
    """

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: np.asarray(value).tolist() for name, value in logs.items()}
        for name, value in logs.items():
            pad_with_nan(epoch, self, name, value)
        super().on_epoch_end(epoch, logs)
        for name, values in self.history.items():
            pad_with_nan(epoch + 1, self, name, values[-1])


class CSVLog(keras.callbacks.Callback):
    """Writes the figures of all epochs so far to a CSV file, whole, before the next one.

    Keras's `CSVLogger` appends. A resumed run might then have an epoch twice, or put its figures
    under the headings of others. What is no number, as diagnostics' counts, is left out.

    Args:
        path: The file, which is replaced.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:  # By now, every callback has added what it found in the epoch before.
            self._write()

    def on_train_end(self, logs=None):
        self._write()

    def _write(self):
        figures = sorted(self.model.history.history.items())
        columns = {name: values for name, values in figures if np.ndim(values) == 1}
        with written_whole(self.path) as partial, partial.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", *columns])
            writer.writerows(zip(itertools.count(), *columns.values()))


def pad_with_nan(epoch: int, history: keras.callbacks.History, name: str, like) -> list:
    """Fills a figure's values up to an epoch, where a resumed run has epochs without it.

    Args:
        epoch: The first epoch that is not filled, counted from 0.
        history: The history that holds the values.
        name: Of the figure.
        like: Such a figure, a number or a list of numbers, in whose shape NaN comes.

    Returns:
        The values in the history, one for each epoch before.
    """
    values = history.history.setdefault(name, [])
    values += [np.full(np.shape(like), math.nan).tolist()] * (epoch - len(values))
    return values
