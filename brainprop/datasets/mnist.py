"""MNIST: 70,000 handwritten digits of 28 x 28 gray pixels, by LeCun, Cortes and Burges.

The file is the one that `keras.datasets.mnist` downloads, see SOURCE. The one in this repository
holds the same arrays, compressed anew, and so has another checksum.
"""

from pathlib import Path

import numpy as np

from brainprop.common.reading import read_npz, reading
from brainprop.datasets.sources import Source, find
from brainprop.datasets.splits import Data, checked_split

SOURCE = Source(
    url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    names=("mnist.npz",),
    sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
IMAGE_SHAPE = (28, 28, 1)
CLASS_NAMES = tuple("0123456789")
CLASSES = len(CLASS_NAMES)
MAX_BYTES = 2**26  # the real one unpacks to 55 million


def load(data_dir: str | Path | None = None) -> Data:
    """Loads MNIST.

    Args:
        data_dir: Where to look for `mnist.npz`; see `brainprop.datasets.sources.find`.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images uint8 of shape (n, 28, 28, 1), labels
        int32 of shape (n,).

    Raises:
        BrainPropError: If the file is missing or damaged.
    """
    path = find(SOURCE, data_dir)
    with reading(path, SOURCE.remedy):
        x_train, y_train, x_test, y_test = read_npz(
            path, ("x_train", "y_train", "x_test", "y_test"), MAX_BYTES
        )
        return (
            checked_split("train", x_train[..., np.newaxis], y_train, IMAGE_SHAPE, CLASSES),
            checked_split("test", x_test[..., np.newaxis], y_test, IMAGE_SHAPE, CLASSES),
        )
