"""Separate feedback connections: how an error, or attention, is fed back through a network.

A learning rule differentiates `Feedback.network`. It computes what the rule's own network computes,
with the same layers and weights. But a layer with a kernel feeds the error back to its inputs
through a feedback kernel instead of the transposed one, as docs/feedback.md describes. Everything
else keeps its own derivative: ReLU, pooling, batch normalization, dropout.
"""

import functools
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from brainprop.common.arguments import known_name
from brainprop.common.errors import BrainPropError
from brainprop.experiments import FEEDBACK

# Layers whose weights belong to single units. They keep their own derivative.
OF_UNITS = (keras.layers.PReLU, keras.layers.LayerNormalization)


class Feedback:
    """The feedback connections of a network that learns by a rule.

    Feedback kernels are weights of the rule, not of a layer. So they are in checkpoints and .keras
    files, and not in the 2020 code's weights files, which list the weights of layers.

    Args:
        rule: A functional model, which gets the feedback kernels.
        mode: A name in `brainprop.experiments.FEEDBACK`.
        seed: Seed of the feedback kernels, an integer. Defaults to a random one.

    Attributes:
        network: The network to differentiate: the rule's own, or one that shares its layers.
        kernels: By layer, the variable of its feedback connections: a kernel (learned, random), one
            size for all weights (sign), or a matrix from the output units (direct).
        weights: All these variables.

    Raises:
        BrainPropError: If the mode is unknown, a layer has weights that no feedback connections
            are defined for, or fixed feedback would be 0.
    """

    def __init__(self, rule: keras.Model, mode: str = "symmetric", seed: int | None = None):
        self.mode = known_name("feedback", mode, FEEDBACK)
        self.seed = seed
        self.kernels: dict[keras.Layer, keras.Variable] = {}
        self.weights: list[keras.Variable] = []
        symmetric = self.mode == "symmetric"
        self.network = rule if symmetric else _Wiring(rule, self).network()

    def kernel(self, layer: keras.Layer) -> tf.Tensor | None:
        """Returns the separate kernel that feeds back through a layer, in the kernel's shape.

        `None` if there is none: for the first layer, and under symmetric and direct feedback.
        """
        if layer not in self.kernels or self.mode == "direct":
            return None
        return self.backward(tf.convert_to_tensor(layer.kernel), self.kernels[layer])

    def backward(self, kernel: tf.Tensor, kept) -> tf.Tensor:
        """Returns the kernel of the way back, from the forward kernel and what `kernels` keeps."""
        kept = tf.cast(tf.convert_to_tensor(kept), kernel.dtype)
        return tf.sign(kernel) * kept if self.mode == "sign" else kept

    def learning(self, weights: list) -> list:
        """Leaves out the feedback kernels of layers that are frozen."""
        frozen = {id(kernel) for layer, kernel in self.kernels.items() if not layer.trainable}
        return [weight for weight in weights if id(weight) not in frozen]

    def decay(self) -> list[tf.Tensor]:
        """Returns losses of value 0, whose gradients are the weight decay of feedback kernels."""
        if self.mode != "learned":
            return []
        losses = [
            layer.kernel_regularizer(kernel)
            for layer, kernel in self.kernels.items()
            if layer.kernel_regularizer and layer.trainable
        ]
        return [loss - tf.stop_gradient(loss) for loss in losses]


