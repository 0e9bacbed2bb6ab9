"""Error-backpropagation (EBP), the baseline: softmax and categorical cross-entropy."""

import keras
import tensorflow as tf

from brainprop.rules.base import LearningRule
from brainprop.rules.labels import class_probabilities


@keras.saving.register_keras_serializable(package="brainprop")
class EBP(LearningRule):
    """A classifier that learns by error-backpropagation.

    The softmax is part of the loss, so the network is the same as BrainProp's and `predict` returns
    logits, shape `(batch, classes)`. Soft labels are probabilities of the classes.

    Args:
        inputs: As for `keras.Model`.
        outputs: The logits, shape `(batch, classes)`, from a linear layer.
        **kwargs: `feedback` and `feedback_seed`, as for `LearningRule`; `name` and `trainable`, as
            for `keras.Model`.

    Raises:
        TypeError, ValueError, BrainPropError: As for `LearningRule`.
    """

    harmless_activations = frozenset({"logsoftmax"})  # Its softmax is the same.

    def trial_losses(self, labels, outputs):
        """Returns the cross-entropy of each trial, shape `(batch,)`, float32."""
        return trial_losses(labels, outputs)


def trial_losses(labels, logits: tf.Tensor) -> tf.Tensor:
    """Returns the cross-entropy of each trial, shape `(batch,)`, float32."""
    probabilities = class_probabilities(labels, logits.shape[-1])
    return tf.nn.softmax_cross_entropy_with_logits(probabilities, logits)
