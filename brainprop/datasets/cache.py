"""Decoded images in one file beside the data set, mapped into memory.

Mapped images take no private memory: the system reads a page when it is used, and drops it
where memory is short. Processes that train on the same data set share the pages.
"""

import hashlib
import math
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from tqdm import tqdm

from brainprop.common.errors import one_line
from brainprop.common.files import atomic_write


def cached_images(
    cache: Path,
    contents: object,
    shape: tuple[int, ...],
    decode: Callable[[], Iterable[np.ndarray]],
) -> np.ndarray:
    """Returns the images of a data set. Decodes them if the cache file is missing or out of date.

    Args:
        cache: The cache file: a digest of `contents`, then the pixels. It can be deleted at any
            time, and is replaced once the contents change.
        contents: What the data set consists of, such as names, sizes and times of its files.
        shape: The shape of all images, `(n, height, width, channels)`.
        decode: Yields the images one by one, uint8 of shape `shape[1:]`.

    Returns:
        uint8 of shape `shape`. Changes to it stay in memory.
    """
    digest = hashlib.sha256(repr((shape, contents)).encode()).digest()
    images = _mapped(cache, digest, shape)
    if images is not None:
        return images

    def decoded() -> Iterable[np.ndarray]:
        # With disable=None, the bar shows on a terminal only.
        options = {"unit": "image", "leave": False, "disable": None}
        return tqdm(decode(), "Decoding images", shape[0], **options)

    print(f"decoding {shape[0]} images, once: {cache} keeps them", file=sys.stderr)
    try:
        with atomic_write(cache) as partial, partial.open("wb") as file:
            file.write(digest)
            for image in decoded():
                file.write(image.tobytes())
        images = _mapped(cache, digest, shape)
    except OSError as error:
        print(
            f"warning: {cache} cannot be written ({one_line(error)}), so the images will be "
            "decoded again next time: make room or give write permission there",
            file=sys.stderr,
        )
    if images is None:
        images = np.empty(shape, np.uint8)
        for index, image in enumerate(decoded()):
            images[index] = image
    return images


def _mapped(cache: Path, digest: bytes, shape: tuple[int, ...]) -> np.ndarray | None:
    """Maps the cache file, or returns `None` if it is missing, incomplete or out of date."""
    with suppress(OSError), cache.open("rb") as file:
        size = len(digest) + math.prod(shape)
        if file.read(len(digest)) == digest and file.seek(0, os.SEEK_END) == size:
            return np.asarray(np.memmap(file, np.uint8, "c", len(digest), shape))
    return None


def size_and_time(path: Path) -> tuple[int, int]:
    """Returns a file's size and time of modification, which change with its content."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns
