"""Training: Keras's `fit` with the paper's schedule and stopping rule; the best epoch is kept."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from brainprop.common import devices
from brainprop.common.commands import give_up_stdout, handled_by
from brainprop.common.errors import BrainPropError, StdoutLost, printable
from brainprop.common.files import writing
from brainprop.datasets.splits import Data, checksum
from brainprop.experiments import Experiment, check_batch_size
from brainprop.rules.base import LearningRule
from brainprop.training.batches import evaluation_batches, takes_scaled_images, training_batches
from brainprop.training.callbacks import (
    BestWeights,
    Checkpointing,
    History,
    Interrupted,
    Interruption,
    LearningRate,
    StopOnDivergence,
)
from brainprop.training.checkpoints import CheckpointFolder
from brainprop.training.evaluation import EVALUATION_BATCH_SIZE, evaluate
from brainprop.training.prepare import prepared
from brainprop.training.progress import Progress
from brainprop.training.run import Outcome, Run, Schedule, has_diverged


def train(
    experiment: Experiment | LearningRule,
    data: Data | None = None,
    *,
    epochs: int | None = None,
    patience: int | None = None,
    min_delta: float | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    halving_epochs: int | None = None,
    checkpoint_dir: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
    interruption: Interruption | None = None,
    class_names: Sequence[str] | None = None,
) -> Run:
    """Trains as the paper does, and keeps the weights of the best epoch.

        run = train(Experiment("MNIST", "conv", "BrainProp"))
        run = train(model, ((x_train, y_train), (x_test, y_test)), epochs=20)

    An experiment has its own data and builds its model. A custom BrainProp or EBP model must be
    compiled and needs data. If its optimizer is plain SGD, the learning rate starts with the
    compiled one and is halved on the paper's schedule. Any other optimizer keeps its own schedule.

    SIGINT, SIGTERM and SIGHUP end training after the current batch. If the device fails, or a file
    cannot be written, after the first epoch, training ends too: the run is returned with the error
    in `failure`, so that no training is lost. Any other exception of a callback is raised.

    Args:
        experiment: The experiment, or a model.
        data: `((x_train, y_train), (x_test, y_test))`. Shapes `(n, ...)` and, for integer labels,
            `(n,)` or `(n, 1)`; labels can also be one-hot. Arrays are taken as they are, as in
            Keras's `fit`, except that uint8 images are divided by 255 for the paper's networks.
            An experiment's `max_train_samples`, `max_eval_samples` and `classes` are not
            applied to given data: `brainprop.experiments.data_for` does that. The best epoch is
            chosen on the test set, as in the paper, unless the experiment has a `validation_split`.
            Defaults to the experiment's own data.
        epochs: Train for at most so many epochs. Defaults to 500; here and below, an
            experiment's default is its own value.
        patience: Stop after so many epochs without progress. Defaults to 45.
        min_delta: The smallest rise in validation accuracy that is progress. Defaults to 0.001.
        batch_size: The number of images in a step. Defaults to 128.
        seed: Seed of the order of the images. Defaults to 1.
        halving_epochs: Halve the learning rate after so many epochs. Defaults to 100 for plain SGD,
            and to never for any other optimizer.
        checkpoint_dir: Write a checkpoint into this folder after every epoch.
        resume: Resume from the newest checkpoint there, or start if there is none.
        callbacks: More Keras callbacks. At the end of an epoch, their logs hold the figures of
            `Run.history`. Where the learning rate follows the schedule, a callback that lowers it
            (`ReduceLROnPlateau`) has no effect. Checkpoints do not hold the callbacks' state, such
            as a counter, so it starts again in a resumed run.
        verbose: 0 prints nothing, 1 a bar and a line an epoch, 2 a line an epoch. Defaults to
            "auto": 1 on a terminal, else 2.
        interruption: Records the signals. Needed only by a caller that handles them itself, with
            `commands.handled_by`, until everything is saved. Defaults to a new one.
        class_names: The names of the classes, for the history and the figures. Defaults to those of
            the experiment's data set.

    Returns:
        The run. Its `model` has the best epoch's weights.

    Raises:
        BrainPropError: If an argument is bad, the checkpoints are damaged or belong to another run,
            several GPUs cannot share the batches evenly, or an error came before there was
            anything to keep.
    """
    given = {
        "epochs": epochs, "patience": patience, "min_delta": min_delta, "batch_size": batch_size,
        "seed": seed, "halving_epochs": halving_epochs,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    if resume and checkpoint_dir is None:
        raise BrainPropError("resume needs checkpoint_dir: name the folder to resume from")
    settings, model, data, sets = prepared(experiment, data, given)
    train_set, validation_set, test_set = sets
    if class_names is None and isinstance(settings, Experiment):
        class_names = settings.dataset_row.class_names(None)
    names = () if class_names is None else tuple(map(printable, class_names))
    classes = model.output_shape[-1]
    if names and len(names) != classes:
        raise BrainPropError(f"class_names has {len(names)} names for {classes} classes")
    tested = validation_set is not test_set
    check_batch_size(settings.batch_size, len(train_set[0]))
    devices.check_even_parts(
        {
            "images of a batch": settings.batch_size,
            "training images": len(train_set[0]),
            "images to evaluate on": min(len(validation_set[0]), EVALUATION_BATCH_SIZE),
        }
    )
    history, best = History(), BestWeights()
    interruption = interruption or Interruption()
    stopping = keras.callbacks.EarlyStopping(
        "val_accuracy", min_delta=settings.min_delta, patience=settings.patience, mode="max"
    )
    count = f"{len(validation_set[0]):,} images"
    validation = f"{count} held out of the training set" if tested else f"the test set, {count}"
    progress = Progress(settings, len(train_set[0]), validation, history, best, stopping, verbose)
    watchers: list[keras.callbacks.Callback] = [
        LearningRate(settings.learning_rate_at),
        *callbacks,
        history,
        best,
        stopping,
        StopOnDivergence(),
        progress,
        interruption,
    ]
    first_epoch, finished = 0, False
    if checkpoint_dir is not None:
        folder = CheckpointFolder(checkpoint_dir, settings, checksum(data), resume)
        first_epoch, finished = folder.epoch, folder.is_finished
        watchers.append(Checkpointing(folder, history, best, stopping, callbacks))
        if resume and verbose:
            print(folder.start)
    if not finished:
        progress.print_setting(model.count_params())
    scaled = takes_scaled_images(model)
    _build_metrics(model, train_set[1])
    with _full_batches(model, settings), _whole_executions(model, progress.steps):
        failure = _fit(
            model,
            interruption,
            x=training_batches(*train_set, settings.batch_size, settings.seed, first_epoch, scaled),
            validation_data=evaluation_batches(*validation_set, EVALUATION_BATCH_SIZE, scaled),
            steps_per_epoch=progress.steps,
            initial_epoch=first_epoch,
            # With no epoch left, Keras only lets the callbacks restore the run.
            epochs=first_epoch if finished else settings.epochs,
            shuffle=False,  # The batches are shuffled already.
            callbacks=watchers,
            verbose=0,
        )
    progress.clear_bar()
    if best.weights is not None:
        model.set_weights(best.weights)
    elif failure:
        raise failure
    outcome = _outcome(history.history, settings.epochs, interruption.received, failure)
    progress.print_end(outcome)
    test_accuracy = None
    if tested and best.epoch and outcome not in (Outcome.INTERRUPTED, Outcome.FAILED):
        try:
            test_accuracy = evaluate(model, *test_set).accuracy
        except BrainPropError as error:
            outcome, failure = Outcome.FAILED, error
    return Run(
        experiment=settings,
        history=history.history,
        best_epoch=best.epoch,
        best_accuracy=best.accuracy,
        outcome=outcome,
        training_images=len(train_set[0]),
        validation_images=len(validation_set[0]),
        test_accuracy=test_accuracy,
        interrupted_by=interruption.received,
        failure=failure,
        model=model,
        resumed=first_epoch > 0,
        class_names=names,
    )


def _build_metrics(model: LearningRule, labels) -> None:
    """Builds the compiled metrics. Keras would build them in a step, which it then traces again."""
    if model.distribute_strategy.num_replicas_in_sync == 1:
        model.compute_metrics(None, labels[:1], np.zeros((1, model.output_shape[-1]), np.float32))
        model.reset_metrics()


@contextmanager
def _full_batches(model: LearningRule, settings: Experiment | Schedule) -> Iterator[None]:
    """Divides every update by the full batch size. Afterwards, restores the model's settings."""
    usual, model.update_batch_size = model.update_batch_size, settings.batch_size
    rate = settings.learning_rate_at(0)
    try:
        yield
    finally:
        model.update_batch_size = usual
        if rate is not None:
            model.optimizer.learning_rate = rate


