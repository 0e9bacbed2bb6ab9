"""From an experiment to a compiled Keras model."""

import itertools
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import keras
import tensorflow as tf

from brainprop.common.arguments import known_name
from brainprop.common.devices import mixed_precision_policy
from brainprop.common.errors import BrainPropError, one_line
from brainprop.common.plugins import plugin_failure
from brainprop.datasets.table import Dataset
from brainprop.experiments import Experiment
from brainprop.networks.architectures import build_network
from brainprop.networks.optimizers import SGD
from brainprop.networks.weights import load_weights
from brainprop.paper import ALGORITHMS, ARCHITECTURES
from brainprop.rules.base import LearningRule

# The fields of `Experiment` that define the model. The others define how it is trained.
MODEL_SETTINGS = (
    "learning_rate", "kernel_stddev", "l2", "exploration_rate", "reward_noise", "mixed_precision",
    "jit_compile", "classes", "image_size", "feedback",
)  # fmt: skip

# The files in the repository's folder `weights`, which an installed package does not have.
PRETRAINED_DIR = Path(__file__).resolve().parents[2] / "weights"
PRETRAINED = {
    ("MNIST", "conv", "BrainProp"): "MNIST_BrainProp_weights.h5",
    ("CIFAR10", "deep", "BrainProp"): "CIFAR10_BrainProp_weights.h5",
    ("TinyImageNet", "deep", "BrainProp"): "TIN_BrainProp_weights.h5",
}


def build_model(
    dataset: str,
    architecture: str,
    algorithm: str,
    seed: int = 1,
    weights: str | Path | None = None,
    **settings,
) -> LearningRule:
    """Builds and compiles one of the paper's networks, ready for `fit`.

    The model takes images, float32 in [0, 1], shape `(batch, height, width, channels)`, and
    labels, integers of shape `(batch,)` or one-hot ones of shape `(batch, classes)`.

    Args:
        dataset: A name in `brainprop.datasets.table.DATASETS`, or a folder of images.
        architecture: A name in `brainprop.paper.ARCHITECTURES`.
        algorithm: A name in `brainprop.paper.ALGORITHMS`: "BrainProp", "EBP" or a registered one.
        seed: Seed of the initial weights, dropout and exploration. The same seed gives all
            algorithms the same initial weights.
        weights: A weights file; "pretrained" takes the one in the repository's folder `weights`.
            Defaults to new weights.
        **settings: Values for `MODEL_SETTINGS`, which are fields of `Experiment`, or for the
            algorithm's own arguments. They default to the paper's.

    Returns:
        The compiled model; its output layer is linear.

    Raises:
        BrainPropError: If a name is unknown, data set and architecture do not go together or do
            not fit, a number is out of range, or there are no such weights.
        TypeError: If a model has no such setting.
    """
    rule = ALGORITHMS[known_name("algorithm", algorithm, ALGORITHMS)]
    own = {name: settings.pop(name) for name in rule.own if name in settings}
    for name in settings:
        if name not in MODEL_SETTINGS:
            known = ", ".join([*MODEL_SETTINGS, *rule.own])
            raise TypeError(
                f"a model has no {name}, but {known}: to train with other settings, give an "
                "Experiment to train"
            )
    experiment = Experiment(
        dataset, architecture, algorithm, seed=seed, rule_arguments=own, **settings
    )
    model = model_for(experiment)
    if weights is not None:
        load_weights(model, _pretrained(experiment) if weights == "pretrained" else weights)
    return model


def _pretrained(experiment: Experiment) -> Path:
    """Returns the file in the repository that has the weights of an experiment's network.

    Raises:
        BrainPropError: If there is none.
    """
    row = experiment.row
    if row not in PRETRAINED:
        shipped = ", ".join(map(" ".join, PRETRAINED))
        raise BrainPropError(f"no trained weights of {' '.join(row)}: choose from {shipped}")
    path = PRETRAINED_DIR / PRETRAINED[row]
    if not path.exists():
        raise BrainPropError(
            f"{path} is missing: trained weights are in the repository only, so give the path of "
            f"its weights/{path.name}"
        )
    return path


def model_for(experiment: Experiment, dataset: Dataset | None = None) -> LearningRule:
    """Builds and compiles the model of an experiment; see `build_model`.

    A deterministic experiment makes TensorFlow deterministic until the process ends.

    Args:
        experiment: The experiment.
        dataset: Has the shape of the images and the number of classes. Defaults to the experiment's
            data set.

    Returns:
        The compiled model.

    Raises:
        BrainPropError: If the data set is a folder that is missing or holds no images, or the
            architecture does not fit its images.
    """
    if experiment.deterministic:
        tf.config.experimental.enable_op_determinism()
    dataset = dataset or experiment.dataset_row
    architecture = replace(
        ARCHITECTURES[experiment.architecture],
        kernel_stddev=experiment.kernel_stddev,
        l2=experiment.l2,
    )
    algorithm = ALGORITHMS[experiment.algorithm]
    arguments = {name: getattr(experiment, name) for name in algorithm.arguments}
    arguments |= dict(experiment.rule_arguments)
    if experiment.feedback != "symmetric":
        arguments |= {"feedback": experiment.feedback, "feedback_seed": experiment.seed}
    with _precision(experiment.mixed_precision), _building(experiment, dataset.image_shape):
        inputs, outputs = build_network(
            architecture,
            dataset.image_shape,
            dataset.classes,
            seeds=_seeds(experiment.seed),
            output_name=algorithm.output_layer_name,
        )
        model = algorithm.rule_class(
            inputs, outputs, name=_scope_name(experiment.name), **arguments
        )
        model.compile(
            SGD(experiment.learning_rate),
            metrics=["accuracy"],
            jit_compile=experiment.jit_compile,  # Keras itself would choose XLA on a GPU.
        )
    return model


def _scope_name(name: str) -> str:
    """Replaces what TensorFlow does not take in a model's name: a folder of images may have it."""
    return re.sub(r"^[^A-Za-z0-9.]|[^A-Za-z0-9_.-]", "x", name)


@contextmanager
def _building(experiment: Experiment, image_shape: tuple[int, int, int]) -> Iterator[None]:
    """Turns any error of layers that do not fit into a `BrainPropError`; a plugin's own stays."""
    try:
        yield
    except BrainPropError:
        raise
    except Exception as error:
        if plugin_failure(error):
            raise
        raise BrainPropError(
            f"{experiment.architecture} with {experiment.algorithm} cannot be built for images of "
            f"shape {image_shape} ({one_line(error)}): correct it, or give other images"
        ) from error


@contextmanager
def _precision(mixed: bool) -> Iterator[None]:
    """If `mixed`, layers that are built in the block compute in 16 bits; their weights have 32."""
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(mixed_precision_policy() if mixed else usual)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(usual)


def _seeds(seed: int) -> Iterator[int]:
    """Returns an endless stream of seeds, so that no two layers share theirs."""
    return map(random.Random(seed).getrandbits, itertools.repeat(31))
