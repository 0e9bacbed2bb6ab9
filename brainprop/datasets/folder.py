"""Folders of images: one folder a class, as `keras.utils.image_dataset_from_directory` takes them.

    pets/train/cat/*.jpg    pets/train/dog/*.jpg    the training images
    pets/test/cat/*.jpg     pets/test/dog/*.jpg     the test images; the folder may be called val

Without `test` and `val`, a fifth of each class is drawn for testing. Without `train`, the class
folders stand in `pets` itself. Folders in a class folder belong to the class.
"""

from pathlib import Path

import numpy as np

from brainprop.common.errors import BrainPropError, printable
from brainprop.common.reading import files_below, reading
from brainprop.datasets.cache import cached_images, size_and_time
from brainprop.datasets.pictures import SUFFIXES, each_picture
from brainprop.datasets.splits import Data, held_out

IMAGE_SIZE = 32
CHANNELS = 3
TEST_SHARE = 0.2

_REMEDY = "give a folder that can be read"


class ImageFolder:
    """A folder of images, listed.

    Args:
        path: The folder.
        seed: Seed of the draw of test images, if the folder has none.

    Attributes:
        class_names: The sorted names of the class folders. The labels count them from 0.
        paths: The images' files.
        labels: Their labels, int32 of shape `(n,)`.
        train, test: Which images belong to which set, as an index of `paths` and `labels`.

    Raises:
        BrainPropError: If there is no such folder, fewer than two classes, or a class without
            images.
    """

    train: slice | np.ndarray
    test: slice | np.ndarray

    def __init__(self, path: Path, seed: int = 1):
        self.path = path
        with reading(path, _REMEDY):
            if not path.is_dir():
                raise BrainPropError(
                    f"{path} is not a folder of images: give one with a folder for each class"
                )
            training, testing = _images(path / "train"), {}
            if training:
                testing = _images(path / "test") or _images(path / "val")
            else:
                training = _images(path)
                _check_no_parts(path, training)
        _check(path, training, testing)
        self.class_names = tuple(map(printable, training))
        images = [
            (image, label)
            for split in (training, testing)
            for label, name in enumerate(training)
            for image in split.get(name, ())
        ]
        self.paths = [image for image, _ in images]
        self.labels = np.array([label for _, label in images], np.int32)
        if testing:
            count = sum(map(len, training.values()))
            self.train, self.test = slice(count), slice(count, None)
        else:
            drawn = held_out(self.labels, TEST_SHARE, seed)
            self.train, self.test = ~drawn, drawn

    def load(self, image_size: int = IMAGE_SIZE) -> Data:
        """Loads the images, from a cache file beside the folder from the second time on.

        Each is cropped and resized as `brainprop.datasets.pictures.read_pictures` describes.

        Args:
            image_size: Height and width.

        Raises:
            BrainPropError: If images cannot be read. The message names them.
        """
        shape = (image_size, image_size, CHANNELS)
        with reading(self.path, _REMEDY):
            contents = [
                (str(path.relative_to(self.path)), *size_and_time(path)) for path in self.paths
            ]
        images = cached_images(
            self.path.with_name(f"{self.path.name}.{image_size}.cache"),
            contents,
            (len(contents), *shape),
            lambda: each_picture(self.paths, shape),
        )
        return (
            (images[self.train], self.labels[self.train]),
            (images[self.test], self.labels[self.test]),
        )


Images = dict[str, list[Path]]  # The images of each class, by its name.


def _images(folder: Path) -> Images:
    """Lists the images of each class folder, both sorted; a missing folder has none."""
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    return {
        place.name: [place / name for name in files_below(place) if name.lower().endswith(SUFFIXES)]
        for place in places
        if place.is_dir() and not place.name.startswith(".")
    }


def _check_no_parts(path: Path, classes: Images) -> None:
    """Checks that no class folder is one of the parts: "Train", or "test" without "train"."""
    for name, images in classes.items():
        nested = any(image.parent != path / name for image in images)
        if nested and name.casefold() in ("train", "test", "val"):
            raise BrainPropError(
                f"{path / name} would be a class: name the parts of {path} train and test (or "
                "val), in small letters, with the class folders in them"
            )


def _check(path: Path, training: Images, testing: Images) -> None:
    """Checks that every class has images to train on, and that there are some to test on."""
    if len(training) < 2:
        raise BrainPropError(
            f"{path} has fewer than two class folders: put the images of each class into one"
        )
    for name in sorted(training.keys() | testing.keys()):
        if not training.get(name):
            raise BrainPropError(
                f"class {name!r} of {path} has no training images ({', '.join(SUFFIXES)}): add "
                "some, or remove its folders"
            )
    if testing and not any(testing.values()):
        raise BrainPropError(f"the test folder of {path} has no images: add some, or remove it")
