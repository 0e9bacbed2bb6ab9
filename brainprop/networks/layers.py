"""Locally connected layer (removed in Keras 3); faster dense layer, normalization and dropout."""

import keras
import numpy as np
import tensorflow as tf

from brainprop.common.devices import replica_seed, replicas


@keras.saving.register_keras_serializable(package="brainprop")
class LocallyConnected2D(keras.layers.Layer):
    """A 2D convolution whose weights differ from position to position.

    Arguments and weights are those of Keras 2's layer with `implementation=1` and channels last.

    Args:
        filters: The number of output channels.
        kernel_size: Height and width of the receptive field, an integer or a pair.
        strides: Strides along height and width, an integer or a pair. Defaults to 1.
        padding: Only `"valid"`: every receptive field lies within the image.
        activation: Activation of the outputs. Defaults to none.
        use_bias: Whether to add a bias, one for each position and channel. Defaults to True.
        kernel_initializer, bias_initializer: Initializers of the weights.
        kernel_regularizer, bias_regularizer: Regularizers of the weights. Default to none.
        kernel_constraint, bias_constraint: Constraints of the weights. Default to none.
        **kwargs: As for `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, where only the batch size can be unknown.

    Output shape:
        `(batch, rows, columns, filters)`, where `rows = (height - kernel_height) // stride + 1`;
        columns likewise.

    Weights:
        kernel: `(rows * columns, kernel_height * kernel_width * channels, filters)`. Positions are
            row by row; the middle axis is in the order kernel row, kernel column, channel.
        bias: `(rows, columns, filters)`.

    Raises:
        ValueError: If a size is not positive, the padding is not "valid", or the images have no
            fixed size or are smaller than the kernel.

    Reference:

    - [Gregor and LeCun, 2010](https://arxiv.org/abs/1006.0448)
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
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if padding != "valid":
            raise ValueError(f"LocallyConnected2D has only 'valid' padding, not {padding!r}")
        if not isinstance(filters, int) or filters < 1:
            raise ValueError(f"filters must be a positive integer, not {filters!r}")
        self.filters = filters
        self.kernel_size = _pair("kernel_size", kernel_size)
        self.strides = _pair("strides", strides)
        self.padding = padding
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        _, rows, columns, filters = self.compute_output_shape(input_shape)
        _, height, width, channels = input_shape
        pixels = np.arange(height * width, dtype=np.int32).reshape(height, width)
        fields = np.lib.stride_tricks.sliding_window_view(pixels, self.kernel_size)
        fields = fields[:: self.strides[0], :: self.strides[1]]
        # The pixels that each position sees: (positions, pixels of the kernel).
        self.receptive_fields = fields.reshape(rows * columns, -1)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(rows * columns, self.receptive_fields.shape[1] * channels, filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(rows, columns, filters),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs):
        outputs = self.convolution_op(inputs, self.kernel)
        if self.bias is not None:
            outputs += self.bias
        return self.activation(outputs)

    def convolution_op(self, inputs, kernel):
        """Returns the product of images and kernel, as the method of Keras's convolutions does."""
        _, height, width, channels = inputs.shape
        _, rows, columns, filters = self.compute_output_shape(inputs.shape)
        # With positions first and images last, a single gather copies long runs of numbers into
        # the operands of the matrix products, one a position. Its gradient is as fast.
        pixels = tf.reshape(tf.transpose(inputs, [1, 2, 3, 0]), [height * width, channels, -1])
        fields = tf.gather(pixels, self.receptive_fields)
        fields = tf.reshape(fields, [rows * columns, kernel.shape[1], -1])
        outputs = tf.matmul(fields, kernel, transpose_a=True)
        outputs = tf.reshape(outputs, [rows, columns, -1, filters])
        return tf.transpose(outputs, [2, 0, 1, 3])

    def compute_output_shape(self, input_shape):
        batch, *size, _ = input_shape
        axes = list(zip(size, self.kernel_size, self.strides, strict=True))
        if None in input_shape[1:] or any(n < k for n, k, _ in axes):
            raise ValueError(
                f"LocallyConnected2D needs images of a fixed size, at least {self.kernel_size}, "
                f"not of shape {tuple(input_shape)}"
            )
        rows, columns = ((n - k) // s + 1 for n, k, s in axes)
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
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }


