"""Reading pictures of any size and kind as images of one shape."""

import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from brainprop.common.errors import BrainPropError
from brainprop.common.reading import read_bytes, reading

# Pillow knows more formats; for some it starts other programs or writes to stderr.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".ppm", ".pgm", ".pbm")
MAX_NAMED = 20


def read_pictures(paths: Sequence[Path], image_shape: tuple[int, int, int]) -> np.ndarray:
    """Reads pictures and resizes them.

    A picture is turned upright by its EXIF data, cropped around its center and resized by Pillow's
    bicubic filter, which averages over all pixels when it makes a picture smaller. It becomes RGB
    or gray; contrast stays, and black stays black. Transparent pixels become white. Of 16 bits a
    pixel the upper 8 are kept, and of an animation the first frame. A picture that already has the
    shape comes through bit for bit.

    Args:
        paths: Files in one of `FORMATS`.
        image_shape: Height, width and channels (3 RGB, 1 gray) of the data set's images.

    Returns:
        Shape `(len(paths), *image_shape)`, uint8.

    Raises:
        BrainPropError: If pictures cannot be read. The message says what is wrong with the first
            of them, and names the others.
    """
    return np.stack(list(each_picture(paths, image_shape)))


def each_picture(paths: Sequence[Path], image_shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    """Reads and resizes pictures one by one, as `read_pictures`; errors come at the end."""
    faults = []
    for path in paths:
        try:
            yield _read_picture(path, image_shape)
        except BrainPropError as fault:
            faults.append((path, fault))
    if faults:
        (_, error), *others = faults
        names = [str(path) for path, _ in others[:MAX_NAMED]]
        names += [f"{len(others) - MAX_NAMED} more"] if len(others) > MAX_NAMED else []
        also = f"; also unreadable: {', '.join(names)}" if names else ""
        raise BrainPropError(f"{error}{also}") from error


def _read_picture(path: Path, image_shape: tuple[int, int, int]) -> np.ndarray:
    height, width, channels = image_shape
    with reading(path, "save it again, as PNG or JPEG"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of pictures that it can read.
        with Image.open(io.BytesIO(read_bytes(path)), formats=FORMATS) as image:
            upright = ImageOps.exif_transpose(image)
            picture = ImageOps.fit(_eight_bit(upright), (width, height))
        white = Image.new("RGBA", picture.size, "white")
        opaque = Image.alpha_composite(white, picture)
        return np.asarray(opaque.convert("RGB" if channels == 3 else "L")).reshape(image_shape)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Converts to Pillow's mode RGBA. 16 bits are scaled; Pillow itself would clip them."""
    if image.mode == "F":
        raise ValueError("its pixels have more than 16 bits")
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGBA")
