"""MNIST: 70,000 handwritten digits of 28 x 28 gray pixels, by LeCun, Cortes and Burges.

`keras.datasets.mnist` downloads the same file. The one in this repository holds the same arrays,
compressed again, so its checksum differs.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from brainprop.common.reading import check_regular, reading
from brainprop.datasets.sources import Source, find
from brainprop.datasets.splits import Data, Split, checked_split

SOURCE = Source(
    url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    names=("mnist.npz",),
    sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
IMAGE_SHAPE = (28, 28, 1)
CLASS_NAMES = tuple("0123456789")


def load(data_dir: str | Path | None = None) -> Data:
    """Loads MNIST; see `brainprop.datasets.table.load_data`."""
    path = find(SOURCE, data_dir)
    with reading(path, SOURCE.remedy):
        check_regular(path)
        with np.load(path, allow_pickle=False) as arrays:
            return _split("train", arrays), _split("test", arrays)


def _split(name: str, arrays: Mapping[str, np.ndarray]) -> Split:
    """Returns one set; its images may have a last axis of 1 already, as `load` returns them."""
    images, labels = arrays[f"x_{name}"], arrays[f"y_{name}"]
    if images.shape[1:] == IMAGE_SHAPE[:2]:
        images = images[..., np.newaxis]
    return checked_split(name, images, labels, IMAGE_SHAPE, len(CLASS_NAMES))
