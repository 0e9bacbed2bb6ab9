"""Images and labels: checks, random parts, and a checksum."""

import zlib

import numpy as np

from brainprop.common.errors import BrainPropError

Split = tuple[np.ndarray, np.ndarray]
Data = tuple[Split, Split]


def checked_split(
    split: str, images: np.ndarray, labels: np.ndarray, image_shape: tuple[int, ...], classes: int
) -> Split:
    """Checks images and labels against each other and against what the data set should have.

    Args:
        split: Their name in the message, such as "train".
        images: uint8, shape (n, *image_shape).
        labels: Integers, shape (n,).
        image_shape: The shape of an image.
        classes: The number of classes. Labels count from 0.

    Returns:
        The images as they are, and the labels as int32.

    Raises:
        ValueError: If a shape, a type or a label is invalid.
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
    """Keeps the images of some classes.

    Args:
        split: Images, shape (n, height, width, channels), and labels, shape (n,).
        chosen: The labels to keep, sorted. They are renumbered from 0 in this order.

    Returns:
        The images that are left, in their order.
    """
    images, labels = split
    kept = np.isin(labels, chosen)
    return images[kept], np.searchsorted(chosen, labels[kept]).astype(np.int32)


def sample(split: Split, size: int | None, seed: int) -> Split:
    """Draws images at random, because a data set may be ordered by class.

    Args:
        split: Images, shape (n, height, width, channels), and labels, shape (n,).
        size: How many to draw. `None` or a larger number takes all.
        seed: Of the draw.

    Returns:
        The images drawn, in their order.
    """
    images, labels = split
    if size is None or size >= len(images):
        return split
    drawn = np.random.default_rng(seed).choice(len(images), size, replace=False)
    drawn.sort()
    return images[drawn], labels[drawn]


def hold_out(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Sets a random part of every class aside, for validation.

    Args:
        split: Images, shape (n, height, width, channels), and labels, shape (n,).
        fraction: The part of each class to set aside, in (0, 1), rounded to whole images.
        seed: Of the draw.

    Returns:
        The rest, and the part that was set aside; both keep their order.

    Raises:
        BrainPropError: If one of them would be empty.
    """
    images, labels = split
    taken = held_out(labels, fraction, seed)
    return (images[~taken], labels[~taken]), (images[taken], labels[taken])


def held_out(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Chooses the images that `hold_out` sets aside.

    Args:
        labels: Shape (n,).
        fraction: As for `hold_out`.
        seed: As for `hold_out`.

    Returns:
        True for the chosen images, shape (n,).

    Raises:
        BrainPropError: As `hold_out`.
    """
    rng = np.random.default_rng(seed)
    taken = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        taken[rng.choice(members, round(fraction * len(members)), replace=False)] = True
    if taken.all() or not taken.any():
        raise BrainPropError(
            f"validation_split {fraction} of {len(labels)} images leaves none to train on or to "
            "validate with: choose another one"
        )
    return taken


def checksum(data: Data) -> int:
    """Returns the CRC-32 of all images and labels, by which a resumed run recognizes its data."""
    crc = 0
    for array in (array for split in data for array in split):
        crc = zlib.crc32(np.ascontiguousarray(array).data, crc)
    return crc
