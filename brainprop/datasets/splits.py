"""Images and labels: checks, random parts, and a checksum."""

import zlib

import numpy as np

from brainprop.common.errors import BrainPropError

# Images, shape `(n, height, width, channels)`, and labels, shape `(n,)`.
Split = tuple[np.ndarray, np.ndarray]
# For training, and for testing.
Data = tuple[Split, Split]


def checked_split(
    split: str, images: np.ndarray, labels: np.ndarray, image_shape: tuple[int, ...], classes: int
) -> Split:
    """Checks images, uint8 of shape `(n, *image_shape)`, and labels, integers that count from 0.

    Returns:
        The images as they are, and the labels as int32.

    Raises:
        ValueError: If a shape, a type or a label is invalid. The message names the split.
    """
    if images.dtype != np.uint8 or images.shape[1:] != image_shape:
        raise ValueError(
            f"the {split} images are {images.dtype} of shape {images.shape} instead of uint8 of "
            f"shape (n, {', '.join(map(str, image_shape))})"
        )
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise ValueError(
            f"the {split} labels are {labels.dtype} of shape {labels.shape} for "
            f"{len(images)} images"
        )
    if len(labels) == 0:
        raise ValueError(f"it holds no {split} images")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"the {split} labels range from {labels.min()} to {labels.max()} instead of 0 to "
            f"{classes - 1}"
        )
    return images, labels.astype(np.int32)


def only_classes(split: Split, chosen: np.ndarray) -> Split:
    """Keeps the images with the chosen labels, which are sorted, and renumbers them from 0."""
    images, labels = split
    kept = np.isin(labels, chosen)
    return images[kept], np.searchsorted(chosen, labels[kept]).astype(np.int32)


def sample(split: Split, size: int | None, seed: int) -> Split:
    """Draws images at random, since a data set may be ordered by class, and keeps their order.

    A size of `None`, or a larger one than there are images, takes all.
    """
    images, labels = split
    if size is None or size >= len(images):
        return split
    drawn = np.random.default_rng(seed).choice(len(images), size, replace=False)
    drawn.sort()
    return images[drawn], labels[drawn]


def hold_out(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Divides images into the rest and the part that `held_out` chooses, both in their order."""
    images, labels = split
    taken = held_out(labels, fraction, seed)
    return (images[~taken], labels[~taken]), (images[taken], labels[taken])


def held_out(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Chooses a random part of every class to set aside.

    Args:
        labels: Integers, shape `(n,)` or `(n, 1)`, or by class, shape `(n, classes)`.
        fraction: The part of each class, in (0, 1), rounded to whole images.
        seed: Seed of the draw.

    Returns:
        True for the chosen images, shape `(n,)`.

    Raises:
        BrainPropError: If no image is chosen, or every image.
    """
    rng = np.random.default_rng(seed)
    taken = np.zeros(len(labels), bool)
    if labels[:1].size > 1:
        labels = labels.argmax(axis=1)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        taken[rng.choice(members, round(fraction * len(members)), replace=False)] = True
    if taken.all() or not taken.any():
        raise BrainPropError(
            f"holding out {fraction:g} of each class takes {taken.sum()} of {len(labels)} images: "
            "choose another part, or add images"
        )
    return taken


def checksum(data: Data) -> int:
    """Returns the CRC-32 of all images and labels, by which a resumed run recognizes its data."""
    crc = 0
    for array in (array for split in data for array in split):
        crc = zlib.crc32(np.ascontiguousarray(array).data, crc)
    return crc
