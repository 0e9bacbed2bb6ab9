"""The data sets of the paper: a table with a row for each, and one function to load any of them.

A new data set is a new row here and a module with its `load` function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from brainprop.common.arguments import check_number, known_name
from brainprop.datasets import cifar, mnist, tiny_imagenet
from brainprop.datasets.splits import Data, Split, checksum, held_out, hold_out, sample

MAX_INTEGER = 2**31 - 1

__all__ = ["DATASETS", "Data", "Dataset", "Split", "checksum", "held_out", "hold_out", "load_data"]


@dataclass(frozen=True)
class Dataset:
    """What the program knows about a data set.

    Attributes:
        image_shape: Height, width and channels of an image.
        classes: The number of classes.
        training_images: How many the whole data set has.
        load: Loads it from a directory (see `load_data`'s `data_dir`).
        class_names: What the labels 0, 1, ... mean, from the same directory where it takes the
            data set to know them.
        test_images: How many the whole data set has.
    """

    image_shape: tuple[int, int, int]
    classes: int
    training_images: int
    load: Callable[[str | Path | None], Data]
    class_names: Callable[[str | Path | None], tuple[str, ...]]
    test_images: int = 10_000


DATASETS = {
    "MNIST": Dataset(
        image_shape=mnist.IMAGE_SHAPE,
        classes=mnist.CLASSES,
        training_images=60_000,
        load=mnist.load,
        class_names=lambda data_dir: mnist.CLASS_NAMES,
    ),
    "CIFAR10": Dataset(
        image_shape=cifar.IMAGE_SHAPE,
        classes=cifar.CIFAR10.classes,
        training_images=50_000,
        load=cifar.CIFAR10.load,
        class_names=lambda data_dir: cifar.CIFAR10.class_names,
    ),
    "CIFAR100": Dataset(
        image_shape=cifar.IMAGE_SHAPE,
        classes=cifar.CIFAR100.classes,
        training_images=50_000,
        load=cifar.CIFAR100.load,
        class_names=lambda data_dir: cifar.CIFAR100.class_names,
    ),
    "TinyImageNet": Dataset(
        image_shape=tiny_imagenet.IMAGE_SHAPE,
        classes=tiny_imagenet.CLASSES,
        training_images=100_000,
        load=tiny_imagenet.load,
        class_names=tiny_imagenet.class_names,
    ),
}


def load_data(
    dataset: str,
    data_dir: str | Path | None = None,
    max_train_samples: int | None = None,
    max_eval_samples: int | None = None,
    seed: int = 1,
) -> Data:
    """Loads a data set, or a random part of it.

    Args:
        dataset: "MNIST", "CIFAR10", "CIFAR100" or "TinyImageNet".
        data_dir: The directory that holds what the official download left. By default the one
            that the environment variable BRAINPROP_DATA names, else the current one, and then the
            project's own. What is not there is looked for in Keras's cache, then downloaded.
        max_train_samples: Take only so many training images, drawn at random. All by default.
        max_eval_samples: Take only so many test images, drawn at random. All by default.
        seed: Of these draws.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, as of `keras.datasets`: images uint8 of shape
        (n, height, width, channels), labels int32 of shape (n,). The test set of Tiny ImageNet is
        its validation set.

    Raises:
        BrainPropError: If an argument is bad, or a file is missing or damaged.
    """
    dataset = known_name("data set", dataset, DATASETS)
    check_number("seed", seed, int, 0, MAX_INTEGER)
    for name, number in (
        ("max_train_samples", max_train_samples),
        ("max_eval_samples", max_eval_samples),
    ):
        if number is not None:
            check_number(name, number, int, 1, MAX_INTEGER)
    train, test = DATASETS[dataset].load(data_dir)
    return sample(train, max_train_samples, seed), sample(test, max_eval_samples, seed)
