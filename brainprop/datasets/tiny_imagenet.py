"""Tiny ImageNet: 110,000 photographs of 64 x 64 pixels in 200 classes, by Stanford's CS231n.

Official layout, as a folder or inside the zip, see SOURCE:

    tiny-imagenet-200/wnids.txt                     the WordNet ids of the classes
    tiny-imagenet-200/words.txt                     WordNet ids and their words, tab-separated
    tiny-imagenet-200/train/<wnid>/images/*.JPEG
    tiny-imagenet-200/val/images/*.JPEG             the test set here, as in the paper
    tiny-imagenet-200/val/val_annotations.txt       image, wnid and bounding box, tab-separated

The validation images may also be sorted into class folders, `val/<wnid>/`, as many programs want
them. The classes are numbered in the order of their sorted WordNet ids, the same on every machine.
"""

import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from brainprop.common.reading import check_regular, files_below, read_bytes, reading
from brainprop.datasets.cache import cached_images, size_and_time
from brainprop.datasets.sources import Source, find, find_here
from brainprop.datasets.splits import Data

WNIDS = "wnids.txt"
WORDS = "words.txt"
ANNOTATIONS = "val/val_annotations.txt"

FOLDER = "tiny-imagenet-200"
SOURCE = Source(
    url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    names=(FOLDER, f"{FOLDER}/{FOLDER}", f"{FOLDER}.zip"),
    files=(WNIDS, ANNOTATIONS),
)
IMAGE_SHAPE = (64, 64, 3)
CLASSES = 200


def load(data_dir: str | Path | None = None, classes: int = CLASSES) -> Data:
    """Loads Tiny ImageNet, from its cache file from the second time on; see `table.load_data`.

    The cache, `tiny-imagenet-200.cache` beside the images, can be deleted at any time.
    """
    path = find(SOURCE, data_dir)
    with reading(path, SOURCE.remedy), _opened(path) as source:
        wnids = source.wnids(classes)
        train, test = _training_images(source, wnids), _test_images(source, wnids)
        names = [*train, *test]
        images = cached_images(
            path.with_name(f"{FOLDER}.cache"),
            (path.name, sorted(source.files.items())),
            (len(names), *IMAGE_SHAPE),
            lambda: _decoded(source, names),
        )
    labels = np.searchsorted(wnids, [*train.values(), *test.values()]).astype(np.int32)
    count = len(train)
    return (images[:count], labels[:count]), (images[count:], labels[count:])


def class_names(data_dir: str | Path | None = None, classes: int = CLASSES) -> tuple[str, ...]:
    """Returns what the labels mean: the first word of each class in words.txt, else its WordNet id.

    Nothing is downloaded. If the data set is missing, prints a warning and returns "class 0",
    "class 1" and so on.

    Raises:
        BrainPropError: If the data set's files are damaged.
    """
    path = find_here(SOURCE, data_dir)
    if path is None:
        print(
            f"warning: {FOLDER} is missing, so its classes are numbered by their sorted WordNet "
            "ids: give the folder that holds it as --data-dir to have their names",
            file=sys.stderr,
        )
        return tuple(f"class {label}" for label in range(classes))
    with reading(path, SOURCE.remedy), _opened(path) as source:
        lines = source.lines(WORDS) if WORDS in source.files else []
        rows = (line.partition("\t") for line in lines)
        words = {wnid: synonyms.split(",")[0] for wnid, _, synonyms in rows}
        return tuple(words.get(wnid) or wnid for wnid in source.wnids(classes))


@dataclass(frozen=True)
class _Opened:
    """The opened folder or zip.

    Attributes:
        path: The folder or the zip.
        files: What changes with the content of each file, such as its size, by name in the folder.
        read: Reads a file, given its name in the folder.
    """

    path: Path
    files: dict[str, tuple[int, int]]
    read: Callable[[str], bytes]

    def lines(self, name: str) -> list[str]:
        """Reads the lines of a text file, without empty ones."""
        with reading(self.path / name, SOURCE.remedy):
            if name not in self.files:
                raise FileNotFoundError
            text = self.read(name).decode()
            return [line.strip() for line in text.splitlines() if line.strip()]

    def wnids(self, classes: int) -> list[str]:
        """Reads the sorted WordNet ids: a label is an index of this list."""
        wnids = sorted({*self.lines(WNIDS)})
        if len(wnids) != classes:
            raise ValueError(f"{WNIDS} lists {len(wnids)} classes instead of {classes}")
        return wnids