class _Wiring:
    """Builds the network that has feedback connections, and adds their weights to the rule.

    Args:
        rule: The model that gets the feedback kernels.
        feedback: Its feedback.
    """

    def __init__(self, rule: keras.Model, feedback: Feedback):
        self.rule, self.feedback = rule, feedback
        # Other seeds than those that an experiment's forward kernels get from the same number.
        seed = random.getrandbits(64) if feedback.seed is None else feedback.seed
        self.random = random.Random(f"feedback {seed}")
        self.carriers: dict[keras.Layer, keras.Layer] = {}
        self.rewired: dict[tuple[keras.Model, bool], tuple[keras.Model, list]] = {}
        # The symbolic activities that depend on weights; held, so that no id is used twice.
        self.above_weights: dict[int, keras.KerasTensor] = {}

    def network(self) -> keras.Model:
        """Returns the network that computes what the rule's does and has the feedback."""
        network, reached = self._rewired(self.rule, inputs_learn=False)
        if not reached:
            return network
        _, *activities = network.output
        matrices = [
            self._matrix(layer, activity.shape[1:])
            for layer, activity in zip(reached, activities, strict=True)
        ]
        return keras.Model(network.input, _Broadcast(matrices)(network.output))

    def _rewired(self, model: keras.Model, inputs_learn: bool) -> tuple[keras.Model, list]:
        """Builds a model again of the same layers, with feedback; a nested one once for all calls.

        Args:
            model: A functional or Sequential model.
            inputs_learn: Whether its inputs depend on weights.

        Returns:
            network: The model. If direct feedback reaches activities in it, its outputs are a list:
                the model's output, and these activities.
            reached: The layer above each of them.
        """
        if (model, inputs_learn) in self.rewired:
            return self.rewired[model, inputs_learn]
        activities: list[keras.KerasTensor] = []
        reached: list[keras.Layer] = []
        # A network can contain the model both above weights and below all of them.
        name = f"{model.name}_above_weights" if inputs_learn else model.name
        plain = keras.Model(*ends_of(model), name=name)

        def call(layer, *args, **kwargs):
            below = keras.tree.flatten((args, kwargs))
            learns = inputs_learn or any(id(tensor) in self.above_weights for tensor in below)
            weights = getattr(layer, "weights", [])
            if weights and getattr(type(layer), "call", None) in (
                type(plain).call,
                keras.Sequential.call,
            ):
                inner, reached_within = self._rewired(layer, learns)
                outputs = inner(*args, **kwargs)
                if reached_within:
                    outputs, *within = outputs
                    activities.extend(within)
                    reached.extend(reached_within)
            elif weights and learns:
                carrier = self._carrier(layer)
                outputs = carrier(*args, **kwargs)
                if isinstance(carrier, _Cut):
                    activities.append(next(x for x in below if isinstance(x, keras.KerasTensor)))
                    reached.append(layer)
            else:  # The first layer feeds nothing back.
                outputs = layer(*args, **kwargs)
            if weights or learns:
                self.above_weights |= {id(out): out for out in keras.tree.flatten(outputs)}
            return outputs

        network = keras.models.clone_model(
            plain, clone_function=lambda layer: layer, call_function=call
        )
        if activities:
            network = keras.Model(network.input, [network.output, *activities], name=name)
        self.rewired[model, inputs_learn] = network, reached
        return network, reached

    def _carrier(self, layer: keras.Layer) -> keras.Layer:
        """Returns the layer with feedback, or the layer itself if it needs no connections."""
        if layer in self.carriers:
            return self.carriers[layer]
        method = _product_method(layer)
        if method is None:
            if isinstance(layer, OF_UNITS) or all(len(w.shape) < 2 for w in layer.weights):
                return layer
            raise BrainPropError(
                f"{self.feedback.mode} feedback is not defined for the layer {layer.name!r} "
                f"({type(layer).__name__}): only Dense, Conv1D to Conv3D and LocallyConnected2D; "
                "put others below the first of them, or use symmetric feedback"
            )
        if self.feedback.mode == "direct":
            carrier = _Cut(layer)
        else:
            kept = self.feedback.kernels[layer] = self._kept(layer)
            backward = self.feedback.backward
            carrier = _Carrier(layer, method, backward, kept, self.feedback.mode == "learned")
        self.carriers[layer] = carrier
        return carrier

    def _kept(self, layer: keras.Layer) -> keras.Variable:
        """Adds the weight of a layer's feedback connections to the rule."""
        kernel = layer.kernel
        if self.feedback.mode == "sign":
            size = np.sqrt(np.mean(np.square(keras.ops.convert_to_numpy(kernel))))
            return self._weight(layer, (), keras.initializers.Constant(size))
        learned = self.feedback.mode == "learned"
        constraint = layer.kernel_constraint if learned else None
        drawn = self._drawing(layer.kernel_initializer)
        return self._weight(layer, kernel.shape, drawn, trainable=learned, constraint=constraint)

    def _matrix(self, layer: keras.Layer, shape: tuple) -> keras.Variable:
        """Adds the matrix from the output units to the activity below a layer to the rule."""
        if None in shape:
            raise BrainPropError(
                f"direct feedback cannot reach the inputs of {layer.name!r}, which have no fixed "
                f"size but {shape}: give the network's inputs a fixed shape"
            )
        drawn = self._drawing(layer.kernel_initializer)
        matrix = self._weight(layer, (self.rule.output.shape[-1], math.prod(shape)), drawn)
        self.feedback.kernels[layer] = matrix
        return matrix

    def _weight(self, layer: keras.Layer, shape, initializer, trainable=False, constraint=None):
        """Adds a weight to the rule."""
        weight = self.rule.add_weight(
            name=f"{layer.name}_feedback",
            shape=shape,
            initializer=initializer,
            dtype=layer.kernel.dtype,
            trainable=trainable,
            constraint=constraint,
        )
        if not trainable and not np.any(weight):
            raise BrainPropError(
                f"{self.feedback.mode} feedback would be 0 for ever at the layer {layer.name!r}, "
                "as its initial kernel is: give it another kernel_initializer, or use learned "
                "feedback"
            )
        self.feedback.weights.append(weight)
        return weight

    def _drawing(self, initializer) -> Callable:
        """Returns an initializer that draws other numbers from the same distribution."""
        config: dict = getattr(initializer, "get_config", dict)()
        if "seed" not in config:
            return initializer
        return type(initializer).from_config(config | {"seed": self.random.getrandbits(31)})


