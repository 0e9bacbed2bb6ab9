"""Two layers that Keras 3 lacks: locally connected, and fused batch normalization."""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable(package="brainprop")
class LocallyConnected2D(keras.layers.Layer):
    """A 2D convolution whose weights differ from position to position.

    Keras 2 had this layer; the arguments and the layout of the weights are the same, with its
    `implementation=1`. Images are channels last.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the receptive field, an integer or a pair.
        strides: Along height and width, an integer or a pair.
        padding: Only `"valid"`: receptive fields lie within the image.
        activation: As for `keras.layers.Conv2D`.
        use_bias: Whether to add a bias, one for each position and channel.
        kernel_initializer, bias_initializer: As for `keras.layers.Conv2D`.
        kernel_regularizer, bias_regularizer: As for `keras.layers.Conv2D`.
        **kwargs: As for `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`

    Output shape:
        `(batch, rows, columns, filters)`, where `rows = (height - kernel_height) // stride + 1`,
        and the columns alike.

    Weights:
        kernel: `(rows * columns, kernel_height * kernel_width * channels, filters)`; positions
            row by row, the middle axis in the order kernel row, kernel column, channel.
        bias: `(rows, columns, filters)`

    Raises:
        ValueError: The padding is not "valid", or the image is smaller than the kernel or has no
            fixed size.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1),
        padding="valid",
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if padding != "valid":
            raise ValueError(f"LocallyConnected2D has only 'valid' padding, not {padding!r}")
        self.filters = filters
        self.kernel_size = _pair(kernel_size)
        self.strides = _pair(strides)
        self.padding = padding
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        _, rows, columns, filters = self.compute_output_shape(input_shape)
        channels = input_shape[-1]
        self.receptive_fields = _receptive_fields(
            input_shape[1:3], self.kernel_size, self.strides, (rows, columns)
        )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(rows * columns, self.receptive_fields.shape[1] * channels, filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(rows, columns, filters),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
            )

    def call(self, inputs):
        _, height, width, channels = inputs.shape
        _, rows, columns, filters = self.compute_output_shape(inputs.shape)
        # Positions come first and images last: to gather the receptive fields is then to copy
        # long runs of numbers, and they lie as the matrix product wants them.
        pixels = tf.reshape(tf.transpose(inputs, [1, 2, 3, 0]), [height * width, channels, -1])
        fields = tf.gather(pixels, self.receptive_fields)
        fields = tf.reshape(fields, [rows * columns, self.kernel.shape[1], -1])
        outputs = tf.matmul(fields, self.kernel, transpose_a=True)
        outputs = tf.reshape(outputs, [rows, columns, -1, filters])
        outputs = tf.transpose(outputs, [2, 0, 1, 3])
        if self.bias is not None:
            outputs += self.bias
        return self.activation(outputs)

    def compute_output_shape(self, input_shape):
        batch, *size, _ = input_shape
        if None in size or any(n < k for n, k in zip(size, self.kernel_size, strict=True)):
            raise ValueError(
                f"LocallyConnected2D needs images of a fixed size, at least {self.kernel_size}, "
                f"not of shape {tuple(input_shape)}"
            )
        rows, columns = (
            (n - k) // s + 1 for n, k, s in zip(size, self.kernel_size, self.strides, strict=True)
        )
        return batch, rows, columns, self.filters

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
        }


def _pair(value) -> tuple[int, int]:
    """A size along height and width, from an integer or a pair."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair):
        raise ValueError(f"expected a positive integer or a pair of them, not {value!r}")
    return pair


def _receptive_fields(size, kernel_size, strides, positions) -> np.ndarray:
    """The pixels that each output position sees.

    Returns:
        Indices of pixels counted row by row, shape `(rows * columns, kernel pixels)`, int32.
    """
    pixels = np.arange(size[0] * size[1], dtype=np.int32).reshape(size)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, kernel_size)
    windows = windows[:: strides[0], :: strides[1]]
    return windows.reshape(positions[0] * positions[1], -1)


@keras.saving.register_keras_serializable(package="brainprop")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalization, by TensorFlow's fused operation, which is faster.

    It has the arguments, weights and names of `keras.layers.BatchNormalization`, and gives the same
    outputs and gradients. One thing differs, and is as in Keras 2, which the paper's code used: the
    moving average of the variance takes the unbiased variance of the batch, `n / (n - 1)` times
    the biased one, where `n` is the number of values a channel.

    What the fused operation cannot do (inputs that are not images with the channels last, masks,
    no scale or no offset, renormalization) Keras's own code does.
    """

    def call(self, inputs, training=None, mask=None):
        if not self._can_be_fused(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        updating = bool(training and self.trainable)
        nothing = tf.zeros([0])
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=nothing if updating else self.moving_mean,
            variance=nothing if updating else self.moving_variance,
            epsilon=self.epsilon,
            is_training=updating,
        )
        if updating:
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs

    def _can_be_fused(self, inputs, mask) -> bool:
        images = inputs.shape.rank == 4 and self.axis in (3, -1)
        return (
            images and mask is None and self.scale and self.center
            and not getattr(self, "renorm", False) and not getattr(self, "synchronized", False)
        )  # fmt: skip