@contextmanager
def _opened(path: Path) -> Iterator[_Opened]:
    if path.is_dir():
        files = {name: size_and_time(path / name) for name in files_below(path)}
        yield _Opened(path, files, lambda name: read_bytes(path / name))
    else:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            members = members_of(archive)
            files = {name: (member.file_size, member.CRC) for name, member in members.items()}
            yield _Opened(path, files, lambda name: archive.read(members[name]))


def members_of(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Returns the data set's files in a zip, the official one or another, by their names in FOLDER.

    Raises:
        ValueError: If it holds another data set.
    """
    found = [name for name in archive.namelist() if name.split("/")[-1] == WNIDS]
    if not found:
        raise ValueError(f"it holds no {FOLDER}/{WNIDS}")
    prefix = min(found, key=len).removesuffix(WNIDS)  # A folder, "./" or nothing, for example.
    return {
        member.filename.removeprefix(prefix): member
        for member in archive.infolist()
        if member.filename.startswith(prefix) and not member.is_dir()
    }


def _training_images(source: _Opened, wnids: list[str]) -> dict[str, str]:
    """Returns the WordNet id of each training image, and checks them against wnids.txt."""
    images = _by_class_folder(_images(source, "train/"), wnids)
    empty = {*wnids} - {*images.values()}
    if empty:
        raise ValueError(f"class folder train/{min(empty)} has no images")
    return images


def _test_images(source: _Opened, wnids: list[str]) -> dict[str, str]:
    """Returns the WordNet id of each validation image, and checks them against the annotations."""
    images, everywhere = _images(source, "val/images/"), _images(source, "val/")
    if everywhere and not images:
        everywhere.sort(key=lambda name: name.split("/")[-1])  # In the official order.
        return _by_class_folder(everywhere, wnids)
    annotated: dict[str, str] = {}
    for line in source.lines(ANNOTATIONS):
        image, wnid, *_ = *line.split("\t"), ""
        if wnid not in wnids:
            raise ValueError(f"{ANNOTATIONS} gives {image!r} no class of {WNIDS}")
        if f"val/images/{image}" in annotated:
            raise ValueError(f"{image} is listed twice in {ANNOTATIONS}")
        annotated[f"val/images/{image}"] = wnid
    if annotated.keys() != {*images}:
        name = min(annotated.keys() ^ {*images})
        raise ValueError(f"{name} is missing" + (f" in {ANNOTATIONS}" if name in images else ""))
    if not annotated:
        raise ValueError(f"{ANNOTATIONS} lists no images")
    return {name: annotated[name] for name in images}


def _by_class_folder(images: list[str], wnids: list[str]) -> dict[str, str]:
    """Returns the class folder of each image: the second part of its name."""
    folders = {name: name.split("/")[1] for name in images}
    unknown = {*folders.values()} - {*wnids}
    if unknown:
        raise ValueError(f"class folder {min(unknown)} is not in {WNIDS}")
    return folders


def _images(source: _Opened, folder: str) -> list[str]:
    """Lists the images in and below a folder of the data set, sorted."""
    return sorted(n for n in source.files if n.startswith(folder) and n.endswith(".JPEG"))


def _decoded(source: _Opened, names: list[str]) -> Iterator[np.ndarray]:
    """Decodes images one by one, to uint8 of shape (64, 64, 3)."""
    height, width, _ = IMAGE_SHAPE
    for name in names:
        with reading(source.path / name, SOURCE.remedy):
            content = io.BytesIO(source.read(name))
            with Image.open(content, formats=["JPEG"]) as image:
                if image.size != (width, height):
                    size = f"{image.width} x {image.height}"
                    raise ValueError(f"{size} pixels, not {width} x {height}")
                pixels = np.asarray(image.convert("RGB"))
        yield pixels
