"""Keras callbacks: best weights, learning rate, divergence, signals, history, checkpoints, CSV."""

import csv
import itertools
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from brainprop.common.errors import BrainPropError
from brainprop.common.files import atomic_write, writing
from brainprop.common.values import as_json, as_stored
from brainprop.training.checkpoints import Checkpoint, CheckpointFolder
from brainprop.training.run import MAX_LOSS, Schedule, has_diverged


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the epoch of the best validation accuracy.

    Keras's `EarlyStopping` misses rises of less than `min_delta`.

    Attributes:
        epoch: That epoch, counted from 1; 0 before the first.
        accuracy: Its validation accuracy, in [0, 1].
        weights: Its weights, as `model.get_weights()` returns them, or `None`.
    """

    def __init__(self):
        super().__init__()
        self.epoch, self.accuracy, self.weights = 0, 0.0, None

    def on_train_batch_end(self, batch, logs=None):
        if "accuracy" not in logs:
            raise BrainPropError(
                'the best epoch is chosen by accuracy: compile the model with metrics=["accuracy"]'
            )

    def on_test_begin(self, logs=None):
        # A callback can validate other weights than those that it trains, as `SwapEMAWeights` does.
        self.validated = self.model.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        better = self.weights is None or logs["val_accuracy"] > self.accuracy
        if better and not has_diverged(self.model.history.history):
            self.epoch, self.accuracy = epoch + 1, logs["val_accuracy"]
            self.weights = self.validated


class LearningRate(keras.callbacks.Callback):
    """Sets the learning rate of each epoch; adds it and the epoch's seconds to the logs.

    Args:
        rate_at: The learning rate of an epoch, counted from 0; `None` leaves the optimizer's.
    """

    def __init__(self, rate_at: Callable[[int], float | None]):
        super().__init__()
        self.rate_at = rate_at

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()
        rate = self.rate_at(epoch)
        if rate is not None:
            self.model.optimizer.learning_rate = rate

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = current_learning_rate(self.model)
        logs["seconds"] = time.perf_counter() - self.start


class StopOnDivergence(keras.callbacks.Callback):
    """Ends training once the loss diverges: after the step, or after the epoch's validation."""

    def on_train_batch_end(self, batch, logs=None):
        if not logs["loss"] <= MAX_LOSS:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        if has_diverged(self.model.history.history):
            self.model.stop_training = True


class Interrupted(Exception):
    """A signal ended training."""


class Interruption(keras.callbacks.Callback):
    """Ends training after the batch during which a signal came; a second signal ends it at once.

    A second SIGHUP does not: shell and system send one each when a terminal is closed.

    Attributes:
        received: The signal, or `None`.
    """

    def __init__(self):
        super().__init__()
        self.received = None

    def note(self, number, frame):
        """Handles a signal; pass it to `commands.handled_by`."""
        if self.received is not None and number != signal.SIGHUP:
            raise KeyboardInterrupt(number)
        self.received = self.received or signal.Signals(number)

    def on_train_batch_end(self, batch, logs=None):
        if self.received is not None:
            raise Interrupted

    on_test_batch_end = on_train_batch_end


class History(keras.callbacks.History):
    """Keras's history, with NaN for each epoch in which a figure was not recorded.

    What callbacks add becomes what JSON can hold: numbers of any library become Python's own, and
    other things become text.
    """

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: as_json(value) for name, value in logs.items()}
        for name, value in logs.items():
            pad_with_nan(epoch, self, name, value)
        super().on_epoch_end(epoch, logs)
        for name, values in self.history.items():
            pad_with_nan(epoch + 1, self, name, values[-1])


