"""The labels of a batch, in any form that Keras takes, and the weight and mask of each trial."""

import keras
import tensorflow as tf

from brainprop.common.devices import replicas


def unpacked(data) -> tuple:
    """Returns a batch's images, labels and sample weights, the latter two as `single` does."""
    images, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    return images, single(labels), single(sample_weight)


def single(value):
    """Returns a tensor, or the one tensor in a list, tuple or dictionary of one."""
    if not isinstance(value, list | tuple | dict):
        return value
    parts = keras.tree.flatten(value)
    if not all(hasattr(part, "shape") for part in parts):
        return value  # A list of numbers is a tensor.
    if len(parts) != 1:
        raise ValueError(f"labels and sample weights must be one array each, not {len(parts)}")
    return parts[0]


def is_one_hot(labels: tf.Tensor, classes: int) -> bool:
    """Returns whether labels have a column for each class: one-hot or soft labels."""
    return labels.shape.rank == 2 and labels.shape[1] in (classes, None)


def class_indices(labels, classes: int) -> tf.Tensor:
    """Returns labels as integers. A row of one-hot labels without a class, all zeros, becomes -1.

    Args:
        labels: Integers, shape `(batch,)` or `(batch, 1)`, or by class, shape `(batch, classes)`.
        classes: The number of classes.

    Returns:
        Shape `(batch,)`, int32.

    Raises:
        ValueError: If the labels have another shape.
        tf.errors.InvalidArgumentError: If a label is no class. XLA cannot raise it; there
            `trial_weights` makes the loss NaN.
    """
    labels = tf.convert_to_tensor(labels)
    if is_one_hot(labels, classes):
        labels = tf.ensure_shape(labels, (None, classes))  # They may come without a known width.
        labels = tf.cast(labels, tf.float32)  # They may be booleans.
        indices = tf.argmax(labels, axis=-1, output_type=tf.int32)
        return tf.where(tf.reduce_max(labels, axis=-1) > 0, indices, -1)
    indices = _integers(labels, classes)
    are_classes = tf.reduce_all((indices >= 0) & (indices < classes))
    tf.debugging.Assert(are_classes, [f"labels must be 0 to {classes - 1}, not", labels])
    return tf.cast(indices, tf.int32)


def _integers(labels: tf.Tensor, classes: int) -> tf.Tensor:
    """Returns integer labels, shape `(batch,)`, int64, in any range; -1 for a fraction or NaN."""
    if labels.shape.rank == 1 or (labels.shape.rank == 2 and labels.shape[1] == 1):
        labels = tf.reshape(labels, [-1])
        indices = tf.cast(labels, tf.int64)
        if labels.dtype.is_floating:
            indices = tf.where(tf.cast(indices, labels.dtype) == labels, indices, -1)
        return indices
    raise ValueError(
        f"labels must have the shape (batch,), (batch, 1) or (batch, {classes}), not {labels.shape}"
    )


def class_probabilities(labels, classes: int) -> tf.Tensor:
    """Returns labels as probabilities of the classes, shape `(batch, classes)`, float32.

    Raises:
        ValueError, tf.errors.InvalidArgumentError: As for `class_indices`.
    """
    labels = tf.convert_to_tensor(labels)
    if is_one_hot(labels, classes):
        return tf.cast(tf.ensure_shape(labels, (None, classes)), tf.float32)
    return tf.one_hot(class_indices(labels, classes), classes)


def trial_weights(
    labels, outputs: tf.Tensor, sample_weight=None, mask=None, batch_size: int = 0
) -> tf.Tensor:
    """Returns the weight of each trial in the average over the batch.

    It is `sample_weight / batch_size`. The batch is that of all replicas together, each of which
    has an equal part. Masked trials weigh 0 and do not count in the batch. A trial whose label is
    no class weighs NaN, so that training stops where XLA cannot raise an error.

    Args:
        labels: As for `class_indices`.
        outputs: Shape `(batch, classes)`.
        sample_weight: Shape `(batch,)` or `(batch, 1)`; by default 1 for each.
        mask: Shape `(batch,)`, true for the trials that count; by default all do.
        batch_size: The number of trials to divide by, over all replicas. Defaults to 0: the number
            of unmasked trials in the batch.

    Returns:
        Shape `(batch,)`, float32.
    """
    valid = _are_valid(tf.convert_to_tensor(labels), outputs.shape[-1])
    weights = tf.where(valid, tf.ones_like(outputs[:, 0]), float("nan"))
    if sample_weight is not None:
        weights *= tf.cast(tf.reshape(sample_weight, [-1]), weights.dtype)
    count = tf.cast(tf.shape(outputs)[0], weights.dtype)
    if mask is not None:
        mask = tf.reshape(mask, [-1])
        weights = tf.where(mask, weights, 0)
        count = tf.reduce_sum(tf.cast(mask, weights.dtype))
    return tf.math.divide_no_nan(weights, batch_size or count * replicas())


def _are_valid(labels: tf.Tensor, classes: int) -> tf.Tensor:
    """Returns for each trial whether its label is a class, or finite numbers for the classes."""
    if is_one_hot(labels, classes):
        return tf.reduce_all(tf.math.is_finite(tf.cast(labels, tf.float32)), axis=-1)
    indices = _integers(labels, classes)
    return (indices >= 0) & (indices < classes)


def mask_of(outputs) -> tf.Tensor | None:
    """Returns the mask that Keras's layers attach to their outputs."""
    return getattr(outputs, "_keras_mask", None)


def set_mask(outputs, mask) -> None:
    """Attaches a mask to outputs, as Keras's layers do."""
    if mask is not None:
        outputs._keras_mask = mask
