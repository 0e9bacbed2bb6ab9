"""The paper as table rows: its architectures, learning rules and published results.

Paper: "Attention-Gated Brain Propagation: How the brain can implement reward-based error
backpropagation", NeurIPS 2020. The rows are data; nothing here imports TensorFlow. The data sets'
rows are in `brainprop.datasets.table`, and the training settings in `brainprop.experiments`.

`register_architecture` and `register_algorithm` add custom rows; see docs/extending.md.
"""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from brainprop.common.errors import BrainPropError


@dataclass(frozen=True)
class Architecture:
    """A network, and the hyperparameters that the paper uses with it.

    Attributes:
        layers: The hidden layers in order, each the name of a block in
            `brainprop.networks.architectures.Blocks` and the block's arguments.
        datasets: Names of the data sets it goes with; empty for all.
        batch_size: Number of images in a step.
        kernel_stddev: Standard deviation of the normal distribution, of mean 0, from which every
            kernel is drawn.
        l2: Weight decay: the loss grows by `l2 * sum(kernel ** 2)` for every kernel.
        build: Instead of `layers`, a function of the symbolic images, shape
            `(batch, height, width, channels)`, and of `Blocks`, which has the experiment's
            initializer and weight decay. It returns the symbolic activity below the output layer,
            shape `(batch, units)`.
    """

    layers: tuple[tuple, ...] = ()
    datasets: tuple[str, ...] = ()
    batch_size: int = 128
    kernel_stddev: float = 0.005
    l2: float = 0.0
    build: Callable | None = None


