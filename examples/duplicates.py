"""Counts equal images in the data sets.

    python -m examples.duplicates [DATASET ...] [--data-dir DIR]

An image in both the training set and the test set makes the test easier. One with two labels cannot
be learned.
"""

import argparse
import hashlib
import sys
from collections import defaultdict
from itertools import combinations

import numpy as np

from brainprop import BrainPropError, load_data

Split = tuple[np.ndarray, np.ndarray]


def labels_by_image(split: Split) -> dict[bytes, list[int]]:
    """Returns the labels of each different image, one for each time that it occurs."""
    labels = defaultdict(list)
    for image, label in zip(*split, strict=True):
        labels[hashlib.sha256(image).digest()].append(int(label))
    return labels


def counts(train: Split, test: Split) -> dict[str, int]:
    """Counts pairs of equal images, and gray images.

    Args:
        train: Images, uint8 of shape `(n, height, width, channels)`, and labels, shape `(n,)`.
        test: The same for the test set.

    Returns:
        The numbers by what they count.
    """
    result = {}
    trained, tested = labels_by_image(train), labels_by_image(test)
    for name, split in (("training", trained), ("test", tested)):
        pairs = [pair for labels in split.values() for pair in combinations(labels, 2)]
        result[f"equal pairs within {name}"] = len(pairs)
        result[f"equal pairs within {name}, two labels"] = sum(a != b for a, b in pairs)
    shared = trained.keys() & tested.keys()
    result["test images that are training images"] = sum(len(tested[image]) for image in shared)
    result["test images that are training images, other label"] = sum(
        label not in trained[image] for image in shared for label in tested[image]
    )
    for name, (images, _) in (("training", train), ("test", test)):
        if images.shape[-1] == 3:
            gray = sum(bool((image == image[..., :1]).all()) for image in images)
            result[f"gray {name} images"] = gray
    return result


def main() -> int:
    """Prints the counts of each data set."""
    parser = argparse.ArgumentParser(description="Count equal images in the data sets.")
    everything = ["MNIST", "CIFAR10", "CIFAR100", "TinyImageNet"]
    parser.add_argument("datasets", metavar="DATASET", nargs="*", default=everything)
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the data sets")
    arguments = parser.parse_args()
    for dataset in arguments.datasets:
        try:
            train, test = load_data(dataset, arguments.data_dir)
        except BrainPropError as error:
            print(f"{dataset}: {error}", file=sys.stderr)
            return 2
        print(f"{dataset}: {len(train[1])} training images, {len(test[1])} test images")
        for name, count in counts(train, test).items():
            print(f"{count:8}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
