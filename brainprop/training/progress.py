"""What training prints: first the data, then a line an epoch and, on a terminal, a bar."""

import math
import statistics
import sys
import time

import keras

from brainprop.common.durations import duration
from brainprop.experiments import Experiment
from brainprop.training.callbacks import BestWeights, History
from brainprop.training.run import Outcome, Schedule

BAR_WIDTH = 30
BAR_SECONDS = 0.1  # The bar is drawn again after this time.
RECENT = 5  # Epochs from which the time of the next ones is estimated.
_CLEAR_LINE = "\r\033[K"


class Progress(keras.callbacks.Callback):
    """Prints how training goes.

    Args:
        settings: The settings of the run.
        images: The number of training images.
        validation: What the validation images are, in words.
        history: The history so far. It comes before this callback, as do the next two.
        best: The best epoch so far.
        stopping: The early stopping.
        verbose: As Keras has it: 0 prints nothing, 1 a bar and a line an epoch, 2 a line an epoch.
            "auto" is 1 on a terminal, else 2.
    """

    def __init__(
        self,
        settings: Experiment | Schedule,
        images: int,
        validation: str,
        history: History,
        best: BestWeights,
        stopping: keras.callbacks.EarlyStopping,
        verbose: str | int = "auto",
    ):
        super().__init__()
        self.settings, self.images, self.validation = settings, images, validation
        self.history, self.best, self.stopping = history, best, stopping
        self.verbose = (1 if sys.stdout.isatty() else 2) if verbose == "auto" else int(verbose)
        self.steps = math.ceil(images / settings.batch_size)
        self.new: list[float] = []  # Seconds of the epochs since the start or the resumption.

    def print_setting(self, parameters: int) -> None:
        """Prints what is trained on what."""
        noun = "step" if self.steps == 1 else "steps"
        self._print(
            f"{self.images:,} training images in {self.steps:,} {noun} an epoch, "
            f"{parameters:,} parameters; validation accuracy is on {self.validation}"
        )

    def on_epoch_begin(self, epoch, logs=None):
        self.heading = f"Epoch {epoch + 1}/{self.settings.epochs}"
        self.drawn = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        if self.verbose == 1 and now - self.drawn > BAR_SECONDS:
            self.drawn = now
            done = BAR_WIDTH * (batch + 1) // self.steps
            bar = "━" * done + " " * (BAR_WIDTH - done)
            text = f"{_CLEAR_LINE}{self.heading} {bar} {batch + 1}/{self.steps}"
            print(f"{text} loss: {logs['loss']:.4g} accuracy: {logs['accuracy']:.4f}", end="")
            sys.stdout.flush()

    def on_epoch_end(self, epoch, logs=None):
        self.new.append(logs["seconds"])
        figures = (
            f"loss: {logs['loss']:.4g} accuracy: {logs['accuracy']:.4f} "
            f"val_loss: {logs['val_loss']:.4g} val_accuracy: {logs['val_accuracy']:.4f}"
        )
        best = f"best {self.best.accuracy:.4f} at epoch {self.best.epoch}"
        best = best if self.best.epoch else "no best epoch yet"
        wait = f"no progress for {self.stopping.wait} of {self.stopping.patience} epochs"
        time_taken = f"{duration(logs['seconds'])}{self._time_left(epoch + 1)}"
        self.clear_bar()
        self._print(f"{self.heading}: {figures}; {best}, {wait}; {time_taken}")

    def _time_left(self, done: int) -> str:
        """Returns the shortest and the longest time that training can still take."""
        longest = self.settings.epochs - done
        shortest = min(longest, self.stopping.patience - self.stopping.wait)
        if self.model.stop_training or not longest:
            return ""
        # The first epoch includes the time in which TensorFlow traces the steps.
        seconds = statistics.median(self.new[1:][-RECENT:] or self.new)
        low, high = duration(shortest * seconds), duration(longest * seconds)
        return f", {low if low == high else f'{low} to {high}'} left"

    def print_end(self, outcome: Outcome) -> None:
        """Prints why training ended, unless it did all epochs."""
        if outcome is not Outcome.COMPLETED:
            way_out = "; a lower learning rate or another seed may help"
            hint = way_out if outcome is Outcome.DIVERGED else ""
            self._print(f"ended after epoch {len(self.history.epoch)}: {outcome.value}{hint}")

    def clear_bar(self) -> None:
        """Removes the bar from the terminal."""
        if self.verbose == 1:
            print(_CLEAR_LINE, end="")

    def _print(self, line: str) -> None:
        if self.verbose:
            print(line, flush=True)
