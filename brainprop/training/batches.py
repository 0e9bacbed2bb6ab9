"""The input pipeline: from images in memory to batches for `fit` and `evaluate`."""

import weakref

import numpy as np
import tensorflow as tf


def training_batches(
    images: np.ndarray, labels: np.ndarray, batch_size: int, seed: int, first_epoch: int = 0
) -> tf.data.Dataset:
    """Endless shuffled batches. The order of an epoch depends on its number and the seed alone.

    The last batch of an epoch may be smaller.

    Args:
        images: Shape `(n, height, width, channels)`, uint8.
        labels: Shape `(n,)`, integers.
        batch_size: Images a batch.
        seed: Of the shuffling.
        first_epoch: The epoch to start with, counted from 0.

    Returns:
        Batches `(images, labels)`: float32 in [0, 1], int32.
    """
    count = len(images)

    def order(epoch: tf.Tensor) -> tf.data.Dataset:
        indices = tf.random.experimental.stateless_shuffle(tf.range(count), [seed, epoch])
        return tf.data.Dataset.from_tensor_slices(indices).batch(batch_size)

    indices = tf.data.Dataset.counter(first_epoch).flat_map(order)
    return _batches(indices, images, labels)


def evaluation_batches(images: np.ndarray, labels: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """All images once, in order.

    Args:
        images: Shape `(n, height, width, channels)`, uint8.
        labels: Shape `(n,)`, integers.
        batch_size: Images a batch.

    Returns:
        Batches `(images, labels)`: float32 in [0, 1], int32.
    """
    return _batches(tf.data.Dataset.range(len(images)).batch(batch_size), images, labels)


def _batches(indices: tf.data.Dataset, images: np.ndarray, labels: np.ndarray) -> tf.data.Dataset:
    """Loads batches ahead of time: the images, scaled to [0, 1], and their labels.

    Args:
        indices: Those of the images of each batch.
        images, labels: As for `training_batches`.
    """
    image_shape, held = images.shape[1:], [images, labels]

    def pick(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, labels = held
        return images[indices], labels[indices].astype(np.int32, copy=False)

    def load(indices: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # NumPy picks the images, since TensorFlow would first copy all of them.
        pixels, classes = tf.numpy_function(pick, [indices], [tf.uint8, tf.int32], stateful=False)
        pixels = tf.cast(tf.ensure_shape(pixels, [None, *image_shape]), tf.float32) / 255
        return pixels, tf.ensure_shape(classes, [None])

    batches = indices.map(load, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    # TensorFlow keeps `pick` for as long as the process runs, and would keep the images with it.
    weakref.finalize(batches, held.clear)
    return batches
