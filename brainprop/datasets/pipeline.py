"""The input pipeline: from images in memory to batches for `fit` and `evaluate`."""

import numpy as np
import tensorflow as tf


def training_batches(
    images: np.ndarray, labels: np.ndarray, batch_size: int, seed: int, first_epoch: int = 0
) -> tf.data.Dataset:
    """Endless shuffled batches. The order of an epoch depends on its number and the seed alone.

    The last batch of an epoch may be smaller. The paper's code divides BrainProp's summed loss by
    the full batch size there too, which the third element, a sample weight, brings about; here,
    for both rules.

    Args:
        images: Shape `(n, height, width, channels)`, uint8.
        labels: Shape `(n,)`, integers.
        batch_size: Images a batch.
        seed: Of the shuffling.
        first_epoch: The epoch to start with, counted from 0.

    Returns:
        Batches `(images, labels, sample_weight)`: float32 in [0, 1], int32, float32.
    """
    load = _loader(images, labels)

    def order(epoch: tf.Tensor) -> tf.data.Dataset:
        indices = tf.random.experimental.stateless_shuffle(tf.range(len(images)), [seed, epoch])
        return tf.data.Dataset.from_tensor_slices(indices).batch(batch_size)

    def load_weighted(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        fullness = tf.cast(tf.size(indices), tf.float32) / batch_size
        return *load(indices), tf.fill(tf.shape(indices), fullness)

    epochs = tf.data.Dataset.counter(first_epoch)
    return epochs.flat_map(order).map(load_weighted, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(images: np.ndarray, labels: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """All images once, in order.

    Args:
        images: Shape `(n, height, width, channels)`, uint8.
        labels: Shape `(n,)`, integers.
        batch_size: Images a batch.

    Returns:
        Batches `(images, labels)`: float32 in [0, 1], int32.
    """
    indices = tf.data.Dataset.range(len(images)).batch(batch_size)
    return indices.map(_loader(images, labels), tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _loader(images: np.ndarray, labels: np.ndarray):
    """A function from indices to the images, scaled to [0, 1], and their labels."""

    def pick(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return images[indices], labels[indices].astype(np.int32, copy=False)

    def load(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # NumPy picks the images, since TensorFlow would first copy all of them.
        pixels, classes = tf.numpy_function(pick, [indices], [tf.uint8, tf.int32], stateful=False)
        pixels = tf.ensure_shape(pixels, [None, *images.shape[1:]])
        return tf.cast(pixels, tf.float32) / 255, tf.ensure_shape(classes, [None])

    return load
