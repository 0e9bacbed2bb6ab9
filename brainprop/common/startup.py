"""Starting TensorFlow, which takes seconds: only once the arguments are checked."""

import os

from brainprop.common.errors import BrainPropError, one_line
from brainprop.common.streams import quiet_stderr

# What TensorFlow reads when it is imported. By itself it uses oneDNN only on the newest processors;
# on older ones, too, the convolutional networks train faster with it, and dense ones as fast
# (`benchmarks`, switches). And by itself it takes all of a GPU's memory at once, so that no two
# runs could share one.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}
# Whatever the environment and keras.json choose, for other programs.
OURS = {"KERAS_BACKEND": "tensorflow", "MPLBACKEND": "agg"}


def prepare_environment() -> None:
    """Sets `OURS`, and `ENVIRONMENT` where the user has not, before TensorFlow is imported.

    The commands do so first of all, since downloading a data set imports Keras already.
    """
    os.environ |= ENVIRONMENT | os.environ | OURS


def start_tensorflow() -> None:
    """Imports TensorFlow without its notes on the machine.

    Raises:
        BrainPropError: It cannot be imported.
    """
    prepare_environment()
    try:
        with quiet_stderr():
            import keras
            import tensorflow  # noqa: F401  # Its notes and its absence are told here.
    except Exception as error:  # Libraries that do not match raise types of their own.
        way_out = "pip install -r requirements.txt"
        if "configuration" in str(error):  # As Keras calls what stands in its file.
            way_out = "set right or delete keras.json, in KERAS_HOME or ~/.keras"
        raise BrainPropError(
            f"TensorFlow cannot be imported ({one_line(error)}): {way_out}"
        ) from error

    keras.config.set_floatx("float32")
