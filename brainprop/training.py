"""Training: Keras's `fit` with the paper's schedule and stopping rule; the best epoch is kept."""

import math
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import keras
import numpy as np

from brainprop import checkpoints
from brainprop.checkpoints import Checkpoint
from brainprop.datasets import pipeline
from brainprop.errors import BrainPropError
from brainprop.experiments import Experiment
from brainprop.learning_rules import LearningRule

EVALUATION_BATCH_SIZE = 128


class Outcome(Enum):
    """Why training ended."""

    COMPLETED = "all epochs done"
    STOPPED = "no progress in validation accuracy"
    DIVERGED = "the loss is no longer a finite number"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Run:
    """What training leaves, beside the model with the best epoch's weights.

    Attributes:
        experiment: What was run.
        history: A number for each completed epoch under accuracy, loss, val_accuracy, val_loss,
            learning_rate and seconds (the whole epoch, with its evaluation).
        best_epoch: The epoch of the best validation accuracy, counted from 1; 0 before the first.
        best_accuracy: That validation accuracy, in [0, 1].
        outcome: Why training ended.
        interrupted_by: The signal that interrupted it, if one did.
    """

    experiment: Experiment
    history: dict[str, list[float]]
    best_epoch: int
    best_accuracy: float
    outcome: Outcome
    interrupted_by: signal.Signals | None = None

    @property
    def epochs(self) -> int:
        """The number of epochs completed."""
        return len(self.history.get("loss", ()))


def train(
    model: LearningRule,
    experiment: Experiment,
    data,
    checkpoint_dir: Path | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Trains a model as the paper does, and leaves it with the weights of the best epoch.

    Args:
        model: The experiment's model, as `models.model_for` makes it.
        experiment: The settings.
        data: `((x_train, y_train), (x_test, y_test))`, images uint8, as `load_data` returns it.
            The validation accuracy is that of the test set, as in the paper.
        checkpoint_dir: Write a checkpoint into this folder after every epoch.
        resume: Go on from the newest checkpoint there.
        callbacks: More Keras callbacks, called before those of this module.

    Returns:
        The run. SIGINT and SIGTERM end it after the batch under way.

    Raises:
        BrainPropError: The checkpoints are damaged or belong to another run.
    """
    (x_train, y_train), (x_test, y_test) = data
    best = BestWeights()
    stopping = keras.callbacks.EarlyStopping(
        "val_accuracy", min_delta=experiment.min_delta, patience=experiment.patience, mode="max"
    )
    history = keras.callbacks.History()
    interruption = Interruption()
    callbacks = [
        *callbacks,
        keras.callbacks.LearningRateScheduler(experiment.learning_rate_at),
        EpochSeconds(),
        history,
        best,
        stopping,
        keras.callbacks.TerminateOnNaN(),
        interruption,
    ]
    resumed = None
    if checkpoint_dir is not None:
        resumed = _starting_point(checkpoint_dir, experiment, resume)
        callbacks.append(
            Checkpointing(checkpoint_dir, experiment, history, best, stopping, resumed)
        )

    first_epoch = resumed.epoch if resumed else 0
    finished = resumed and (resumed.stopped or first_epoch >= experiment.epochs)
    with interruption:
        try:
            model.fit(
                pipeline.training_batches(
                    x_train, y_train, experiment.batch_size, experiment.seed, first_epoch
                ),
                steps_per_epoch=math.ceil(len(x_train) / experiment.batch_size),
                validation_data=pipeline.evaluation_batches(x_test, y_test, EVALUATION_BATCH_SIZE),
                shuffle=False,  # The batches are shuffled already.
                initial_epoch=first_epoch,
                epochs=first_epoch if finished else experiment.epochs,
                callbacks=callbacks,
                verbose=1 if sys.stdout.isatty() else 2,
            )
        except Interrupted:
            print()  # The progress bar's line is not finished.
    if best.weights is not None:
        model.set_weights(best.weights)
    return Run(
        experiment,
        history.history,
        best.epoch,
        best.accuracy,
        _outcome(history.history, experiment, interruption.received),
        interruption.received,
    )


def evaluate(model: LearningRule, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Evaluates a model without exploration.

    Args:
        model: A compiled model.
        images: Shape `(n, height, width, channels)`, uint8.
        labels: Shape `(n,)`, integers.

    Returns:
        `accuracy`, in [0, 1], and `loss`.
    """
    batches = pipeline.evaluation_batches(images, labels, EVALUATION_BATCH_SIZE)
    return model.evaluate(batches, return_dict=True, verbose=1 if sys.stdout.isatty() else 0)


def _outcome(history: dict[str, list[float]], experiment: Experiment, interrupted) -> Outcome:
    losses = history.get("loss", [])
    if losses and not math.isfinite(losses[-1]):
        return Outcome.DIVERGED
    if interrupted:
        return Outcome.INTERRUPTED
    return Outcome.COMPLETED if len(losses) >= experiment.epochs else Outcome.STOPPED


def _starting_point(directory: Path, experiment: Experiment, resume: bool) -> Checkpoint | None:
    """The checkpoint to go on from, told in a line."""
    if not resume:
        if checkpoints.paths(directory):
            raise BrainPropError(
                f"{directory} holds the checkpoints of an earlier run: pass --resume to go on "
                "with it, or give another --checkpoint-dir"
            )
        return None
    checkpoint = checkpoints.newest(directory, experiment)
    if checkpoint is None:
        print(f"no checkpoint in {directory} yet: starting from the beginning")
    else:
        print(f"resuming after epoch {checkpoint.epoch}, from {directory}")
    return checkpoint


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
        if better and math.isfinite(logs["loss"]):
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
    """Ends training after the batch during which SIGINT or SIGTERM came; a second one does at once.

    It handles the signals while it is entered as a context, in the main thread.

    Attributes:
        received: The signal, or `None`.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self):
        super().__init__()
        self.received = None
        self._previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(self, *exception):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)

    def on_train_batch_end(self, batch, logs=None):
        if self.received is not None:
            raise Interrupted

    def on_test_batch_end(self, batch, logs=None):
        self.on_train_batch_end(batch, logs)


class Checkpointing(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch, and starts from one.

    Args:
        directory: Where the checkpoints lie.
        experiment: The settings, kept with the checkpoint.
        history, best, stopping: The callbacks whose state is kept; they come before this one.
        resumed: The checkpoint to start from, if any.
    """

    def __init__(self, directory, experiment, history, best, stopping, resumed):
        super().__init__()
        self.directory, self.experiment, self.resumed = directory, experiment, resumed
        self.history, self.best, self.stopping = history, best, stopping

    def on_train_begin(self, logs=None):
        state = self.resumed
        if state is None:
            return
        for variable, value in zip(self._variables(), state.variables, strict=True):
            variable.assign(value)
        self.history.epoch = list(range(state.epoch))
        self.history.history.update(state.history)
        self.best.epoch, self.best.accuracy = state.best_epoch, state.best_accuracy
        self.best.weights = state.best_weights
        vars(self.stopping).update(state.early_stopping)

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(logs["loss"]):
            return  # The last good checkpoint stays the newest.
        checkpoints.save(
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
            ),
            self.directory,
        )

    def _variables(self):
        """The model's variables, random state among them, and the optimizer's."""
        return [*self.model.variables, *self.model.optimizer.variables]
