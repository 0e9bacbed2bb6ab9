"""Compares the pixels of two JPEG readers.

    python -m examples.jpeg_readers tiny-imagenet-200.zip [--max-images N]

A network that was trained on one reader's pixels sees slightly different ones from the other. The
program reads with Pillow, Keras's `image_dataset_from_directory` with `tf.io.decode_jpeg`.
"""

import argparse
import io
import sys
import zipfile
from collections import Counter

import numpy as np
import tensorflow as tf
from PIL import Image

METHODS = ("", "INTEGER_FAST", "INTEGER_ACCURATE")


def main() -> int:
    """Prints how the pixels of the two readers differ."""
    parser = argparse.ArgumentParser(description="Compare the pixels of two JPEG readers.")
    parser.add_argument("zip", help="a zip with images called *.JPEG")
    parser.add_argument("--max-images", metavar="N", type=int, help="the first N (default: all)")
    arguments = parser.parse_args()
    modes: Counter[str] = Counter()
    differing: Counter[str] = Counter()
    largest: Counter[str] = Counter()
    pixels = 0
    with zipfile.ZipFile(arguments.zip) as archive:
        names = [name for name in archive.namelist() if name.endswith(".JPEG")]
        for name in names[: arguments.max_images]:
            content = archive.read(name)
            image = Image.open(io.BytesIO(content))
            modes[f"{image.mode} in {name.split('/')[1]}"] += 1
            if image.mode != "RGB":
                continue
            expected = np.asarray(image).astype(int)
            pixels += image.width * image.height
            for method in METHODS:
                decoded = tf.io.decode_jpeg(content, channels=3, dct_method=method).numpy()
                difference = np.abs(decoded - expected)
                differing[method] += int(difference.any(axis=-1).sum())
                largest[method] = max(largest[method], int(difference.max()))
    print(", ".join(f"{count} images {mode}" for mode, count in sorted(modes.items())))
    for method in METHODS:
        share = 100 * differing[method] / pixels
        print(
            f"dct_method={method!r}: {share:.2f} % of the pixels of color images differ from "
            f"Pillow's, by up to {largest[method]} levels"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
