"""CIFAR-10 and CIFAR-100: 60,000 photographs of 32 x 32 pixels each, by Alex Krizhevsky.

Described at https://www.cs.toronto.edu/~kriz/cifar.html. Each file is a pickled dictionary of
Python 2; a row of its data is an image, channel by channel.
"""

import contextlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainprop.common.errors import BrainPropError
from brainprop.common.reading import check_regular, read_bytes, reading
from brainprop.datasets import pickles
from brainprop.datasets.sources import Source, find
from brainprop.datasets.splits import Data, Split, checked_split

IMAGE_SHAPE = (32, 32, 3)
MAX_FILE_BYTES = 2**28  # The largest, CIFAR-100's train, has 155 million.


@dataclass(frozen=True)
class Layout:
    """One of the two data sets, as it is on disk.

    Attributes:
        source: Where it comes from and how it is found.
        train: The files of the training set.
        test: The file of the test set.
        label_key: The dictionary key of the labels.
        class_names: What the labels 0, 1, ... mean, as the data set's own `meta` file has them.
    """

    source: Source
    train: tuple[str, ...]
    test: str
    label_key: str
    class_names: tuple[str, ...]

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    def load(self, data_dir: str | Path | None = None) -> Data:
        """Loads the data set, with CIFAR-100's 100 fine labels.

        Args:
            data_dir: Where to look for the folder or the archive; see `sources.find`.

        Returns:
            `((x_train, y_train), (x_test, y_test))`: images uint8 of shape (n, 32, 32, 3), labels
            int32 of shape (n,).

        Raises:
            BrainPropError: If a file is missing or damaged.
        """
        path, remedy = find(self.source, data_dir), self.source.remedy
        names = (*self.train, self.test)
        files = _from_folder(path, names, remedy) if path.is_dir() else _from_tar(path, self)
        batches = {}
        for name, content in files:
            with reading(path / name, remedy):
                batches[name] = _batch(content, self)
            del content  # Else two files would be in memory at once.
        missing = [name for name in names if name not in batches]
        if missing:
            raise BrainPropError(f"{path} holds no {' and no '.join(missing)}: {remedy}")
        test = batches.pop(self.test)
        return _joined([batches[name] for name in self.train]), _joined([test])


def _source(folder: str, archive: str, files: tuple[str, ...], sha256: str) -> Source:
    """Lists the names under which the official archive and what it holds are found.

    Args:
        folder: The folder in the archive.
        archive: The archive's name without its ending.
        files: What the folder holds.
        sha256: The archive's checksum.
    """
    return Source(
        url=f"https://www.cs.toronto.edu/~kriz/{archive}.tar.gz",
        names=(
            folder,
            f"{archive}.tar.gz",
            f"{archive}.tar",  # As a browser unpacks it.
            f"{archive}/{folder}",  # As Windows extracts it.
            f"{folder}-target/{folder}",  # Keras 3.15 extracts the archive to this,
            f"{folder}-target_archive",  # and keeps it as this.
            f"{folder}.tar.gz",  # As Keras 2 calls the archive.
        ),
        files=files,
        sha256=sha256,
    )


_CIFAR10_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
CIFAR10 = Layout(
    source=_source(
        "cifar-10-batches-py",
        "cifar-10-python",
        (*_CIFAR10_TRAIN, "test_batch"),
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    train=_CIFAR10_TRAIN,
    test="test_batch",
    label_key="labels",
    class_names=(
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
        "truck",
    ),
)  # fmt: skip
CIFAR100 = Layout(
    source=_source(
        "cifar-100-python",
        "cifar-100-python",
        ("train", "test"),
        "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    ),
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


def _from_folder(path: Path, names: tuple[str, ...], remedy: str) -> Iterator[tuple[str, bytes]]:
    """Yields the name and content of each file of the data set that the folder holds."""
    for name in names:
        with reading(path / name, remedy), contextlib.suppress(FileNotFoundError):
            yield name, read_bytes(path / name, MAX_FILE_BYTES)


def _from_tar(path: Path, layout: Layout) -> Iterator[tuple[str, bytes]]:
    """Yields the same from the archive, compressed or not, without extracting it.

    Only the files' own names count: in some archives the folder is "./cifar-10-batches-py".
    """
    wanted = {*layout.train, layout.test}
    with reading(path, layout.source.remedy):
        check_regular(path)
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                file = archive.extractfile(member) if name in wanted else None
                if file:
                    if member.size > MAX_FILE_BYTES:
                        raise ValueError(f"{member.name} has {member.size} bytes")
                    wanted.remove(name)
                    yield name, file.read()
                if not wanted:
                    return


def _batch(content: bytes, layout: Layout) -> Split:
    """Reads one file: images (n, 32, 32, 3), a view of it, and labels (n,)."""
    batch = pickles.loads(content)
    rows, labels = batch.get("data"), batch.get(layout.label_key)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 3 * 32 * 32:
        raise ValueError("its data are not rows of 3072 bytes")
    if isinstance(labels, list | tuple) and all(type(label) is int for label in labels):
        labels = np.asarray(labels)
    if not isinstance(labels, np.ndarray):
        raise ValueError(f"its {layout.label_key} are not a list of integers")
    images = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return checked_split("batch's", images, labels, IMAGE_SHAPE, layout.classes)


def _joined(batches: list[Split]) -> Split:
    """Joins batches into one new pair of arrays, of the usual memory layout."""
    images = np.empty((sum(len(labels) for _, labels in batches), *IMAGE_SHAPE), np.uint8)
    np.concatenate([images for images, _ in batches], out=images)
    return images, np.concatenate([labels for _, labels in batches])
