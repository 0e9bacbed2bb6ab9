"""An experiment: everything that decides the outcome of a run, with the paper's values as defaults.

Nothing here imports TensorFlow, so that arguments are checked at once.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainprop.common.arguments import check_number, known_name
from brainprop.common.errors import BrainPropError, printable
from brainprop.datasets.folder import IMAGE_SIZE
from brainprop.datasets.splits import Data, held_out
from brainprop.datasets.table import (
    DATASETS,
    MAX_INTEGER,
    Dataset,
    dataset_name,
    dataset_row,
    load_data,
)
from brainprop.paper import ALGORITHMS, ARCHITECTURES, architectures_of

# The settings whose default is the architecture's.
OF_ARCHITECTURE = ("batch_size", "kernel_stddev", "l2")
# How an error, or attention, is fed back through a network: docs/feedback.md.
FEEDBACK = ("symmetric", "learned", "random", "sign", "direct")


def setting(
    default,
    help: str,
    low: float = 0,
    high: float = math.inf,
    *,
    kind: type = int,
    option=None,
    none: str = "all",
    choices: tuple[str, ...] = (),
) -> Any:
    """Describes a setting of an experiment; `brainprop.options` makes an option of it.

    Args:
        default: The paper's value. `None` for one of `OF_ARCHITECTURE`, or as `none` describes.
        help: What `--help` says about it.
        low: The smallest value.
        high: The largest value.
        kind: `int`, `float`, `bool` or `str`.
        option: The option's name. Defaults to the field's.
        none: What a default of `None` means, as `--help` shows it.
        choices: The values that a `str` can have, in any case of letters.
    """
    limits = {"kind": kind, "low": low, "high": high, "choices": choices}
    metadata = limits | {"help": help, "option": option, "none": none}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Experiment:
    """All settings of a run. The defaults are the paper's.

    Names can be written in any case: "cifar10" is CIFAR10. The help of each setting describes it.

    Attributes:
        dataset: A name in `brainprop.datasets.table.DATASETS`, or a folder of images. The folder's
            path becomes absolute, so that the run can be repeated from any folder.
        architecture: A name in `brainprop.paper.ARCHITECTURES` that goes with the data set.
        algorithm: A name in `brainprop.paper.ALGORITHMS`.
        rule_arguments: The algorithm's own arguments, by name (see `register_algorithm`). The
            attribute is a tuple of pairs, with the defaults of those that were not given.

    Raises:
        BrainPropError: If a name is unknown, a number is out of range, or two settings do not go
            together.
    """

    dataset: str
    architecture: str
    algorithm: str
    seed: int = setting(
        1,
        "seed of initial weights, shuffling, dropout and exploration (paper: ten seeds for its "
        "tables)",
        high=MAX_INTEGER,
    )
    epochs: int = setting(500, "train for at most N epochs", 1, 10**6)
    patience: int = setting(
        45,
        "stop after N epochs in which the validation accuracy has not risen by more than "
        "--min-delta",
        1,
        10**6,
    )
    min_delta: float = setting(
        0.001, "smallest rise in validation accuracy that counts as progress", 0, 1, kind=float
    )
    learning_rate: float = setting(
        0.1, "learning rate of plain SGD, at the start", 1e-12, 1e3, kind=float
    )
    halving_epochs: int = setting(100, "halve the learning rate after every N epochs", 1, 10**6)
    batch_size: int = setting(None, "number of images in a step", 1, 2**20)
    kernel_stddev: float = setting(
        None, "standard deviation of the initial weights", 1e-12, 1e3, kind=float
    )
    l2: float = setting(
        None, "weight decay: the loss grows by this times the sum of squares", 0, 1e3, kind=float
    )
    exploration_rate: float = setting(
        0.02,
        "BrainProp's epsilon: the share of trials whose class is drawn from the Boltzmann "
        "distribution",
        0,
        1,
        kind=float,
    )
    reward_noise: float = setting(
        0.0, "flip BrainProp's reward with this probability", 0, 1, kind=float
    )
    feedback: str = setting(
        "symmetric",
        "how the error, or attention, is fed back: through the transposed kernels, or through "
        "separate feedback connections",
        kind=str,
        choices=FEEDBACK,
    )
    max_train_samples: int | None = setting(
        None, "train on a random subset of N images, drawn by --seed", 1
    )
    max_eval_samples: int | None = setting(
        None, "evaluate on a random subset of N images, drawn by --seed", 1
    )
    classes: int | None = setting(
        None, "take only N classes, drawn by --seed; their labels count from 0", 2
    )
    image_size: int | None = setting(
        None, "height and width of a folder's images", 8, 2**12, none=f"{IMAGE_SIZE}"
    )
    validation_split: float = setting(
        0.0,
        "hold out this part of the training images, stratified and drawn by --seed. The best "
        "epoch is chosen on them, and its weights are tested once on the test set (paper: it is "
        "chosen on the test set)",
        0,
        0.9,
        kind=float,
    )
    mixed_precision: bool = setting(
        False,
        "compute in 16-bit floating point: bfloat16 on a CPU or a recent GPU, else float16; much "
        "slower on a CPU without AVX-512 BF16 or AMX",
        kind=bool,
    )
    jit_compile: bool = setting(
        False, "compile the training step with XLA; slower on a CPU", kind=bool, option="--jit"
    )
    deterministic: bool = setting(
        False,
        "give the same bits in every run on the same machine, which may be slower",
        kind=bool,
    )
    rule_arguments: Mapping[str, float] | tuple[tuple[str, float], ...] = ()

    def __post_init__(self):
        self._set("dataset", dataset_name(self.dataset))
        for name, known in (("architecture", ARCHITECTURES), ("algorithm", ALGORITHMS)):
            self._set(name, known_name(name, getattr(self, name), known))
        partners = architectures_of(self.dataset)
        if self.architecture not in partners:
            raise BrainPropError(
                f"{self.dataset} does not go with {self.architecture} in the paper: "
                f"choose from {', '.join(partners)}"
            )
        if self.deterministic and self.jit_compile:
            raise BrainPropError(
                "XLA's steps are not deterministic: give --deterministic or --jit, not both"
            )
        for name in OF_ARCHITECTURE:
            if getattr(self, name) is None:
                self._set(name, getattr(ARCHITECTURES[self.architecture], name))
        for field in settings_fields():
            value, limits = getattr(self, field.name), field.metadata
            # What is None by default may stay None; the architecture's values are filled in.
            if value is None and field.default is None:
                continue
            if limits["kind"] is bool:
                if not isinstance(value, bool):
                    raise BrainPropError(f"{field.name} must be true or false, not {value!r}")
                continue
            if limits["choices"]:
                self._set(field.name, known_name(field.name, value, limits["choices"]))
                continue
            high = limits["high"]
            if field.name == "classes" and self.dataset in DATASETS:
                high = DATASETS[self.dataset].classes
            check_number(field.name, value, limits["kind"], limits["low"], high)
            self._set(field.name, limits["kind"](value))  # NumPy's numbers become Python's.
        if self.dataset in DATASETS:
            self.dataset_row  # noqa: B018  # It checks that classes and image_size fit.
        elif self.image_size is None:
            self._set("image_size", IMAGE_SIZE)
        self._set("rule_arguments", self._all_rule_arguments())

    def _all_rule_arguments(self) -> tuple[tuple[str, float], ...]:
        """Returns the algorithm's own arguments: those given, and the defaults of the others."""
        defaults, given = ALGORITHMS[self.algorithm].own, dict(self.rule_arguments)
        for name, value in given.items():
            if name not in defaults:
                raise BrainPropError(f"{self.algorithm} has no {name}: leave it out")
            check_number(name, value, type(defaults[name]), -math.inf, math.inf)
        return tuple(
            (name, type(usual)(given.get(name, usual))) for name, usual in defaults.items()
        )

    def _set(self, name: str, value) -> None:
        object.__setattr__(self, name, value)

    @property
    def row(self) -> tuple[str, str, str]:
        """The row of the paper's table that it belongs to: data set, architecture, algorithm."""
        return self.dataset, self.architecture, self.algorithm

    @property
    def dataset_row(self) -> Dataset:
        """What is known about its data set: shape of the images, classes and their names.

        It has the `classes` and the `image_size` of this experiment. A folder of images is listed.

        Raises:
            BrainPropError: As `brainprop.datasets.table.dataset_row`.
        """
        return dataset_row(self.dataset, self.seed, self.classes, self.image_size)

    @property
    def name(self) -> str:
        """The beginning of its files' names: `{dataset}_{architecture}_{algorithm}`."""
        return "_".join((Path(self.dataset).name, *self.row[1:]))

    @property
    def title(self) -> str:
        """The title of its figures."""
        return printable(", ".join((Path(self.dataset).name, *self.row[1:])))

    def learning_rate_at(self, epoch: int) -> float:
        """Returns the learning rate of an epoch, counted from 0."""
        return self.learning_rate * 0.5 ** (epoch // self.halving_epochs)

    def settings(self) -> dict:
        """Returns the attributes by name, as JSON takes them."""
        settings = dataclasses.asdict(self)
        own = dict(settings.pop("rule_arguments"))
        return settings | {"rule_arguments": own} if own else settings

    def overrides(self) -> dict:
        """Returns the settings that are not the paper's, by name. The seed is never among them."""
        paper = Experiment(*self.row, self.seed).settings()
        own = paper.pop("rule_arguments", {})
        settings, usual = self.settings(), paper | own
        settings |= settings.pop("rule_arguments", {})
        return {name: value for name, value in settings.items() if value != usual[name]}


def settings_fields() -> list[dataclasses.Field]:
    """Returns the fields of `Experiment` that `setting` describes."""
    return [field for field in dataclasses.fields(Experiment) if field.metadata]


def data_for(
    experiment: Experiment, data_dir: str | Path | None = None, to_train: bool = True
) -> Data:
    """Loads the data of an experiment; see `load_data`.

    Args:
        experiment: The experiment.
        data_dir: As for `load_data`.
        to_train: Whether to check that the training images fill a batch.

    Raises:
        BrainPropError: As `load_data`, or if there are too few training images for a full batch:
            every update would silently be smaller.
    """
    data = load_data(
        experiment.dataset,
        data_dir,
        experiment.max_train_samples,
        experiment.max_eval_samples,
        experiment.seed,
        experiment.classes,
        experiment.image_size,
    )
    if to_train:
        (_, labels), _ = data
        images = len(labels)
        if experiment.validation_split:
            images -= held_out(labels, experiment.validation_split, experiment.seed).sum()
        check_batch_size(experiment.batch_size, images)
    return data


def check_batch_size(batch_size: int, images: int) -> None:
    """Checks that there are enough images for one full batch.

    Raises:
        BrainPropError: If there are fewer.
    """
    if batch_size > images:
        raise BrainPropError(
            f"batch_size must be a whole number from 1 to {images}, not {batch_size}: "
            f"there are {images} training images, and a batch that is never full makes every "
            "update smaller; give a smaller --batch-size"
        )
