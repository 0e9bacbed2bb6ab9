"""The paper's experiments as table rows: architectures with their hyperparameters, rules, results.

Paper: "Attention-Gated Brain Propagation: How the brain can implement reward-based error
backpropagation", NeurIPS 2020. A row is data, not code, and nothing here imports TensorFlow, so
that arguments are checked at once. The data sets' rows stand in `brainprop.datasets.DATASETS`.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from brainprop.arguments import check_name, check_number
from brainprop.datasets import DATASETS, MAX_INTEGER, Data, held_out, load_data
from brainprop.errors import BrainPropError


@dataclass(frozen=True)
class Architecture:
    """A network and the hyperparameters that the paper uses with it.

    Attributes:
        layers: The hidden layers in order, each the name of a block in
            `brainprop.architectures.Blocks` and the block's arguments.
        batch_size: Images a step.
        kernel_stddev: Standard deviation of the normal distribution, of mean 0, from
            which every kernel is drawn.
        l2: Weight decay: the loss grows by `l2 * sum(kernel ** 2)` for every kernel.
    """

    layers: tuple[tuple, ...]
    batch_size: int = 128
    kernel_stddev: float = 0.005
    l2: float = 0.0


ARCHITECTURES = {
    "dense": Architecture(
        (("flatten",), ("dense", 1500), ("dense", 1000), ("dense", 500)),
        kernel_stddev=0.01,
    ),
    "loccon": Architecture(
        (
            ("locally_connected", 32), ("locally_connected", 32, 2), ("dropout", 0.3),
            ("flatten",), ("dense", 500), ("dropout", 0.3),
        ),
        batch_size=32,
    ),
    "conv": Architecture(
        (
            ("conv", 32), ("conv", 32, 2), ("dropout", 0.3),
            ("flatten",), ("dense", 500), ("dropout", 0.3),
        ),
    ),
    "deep": Architecture(
        (
            ("conv", 64), ("conv", 64), ("max_pool",), ("dropout", 0.3),
            ("conv", 128), ("conv", 128), ("max_pool",), ("dropout", 0.3),
            ("conv", 128), ("conv", 128), ("conv", 128), ("max_pool",), ("dropout", 0.8),
            ("flatten",), ("dense", 500), ("dropout", 0.3),
        ),
        l2=5e-4,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Algorithm:
    """A learning rule: the class of that name in `brainprop.learning_rules`.

    Attributes:
        arguments: The fields of `Experiment` that its class takes.
        output_layer_name: What the 2020 code called its output layer; by default Keras names it.
        activation_name: What the activation of an output unit is called.
    """

    arguments: tuple[str, ...] = ()
    output_layer_name: str | None = None
    activation_name: str = "Q-value"


ALGORITHMS = {
    "BrainProp": Algorithm(("exploration_rate", "seed"), output_layer_name="brain_prop_layer"),
    "EBP": Algorithm(activation_name="logit"),
}


def algorithm_of(output_layer: str) -> str:
    """The algorithm whose networks have an output layer of such a name, running number aside."""
    for name, algorithm in ALGORITHMS.items():
        if algorithm.output_layer_name and output_layer.startswith(algorithm.output_layer_name):
            return name
    return "EBP"


@dataclass(frozen=True)
class PaperResult:
    """A published result: mean and standard deviation over ten seeds.

    Attributes:
        accuracy: Top-1 accuracy in percent, mean and standard deviation.
        epochs: Number of epochs, mean and standard deviation, where published.
        seconds_per_epoch: On one GeForce 1080 Ti.
    """

    accuracy: tuple[float, float]
    epochs: tuple[int, int] | None
    seconds_per_epoch: int


# The MNIST dense row appeared only in an early draft of the 2020 code's README.
PAPER_RESULTS = {
    ("MNIST", "conv", "BrainProp"): PaperResult((99.31, 0.04), (63, 18), 3),
    ("MNIST", "dense", "BrainProp"): PaperResult((98.68, 0.07), None, 3),
    ("CIFAR10", "deep", "BrainProp"): PaperResult((88.88, 0.27), (105, 4), 8),
    ("CIFAR100", "deep", "BrainProp"): PaperResult((59.58, 0.46), (218, 22), 8),
    ("TinyImageNet", "deep", "BrainProp"): PaperResult((47.50, 1.30), (328, 75), 47),
}


@dataclass(frozen=True)
class Experiment:
    """Everything that decides the outcome of a run. The defaults are the paper's.

    Attributes:
        dataset: A name in `DATASETS`.
        architecture: A name in `ARCHITECTURES` that goes with the data set.
        algorithm: A name in `ALGORITHMS`.
        seed: Seed of the initial weights, the shuffling, dropout and exploration.
        epochs: The most epochs to train.
        patience: Stop after this many epochs in which the validation accuracy has not
            risen by more than `min_delta`.
        min_delta: The smallest rise in validation accuracy that counts as progress.
        learning_rate: Of plain stochastic gradient descent, at the start.
        halving_epochs: The learning rate halves after every so many epochs.
        batch_size: Images a step; `None` takes the architecture's.
        kernel_stddev: Of the initial weights; `None` takes the architecture's.
        l2: Weight decay of every kernel; `None` takes the architecture's.
        exploration_rate: BrainProp's epsilon, the share of trials whose class is drawn
            from the Boltzmann distribution. EBP has no use for it.
        max_train_samples: Train on a random subset of so many images, drawn by `seed`.
        max_eval_samples: Evaluate on such a subset of the test images.
        validation_split: Hold out this part of the training images, drawn by `seed` and
            stratified by class, and choose the best epoch on them; 0 chooses it on the test set,
            as the paper does.
        mixed_precision: Compute in 16-bit floating point; the weights, the Q-values and the
            reward-prediction error stay float32.
        jit_compile: Compile the training step with XLA.
        deterministic: Use only operations that give the same bits in every run.

    Raises:
        BrainPropError: A name is unknown, the data set and architecture or two switches do not
            go together, or a number is out of range.
    """

    dataset: str
    architecture: str
    algorithm: str
    seed: int = 1
    epochs: int = 500
    patience: int = 45
    min_delta: float = 0.001
    learning_rate: float = 0.1
    halving_epochs: int = 100
    batch_size: int = None  # type: ignore[assignment]  # None only until it is looked up.
    kernel_stddev: float = None  # type: ignore[assignment]
    l2: float = None  # type: ignore[assignment]
    exploration_rate: float = 0.02
    max_train_samples: int | None = None
    max_eval_samples: int | None = None
    validation_split: float = 0.0
    mixed_precision: bool = False
    jit_compile: bool = False
    deterministic: bool = False

    def __post_init__(self):
        check_name("data set", self.dataset, DATASETS)
        check_name("architecture", self.architecture, ARCHITECTURES)
        check_name("algorithm", self.algorithm, ALGORITHMS)
        partners = DATASETS[self.dataset].architectures
        if self.architecture not in partners:
            raise BrainPropError(
                f"{self.dataset} does not go with {self.architecture} in the paper: "
                f"choose from {', '.join(partners)}"
            )
        if self.deterministic and self.jit_compile:
            raise BrainPropError(
                "XLA's steps are not deterministic: give --deterministic or --jit, not both"
            )
        row = ARCHITECTURES[self.architecture]
        for name in ("batch_size", "kernel_stddev", "l2"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(row, name))
        for name, (kind, low, high) in _RANGES.items():
            value = getattr(self, name)
            # What is None by default may stay so; the architecture's are looked up by now.
            if value is not None or getattr(Experiment, name) is not None:
                check_number(name, value, kind, low, high)
                object.__setattr__(self, name, kind(value))  # NumPy has numbers of its own.

    @property
    def row(self) -> tuple[str, str, str]:
        """The row of the paper's table that it belongs to: data set, architecture, algorithm."""
        return self.dataset, self.architecture, self.algorithm

    @property
    def name(self) -> str:
        """What the run's files are called: `{dataset}_{architecture}_{algorithm}`."""
        return "_".join(self.row)

    @property
    def title(self) -> str:
        """What figures of it are called."""
        return ", ".join(self.row)

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0: halved after every `halving_epochs`."""
        return self.learning_rate * 0.5 ** (epoch // self.halving_epochs)

    def settings(self) -> dict:
        """The attributes by name, as JSON knows them."""
        return dataclasses.asdict(self)

    def departures(self) -> dict:
        """The settings that are not the paper's, by name; any seed is the paper's."""
        paper = Experiment(*self.row, self.seed).settings()
        return {name: value for name, value in self.settings().items() if value != paper[name]}


def data_for(experiment: Experiment, data_dir: Path | None = None) -> Data:
    """Loads the data of an experiment; see `datasets.load_data`.

    Raises:
        BrainPropError: As `load_data`; or there are fewer images to train on than a batch shall
            have that is not the paper's, which would make each update smaller without a word.
    """
    data = load_data(
        experiment.dataset,
        data_dir,
        experiment.max_train_samples,
        experiment.max_eval_samples,
        experiment.seed,
    )
    if "batch_size" in experiment.departures():
        (_, labels), _ = data
        images = len(labels)
        if experiment.validation_split:
            images -= held_out(labels, experiment.validation_split, experiment.seed).sum()
        check_number("batch_size", experiment.batch_size, int, 1, images)
    return data


_RANGES = {
    "seed": (int, 0, MAX_INTEGER),
    "epochs": (int, 1, 10**6),
    "patience": (int, 1, 10**6),
    "min_delta": (float, 0, 1),
    "learning_rate": (float, 1e-12, 1e3),
    "halving_epochs": (int, 1, 10**6),
    "batch_size": (int, 1, 2**20),
    "kernel_stddev": (float, 1e-12, 1e3),
    "l2": (float, 0, 1e3),
    "exploration_rate": (float, 0, 1),
    "validation_split": (float, 0, 0.9),
    "max_train_samples": (int, 1, MAX_INTEGER),
    "max_eval_samples": (int, 1, MAX_INTEGER),
}
