"""CIFAR-10 and CIFAR-100: 60,000 photographs of 32 x 32 pixels each, by Alex Krizhevsky.

Described at https://www.cs.toronto.edu/~kriz/cifar.html. Each file is a pickled dictionary of
Python 2; a row of its data is an image, channel by channel.
"""

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from brainprop.common.errors import BrainPropError
from brainprop.common.reading import MAX_FILE_BYTES, check_regular, read_bytes, reading
from brainprop.datasets import pickles
from brainprop.datasets.sources import Source, find
from brainprop.datasets.splits import Data, Split, checked_split

IMAGE_SHAPE = (32, 32, 3)


@dataclass(frozen=True)
class Layout:
    """One of the two data sets, as it is on disk.

    Attributes:
        folder: The folder in the official archive.
        archive: The archive's name without its ending.
        sha256: The archive's checksum.
        train: The files of the training set.
        test: The file of the test set.
        label_key: The dictionary key of the labels.
        class_names: What the labels 0, 1, ... mean, as the data set's own `meta` file has them.
    """

    folder: str
    archive: str
    sha256: str
    train: tuple[str, ...]
    test: str
    label_key: str
    class_names: tuple[str, ...]

    @property
    def source(self) -> Source:
        """Where it comes from and how it is found."""
        return Source(
            url=f"https://www.cs.toronto.edu/~kriz/{self.archive}.tar.gz",
            names=(
                self.folder,
                f"{self.folder}/{self.folder}",
                f"{self.archive}.tar.gz",
                f"{self.archive}.tar",  # As a browser unpacks it.
                f"{self.archive}/{self.folder}",  # As Windows extracts it.
                f"{self.folder}-target/{self.folder}",  # Keras 3.15 extracts the archive to this,
                f"{self.folder}-target_archive",  # and keeps it as this.
                f"{self.folder}.tar.gz",  # As Keras 2 calls the archive.
            ),
            files=(*self.train, self.test),
            sha256=self.sha256,
        )

    def load(self, data_dir: str | Path | None = None) -> Data:
        """Loads the data set, with CIFAR-100's 100 fine labels; see `table.load_data`."""
        source = self.source
        path, remedy = find(source, data_dir), source.remedy
        splits = {}
        with reading(path, remedy):
            for name, read in _files(path, source.files):
                with reading(path / name, remedy):
                    splits[name] = self._split(read())
        missing = [name for name in source.files if name not in splits]
        if missing:
            raise BrainPropError(f"{path} holds no {' and no '.join(missing)}: {remedy}")
        return _joined([splits[name] for name in self.train]), _joined([splits[self.test]])

    def _split(self, content: bytes) -> Split:
        """Reads one file: images, a view of it of shape (n, 32, 32, 3), and labels, shape (n,)."""
        batch = pickles.loads(content)
        rows, labels = batch.get("data"), batch.get(self.label_key)
        if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 3 * 32 * 32:
            raise ValueError("its data are not rows of 3072 bytes")
        if isinstance(labels, list | tuple) and all(type(label) is int for label in labels):
            labels = np.asarray(labels)
        if not isinstance(labels, np.ndarray):
            raise ValueError(f"its {self.label_key} are not a list of integers")
        images = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return checked_split("CIFAR", images, labels, IMAGE_SHAPE, len(self.class_names))


def _files(path: Path, names: tuple[str, ...]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yields the files that a folder or an archive holds, with what reads each.

    The archive is not extracted. Only the files' own names count: in some archives the folder is
    "./cifar-10-batches-py".
    """
    if path.is_dir():
        for name in names:
            if (path / name).exists():
                yield name, partial(read_bytes, path / name)
    else:
        check_regular(path)
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                file = archive.extractfile(member) if name in names else None
                if file:
                    yield name, partial(file.read, MAX_FILE_BYTES)


def _joined(splits: list[Split]) -> Split:
    """Joins the contents of files in new arrays, of the usual memory layout."""
    images, labels = zip(*splits, strict=True)
    joined = np.empty((sum(map(len, labels)), *IMAGE_SHAPE), np.uint8)
    return np.concatenate(images, out=joined), np.concatenate(labels)


CIFAR10 = Layout(
    folder="cifar-10-batches-py",
    archive="cifar-10-python",
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    train=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
    test="test_batch",
    label_key="labels",
    class_names=(
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
        "truck",
    ),
)  # fmt: skip
CIFAR100 = Layout(
    folder="cifar-100-python",
    archive="cifar-100-python",
    sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    train=("train",),
    test="test",
    label_key="fine_labels",
    class_names=(
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle",
        "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle",
        "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch",
        "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest",
        "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower",
        "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
        "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear",
        "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit",
        "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
        "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower",
        "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor", "train",
        "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
    ),
)  # fmt: skip
