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

import contextlib
import glob
import io
import os
import stat
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from brainprop.common.errors import BrainPropError
from brainprop.common.reading import check_regular, read_bytes, reading
from brainprop.datasets.cache import cached_images
from brainprop.datasets.sources import Source, find, find_here
from brainprop.datasets.splits import Data

_WNIDS = "wnids.txt"
_WORDS = "words.txt"
_ANNOTATIONS = "val/val_annotations.txt"

FOLDER = "tiny-imagenet-200"
SOURCE = Source(
    url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    names=(FOLDER, f"{FOLDER}.zip"),
    files=(_WNIDS, _ANNOTATIONS),
)
IMAGE_SHAPE = (64, 64, 3)
CLASSES = 200

_PATTERNS = (
    _WNIDS,
    _WORDS,
    _ANNOTATIONS,
    "train/*/",
    "train/*/images/*.JPEG",
    "val/*/*.JPEG",
    "val/*/images/*.JPEG",
)
_CACHE = f"{FOLDER}.cache"

Labelled = dict[str, int]  # The name of an image, and its label.


def load(data_dir: str | Path | None = None, classes: int = CLASSES) -> Data:
    """Loads Tiny ImageNet, from its cache file from the second time on.

    The cache, `tiny-imagenet-200.cache` beside the images, can be deleted at any time.

    Args:
        data_dir: Where to look for `tiny-imagenet-200/` or `tiny-imagenet-200.zip`; see
            `brainprop.datasets.sources.find`.
        classes: The number of classes that it must have.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images uint8 of shape (n, 64, 64, 3), labels
        int32 of shape (n,).

    Raises:
        BrainPropError: If a file is missing or damaged, or contradicts another one.
    """
    path = find(SOURCE, data_dir)
    with _open(path) as source:
        labels = _class_labels(source, classes)
        train, test = _train_images(source, labels), _test_images(source, labels)
        names = [*train, *test]
        images = cached_images(
            path.with_name(_CACHE),
            (path.name, sorted(source.entries.items())),
            (len(names), *IMAGE_SHAPE),
            lambda: _decoded(source, names),
        )
    return (
        (images[: len(train)], np.array(list(train.values()), np.int32)),
        (images[len(train) :], np.array(list(test.values()), np.int32)),
    )


def class_names(data_dir: str | Path | None = None, classes: int = CLASSES) -> tuple[str, ...]:
    """Returns what the labels mean: the first word of each class in words.txt, else its WordNet id.

    Where the data set is missing, the labels get their numbers as names, with a warning.

    Args:
        data_dir: Where to look for the data set, as in `load`; nothing is downloaded.
        classes: The number of classes that it must have.

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
    with _open(path) as source:
        lines = _lines(source, _WORDS) if _WORDS in source.entries else []
        rows = (line.partition("\t") for line in lines)
        words = {wnid: synonyms.split(",")[0] for wnid, _, synonyms in rows}
        return tuple(words.get(wnid) or wnid for wnid in _class_labels(source, classes))


class _Folder:
    """The extracted data set.

    Attributes:
        path: The folder.
        entries: The size of each file and what else changes with it, by its name relative to the
            folder. Names of class folders end in a slash.
        remedy: The way out if a file is damaged.
    """

    remedy = f"move it away and extract it again with tinyimagenet.py from {SOURCE.url}"

    def __init__(self, path: Path):
        self.path = path
        self.entries = {}
        classes = [*path.glob("train/*"), *path.glob("train/*/images")]
        for folder in (path, path / "train", *classes, path / "val", path / "val/images"):
            if folder.is_dir():
                os.scandir(folder).close()  # `glob` leaves out what it cannot read.
        for pattern in _PATTERNS:
            for name in glob.glob(pattern, root_dir=path):
                status = os.stat(path / name)
                is_file = stat.S_ISREG(status.st_mode)
                self.entries[name] = (status.st_size, status.st_mtime_ns) if is_file else (0,)

    def content(self, name: str) -> bytes:
        """Reads one file."""
        return read_bytes(self.path / name)


class _Zip:
    """The data set inside a zip, the official one or another, with a folder's attributes."""

    remedy = SOURCE.remedy

    def __init__(self, path: Path, archive: zipfile.ZipFile):
        self.path = path
        self._archive = archive
        self._prefix = prefix_of(archive)
        self.entries = {
            member.filename.removeprefix(self._prefix): (member.file_size, member.CRC)
            for member in archive.infolist()
            if member.filename.startswith(self._prefix)
        }

    def content(self, name: str) -> bytes:
        """Reads one member."""
        return self._archive.read(self._prefix + name)


def prefix_of(archive: zipfile.ZipFile) -> str:
    """Returns what precedes the names in a zip: a folder, "./" or nothing, for example."""
    found = [name for name in archive.namelist() if name.split("/")[-1] == _WNIDS]
    return min(found, key=len).removesuffix(_WNIDS) if found else f"{FOLDER}/"


