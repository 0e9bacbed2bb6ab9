"""The input pipeline: from arrays in memory to batches for `fit` and `evaluate`."""

import weakref

import keras
import numpy as np
import tensorflow as tf

from brainprop.networks.architectures import SCALED_INPUT


def takes_scaled_images(model: keras.Model) -> bool:
    """Returns whether uint8 images are divided by 255 for a model.

    They are for the paper's networks, whose input is named `SCALED_INPUT`. Any other network, which
    may scale them itself, gets all arrays as they are, as in Keras's `fit`.
    """
    return model.inputs[0].name == SCALED_INPUT


def scaled_images(model: keras.Model, images):
    """Returns images as a model takes them: see `takes_scaled_images`."""
    if takes_scaled_images(model) and images.dtype == "uint8":
        return tf.cast(images, tf.float32) / 255
    return images


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
    scaled: bool = True,
) -> tf.data.Dataset:
    """Builds endless shuffled batches. The order depends only on the seed and the epoch's number.

    The last batch of an epoch may be smaller.

    Args:
        images: Shape `(n, ...)`.
        labels: Integers, shape `(n,)` or `(n, 1)`, or numbers by class, shape `(n, classes)`.
        batch_size: The number of images in a batch.
        seed: Seed of the order.
        first_epoch: The epoch to start with, counted from 0.
        scaled: Whether uint8 images become float32 in [0, 1]. Any others stay as they are.

    Returns:
        Batches `(images, labels)`. Labels are int32 if they were integers or booleans, else
        float32.
    """
    count = len(images)

    def order(epoch: tf.Tensor) -> tf.data.Dataset:
        indices = tf.random.experimental.stateless_shuffle(tf.range(count), [seed, epoch])
        return tf.data.Dataset.from_tensor_slices(indices).batch(batch_size)

    indices = tf.data.Dataset.counter(first_epoch).flat_map(order)
    return _batches(indices, images, labels, scaled)


def evaluation_batches(
    images: np.ndarray, labels: np.ndarray, batch_size: int, scaled: bool = True
) -> tf.data.Dataset:
    """Builds batches of all images once, in order; see `training_batches`."""
    indices = tf.data.Dataset.range(len(images)).batch(batch_size)
    return _batches(indices, images, labels, scaled)


def _batches(
    indices: tf.data.Dataset, images: np.ndarray, labels: np.ndarray, scaled: bool
) -> tf.data.Dataset:
    """Loads the images and labels at batches of indices, ahead of time."""
    shapes, held = (images.shape[1:], labels.shape[1:]), [images, labels]
    label_type = np.int32 if labels.dtype.kind in "iub" else np.float32
    types = [tf.as_dtype(images.dtype), tf.as_dtype(label_type)]

    def pick(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, labels = held
        return images[indices], labels[indices].astype(label_type, copy=False)

    def load(indices: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # NumPy picks the images, since TensorFlow would first copy all of them.
        batch = tf.numpy_function(pick, [indices], types, stateful=False)
        pixels, classes = (
            tf.ensure_shape(part, [None, *shape]) for part, shape in zip(batch, shapes, strict=True)
        )
        if scaled and images_are_bytes:
            pixels = tf.cast(pixels, tf.float32) / 255
        return pixels, classes

    images_are_bytes = images.dtype == np.uint8
    batches = indices.map(load, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    # TensorFlow keeps `pick` for as long as the process runs, and would keep the images with it.
    weakref.finalize(batches, held.clear)
    return batches
