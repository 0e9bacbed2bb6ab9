"""The paper's networks: from a table row to Keras layers.

No layer has a bias; batch normalization brings its own offset. Every kernel starts from a
normal distribution of mean 0.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
from keras import layers

from brainprop.networks.layers import BatchNormalization, Dense, Dropout, LocallyConnected2D
from brainprop.paper import Architecture

KERNEL_SIZE = 3
POOL_SIZE = 2
DATA_FORMAT = "channels_last"  # Regardless of keras.json.
# The name of an input that takes pixels in [0, 1]: `train` and `evaluate` divide uint8 by 255.
SCALED_INPUT = "scaled_image"


class Blocks:
    """The blocks that rows of `ARCHITECTURES` name: methods that return lists of Keras layers.

    Args:
        kernel_stddev: Standard deviation of the initial kernels.
        l2: Weight decay of every kernel.
        seeds: An endless stream of seeds. Each layer that draws random numbers takes one.
    """

    def __init__(self, kernel_stddev: float, l2: float, seeds: Iterator[int]):
        self.kernel_stddev = kernel_stddev
        self.l2 = l2
        self.seeds = seeds

    def kernel(self) -> dict:
        """Returns the arguments that all layers with a kernel share."""
        return {
            "use_bias": False,
            "kernel_initializer": keras.initializers.RandomNormal(
                0.0, self.kernel_stddev, seed=next(self.seeds)
            ),
            "kernel_regularizer": keras.regularizers.L2(self.l2) if self.l2 else None,
        }

    def conv(self, filters: int, strides: int = 1) -> list[keras.Layer]:
        """Returns a convolution with ReLU, then batch normalization."""
        return [
            layers.Conv2D(
                filters,
                KERNEL_SIZE,
                strides,
                padding="same",
                data_format=DATA_FORMAT,
                activation="relu",
                **self.kernel(),
            ),
            BatchNormalization(),
        ]

    def locally_connected(self, filters: int, strides: int = 1) -> list[keras.Layer]:
        """Returns the layers of `conv`, with other weights at every position and no padding."""
        return [
            LocallyConnected2D(filters, KERNEL_SIZE, strides, activation="relu", **self.kernel()),
            BatchNormalization(),
        ]

    def dense(self, units: int) -> list[keras.Layer]:
        """Returns a fully connected layer of ReLUs."""
        return [Dense(units, activation="relu", **self.kernel())]

    def max_pool(self) -> list[keras.Layer]:
        """Returns a pooling layer that takes the maximum of 2 x 2 pixels."""
        return [layers.MaxPooling2D(POOL_SIZE, data_format=DATA_FORMAT)]

    def dropout(self, rate: float) -> list[keras.Layer]:
        """Returns a layer that drops this share of its inputs in training."""
        return [Dropout(rate, seed=next(self.seeds))]

    def flatten(self) -> list[keras.Layer]:
        """Returns a layer that makes a vector of each image."""
        return [layers.Flatten(data_format=DATA_FORMAT)]

    def output(self, classes: int, name: str | None) -> keras.Layer:
        """Returns the linear output layer, in float32 also under a mixed-precision policy."""
        return layers.Dense(classes, name=name, dtype="float32", **self.kernel())


def build_network(
    architecture: Architecture,
    image_shape: tuple[int, int, int],
    classes: int,
    seeds: Iterator[int],
    output_name: str | None = None,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Stacks an architecture's layers and the linear output layer.

    Args:
        architecture: The table row.
        image_shape: Height, width, channels.
        classes: Number of output units.
        seeds: An endless stream of seeds, for the initial kernels and for dropout.
        output_name: Name of the output layer.

    Returns:
        inputs: Symbolic images, float32 in [0, 1], shape `(batch, height, width, channels)`.
        outputs: Symbolic activations of the output units, shape `(batch, classes)`.
    """
    blocks = Blocks(architecture.kernel_stddev, architecture.l2, seeds)
    inputs = activity = keras.Input(image_shape, name=SCALED_INPUT)
    if architecture.build:
        with _python_seeded(next(seeds)):
            activity = architecture.build(activity, blocks)
    for name, *arguments in architecture.layers:
        block: Callable[..., list[keras.Layer]] = getattr(blocks, name)
        for layer in block(*arguments):
            activity = layer(activity)
    return inputs, blocks.output(classes, output_name)(activity)


@contextmanager
def _python_seeded(seed: int) -> Iterator[None]:
    """Seeds Python's generator, from which Keras draws the seeds of layers that have none."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
