"""Reading pictures of any size and kind as images of one shape."""

import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from brainprop.common.errors import BrainPropError
from brainprop.common.files import check_readable
from brainprop.common.reading import read_bytes, reading

# Pillow knows more formats; for some it starts other programs or writes to stderr.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".ppm", ".pgm", ".pbm")
MAX_FILE_BYTES = 2**30
MAX_NAMED = 20

_REMEDY = "save it again, as PNG or JPEG"


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


def each_picture(paths: Iterable[Path], image_shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    """Reads and resizes pictures one by one; see `read_pictures`.

    Yields:
        Shape `image_shape`, uint8. Pictures that cannot be read are left out until the end.

    Raises:
        BrainPropError: At the end, as `read_pictures`.
    """
    faults = {}
    for path in paths:
        try:
            yield _read_picture(path, image_shape)
        except BrainPropError as fault:
            faults[path] = fault
    if faults:
        (_, error), *others = faults.items()
        names = [str(path) for path, _ in others[:MAX_NAMED]]
        if len(others) > MAX_NAMED:
            names.append(f"{len(others) - MAX_NAMED} more")
        also = f"; also unreadable: {', '.join(names)}" if names else ""
        raise BrainPropError(f"{error}{also}") from error


def _read_picture(path: Path, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Reads one picture, to shape `image_shape`, uint8."""
    height, width, channels = image_shape
    with reading(path, _REMEDY), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of pictures that it can read.
        check_readable(path)
        with _open(path) as image:
            upright = ImageOps.exif_transpose(image)
            picture = ImageOps.fit(_eight_bit(upright, path), (width, height))
        white = Image.new("RGBA", picture.size, "white")
        opaque = Image.alpha_composite(white, picture)
        return np.asarray(opaque.convert("RGB" if channels == 3 else "L")).reshape(image_shape)


def _open(path: Path) -> Image.Image:
    content = io.BytesIO(read_bytes(path, MAX_FILE_BYTES))
    try:
        return Image.open(content, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise BrainPropError(
            f"{path} is not a picture in a known format: give one of {', '.join(FORMATS)}"
        ) from error
    except Image.DecompressionBombError as error:
        most = 2 * Image.MAX_IMAGE_PIXELS  # type: ignore[operator]  # Without it, no such error.
        raise BrainPropError(f"{path} has more than {most} pixels: make it smaller") from error


def _eight_bit(image: Image.Image, path: Path) -> Image.Image:
    """Converts to Pillow's mode RGBA; 16 bits are scaled, which Pillow itself does not do."""
    if image.mode == "F" or image.mode.startswith("I"):
        pixels = np.asarray(image)
        if image.mode == "F" or pixels.min() < 0 or pixels.max() >= 2**16:
            raise BrainPropError(f"{path} has more than 16 bits a pixel: save it with 8 or 16")
        eight_bit = Image.fromarray((pixels >> 8).astype(np.uint8)).convert("RGBA")
        transparent = pixels == image.info.get("transparency", -1)
        eight_bit.putalpha(Image.fromarray(np.where(transparent, 0, 255).astype(np.uint8)))
        return eight_bit
    return image.convert("RGBA")
