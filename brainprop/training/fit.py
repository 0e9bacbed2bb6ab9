"""Training: Keras's `fit` with the paper's schedule and stopping rule; the best epoch is kept."""

import math
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import keras

from brainprop.common import devices
from brainprop.common.errors import BrainPropError, StdoutLost
from brainprop.common.files import make_directory, writing
from brainprop.common.signals import handled_by
from brainprop.common.streams import give_up_stdout
from brainprop.datasets.table import Data, Split, checksum, hold_out
from brainprop.experiments import Experiment
from brainprop.paper import ALGORITHMS
from brainprop.rules.base import LearningRule
from brainprop.training import checkpoints
from brainprop.training.batches import evaluation_batches, training_batches
from brainprop.training.callbacks import (
    BestWeights,
    Checkpointing,
    EpochSeconds,
    History,
    Interrupted,
    Interruption,
    is_finite,
)
from brainprop.training.checkpoints import Checkpoint
from brainprop.training.evaluation import EVALUATION_BATCH_SIZE, evaluate


class Outcome(Enum):
    """Why training ended."""

    COMPLETED = "all epochs done"
    STOPPED = "no progress in validation accuracy"
    DIVERGED = "the loss is no longer a finite number"
    INTERRUPTED = "interrupted"
    FAILED = "an error"


@dataclass(frozen=True)
class Run:
    """What training leaves, beside the model with the best epoch's weights.

    Attributes:
        experiment: What was run.
        history: A number for each completed epoch under accuracy, loss, val_accuracy, val_loss,
            learning_rate and seconds (the whole epoch, with its evaluation); and what callbacks
            add, such as `diagnostics.Diagnostics`, whose counts are lists of numbers.
        best_epoch: The epoch of the best validation accuracy, counted from 1; 0 before the first.
        best_accuracy: That validation accuracy, in [0, 1].
        outcome: Why training ended.
        training_images, validation_images: How many there were.
        test_accuracy: The best weights' accuracy on the test set, in [0, 1], where the validation
            set was another one and the run was neither interrupted nor failed.
        interrupted_by: The signal that interrupted it, if one did.
        failure: The error that ended it, if one did.
    """

    experiment: Experiment
    history: dict[str, list]
    best_epoch: int
    best_accuracy: float
    outcome: Outcome
    training_images: int
    validation_images: int
    test_accuracy: float | None = None
    interrupted_by: signal.Signals | None = None
    failure: BrainPropError | None = None

    @property
    def epochs(self) -> int:
        """The number of epochs completed."""
        return len(self.history.get("loss", ()))


def train(
    model: LearningRule,
    experiment: Experiment,
    data: Data,
    checkpoint_dir: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    interruption: Interruption | None = None,
) -> Run:
    """Trains a model as the paper does, and leaves it with the weights of the best epoch.

    Args:
        model: The experiment's model, as `models.model_for` makes it.
        experiment: The settings.
        data: `((x_train, y_train), (x_test, y_test))`, images uint8, as `data_for` returns it.
            Validation is on the test set, as in the paper, unless the experiment has a
            `validation_split`.
        checkpoint_dir: Write a checkpoint into this folder after every epoch.
        resume: Go on from the newest checkpoint there, or start if there is none.
        callbacks: More Keras callbacks. At the end of an epoch, their logs hold `Run.history`'s
            numbers, but for what `diagnostics.Diagnostics` adds. The learning rate is the
            experiment's at each beginning of an epoch, so a callback that lowers it at an end
            (`ReduceLROnPlateau`) has no effect.
        interruption: What notes `signals.SIGNALS`, if the caller has it handle them afterwards
            too, with `signals.handled_by`, until what training leaves is saved.

    Returns:
        The run. SIGINT, SIGTERM and SIGHUP end it after the batch under way, and an error that
        comes after the first epoch ends it too, so that no training is lost.

    Raises:
        BrainPropError: The model or the data are not the experiment's, the checkpoints are
            damaged or belong to another run, `resume` has no `checkpoint_dir`, several GPUs cannot
            share the batches evenly, or an error came before there was anything to keep.
    """
    if resume and checkpoint_dir is None:
        raise BrainPropError("resume needs checkpoint_dir: name the folder to go on from")
    _check_match(model, experiment, data)
    train_set, validation_set, test_set = splits(data, experiment)
    devices.check_even_parts(
        {
            "images of a batch": experiment.batch_size,
            "training images": len(train_set[0]),
            "images to evaluate on": min(len(validation_set[0]), EVALUATION_BATCH_SIZE),
        }
    )
    model.update_batch_size = experiment.batch_size
    history, best = History(), BestWeights()
    interruption = interruption or Interruption()
    stopping = keras.callbacks.EarlyStopping(
        "val_accuracy", min_delta=experiment.min_delta, patience=experiment.patience, mode="max"
    )
    callbacks = [
        keras.callbacks.LearningRateScheduler(experiment.learning_rate_at),
        EpochSeconds(),
        *callbacks,
        history,
        best,
        stopping,
        keras.callbacks.TerminateOnNaN(),
        interruption,
    ]
    first_epoch, epochs = 0, experiment.epochs
    if checkpoint_dir is not None:
        checkpoint_dir = Path(checkpoint_dir)
        make_directory(checkpoint_dir, "checkpoint_dir")
        crc = checksum(data)
        checkpoint = _starting_point(checkpoint_dir, experiment, crc, resume)
        callbacks.append(
            Checkpointing(checkpoint_dir, experiment, crc, history, best, stopping, checkpoint)
        )
        if checkpoint:
            first_epoch = checkpoint.epoch
            if checkpoint.is_finished(experiment):
                epochs = first_epoch  # Keras then only lets the callbacks recall the run.
    failure = _fit(
        model,
        interruption,
        x=training_batches(*train_set, experiment.batch_size, experiment.seed, first_epoch),
        validation_data=evaluation_batches(*validation_set, EVALUATION_BATCH_SIZE),
        steps_per_epoch=math.ceil(len(train_set[0]) / experiment.batch_size),
        initial_epoch=first_epoch,
        epochs=epochs,
        shuffle=False,  # The batches are shuffled already.
        callbacks=callbacks,
        verbose=1 if sys.stdout.isatty() else 2,
    )
    if best.weights is not None:
        model.set_weights(best.weights)
    elif failure:
        raise failure
    outcome = _outcome(history.history, experiment, interruption.received, failure)
    ended = outcome not in (Outcome.INTERRUPTED, Outcome.FAILED)
    test_accuracy = None
    if experiment.validation_split and best.epoch and ended:
        try:
            with devices.failures_told():
                test_accuracy = evaluate(model, *test_set).accuracy
        except BrainPropError as error:
            outcome, failure = Outcome.FAILED, error
    return Run(
        experiment=experiment,
        history=history.history,
        best_epoch=best.epoch,
        best_accuracy=best.accuracy,
        outcome=outcome,
        training_images=len(train_set[0]),
        validation_images=len(validation_set[0]),
        test_accuracy=test_accuracy,
        interrupted_by=interruption.received,
        failure=failure,
    )


