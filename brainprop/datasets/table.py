"""The data sets: a table with a row for each, and one function to load any of them.

A custom data set is a folder of images, or a row that `register_dataset` adds.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainprop.common.arguments import check_number, known_name
from brainprop.common.errors import BrainPropError, printable
from brainprop.common.reading import reading
from brainprop.datasets import cifar, mnist, tiny_imagenet
from brainprop.datasets.folder import CHANNELS, IMAGE_SIZE, ImageFolder
from brainprop.datasets.splits import Data, checked_split, only_classes, sample

MAX_INTEGER = 2**31 - 1


@dataclass(frozen=True)
class Dataset:
    """What the program knows about a data set.

    Attributes:
        image_shape: Height, width and channels of an image.
        classes: The number of classes.
        load: Loads it from a directory (see `load_data`'s `data_dir`).
        class_names: Returns the names of the classes, in the order of their labels. Reads them from
            the same directory where the data set's files have them.
        training_images, test_images: How many the whole data set has. `None` if unknown.
    """

    image_shape: tuple[int, int, int]
    classes: int
    load: Callable[[str | Path | None], Data]
    class_names: Callable[[str | Path | None], tuple[str, ...]]
    training_images: int | None = None
    test_images: int | None = None


def _cifar(layout: cifar.Layout) -> Dataset:
    names = layout.class_names
    return Dataset(cifar.IMAGE_SHAPE, len(names), layout.load, lambda _: names, 50_000, 10_000)


DATASETS = {
    "MNIST": Dataset(
        mnist.IMAGE_SHAPE, 10, mnist.load, lambda _: mnist.CLASS_NAMES, 60_000, 10_000
    ),
    "CIFAR10": _cifar(cifar.CIFAR10),
    "CIFAR100": _cifar(cifar.CIFAR100),
    "TinyImageNet": Dataset(
        tiny_imagenet.IMAGE_SHAPE,
        tiny_imagenet.CLASSES,
        tiny_imagenet.load,
        tiny_imagenet.class_names,
        100_000,
        10_000,
    ),
}
OF_THE_PAPER = tuple(DATASETS)


def register_dataset(
    name: str,
    load: Callable[[str | Path | None], Data],
    image_shape: tuple[int, int, int],
    *,
    classes: int | None = None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Adds a data set, so that its name can be given wherever "MNIST" can.

        def load(data_dir):
            return (x_train, y_train), (x_test, y_test)

        register_dataset("Stars", load, (32, 32, 3), class_names=["dwarf", "giant"])

    All architectures go with it. A name that was registered before is replaced.

    Args:
        name: The name of the data set. The files of its runs are named after it.
        load: Takes `load_data`'s `data_dir` and returns `((x_train, y_train), (x_test, y_test))`:
            images uint8 of shape `(n, *image_shape)`, labels integers from 0 of shape `(n,)`.
        image_shape: Height, width and channels of an image.
        classes: The number of classes. Needed only without `class_names`.
        class_names: The names of the classes, in the order of their labels. Defaults to
            "class 0", "class 1" and so on.

    Raises:
        BrainPropError: If the name is one of the paper's data sets or unfit for a file name, there
            are fewer than two classes, or the class names or the shape do not fit.
    """
    if not name.isprintable() or not name.strip() or {"/", "\\"} & {*name}:
        raise BrainPropError(f"{name!r} is not a name for a data set: give one without slashes")
    if name.casefold() in map(str.casefold, OF_THE_PAPER):
        raise BrainPropError(f"{name} is a data set of the paper: choose another name")
    names = tuple(map(printable, () if class_names is None else class_names))
    count = len(names) if classes is None else classes
    check_number(f"classes of {name}", count, int, 2, MAX_INTEGER)
    if names and len(names) != count:
        raise BrainPropError(f"{name} has {len(names)} class names for {count} classes")
    names = names or tuple(f"class {label}" for label in range(count))
    shape = tuple(image_shape)
    if len(shape) != 3 or not all(isinstance(n, int) and n > 0 for n in shape):
        raise BrainPropError(f"image_shape of {name} must be height, width, channels, not {shape}")

    def checked(data_dir: str | Path | None) -> Data:
        with reading(f"data set {name}", "correct the function that loads it"):
            (x_train, y_train), (x_test, y_test) = load(data_dir)
            return (
                checked_split("training", np.asarray(x_train), np.asarray(y_train), shape, count),
                checked_split("test", np.asarray(x_test), np.asarray(y_test), shape, count),
            )

    for known in [known for known in DATASETS if known.casefold() == name.casefold()]:
        del DATASETS[known]
    DATASETS[name] = Dataset(shape, count, checked, lambda data_dir: names)


def dataset_name(dataset: str | os.PathLike) -> str:
    """Returns a data set's name in the table, or the absolute path of a folder of images.

    Args:
        dataset: A name in any case of letters, else a path. The path of a missing folder must
            contain a slash. Files are named after `Path(dataset_name(...)).name`.

    Raises:
        BrainPropError: If it is neither.
    """
    name = os.fspath(dataset) if isinstance(dataset, os.PathLike) else str(dataset)
    try:
        return known_name("data set", name, DATASETS)
    except BrainPropError as error:
        if name and (os.sep in name or os.path.isdir(name)):
            return os.path.abspath(os.path.expanduser(name))
        raise BrainPropError(f"{error}, or a folder of images") from error


def dataset_row(
    dataset: str, seed: int = 1, classes: int | None = None, image_size: int | None = None
) -> Dataset:
    """Returns what the program knows about a data set, a folder of images or a part of one.

    Its arguments are those of `load_data`. The classes that are drawn keep their names and order.

    Raises:
        BrainPropError: If the data set is unknown, the folder holds no images, or a number is out
            of range.
    """
    name = dataset_name(dataset)
    if name not in DATASETS:
        row = _of_folder(Path(name), seed, IMAGE_SIZE if image_size is None else image_size)
    elif image_size is None:
        row = DATASETS[name]
    else:
        raise BrainPropError(f"image_size is for a folder of images: leave it out with {name}")
    if classes is None:
        return row
    check_number("classes", classes, int, 2, row.classes)
    return _part_of(row, classes, seed)


def _of_folder(path: Path, seed: int, image_size: int) -> Dataset:
    check_number("image_size", image_size, int, 8, 2**12)
    images = ImageFolder(path, seed)
    return Dataset(
        image_shape=(image_size, image_size, CHANNELS),
        classes=len(images.class_names),
        load=lambda data_dir: images.load(image_size),
        class_names=lambda data_dir: images.class_names,
    )


def _part_of(row: Dataset, classes: int, seed: int) -> Dataset:
    """Draws classes of a data set, and renumbers their labels from 0."""
    chosen = np.sort(np.random.default_rng(seed).choice(row.classes, classes, replace=False))

    def load(data_dir: str | Path | None) -> Data:
        train, test = (only_classes(split, chosen) for split in row.load(data_dir))
        if not len(test[1]):
            raise BrainPropError("the classes that were drawn have no test images: add some")
        return train, test

    def class_names(data_dir: str | Path | None) -> tuple[str, ...]:
        names = row.class_names(data_dir)
        return tuple(names[label] for label in chosen)

    return Dataset(row.image_shape, classes, load, class_names)


def load_data(
    dataset: str,
    data_dir: str | Path | None = None,
    max_train_samples: int | None = None,
    max_eval_samples: int | None = None,
    seed: int = 1,
    classes: int | None = None,
    image_size: int | None = None,
) -> Data:
    """Loads a data set, or a random part of it.

    Args:
        dataset: "MNIST", "CIFAR10", "CIFAR100", "TinyImageNet", a name that `register_dataset`
            added, or a folder of images (see `brainprop.datasets.folder`).
        data_dir: The directory that holds the official file or folder of the data set, or that
            folder itself. Defaults to the directory that the environment variable BRAINPROP_DATA
            names, else the current one, and then the project's own. What is missing there is
            looked for in Keras's cache, then downloaded.
        max_train_samples: The number of training images, drawn at random. Defaults to all.
        max_eval_samples: The number of test images, drawn at random. Defaults to all.
        seed: Seed of the draws: of images, of classes, and of test images in a folder without any.
        classes: The number of classes, drawn at random; their labels are renumbered from 0.
            Defaults to all.
        image_size: Height and width of a folder's images. Defaults to 32.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, as `keras.datasets` does: images uint8 of shape
        `(n, height, width, channels)`, labels int32 of shape `(n,)`. The test set of Tiny ImageNet
        is its validation set.

    Raises:
        BrainPropError: If an argument is bad, or a file is missing or damaged.
    """
    check_number("seed", seed, int, 0, MAX_INTEGER)
    for name, number in (
        ("max_train_samples", max_train_samples),
        ("max_eval_samples", max_eval_samples),
    ):
        if number is not None:
            check_number(name, number, int, 1, MAX_INTEGER)
    train, test = dataset_row(dataset, seed, classes, image_size).load(data_dir)
    return sample(train, max_train_samples, seed), sample(test, max_eval_samples, seed)
