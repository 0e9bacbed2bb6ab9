"""What all tests share."""

import random
import signal

import numpy as np
import pytest

from brainprop.common.plugins import LOADED
from brainprop.common.startup import prepare_environment
from brainprop.datasets.table import DATASETS
from brainprop.paper import ALGORITHMS, ARCHITECTURES

prepare_environment()
# Tests that run in the background inherit it as ignored, and so would the programs they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def same_seeds():
    """Keras draws the seeds that a test leaves open from Python's generator."""
    random.seed(1)


@pytest.fixture(autouse=True)
def without_plugins():
    """What a test registers is gone after it."""
    tables: tuple[dict, ...] = (ARCHITECTURES, ALGORITHMS, DATASETS, LOADED)
    before = [table.copy() for table in tables]
    yield
    for table, rows in zip(tables, before, strict=True):
        table.clear()
        table.update(rows)


@pytest.fixture(scope="session")
def data():
    """Ten classes that a network learns fast: noise with a bright row that tells the class.

    As `load_data` returns it: 28 x 28 pixels, 230 images for training and 100 for testing.
    """
    rng = np.random.default_rng(0)

    def split(count):
        labels = rng.integers(10, size=count).astype("int32")
        images = rng.integers(0, 60, (count, 28, 28, 1), "uint8")
        images[np.arange(count), 2 * labels + 3] = 255
        return images, labels

    return split(230), split(100)