@contextlib.contextmanager
def _open(path: Path) -> Iterator[_Folder | _Zip]:
    if path.is_dir():
        with reading(path, _Folder.remedy):
            folder = _Folder(path)
        yield folder
    else:
        with contextlib.ExitStack() as stack:
            with reading(path, _Zip.remedy):
                check_regular(path)
                source = _Zip(path, stack.enter_context(zipfile.ZipFile(path)))
            yield source


def _decoded(source: _Folder | _Zip, names: Iterable[str]) -> Iterator[np.ndarray]:
    """Decodes images one by one, to uint8 of shape (64, 64, 3)."""
    height, width, _ = IMAGE_SHAPE
    for name in tqdm(names, desc="Decoding images", unit="image", leave=False, disable=None):
        with reading(f"{source.path}/{name}", source.remedy):
            content = io.BytesIO(source.content(name))
            with Image.open(content, formats=["JPEG"]) as image:
                if image.size != (width, height):
                    raise ValueError(
                        f"{image.width} x {image.height} pixels, not {width} x {height}"
                    )
                pixels = np.asarray(image.convert("RGB"))
        yield pixels


def _class_labels(source: _Folder | _Zip, classes: int) -> dict[str, int]:
    """Numbers the sorted WordNet ids; they and the class folders must agree."""
    wnids = _lines(source, _WNIDS)
    folders = {name.split("/")[1] for name in source.entries if _is_in_class_folder(name)}
    _refuse_any(source, "{} is listed twice in wnids.txt", _doubled(wnids))
    _refuse_any(source, "class folder train/{} is missing", set(wnids) - folders)
    _refuse_any(source, "class folder train/{} is not in wnids.txt", folders - set(wnids))
    if len(wnids) != classes:
        raise _fault(source, f"wnids.txt lists {len(wnids)} classes instead of {classes}")
    return {wnid: label for label, wnid in enumerate(sorted(wnids))}


def _is_in_class_folder(name: str) -> bool:
    return name.startswith("train/") and name.count("/") >= 2


def _train_images(source: _Folder | _Zip, labels: dict[str, int]) -> Labelled:
    images: dict[str, list[str]] = {wnid: [] for wnid in labels}
    for name in source.entries:
        match name.split("/"):
            case ["train", wnid, "images", image] if image.endswith(".JPEG"):
                images[wnid].append(name)
    _refuse_any(
        source,
        "class folder train/{} holds no images",
        {wnid for wnid in images if not images[wnid]},
    )
    return {name: labels[wnid] for wnid in sorted(images) for name in sorted(images[wnid])}


def _test_images(source: _Folder | _Zip, labels: dict[str, int]) -> Labelled:
    images = [name for name in source.entries if name.startswith("val/") and name.endswith(".JPEG")]
    present = {name for name in images if name.startswith("val/images/")}
    in_class_folders = [name for name in images if name.split("/")[1] in labels]
    if in_class_folders and not present:
        in_class_folders.sort(key=lambda name: name.split("/")[-1])  # In the official order.
        return {name: labels[name.split("/")[1]] for name in in_class_folders}
    rows = [line.split("\t") for line in _lines(source, _ANNOTATIONS)]
    for row in rows:
        if len(row) < 2 or row[1] not in labels:
            raise _fault(source, f"val_annotations.txt gives {row[0]!r} no class of wnids.txt")
    annotated = {f"val/images/{image}": labels[wnid] for image, wnid, *_ in rows}
    _refuse_any(source, "{} is listed twice in val_annotations.txt", _doubled([r[0] for r in rows]))
    _refuse_any(
        source, "{} is missing, but val_annotations.txt lists it", annotated.keys() - present
    )
    _refuse_any(source, "{} is missing in val_annotations.txt", present - annotated.keys())
    if not annotated:
        raise _fault(source, "val_annotations.txt lists no images")
    return {name: annotated[name] for name in sorted(annotated)}


def _lines(source: _Folder | _Zip, name: str) -> list[str]:
    """Reads the lines of a text file, without empty ones."""
    with reading(f"{source.path}/{name}", source.remedy):
        if name not in source.entries:
            raise FileNotFoundError
        text = source.content(name).decode()
        return [line.strip() for line in text.splitlines() if line.strip()]


def _doubled(names: list[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def _refuse_any(source: _Folder | _Zip, problem: str, names: set[str]) -> None:
    """Names the first of the names that have a problem, and how many more there are."""
    if names:
        more = f" (and {len(names) - 1} more like it)" if len(names) > 1 else ""
        raise _fault(source, problem.format(ascii(min(names))[1:-1]) + more)


def _fault(source: _Folder | _Zip, problem: str) -> BrainPropError:
    return BrainPropError(f"{source.path}: {problem}: {source.remedy}")
