"""What the loaders return: images and their labels, checked."""

import numpy as np

Split = tuple[np.ndarray, np.ndarray]
Data = tuple[Split, Split]


def checked_split(
    split: str, images: np.ndarray, labels: np.ndarray, image_shape: tuple[int, ...], classes: int
) -> Split:
    """Checks images and labels against each other and against what the data set promises.

    Args:
        split: What they are, for the message.
        images: uint8, shape (n, *image_shape).
        labels: Integers, shape (n,).
        image_shape: The shape of an image.
        classes: The number of classes. Labels count from 0.

    Returns:
        The images as they are, and the labels as int32.

    Raises:
        ValueError: If they are not what they should be.
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
