"""What all tests share."""

import os
import random
import signal

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from brainprop.common.plugins import LOADED
from brainprop.common.startup import prepare_environment
from brainprop.datasets.table import DATASETS
from brainprop.paper import ALGORITHMS, ARCHITECTURES

prepare_environment()
if "PYTEST_XDIST_WORKER" in os.environ:  # There is one for each core.
    for library in ("TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OMP_NUM", "OPENBLAS_NUM"):
        os.environ.setdefault(f"{library}_THREADS", "1")

# `pytest --hypothesis-profile thorough` looks longer for counterexamples.
profile = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.register_profile("quick", profile, max_examples=50)
settings.register_profile("thorough", profile, max_examples=1000)
settings.load_profile("quick")

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


@pytest.fixture(scope="module")
def small_networks():
    """Registers small versions of two architectures for tests that train often."""
    from brainprop.paper import ARCHITECTURES, register_architecture

    register_architecture("small", (("flatten",), ("dense", 30)), kernel_stddev=0.05)
    register_architecture(
        "smallconv",
        (("conv", 8, 2), ("dropout", 0.3), ("flatten",), ("dense", 30), ("dropout", 0.3)),
        kernel_stddev=0.05,
    )
    yield
    del ARCHITECTURES["small"], ARCHITECTURES["smallconv"]