@contextmanager
def _whole_executions(model: LearningRule, steps: int) -> Iterator[None]:
    """Lowers `steps_per_execution` to a divisor of an epoch's steps. Afterwards, restores it.

    The batches are endless, so Keras's last execution would take some of the next epoch's.
    """
    usual = model.steps_per_execution
    fitting = math.gcd(usual, steps)
    if fitting == usual:
        yield
        return
    try:
        _set_steps_per_execution(model, fitting)
        yield
    finally:
        _set_steps_per_execution(model, usual)


def _set_steps_per_execution(model: LearningRule, steps: int) -> None:
    model.steps_per_execution = steps
    # Functions that are traced already would keep the former number of steps.
    model.train_function = model.test_function = model.predict_function = None


def _fit(model: LearningRule, interruption: Interruption, **arguments) -> BrainPropError | None:
    """Runs Keras's `fit` to its end or an interruption. Returns the error if it fails."""
    try:
        with (
            handled_by(interruption.note),
            writing("a callback's output", "set that right"),  # Only callbacks write.
            devices.reported_failures(),
        ):
            model.fit(**arguments)
    except Interrupted:
        pass
    except BrainPropError as error:
        return error
    except BrokenPipeError:
        give_up_stdout()  # The next line that is printed would raise the same error.
        return StdoutLost("stdout was closed while training printed to it: send it to a file")
    return None


def _outcome(history: dict[str, list], epochs: int, interrupted, failure) -> Outcome:
    if history.get("loss") and has_diverged(history):
        return Outcome.DIVERGED
    if failure:
        return Outcome.FAILED
    if interrupted:
        return Outcome.INTERRUPTED
    return Outcome.COMPLETED if len(history.get("loss", ())) >= epochs else Outcome.STOPPED