def feedback_weights(model: keras.Model) -> list:
    """Returns the weights of a model's feedback connections; most models have none."""
    feedback = getattr(model, "feedback", None)
    return feedback.weights if isinstance(feedback, Feedback) else []


def ends_of(model: keras.Model) -> tuple:
    """Returns the symbolic inputs and outputs of a built Sequential or functional model."""
    if isinstance(model, keras.Sequential):
        return model.inputs[0], model.outputs[0]
    return model.input, model.output


def _product_method(layer: keras.Layer) -> str | None:
    """Returns the method in which a layer multiplies inputs and kernel; `None` if unknown."""
    known = {id(getattr(layer, name, None)) for name in ("kernel", "bias")}
    if not {id(weight) for weight in layer.weights} <= known:
        return None
    one_dimensional = isinstance(layer, keras.layers.Conv1D)
    if type(layer).call is (keras.layers.Conv1D if one_dimensional else keras.layers.Dense).call:
        return "call"
    return "convolution_op" if hasattr(layer, "convolution_op") else None


@contextmanager
def _replaced(layer: keras.Layer, method: str, function: Callable) -> Iterator[None]:
    """Lets a layer use another function in place of one of its methods."""
    vars(layer)[method] = function
    try:
        yield
    finally:
        del vars(layer)[method]


class _Around(keras.Layer):
    """Calls another layer.

    Args:
        layer: The layer, which decides about precision and masks.
    """

    def __init__(self, layer: keras.Layer):
        super().__init__(name=f"{layer.name}_feedback", dtype=layer.dtype_policy, autocast=False)
        self.layer = layer
        self.supports_masking = layer.supports_masking
        self.built = True

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def compute_mask(self, inputs, previous_mask):
        return self.layer.compute_mask(inputs, previous_mask)