class Checkpointing(keras.callbacks.Callback):
    """Restores a run from its checkpoint at the start, and writes one after every epoch.

    Args:
        folder: The folder of the checkpoints.
        history, best, stopping: The callbacks whose state belongs to the run. They come before
            this one.
        others: The callbacks that the user gave. They come before this one, too.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        history: History,
        best: BestWeights,
        stopping: keras.callbacks.EarlyStopping,
        others: Sequence[keras.callbacks.Callback] = (),
    ):
        super().__init__()
        self.others = others
        self.folder, self.history, self.best, self.stopping = folder, history, best, stopping

    def on_train_begin(self, logs=None):
        self._prepare_swaps()
        if self.folder.resumed is not None:
            compiled_rate = current_learning_rate(self.model)
            self._restore(self.folder.resumed)
            self._report_learning_rate(compiled_rate)

    def _prepare_swaps(self):
        """Prepares averaged weights, which `SwapEMAWeights` puts in place of the trained ones."""
        for callback in self.others:
            if isinstance(callback, keras.callbacks.SwapEMAWeights) and callback.swap_on_epoch:
                # A checkpoint holds the averaged weights, so the callback must first swap the
                # trained ones back. After the last epoch it would discard the trained ones.
                callback._ema_weights_in_model = self.folder.resumed is not None
                callback.set_params(callback.params | {"epochs": math.inf})

    def _restore(self, checkpoint: Checkpoint):
        """Gives the model, its optimizer and the other callbacks the checkpoint's state."""
        model = self.model
        if not model.optimizer.built:  # Loss scaling, which float16 takes, adds variables late.
            model.optimizer.build(model.trainable_variables)
        variables = _variables(model)
        fits = _match(variables, checkpoint.variables)
        if not fits or not _match(model.weights, checkpoint.best_weights):
            raise BrainPropError(
                f"the checkpoint of epoch {checkpoint.epoch} in {self.folder.directory} is of "
                "another network: choose another folder for checkpoints"
            )
        for variable, value in zip(variables, checkpoint.variables, strict=True):
            variable.assign(value)
        self.history.epoch = list(range(checkpoint.epoch))
        self.history.history.update(checkpoint.history)
        self.best.epoch, self.best.accuracy = checkpoint.best_epoch, checkpoint.best_accuracy
        self.best.weights = checkpoint.best_weights
        vars(self.stopping).update(checkpoint.early_stopping)

    def _report_learning_rate(self, compiled_rate: float):
        """Prints the learning rate if it is not the compiled one and no schedule explains that."""
        settings, rate = self.folder.settings, current_learning_rate(self.model)
        if not isinstance(settings, Schedule) or settings.learning_rate is not None:
            return
        has_own_schedule = "learning_rate" in (settings.optimizer or {})
        if not has_own_schedule and rate != compiled_rate:
            print(
                f"the learning rate {rate:g} is the checkpoint's, not {compiled_rate:g}, with "
                "which the model is compiled",
                file=sys.stderr,
            )

    def on_epoch_end(self, epoch, logs=None):
        if has_diverged(self.history.history):
            return  # The last good checkpoint stays the newest.
        self.folder.add(
            Checkpoint(
                epoch=len(self.history.epoch),
                settings=self.folder.settings.settings(),
                history=self.history.history,
                early_stopping={"wait": self.stopping.wait, "best": self.stopping.best},
                best_epoch=self.best.epoch,
                best_accuracy=self.best.accuracy,
                stopped=self.model.stop_training,
                variables=[as_stored(np.asarray(v)) for v in _variables(self.model)],
                best_weights=[as_stored(weight) for weight in self.best.weights],
                data=self.folder.data,
            )
        )


def current_learning_rate(model: keras.Model) -> float:
    """Returns the learning rate of a compiled model's next step."""
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def _variables(model: keras.Model) -> list:
    """Returns the model's variables, its random state included, and the optimizer's."""
    return [*model.variables, *model.optimizer.variables]


def _match(variables: list, values: list[np.ndarray]) -> bool:
    """Returns whether arrays have the shapes of variables, and the types to store them in."""
    stored = [as_stored(np.empty(0, variable.dtype)).dtype for variable in variables]
    shapes = [tuple(variable.shape) for variable in variables]
    return list(zip(shapes, stored, strict=True)) == [(v.shape, v.dtype) for v in values]


class CSVLog(keras.callbacks.Callback):
    """Writes the figures of all epochs so far to a CSV file after each epoch.

    Keras's `CSVLogger` appends. With it, a resumed run could have an epoch twice, or put figures
    under the wrong headings. Figures that are lists, as diagnostics' counts, are left out.

    Args:
        path: The file, which is replaced as a whole.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:  # By now, every callback has added its figures of the epoch before.
            self._write()

    def on_train_end(self, logs=None):
        self._write()

    def _write(self):
        figures = sorted(self.model.history.history.items())
        columns = {
            name: values
            for name, values in figures
            if not any(isinstance(value, list | dict) for value in values)
        }
        with (
            writing(self.path, "set that right, or log to another file"),
            atomic_write(self.path) as partial,
            partial.open("w", newline="") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["epoch", *columns])
            writer.writerows(zip(itertools.count(), *columns.values()))


def pad_with_nan(epoch: int, history: keras.callbacks.History, name: str, like) -> list:
    """Fills up a figure's values with NaN: a resumed run may have epochs in which it is missing.

    Args:
        epoch: The number of epochs to fill up to.
        history: The history that holds the values.
        name: The figure's name.
        like: One of its values, a number or a list; NaN comes in its shape.

    Returns:
        The values in the history, one for each epoch before.
    """
    values = history.history.setdefault(name, [])
    missing = keras.tree.map_structure(lambda part: math.nan, like)
    values += [missing] * (epoch - len(values))
    return values