def _pair(name: str, value) -> tuple[int, int]:
    """Returns a size along height and width, from an integer or a pair."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair):
        raise ValueError(f"{name} must be a positive integer or a pair of them, not {value!r}")
    return pair


@keras.saving.register_keras_serializable(package="brainprop")
class Dense(keras.layers.Dense):
    """Keras's dense layer, whose input gradient is computed in a faster form.

    Arguments, weights and their names, outputs and gradients are those of `keras.layers.Dense`.
    """

    def call(self, inputs, training=None):
        if self.lora_enabled or self.quantization_mode:
            return super().call(inputs, training=training)
        outputs = self.convolution_op(inputs, self.kernel)
        if self.bias is not None:
            outputs += self.bias
        return outputs if self.activation is None else self.activation(outputs)

    def convolution_op(self, inputs, kernel):
        """Returns the product of inputs and kernel, as the method of Keras's convolutions does."""
        if len(inputs.shape) != 2:
            return keras.ops.matmul(inputs, kernel)
        return _product(inputs, tf.convert_to_tensor(kernel))


@tf.custom_gradient
def _product(inputs: tf.Tensor, kernel: tf.Tensor):
    """Returns the matrix product, whose gradient multiplies in the faster forms."""

    def gradients(signal):
        # With a transposed kernel, TensorFlow multiplies a batch of one matrix faster than one.
        batch, kernels = tf.expand_dims(signal, 0), tf.expand_dims(kernel, 0)
        down = tf.squeeze(tf.matmul(batch, kernels, transpose_b=True), 0)
        return down, tf.matmul(inputs, signal, transpose_a=True)

    return tf.matmul(inputs, kernel), gradients


@keras.saving.register_keras_serializable(package="brainprop")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalization, computed by TensorFlow's fused operation, which is faster.

    Arguments, weights and their names, outputs and gradients are those of
    `keras.layers.BatchNormalization`. One thing differs, and is as in Keras 2, which the paper's
    code used: the moving variance averages the unbiased variance of each batch, `n / (n - 1)`
    times the biased one that normalizes it, where `n` is the number of values per channel.

    What the fused operation cannot do, Keras's own code does: inputs other than images with
    channels last in at most 32 bits, masks, no scale or no offset, renormalization,
    synchronization.

    Reference:

    - [Ioffe and Szegedy, 2015](https://arxiv.org/abs/1502.03167)
    """

    def call(self, inputs, training=None, mask=None):
        if not self._can_be_fused(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        learning = training and self.trainable
        # Scale, offset and statistics are float32, regardless of the precision of the images.
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            mean=None if learning else tf.cast(self.moving_mean, tf.float32),
            variance=None if learning else tf.cast(self.moving_variance, tf.float32),
            epsilon=self.epsilon,
            is_training=bool(learning),
        )
        if learning:
            if replicas() > 1:  # All keep the same averages.
                context = tf.distribute.get_replica_context()
                mean, variance = context.all_reduce(tf.distribute.ReduceOp.MEAN, [mean, variance])
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs

    def _can_be_fused(self, inputs, mask) -> bool:
        images = len(inputs.shape) == 4 and self.axis in (3, -1)
        special = mask is not None or self.synchronized or getattr(self, "renorm", False)
        dtypes = (tf.float32, tf.float16, tf.bfloat16)
        return images and inputs.dtype in dtypes and self.scale and self.center and not special


@keras.saving.register_keras_serializable(package="brainprop")
class Dropout(keras.layers.Dropout):
    """Keras's dropout, drawn with 16 random bits a number, which is faster.

    Arguments and random state are those of `keras.layers.Dropout`. Under `MirroredStrategy`, each
    replica draws its own numbers; Keras's dropout draws the same ones on all of them. The rate is
    rounded to a multiple of `2**-16`. What is kept is scaled by the inverse of the resulting
    probability, so that the mean stays exact.

    Reference:

    - [Srivastava et al., 2014](https://jmlr.org/papers/v15/srivastava14a.html)
    """

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return super().call(inputs, training=training)
        if self.rate == 1:  # Keras 3.12 refuses it.
            return tf.zeros_like(inputs)
        levels = 2**16
        dropped = min(round(self.rate * levels), levels - 1)
        shape = tf.shape(inputs)
        if self.noise_shape is not None:
            sizes = zip(self.noise_shape, tf.unstack(shape), strict=True)
            shape = tf.stack([own if size is None else size for size, own in sizes])
        size = tf.reduce_prod(shape)
        words = tf.random.stateless_uniform(
            [(size + 1) // 2],  # Each has the bits for two numbers.
            seed=replica_seed(self.seed_generator),
            minval=None,
            maxval=None,
            dtype=tf.int32,
        )
        bits = tf.reshape(tf.bitcast(words, tf.uint16), [-1])[:size]
        kept = tf.reshape(bits >= tf.constant(dropped, tf.uint16), shape)
        # A product is several times faster than tf.where.
        return inputs * (tf.cast(kept, inputs.dtype) * (levels / (levels - dropped)))
