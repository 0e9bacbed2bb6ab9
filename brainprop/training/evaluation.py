"""Evaluation: a network's answers without exploration, and how many of them are right."""

import sys
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from brainprop.common import devices
from brainprop.rules.base import LearningRule
from brainprop.rules.labels import mask_of
from brainprop.training.batches import evaluation_batches, scaled_images, takes_scaled_images
from brainprop.training.prepare import checked_arrays

EVALUATION_BATCH_SIZE = 128


@dataclass(frozen=True)
class Evaluation:
    """How a network did on a labelled set of images.

    Attributes:
        outputs: BrainProp's Q-values or EBP's logits, shape `(n, classes)`, float32.
        labels: Shape `(n,)`, integers.
        loss: The mean loss, with the regularization losses.
        counts: Which images count, shape `(n,)`, boolean: those that no layer masks, as in Keras.
    """

    outputs: np.ndarray
    labels: np.ndarray
    loss: float
    counts: np.ndarray

    @property
    def accuracy(self) -> float:
        """The top-1 accuracy, in [0, 1]."""
        return self.correct() / max(self.counts.sum(), 1)

    def correct(self, k: int = 1) -> int:
        """Returns the number of images whose label is among the `k` best classes."""
        right = top_k(self.outputs, k) == self.labels[:, np.newaxis]
        return int(right[self.counts].sum())

    def confusion_matrix(self) -> np.ndarray:
        """Returns how many images of each class (row) were taken for each class (column)."""
        answers, classes = top_k(self.outputs, 1)[:, 0], self.outputs.shape[1]
        return tf.math.confusion_matrix(self.labels, answers, classes, self.counts).numpy()


def evaluate(model: LearningRule, images: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Evaluates a model without exploration.

    Args:
        model: A BrainProp or EBP model.
        images: Shape `(n, ...)`. For the paper's networks, uint8 images are divided by 255. All
            others are taken as they are.
        labels: Integers, shape `(n,)` or `(n, 1)`, or one-hot, shape `(n, classes)`.

    Returns:
        The outputs and the loss, with methods for accuracy and confusion matrix.

    Raises:
        BrainPropError: If images and labels do not go together, or the device fails.
    """
    images, labels = checked_arrays(model, "evaluation", images, labels)
    outputs = predict(model, images)
    with devices.reported_failures():
        loss, counts = _loss(model, images, labels, outputs)
    by_class = labels.ndim == 2 and labels.shape[1] == outputs.shape[1]
    labels = labels.argmax(1) if by_class else labels.reshape(-1)
    return Evaluation(outputs, labels, loss, counts)


def _loss(model: LearningRule, images, labels: np.ndarray, outputs: np.ndarray) -> tuple:
    """Returns the mean loss, with the regularization losses, and which images count."""
    masks = mask_of(model(scaled_images(model, images[:1]), training=False)) is not None
    if not masks and not any(layer._losses for layer in model._flatten_layers()):
        return float(model.compute_loss(y=labels, y_pred=outputs)), np.ones(len(labels), bool)
    # Masks and losses that layers add in their calls belong to a batch, so each is computed again.
    scaled, losses, counts = takes_scaled_images(model), [], []
    for batch, targets in evaluation_batches(images, labels, EVALUATION_BATCH_SIZE, scaled):
        predicted = model(batch, training=False)
        losses.append(float(model.compute_loss(y=targets, y_pred=predicted)) * len(batch))
        mask = mask_of(predicted)
        counts.append(np.ones(len(batch), bool) if mask is None else np.reshape(mask, -1))
    return sum(losses) / len(labels), np.concatenate(counts)


def predict(model: LearningRule, images: np.ndarray) -> np.ndarray:
    """Returns the outputs for some images; prints a progress bar on a terminal.

    Args:
        model: A BrainProp or EBP model.
        images: As for `evaluate`.

    Returns:
        BrainProp's Q-values or EBP's logits, shape `(n, classes)`, float32.

    Raises:
        BrainPropError: If the device fails.
    """
    images, unlabelled = np.asarray(images), np.zeros(len(images), np.int32)
    scaled = takes_scaled_images(model)
    batches = evaluation_batches(images, unlabelled, EVALUATION_BATCH_SIZE, scaled)
    with_bar = len(images) > EVALUATION_BATCH_SIZE and sys.stdout.isatty()
    with devices.reported_failures():
        return model.predict(batches, verbose=1 if with_bar else 0)


def top_k(outputs: np.ndarray, k: int) -> np.ndarray:
    """Returns the classes of the `k` largest outputs, best first; of equals, the first one.

    Args:
        outputs: Shape `(n, classes)`.
        k: How many; all if there are fewer.

    Returns:
        Shape `(n, k)`, integers.
    """
    return np.argsort(-outputs, axis=1, kind="stable")[:, :k]
