"""What `train` starts from: settings, model and data, made of its arguments and checked."""

import dataclasses
from typing import Any

import keras
import numpy as np

from brainprop.common.errors import BrainPropError
from brainprop.common.values import as_json
from brainprop.datasets.splits import Data, Split, held_out, hold_out
from brainprop.experiments import Experiment, data_for
from brainprop.networks.models import model_for
from brainprop.networks.optimizers import SGD
from brainprop.rules.base import LearningRule
from brainprop.training.run import Schedule


def prepared(
    experiment: Experiment | LearningRule, data: Data | None, given: dict
) -> tuple[Experiment | Schedule, LearningRule, Data, tuple[Split, Split, Split]]:
    """Returns the settings, the model, the data and its `splits` from the arguments of `train`."""
    if isinstance(experiment, Experiment):
        settings = dataclasses.replace(experiment, **given)
        model = model_for(settings)
        data = _checked_data(model, data_for(settings) if data is None else data)
        return settings, model, data, splits(data, settings)
    model = _checked_model(experiment)
    schedule = _schedule(model, given)
    train_set, test_set = data = _checked_data(model, data)
    return schedule, model, data, (train_set, test_set, test_set)


def splits(data: Data, experiment: Experiment) -> tuple[Split, Split, Split]:
    """Returns the images to train on, to choose the best epoch on, and to test its weights on."""
    train_set, test_set = data
    if not experiment.validation_split:
        return train_set, test_set, test_set
    return *hold_out(train_set, experiment.validation_split, experiment.seed), test_set


def validation_set(data: Data, experiment: Experiment) -> Split:
    """Returns the images to choose the best epoch on, as `splits` does."""
    train_set, test_set = data
    if not experiment.validation_split:
        return test_set
    images, labels = train_set
    taken = held_out(labels, experiment.validation_split, experiment.seed)
    return images[taken], labels[taken]


def _checked_model(model) -> LearningRule:
    """Checks that a model is one that `train` can train."""
    if not isinstance(model, LearningRule):
        raise BrainPropError(
            f"train takes an Experiment, or a BrainProp or EBP model, not {type(model).__name__}: "
            "make a Keras model one with BrainProp.from_model(model)"
        )
    if not model.compiled:
        raise BrainPropError(
            f"the model {model.name!r} is not compiled: call "
            'model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])'
        )
    if len(model.inputs) != 1:
        raise BrainPropError(
            f"train takes networks with one input, and {model.name!r} has {len(model.inputs)}: "
            "use its fit"
        )
    return model


def _schedule(model: LearningRule, given: dict) -> Schedule:
    """Returns how a model is trained: on the paper's schedule, or by its own optimizer alone."""
    optimizer: Any = model.optimizer
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # Loss scaling wraps it.
    try:
        config = optimizer.get_config()
    except NotImplementedError:  # Of a custom schedule: Keras trains with one that has no config.
        config = {"learning_rate": type(optimizer._learning_rate).__name__}
    is_number = isinstance(config["learning_rate"], float)
    is_sgd = type(optimizer) in (keras.optimizers.SGD, SGD)
    is_plain = is_sgd and is_number and not config["momentum"]
    if is_plain:
        given = {"halving_epochs": Experiment.halving_epochs} | given
    if "halving_epochs" in given and not is_number:
        raise BrainPropError(
            "halving_epochs needs an optimizer with a number as its learning rate, which this one "
            "has no: leave it out"
        )
    rate = config["learning_rate"] if "halving_epochs" in given else None
    # Checkpoints restore the learning rate, and all that seeds have drawn.
    left_out = {"name", "learning_rate"} if is_number else {"name"}
    own = {key: value for key, value in config.items() if key not in left_out}
    own = {"class": type(optimizer).__name__, **own}
    rule = {"feedback": model.feedback.mode, **model.arguments()}
    rule = {key: value for key, value in rule.items() if not key.endswith("seed")}
    rule, own = as_json([rule, own])
    return Schedule(model.name, type(model).__name__, rate, rule=rule, optimizer=own, **given)


def _checked_data(model: LearningRule, data) -> Data:
    """Returns the data as arrays, and checks that images and labels go together."""
    if isinstance(data, Experiment):
        raise BrainPropError("train(experiment) builds its model: leave the model out")
    try:
        (x_train, y_train), (x_test, y_test) = data
    except (TypeError, ValueError) as error:
        raise BrainPropError("data must be ((x_train, y_train), (x_test, y_test))") from error
    return (
        checked_arrays(model, "training", x_train, y_train),
        checked_arrays(model, "test", x_test, y_test),
    )


def checked_arrays(model: LearningRule, name: str, images, labels) -> Split:
    """Returns images and labels as arrays, and checks that they go together and with the model.

    Args:
        model: The model.
        name: What they are for, for the message: "training".
        images: As `train` takes them.
        labels: As `train` takes them.

    Raises:
        BrainPropError: If they do not.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    for what, array in (("images", images), ("labels", labels)):
        if array.dtype.kind not in "fiub" or not array.shape:
            raise BrainPropError(f"the {name} {what} must be an array of numbers")
    if not len(images) == len(labels) > 0:
        raise BrainPropError(f"there are {len(images)} {name} images and {len(labels)} labels")
    classes = model.output_shape[-1]
    if labels.shape[1:] not in ((), (1,), (classes,)):
        raise BrainPropError(
            f"the {name} labels must have the shape (n,), (n, 1) or (n, {classes}), "
            f"not {labels.shape}"
        )
    by_class = labels.shape[1:] == (classes,)
    wrong = labels[~np.isfinite(labels) if by_class else ~np.isin(labels, range(classes))]
    if wrong.size:
        allowed = "finite" if by_class else f"0 to {classes - 1}"
        raise BrainPropError(
            f"the {name} labels must be {allowed} for this network's {classes} outputs, "
            f"not {wrong[0]}"
        )
    return images, labels
