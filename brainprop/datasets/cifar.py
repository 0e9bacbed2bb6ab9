"""CIFAR-10 and CIFAR-100: 60,000 photographs of 32 x 32 pixels each, by Alex Krizhevsky.

Described at https://www.cs.toronto.edu/~kriz/cifar.html. Each file is a pickled dictionary of
Python 2; a row of its data is an image, channel by channel.
"""

import contextlib
import gzip
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
MAX_FILE_BYTES = 2**28  # the largest, CIFAR-100's train, has 155 million
MAX_TAR_BYTES = 2**29  # the real ones unpack to 186 million


@dataclass(frozen=True)
class Layout:
    """What one of the two data sets looks like on disk.

    Attributes:
        source: Where it comes from.
        folder: The name of its folder, in the archive too.
        train: The files of the training set.
        test: The file of the test set.
        label_key: The dictionary key of the labels.
        class_names: What the labels 0, 1, ... mean, as the data set's own `meta` file tells.
    """

    source: Source
    folder: str
    train: tuple[str, ...]
    test: str
    label_key: bytes
    class_names: tuple[str, ...]

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    def load(self, data_dir: str | Path | None = None) -> Data:
        """Loads the data set; of CIFAR-100, the 100 fine labels.

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
            del content  # or two files would be in memory at once
        missing = [name for name in names if name not in batches]
        if missing:
            raise BrainPropError(f"{path} holds no {' and no '.join(missing)}: {remedy}")
        test = batches.pop(self.test)
        return _joined([batches[name] for name in self.train]), _joined([test])


CIFAR10 = Layout(
    source=Source(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        names=(
            "cifar-10-batches-py",
            "cifar-10-python.tar.gz",
            "cifar-10-batches-py-target/cifar-10-batches-py",  # as Keras 3 unpacks it
        ),
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    folder="cifar-10-batches-py",
    train=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test="test_batch",
    label_key=b"labels",
    class_names=(
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
        "truck",
    ),
)  # fmt: skip
CIFAR100 = Layout(
    source=Source(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        names=(
            "cifar-100-python",
            "cifar-100-python.tar.gz",
            "cifar-100-python-target/cifar-100-python",
        ),
        sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    ),
    folder="cifar-100-python",
    train=("train",),
    test="test",
    label_key=b"fine_labels",
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
    """Yields the name and content of each of the folder's files that are needed and there."""
    for name in names:
        with reading(path / name, remedy), contextlib.suppress(FileNotFoundError):
            yield name, read_bytes(path / name, MAX_FILE_BYTES)


def _from_tar(path: Path, layout: Layout) -> Iterator[tuple[str, bytes]]:
    """Yields the same from the archive, which is read once from its beginning, not extracted."""
    wanted = {f"{layout.folder}/{name}": name for name in (*layout.train, layout.test)}
    with reading(path, layout.source.remedy):
        check_regular(path)
        with _BoundedGzip(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                _check_member(member)
                if member.name in wanted:
                    if not member.isreg() or member.size > MAX_FILE_BYTES:
                        raise ValueError(f"{member.name} is no regular file, or too large")
                    file = archive.extractfile(member)
                    yield wanted.pop(member.name), file.read()  # type: ignore[union-attr]
                if not wanted:
                    return


def _check_member(member: tarfile.TarInfo) -> None:
    """Refuses a size that would have tarfile skip forever, or go back."""
    if member.size < 0 or member.offset_data + member.size > MAX_TAR_BYTES:
        raise ValueError(f"it would unpack to more than its at most {MAX_TAR_BYTES} bytes")


class _BoundedGzip(gzip.GzipFile):
    """A gzip file that refuses to unpack to more than a real archive does."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0 or self.tell() + size > MAX_TAR_BYTES:
            raise ValueError(f"it would unpack to more than its at most {MAX_TAR_BYTES} bytes")
        return super().read(size)


def _batch(content: bytes, layout: Layout) -> Split:
    """Reads one file: images (n, 32, 32, 3), a view of it, and labels (n,)."""
    batch = pickles.loads(content)
    rows, labels = batch.get(b"data"), batch.get(layout.label_key)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 3 * 32 * 32:
        raise ValueError("its data are no rows of 3072 bytes")
    if isinstance(labels, list) and all(type(label) is int for label in labels):
        labels = np.asarray(labels)
    if not isinstance(labels, np.ndarray):
        raise ValueError(f"its {layout.label_key.decode()} are no list of integers")
    images = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return checked_split("batch's", images, labels, IMAGE_SHAPE, layout.classes)


def _joined(batches: list[Split]) -> Split:
    """Puts batches together into one new pair of arrays, of the usual memory layout."""
    images = np.empty((sum(len(labels) for _, labels in batches), *IMAGE_SHAPE), np.uint8)
    np.concatenate([images for images, _ in batches], out=images)
    return images, np.concatenate([labels for _, labels in batches])