class _Carrier(_Around):
    """Calls a layer, and feeds back through another kernel.

    Args:
        layer: The layer.
        method: The one in which it multiplies inputs and kernel.
        backward: Makes the other kernel of the forward one and `kept`.
        kept: A weight.
        learns: Whether `kept` gets the kernel's gradient, too.
    """

    def __init__(self, layer, method: str, backward: Callable, kept, learns: bool):
        super().__init__(layer)
        self.method, self.backward, self.kept, self.learns = method, backward, kept, learns

    def call(self, inputs, training=None):
        replacement = self._dense
        if self.method == "convolution_op":
            replacement = functools.partial(self._connected, self.layer.convolution_op)
        elif isinstance(self.layer, keras.layers.Conv1D):
            replacement = self._conv1d
        self.connects = False
        # Under `keras.RematScope` the layer would run again in the backward pass, as it was.
        once = _replaced(self.layer, "rematerialized_call", lambda call, *args, **kwargs: call)
        with once, _replaced(self.layer, self.method, replacement):
            outputs = self.layer(inputs)
        if not self.connects:
            raise BrainPropError(
                f"the layer {self.layer.name!r} ({type(self.layer).__name__}) does not use its "
                "convolution_op, so it has no feedback but the transposed kernel: use it in the "
                "layer's call, or use symmetric feedback"
            )
        return outputs

    def _dense(self, inputs, training=None):
        """Computes what Keras's `Dense.call` does."""
        layer = self.layer
        outputs = self._connected(keras.ops.matmul, inputs, layer.kernel)
        outputs = outputs if layer.bias is None else keras.ops.add(outputs, layer.bias)
        return outputs if layer.activation is None else layer.activation(outputs)

    def _conv1d(self, inputs):
        """Computes what Keras's `Conv1D.call` does, which does not use `convolution_op`."""
        layer, padding = self.layer, self.layer.padding
        if padding == "causal":
            inputs, padding = keras.ops.pad(inputs, layer._compute_causal_padding()), "valid"

        def product(inputs, kernel):
            dilation, layout = layer.dilation_rate, layer.data_format
            return keras.ops.conv(inputs, kernel, layer.strides, padding, layout, dilation)

        with _replaced(layer, "convolution_op", functools.partial(self._connected, product)):
            return keras.layers.Conv2D.call(layer, inputs)

    def _connected(self, product: Callable, inputs, kernel) -> tf.Tensor:
        """Returns the product of inputs and kernel, whose gradient takes the other way back."""
        self.connects = True

        @tf.custom_gradient
        def connected(inputs, kernel, kept):
            def gradients(above):
                # A graph leaves out the products, of which only the derivatives are used.
                with tf.GradientTape(persistent=True) as tape:
                    tape.watch([inputs, kernel])
                    forward = product(tf.stop_gradient(inputs), kernel)
                    back = product(inputs, tf.stop_gradient(self.backward(kernel, kept)))
                down = tape.gradient(back, inputs, above)
                update = tape.gradient(forward, kernel, above)
                if not self.learns:
                    return down, update, None
                # Else `kept` can change before `down` is computed from it: Grappler loses the order
                # of reading and changing a variable that only a custom gradient uses.
                with tf.control_dependencies([down]):
                    return down, update, tf.identity(update)

            return product(inputs, kernel), gradients

        kernel, kept = tf.convert_to_tensor(kernel), tf.convert_to_tensor(self.kept)
        return connected(inputs, kernel, kept)


class _Cut(_Around):
    """Calls a layer that feeds nothing back."""

    def call(self, inputs, training=None):
        return self.layer(tf.stop_gradient(inputs))


class _Broadcast(keras.Layer):
    """Returns the outputs; feeds back what reaches them directly to each activity.

    It takes a list: the outputs, shape `(batch, classes)`, and the activities.

    Args:
        matrices: A weight for each activity, shape `(classes, units)`.
    """

    def __init__(self, matrices: list):
        super().__init__(autocast=False)
        self.matrices = matrices
        self.supports_masking = True
        self.built = True

    def call(self, values):
        outputs, *activities = values
        for activity, matrix in zip(activities, self.matrices, strict=True):
            outputs = _reaching(outputs, activity, tf.convert_to_tensor(matrix))
        return outputs

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def compute_mask(self, inputs, previous_mask):
        return previous_mask[0]


@tf.custom_gradient
def _reaching(outputs: tf.Tensor, activity: tf.Tensor, matrix: tf.Tensor):
    """Returns the outputs; their error reaches the activity through the matrix."""

    def gradients(above):
        down = tf.cast(above, activity.dtype) @ tf.cast(matrix, activity.dtype)
        return above, tf.reshape(down, tf.shape(activity)), None

    return tf.identity(outputs), gradients
