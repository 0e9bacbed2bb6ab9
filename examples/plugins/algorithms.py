"""Two algorithms: one defined by its loss, one a variant of BrainProp.

python main.py MNIST conv MeanSquaredError --plugin examples/plugins/algorithms.py
python main.py MNIST conv Boltzmann --temperature 0.2 --plugin examples/plugins/algorithms.py
"""

import keras
import tensorflow as tf

from brainprop import BrainProp, LearningRule, register_algorithm
from brainprop.rules.labels import class_probabilities


@keras.saving.register_keras_serializable(package="my_plugin")
class MeanSquaredError(LearningRule):
    """Error-backpropagation of the squared distance from the one-hot label."""

    def trial_losses(self, labels, outputs):
        """Returns the loss of each trial, shape `(batch,)`. The rule descends its gradient."""
        right = class_probabilities(labels, outputs.shape[-1])  # One-hot.
        return tf.reduce_sum((right - outputs) ** 2, axis=-1) / 2


@keras.saving.register_keras_serializable(package="my_plugin")
class Boltzmann(BrainProp):
    """BrainProp that draws every class from the Boltzmann distribution, at a low temperature."""

    # With *args and **kwargs, by these names, Keras can copy and load the model.
    def __init__(self, *args, temperature=0.1, **kwargs):
        super().__init__(*args, **kwargs)
        self.temperature = temperature

    def select_class(self, q):
        """Returns the selected class of each trial, shape `(batch,)`, int32."""
        drawn = keras.random.categorical(q / self.temperature, 1, seed=self.seed_generator)
        return tf.cast(drawn[:, 0], tf.int32)

    def get_config(self):
        return super().get_config() | {"temperature": self.temperature}


register_algorithm("MeanSquaredError", MeanSquaredError)
register_algorithm("Boltzmann", Boltzmann, temperature=0.1)
