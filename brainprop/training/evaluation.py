"""Evaluation: what a network answers without exploration, and how often that is right."""

import sys
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from brainprop.common import devices
from brainprop.rules.base import LearningRule
from brainprop.training.batches import evaluation_batches

EVALUATION_BATCH_SIZE = 128


@dataclass(frozen=True)
class Evaluation:
    """How a network did on a labelled set of images.

    Attributes:
        outputs: BrainProp's Q-values or EBP's logits, shape `(n, classes)`, float32.
        labels: Shape `(n,)`, integers.
        loss: The mean loss, with the regularization losses.
    """

    outputs: np.ndarray
    labels: np.ndarray
    loss: float

    @property
    def accuracy(self) -> float:
        """The top-1 accuracy, in [0, 1]."""
        return self.correct() / len(self.labels)

    def correct(self, k: int = 1) -> int:
        """The number of images whose label is among the `k` best classes."""
        return int((best_classes(self.outputs, k) == self.labels[:, np.newaxis]).sum())

    def confusion_matrix(self) -> np.ndarray:
        """How many images of each class (row) were taken for each class (column), integers."""
        answers, classes = best_classes(self.outputs, 1)[:, 0], self.outputs.shape[1]
        return tf.math.confusion_matrix(self.labels, answers, classes).numpy()


def evaluate(model: LearningRule, images: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Evaluates a model without exploration.

    Args:
        model: A compiled model.
        images: Shape `(n, height, width, channels)`, uint8.
        labels: Shape `(n,)`, integers.
    """
    outputs = predict(model, images)
    return Evaluation(outputs, labels, float(model.compute_loss(y=labels, y_pred=outputs)))


def predict(model: LearningRule, images: np.ndarray) -> np.ndarray:
    """The outputs for some images, with a progress bar where they take more than a batch.

    Args:
        model: A built model.
        images: Shape `(n, height, width, channels)`, uint8.

    Returns:
        BrainProp's Q-values or EBP's logits, shape `(n, classes)`, float32.

    Raises:
        BrainPropError: The device fails.
    """
    unlabelled = np.zeros(len(images), np.int32)  # Keras's `predict` looks at no labels.
    batches = evaluation_batches(images, unlabelled, EVALUATION_BATCH_SIZE)
    with_bar = len(images) > EVALUATION_BATCH_SIZE and sys.stdout.isatty()
    with devices.failures_told():
        return model.predict(batches, verbose=1 if with_bar else 0)


def best_classes(outputs: np.ndarray, k: int) -> np.ndarray:
    """The classes of the `k` largest outputs, best first: shape `(n, k)`; the first one of equals.

    Args:
        outputs: Shape `(n, classes)`.
        k: How many; all where there are fewer.
    """
    return np.argsort(-outputs, axis=1, kind="stable")[:, :k]
