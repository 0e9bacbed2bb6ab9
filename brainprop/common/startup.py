"""The start of TensorFlow, which takes seconds and so comes after the arguments are checked."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from brainprop.common.errors import BrainPropError, one_line

# TensorFlow reads these when it is imported. By default it uses oneDNN on the newest processors
# only. Older ones also train convolutional networks faster with it, and dense ones as fast
# (`benchmarks`, switches). By default it also takes all memory of a GPU: two runs cannot share it.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}
# These hold regardless of the environment and keras.json, which are for other programs.
OURS = {"KERAS_BACKEND": "tensorflow", "MPLBACKEND": "agg"}

# Where they are installed, Keras imports them for functions that the commands do not use.
UNNEEDED = ("sklearn", "matplotlib")


def prepare_environment() -> None:
    """Sets `OURS`, and each of `ENVIRONMENT` that is not set.

    Call it before anything imports Keras or TensorFlow; downloads of data sets do.
    """
    os.environ |= ENVIRONMENT | os.environ | OURS


def start_tensorflow() -> None:
    """Imports TensorFlow without its notes on the machine.

    Raises:
        BrainPropError: If it cannot be imported.
    """
    prepare_environment()
    try:
        with quiet_stderr(), _quick_imports():
            import keras
            import tensorflow  # noqa: F401  # Its notes and its absence are handled here.
    except Exception as error:  # Libraries that do not match raise their own types.
        way_out = "pip install -r requirements.txt"
        if "configuration" in str(error):  # Keras's word for the content of its file.
            way_out = "correct or delete keras.json, in KERAS_HOME or ~/.keras"
        reason = one_line(error)
        raise BrainPropError(f"TensorFlow cannot be imported ({reason}): {way_out}") from error

    keras.config.set_floatx("float32")


@contextmanager
def _quick_imports() -> Iterator[None]:
    """Makes the block's imports skip the `UNNEEDED` packages and garbage collection.

    The packages can be imported as usual afterwards. What the block creates is never collected:
    modules live as long as the process.
    """
    hidden = [name for name in UNNEEDED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # Python's mark of a missing module.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
        for name in hidden:
            del sys.modules[name]


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hides what is written to stderr, C++'s output included.

    TensorFlow writes some notes before it reads `TF_CPP_MIN_LOG_LEVEL`.
    """
    stderr = os.dup(2)
    with open(os.devnull, "w") as devnull:
        os.dup2(devnull.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