def _check_match(model: LearningRule, experiment: Experiment, data: Data) -> None:
    """Refuses a model or data that are not the experiment's, under whose name the run is kept."""
    own: dict[str, object] = {"algorithm": type(model).__name__}
    own |= {name: getattr(model, name, None) for name in ALGORITHMS[experiment.algorithm].arguments}
    own["name"] = model.name
    for name, value in own.items():
        expected = getattr(experiment, name)
        if value != expected:
            raise BrainPropError(
                f"the model has the {name} {value}, and the experiment {expected}: make the model "
                "with model_for(experiment)"
            )
    (train_images, _), (test_images, _) = data
    for name, images in (("max_train_samples", train_images), ("max_eval_samples", test_images)):
        limit = getattr(experiment, name)
        if limit is not None and len(images) > limit:
            raise BrainPropError(
                f"the data has {len(images)} images, and the experiment {name} {limit}: load it "
                "with data_for(experiment)"
            )


def _fit(model: LearningRule, interruption: Interruption, **arguments) -> BrainPropError | None:
    """Keras's `fit`, to its end, an interruption or a failure, which is returned."""
    try:
        # Files that cannot be written are the callbacks'.
        with (
            handled_by(interruption.note),
            writing("a log", "make room for it"),
            devices.failures_told(),
        ):
            model.fit(**arguments)
    except Interrupted:
        if sys.stdout.isatty():
            print()  # The progress bar's line is not finished.
    except BrainPropError as error:
        return error
    except BrokenPipeError:
        give_up_stdout()  # So that what is told next does not end in the same error.
        return StdoutLost("nobody reads what training prints: send it to a file")
    return None


def splits(data: Data, experiment: Experiment) -> tuple[Split, Split, Split]:
    """The images to train on, to choose the best epoch on, and to test the best weights on."""
    train_set, test_set = data
    if not experiment.validation_split:
        return train_set, test_set, test_set
    return *hold_out(train_set, experiment.validation_split, experiment.seed), test_set


def _outcome(history: dict[str, list], experiment: Experiment, interrupted, failure) -> Outcome:
    losses = history.get("loss", [])
    if losses and not is_finite({name: values[-1] for name, values in history.items()}):
        return Outcome.DIVERGED
    if failure:
        return Outcome.FAILED
    if interrupted:
        return Outcome.INTERRUPTED
    return Outcome.COMPLETED if len(losses) >= experiment.epochs else Outcome.STOPPED


def _starting_point(
    directory: Path, experiment: Experiment, data: int, resume: bool
) -> Checkpoint | None:
    """The checkpoint to go on from, told in a line."""
    if not resume:
        if checkpoints.paths(directory):
            raise BrainPropError(
                f"{directory} holds the checkpoints of an earlier run: pass --resume to go on "
                "with it, or give another --checkpoint-dir"
            )
        return None
    checkpoint = checkpoints.newest(directory, experiment)
    if checkpoint and checkpoint.data not in (None, data):
        raise BrainPropError(
            f"the checkpoints in {directory} are of a run on other images or labels: give the "
            "--data-dir with its data, or start anew elsewhere"
        )
    if checkpoint is None:
        print(f"no checkpoint in {directory} yet: starting from the beginning")
    elif checkpoint.is_finished(experiment):
        print(f"the run in {directory} is finished, after epoch {checkpoint.epoch}")
    else:
        print(f"resuming after epoch {checkpoint.epoch}, from {directory}")
    return checkpoint
