"""Plain gradient descent in one operation a weight."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="brainprop")
class SGD(keras.optimizers.SGD):
    """Keras's SGD, whose update without momentum is one operation, which is faster.

    Keras multiplies every gradient by the learning rate into separate memory before it subtracts
    it. Arguments and updates are those of `keras.optimizers.SGD`.
    """

    def update_step(self, gradient, variable, learning_rate):
        if self.momentum or not isinstance(gradient, tf.Tensor):  # Sparse ones are slices.
            super().update_step(gradient, variable, learning_rate)
            return
        tf.raw_ops.ResourceApplyGradientDescent(
            var=variable.handle,
            alpha=tf.cast(learning_rate, variable.dtype),
            delta=tf.cast(gradient, variable.dtype),
        )