ARCHITECTURES = {
    "dense": Architecture(
        (("flatten",), ("dense", 1500), ("dense", 1000), ("dense", 500)),
        datasets=("MNIST",),
        kernel_stddev=0.01,
    ),
    "loccon": Architecture(
        (
            ("locally_connected", 32), ("locally_connected", 32, 2), ("dropout", 0.3),
            ("flatten",), ("dense", 500), ("dropout", 0.3),
        ),
        datasets=("MNIST", "CIFAR10", "CIFAR100"),
        batch_size=32,
    ),
    "conv": Architecture(
        (
            ("conv", 32), ("conv", 32, 2), ("dropout", 0.3),
            ("flatten",), ("dense", 500), ("dropout", 0.3),
        ),
        datasets=("MNIST", "CIFAR10", "CIFAR100"),
    ),
    "deep": Architecture(
        (
            ("conv", 64), ("conv", 64), ("max_pool",), ("dropout", 0.3),
            ("conv", 128), ("conv", 128), ("max_pool",), ("dropout", 0.3),
            ("conv", 128), ("conv", 128), ("conv", 128), ("max_pool",), ("dropout", 0.8),
            ("flatten",), ("dense", 500), ("dropout", 0.3),
        ),
        datasets=("CIFAR10", "CIFAR100", "TinyImageNet"),
        l2=5e-4,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Algorithm:
    """A learning rule.

    Attributes:
        rule: The subclass of `brainprop.rules.base.LearningRule`, or where it is:
            `"module.Class"`.
        arguments: The fields of `Experiment` that the class takes.
        own: The other numbers that the class takes, by name, with their defaults.
        output_layer_name: Name of the output layer. In a weights file, it identifies the rule that
            trained the weights. Defaults to a name that Keras chooses.
        activation_name: What the activation of an output unit is called.
    """

    rule: str | type
    arguments: tuple[str, ...] = ()
    own: Mapping[str, float] = field(default_factory=dict)
    output_layer_name: str | None = None
    activation_name: str = "Q-value"

    @property
    def rule_class(self) -> type:
        """The class of the rule. Imports TensorFlow."""
        if isinstance(self.rule, type):
            return self.rule
        module, _, name = self.rule.rpartition(".")
        return getattr(importlib.import_module(module), name)


ALGORITHMS = {
    "BrainProp": Algorithm(
        "brainprop.rules.brainprop.BrainProp",
        ("exploration_rate", "reward_noise", "seed"),
        output_layer_name="brain_prop_layer",  # As in the 2020 code.
    ),
    "EBP": Algorithm("brainprop.rules.ebp.EBP", activation_name="logit"),
}

# The output layer's name begins with this if the algorithm is a plugin's.
_OUTPUT_OF = "output_of_"


def has_setting(algorithm: str, name: str) -> bool:
    """Returns whether an algorithm has a setting: most settings concern all algorithms."""
    owners = [key for key, row in ALGORITHMS.items() if name in (*row.arguments, *row.own)]
    return not owners or algorithm in owners or name == "seed"


def algorithm_of(output_layer: str) -> str:
    """Returns the algorithm whose output layer has this name, apart from a running number.

    A name that no algorithm has is taken for EBP's.
    """
    for name, row in ALGORITHMS.items():
        if re.fullmatch(rf"{row.output_layer_name}(_\d+)?", output_layer):
            return name
    if output_layer.startswith(_OUTPUT_OF):  # A plugin's, which need not be loaded.
        return output_layer.removeprefix(_OUTPUT_OF)
    return "EBP"


@dataclass(frozen=True)
class PaperResult:
    """A published result: mean and standard deviation over ten seeds.

    Attributes:
        accuracy: Top-1 accuracy in percent, mean and standard deviation.
        epochs: Number of epochs, mean and standard deviation.
        seconds_per_epoch: On one GeForce 1080 Ti.
    """

    accuracy: tuple[float, float]
    epochs: tuple[int, int]
    seconds_per_epoch: int


RESULTS = {
    ("MNIST", "conv", "BrainProp"): PaperResult((99.31, 0.04), (63, 18), 3),
    ("CIFAR10", "deep", "BrainProp"): PaperResult((88.88, 0.27), (105, 4), 8),
    ("CIFAR100", "deep", "BrainProp"): PaperResult((59.58, 0.46), (218, 22), 8),
    ("TinyImageNet", "deep", "BrainProp"): PaperResult((47.50, 1.30), (328, 75), 47),
}

_PAPERS = {*ARCHITECTURES, *ALGORITHMS}


def register_architecture(name: str, layers: tuple[tuple, ...] = (), **row) -> None:
    """Adds an architecture, which the commands and `Experiment` then know by its name.

    Args:
        name: The name. An architecture registered before under this name is replaced.
        layers: The hidden layers, as for `Architecture`.
        **row: The other attributes of `Architecture`, such as `datasets`, `batch_size` and `build`.

    Raises:
        BrainPropError: If the name is one of the paper's, or cannot be part of a file's name.
    """
    ARCHITECTURES[_free_name("architecture", name)] = Architecture(layers, **row)


def register_algorithm(
    name: str,
    rule_class: type,
    arguments: tuple[str, ...] | None = None,
    activation_name: str | None = None,
    **own: float,
) -> None:
    """Adds a learning rule, which the commands and `Experiment` then know by its name.

    Args:
        name: The name. An algorithm registered before under this name is replaced.
        rule_class: A subclass of `LearningRule`. If it takes additional arguments, its constructor
            must be `__init__(self, *args, temperature=0.1, **kwargs)`, with `*args` and `**kwargs`
            by these names. Otherwise Keras can neither copy nor load the model.
        arguments: The fields of `Experiment` that the class takes. Defaults to those of the
            algorithm from which it is derived.
        activation_name: What the activation of an output unit is called. Defaults to what it is
            for the algorithm from which it is derived, or to "Q-value".
        **own: The other numbers that the class takes, with their defaults. Each becomes an option
            of the commands: `temperature=0.1` becomes `--temperature`.

    Raises:
        BrainPropError: If the name is one of the paper's or cannot be part of a file's name, or a
            default is not a number.
    """
    name = _free_name("algorithm", name)
    for own_name, default in own.items():
        if type(default) not in (int, float):
            raise BrainPropError(f"{own_name} of {name} must have a number as default")
    parents = (
        row
        for base in rule_class.__mro__
        for row in ALGORITHMS.values()
        if row.rule in (base, f"{base.__module__}.{base.__qualname__}")
    )
    parent = next(parents, Algorithm(rule_class))
    ALGORITHMS[name] = Algorithm(
        rule_class,
        parent.arguments if arguments is None else arguments,
        {**parent.own, **own},
        f"{_OUTPUT_OF}{name}",
        activation_name or parent.activation_name,
    )


def _free_name(kind: str, name: str) -> str:
    """Checks the name of a new row: it can be part of a file's name, and is not the paper's."""
    if not re.fullmatch(r"[A-Za-z][\w-]*", name, re.ASCII):
        raise BrainPropError(f"{kind} {name!r}: give a name of letters, digits, - and _")
    if name.casefold() in map(str.casefold, _PAPERS):
        raise BrainPropError(f"{kind} {name!r} is the paper's: give another name")
    return name


def architectures_of(dataset: str) -> tuple[str, ...]:
    """Returns the architectures that go with a data set: all of them, if no row lists it."""
    listed = {name for row in ARCHITECTURES.values() for name in row.datasets}
    return tuple(
        name
        for name, row in ARCHITECTURES.items()
        if dataset in row.datasets or not row.datasets or dataset not in listed
    )


def combinations(datasets) -> str:
    """Returns which architectures go with each data set, for messages and help."""
    return "; ".join(f"{name}: {', '.join(architectures_of(name))}" for name in datasets)
