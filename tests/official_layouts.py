"""Makes small data sets in the layouts of the official downloads, for the tests."""

import io
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brainprop.common.errors import BrainPropError

WNIDS = ("n03", "n01", "n02")  # not sorted, as in the official file
IMAGES_PER_CLASS = 2


def refusal(load, *arguments, **options) -> str:
    """The message of the one error that it must end with, on one line."""
    with pytest.raises(BrainPropError) as caught:
        load(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message and message.isprintable()
    return message


def same(one, other) -> bool:
    """Whether two data sets have the same images and labels."""
    return all(
        (a == b).all() for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def mnist_arrays(train: int = 20, test: int = 10) -> dict[str, np.ndarray]:
    return {
        "x_train": random_images(train, 28, 28),
        "y_train": (np.arange(train) % 10).astype(np.uint8),
        "x_test": random_images(test, 28, 28),
        "y_test": (np.arange(test) % 10).astype(np.uint8),
    }


def write_mnist(folder: Path, **changes: np.ndarray) -> Path:
    """Writes mnist.npz with some arrays changed, or left out if None."""
    arrays = {**mnist_arrays(), **changes}
    path = folder / "mnist.npz"
    np.savez_compressed(path, **{name: a for name, a in arrays.items() if a is not None})
    return path


def cifar10_batch(images: int = 6) -> dict[bytes, object]:
    return {
        b"batch_label": b"training batch",
        b"labels": [label % 10 for label in range(images)],
        b"data": random_images(images, 3072),
        b"filenames": [b"image.png"] * images,
    }


def cifar100_batch(images: int = 6) -> dict[bytes, object]:
    return {
        b"filenames": [b"image.png"] * images,
        b"batch_label": b"training batch 1 of 1",
        b"fine_labels": [label * 19 % 100 for label in range(images)],
        b"coarse_labels": [label % 20 for label in range(images)],
        b"data": random_images(images, 3072),
    }


def write_cifar10(folder: Path, protocol: int = 2) -> Path:
    path = folder / "cifar-10-batches-py"
    path.mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (path / name).write_bytes(pickle.dumps(cifar10_batch(), protocol))
    return path


def write_cifar100(folder: Path, protocol: int = 2) -> Path:
    path = folder / "cifar-100-python"
    path.mkdir()
    for name in ("train", "test"):
        (path / name).write_bytes(pickle.dumps(cifar100_batch(), protocol))
    return path


def python2_batch(rows: np.ndarray, labels: list[int]) -> bytes:
    """Writes a CIFAR-10 batch byte by byte as Python 2's cPickle did, with NumPy 1 inside."""
    count = len(rows)
    return b"".join(
        [
            b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]",
            b"q\x05(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e",
            b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08",
            b"K\x00\x85U\x01b\x87Rq\x09(K\x01K" + bytes([count]) + b"M\x00\x0c\x86cnumpy\ndtype\n",
            b"q\nU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t",
            b"b\x89T" + (3072 * count).to_bytes(4, "little") + rows.tobytes() + b"tb",
            b"U\tfilenamesq\x0c]q\r(" + b"U\x05a.png" * count + b"eu.",
        ]
    )


def tar_of(folder: Path, name: str) -> Path:
    """Packs a folder as the official archives do, and removes it."""
    path = folder.parent / name
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    shutil.rmtree(folder)
    return path


def jpeg(mode: str = "RGB", size: tuple[int, int] = (64, 64), image_format: str = "JPEG") -> bytes:
    """Encodes an image of noise, so that its size is as a photograph's."""
    image = Image.fromarray(random_images(size[1], size[0], 3)).convert(mode)
    file = io.BytesIO()
    image.save(file, image_format)
    return file.getvalue()


def write_tiny_imagenet(folder: Path) -> Path:
    """Writes three classes of two training images, and six validation images."""
    path = folder / "tiny-imagenet-200"
    for wnid in WNIDS:
        images = path / "train" / wnid / "images"
        images.mkdir(parents=True)
        for number in range(IMAGES_PER_CLASS):
            (images / f"{wnid}_{number}.JPEG").write_bytes(jpeg())
        (images.parent / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t62\t62\n")
    (path / "val" / "images").mkdir(parents=True)
    lines = []
    for number in range(6):
        (path / "val" / "images" / f"val_{number}.JPEG").write_bytes(jpeg())
        lines.append(f"val_{number}.JPEG\t{WNIDS[number % 3]}\t0\t32\t44\t62\n")
    (path / "val" / "val_annotations.txt").write_text("".join(lines))
    (path / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in WNIDS))
    (path / "words.txt").write_text("n01\tfish\n")
    return path


def zip_of(folder: Path) -> Path:
    """Packs a folder as the official zip does, and removes it."""
    path = Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))
    shutil.rmtree(folder)
    return path
