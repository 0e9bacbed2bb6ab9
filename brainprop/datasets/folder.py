"""Folders of images: one folder a class, as `keras.utils.image_dataset_from_directory` takes them.

    pets/train/cat/*.jpg    pets/train/dog/*.jpg    the training images
    pets/test/cat/*.jpg     pets/test/dog/*.jpg     the test images; the folder may be called val

Without `test` and `val`, a fifth of each class is drawn for testing. Without `train`, the class
folders stand in `pets` itself. Folders in a class folder belong to the class.
"""

import os
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from brainprop.common.errors import BrainPropError
from brainprop.common.reading import reading
from brainprop.datasets.cache import cached_images
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
        names: The images' files, relative to the folder.
        labels: Their labels, int32 of shape `(n,)`.
        train, test: Which images belong to which set, as an index of `names` and `labels`.

    Raises:
        BrainPropError: If there is no such folder, fewer than two classes, or a class without
            images.
    """

    def __init__(self, path: Path, seed: int = 1):
        self.path = path
        with reading(path, _REMEDY):
            if not path.is_dir():
                raise BrainPropError(
                    f"{path} is not a folder of images: give one with a folder for each class"
                )
            train = "train" if _class_folders(path / "train") else ""
            tests = [name for name in ("test", "val") if train and _class_folders(path / name)]
            training, testing = self._images(train), self._images(tests[0]) if tests else {}
        self.class_names = tuple(training)
        self._unused = tests[1:]
        self._check(training, testing)
        images = [
            (name, label)
            for split in (training, testing)
            for label, class_name in enumerate(self.class_names)
            for name in split.get(class_name, ())
        ]
        self.names = [name for name, _ in images]
        self.labels = np.array([label for _, label in images], np.int32)
        self.train: slice | np.ndarray
        self.test: slice | np.ndarray
        if tests:
            count = sum(map(len, training.values()))
            self.train, self.test = slice(count), slice(count, None)
        else:
            self.test = self._drawn(seed)
            self.train = ~self.test

    def load(self, image_size: int = IMAGE_SIZE) -> Data:
        """Loads the images, from a cache file beside the folder from the second time on.

        Each is cropped and resized as `brainprop.datasets.pictures.read_pictures` describes.

        Args:
            image_size: Height and width.

        Returns:
            `((x_train, y_train), (x_test, y_test))`: images uint8 of shape
            `(n, image_size, image_size, 3)`, labels int32 of shape `(n,)`.

        Raises:
            BrainPropError: If images cannot be read. The message names them.
        """
        for name in self._unused:
            print(
                f"warning: {self.path / name} is not used: test holds the test images",
                file=sys.stderr,
            )
        shape = (image_size, image_size, CHANNELS)
        paths = [self.path / name for name in self.names]
        with reading(self.path, _REMEDY):
            status = [path.stat() for path in paths]
        contents = [
            (name, file.st_size, file.st_mtime_ns)
            for name, file in zip(self.names, status, strict=True)
        ]
        images = cached_images(
            self.path.parent / f"{self.path.name}.{image_size}.cache",
            contents,
            (len(paths), *shape),
            lambda: each_picture(
                tqdm(paths, desc="Decoding images", unit="image", leave=False, disable=None), shape
            ),
        )
        return (
            (images[self.train], self.labels[self.train]),
            (images[self.test], self.labels[self.test]),
        )

    def _images(self, split: str) -> dict[str, list[str]]:
        """Lists the images of each class, sorted."""
        return {
            name: _images_below(self.path, os.path.join(split, name))
            for name in _class_folders(self.path / split)
        }

    def _check(self, training: dict[str, list[str]], testing: dict[str, list[str]]) -> None:
        if len(training) < 2:
            raise BrainPropError(
                f"{self.path} needs class folders, two or more, and has {len(training)}: put the "
                "images of each class into its own folder"
            )
        for name, images in training.items():
            if not images:
                raise BrainPropError(
                    f"class {name!r} of {self.path} has no training images "
                    f"({', '.join(SUFFIXES)}): add some, or remove its folder"
                )
        if testing and not any(testing.values()):
            raise BrainPropError(
                f"{self.path} has folders for test images, but no images in them: add some, or "
                "remove the folders to have test images drawn"
            )
        for name in testing.keys() - training.keys():
            raise BrainPropError(
                f"{self.path} has test images of the class {name!r}, which has no training "
                "images: add some, or remove its folder"
            )

    def _drawn(self, seed: int) -> np.ndarray:
        """Draws a fifth of each class for testing: True for those, shape `(n,)`."""
        try:
            return held_out(self.labels, TEST_SHARE, seed)
        except BrainPropError as error:
            raise BrainPropError(
                f"{self.path} has {len(self.labels)} images, too few to draw test images from: "
                "add some, or put test images into a folder called test"
            ) from error


def _class_folders(folder: Path) -> list[str]:
    """Lists the class folders; hidden ones are none. A missing folder has none."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _images_below(root: Path, folder: str) -> list[str]:
    """Lists the images in a folder and in those below it, relative to `root`."""

    def refuse(error: OSError) -> None:
        raise error

    return sorted(
        os.path.relpath(os.path.join(place, name), root)
        for place, _, names in os.walk(root / folder, onerror=refuse, followlinks=True)
        for name in names
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    )
