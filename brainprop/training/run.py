"""The result of training, and when a loss counts as diverged. Nothing here imports TensorFlow."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from brainprop.common.arguments import check_number
from brainprop.common.errors import BrainPropError
from brainprop.experiments import Experiment, settings_fields
from brainprop.paper import Architecture

if TYPE_CHECKING:
    from brainprop.rules.base import LearningRule

# A reward in [0, 1] explains a loss of 1/2. The rest is room for large initial weights, weight
# decay and rewards of another size; without a bound, a loss passes it within a few steps.
MAX_LOSS = 1e6


class Outcome(Enum):
    """Why training ended."""

    COMPLETED = "all epochs done"
    STOPPED = "no progress in validation accuracy"
    DIVERGED = "the loss grows without bound"
    INTERRUPTED = "interrupted"
    FAILED = "an error"


@dataclass(frozen=True)
class Schedule:
    """How `train` trains a custom network. The defaults are the paper's.

    Attributes:
        network: The model's name.
        algorithm: The name of its class.
        learning_rate: The learning rate at the start; `None` if the optimizer sets it.
        halving_epochs: Halve the learning rate after so many epochs; `None` if the optimizer sets
            it.
        seed: Seed of the order of the images.
        epochs: Train for at most so many epochs.
        patience: Stop after so many epochs without progress in validation accuracy.
        min_delta: The smallest rise in validation accuracy that counts as progress.
        batch_size: The number of images in a step.
        rule: The arguments of the model's rule, without seeds; `None` if unknown.
        optimizer: The optimizer's class and settings, without its learning rate if that is a
            number; `None` if unknown.

    Raises:
        BrainPropError: If a number is out of the range that it has in an `Experiment`.
    """

    network: str
    algorithm: str
    learning_rate: float | None = None
    halving_epochs: int | None = None
    seed: int = Experiment.seed
    epochs: int = Experiment.epochs
    patience: int = Experiment.patience
    min_delta: float = Experiment.min_delta
    batch_size: int = Architecture.batch_size
    rule: dict | None = None
    optimizer: dict | None = None

    def __post_init__(self):
        for setting in settings_fields():
            value, limits = getattr(self, setting.name, None), setting.metadata
            if value is not None and setting.name != "learning_rate":
                check_number(setting.name, value, limits["kind"], limits["low"], limits["high"])

    @property
    def name(self) -> str:
        """The beginning of its files' names: `{network}_{algorithm}`."""
        return f"{self.network}_{self.algorithm}"

    @property
    def title(self) -> str:
        """The title of its figures."""
        return f"{self.network}, {self.algorithm}"

    @property
    def dataset(self) -> str:
        """The model's name, in place of the data set's."""
        return self.network

    def learning_rate_at(self, epoch: int) -> float | None:
        """Returns the learning rate of an epoch, from 0; `None` if the optimizer sets it."""
        if self.learning_rate is None or self.halving_epochs is None:
            return None
        return self.learning_rate * 0.5 ** (epoch // self.halving_epochs)

    def settings(self) -> dict:
        """Returns the attributes by name, as JSON takes them."""
        return vars(self).copy()


@dataclass(frozen=True)
class Run:
    """The result of training.

    Attributes:
        experiment: What was run: the experiment, or the schedule of a custom network.
        history: A number for each completed epoch under accuracy, loss, val_accuracy, val_loss,
            learning_rate and seconds (the whole epoch, with its evaluation); under BrainProp also
            reward, abs_reward_prediction_error and explored; and what callbacks add, such as
            `diagnostics.Diagnostics`, whose counts are lists of numbers.
        best_epoch: The epoch of the best validation accuracy, counted from 1; 0 before the first.
        best_accuracy: That validation accuracy, in [0, 1].
        outcome: Why training ended.
        training_images: The number of training images.
        validation_images: The number of validation images.
        test_accuracy: The best weights' accuracy on the test set, in [0, 1]. `None` if the test set
            is the validation set, the run was interrupted or failed, or there is no best epoch.
        interrupted_by: The signal that interrupted it, if one did.
        failure: The error that ended it, if one did.
        model: The model, with the best epoch's weights.
        resumed: Whether it was resumed from a checkpoint.
        class_names: The names of the classes, in the order of their labels; empty if unknown.
    """

    experiment: Experiment | Schedule
    history: dict[str, list]
    best_epoch: int
    best_accuracy: float
    outcome: Outcome
    training_images: int
    validation_images: int
    test_accuracy: float | None = None
    interrupted_by: signal.Signals | None = None
    failure: BrainPropError | None = None
    model: LearningRule | None = field(default=None, repr=False, compare=False)
    resumed: bool = False
    class_names: tuple[str, ...] = ()

    @property
    def epochs(self) -> int:
        """The number of epochs completed."""
        return len(self.history.get("loss", ()))


def has_diverged(history: Mapping[str, list]) -> bool:
    """Returns whether the last epoch's loss was above `MAX_LOSS`, or a loss was not finite.

    The effect of an epoch's last step shows only in the validation loss. That one may be large for
    a while, as long as batch normalization's averages have seen few batches.

    Args:
        history: As `Run.history`, or as JSON has it: `None` for what is not finite.
    """
    loss, val_loss = history["loss"][-1], history["val_loss"][-1]
    if loss is None or val_loss is None:
        return True
    return not (loss <= MAX_LOSS and math.isfinite(val_loss))
