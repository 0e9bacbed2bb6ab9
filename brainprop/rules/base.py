"""What the learning rules share: the step, and the loss and the metrics that Keras reports."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from brainprop.common.devices import replicas
from brainprop.common.errors import BrainPropError
from brainprop.rules.feedback import Feedback, ends_of
from brainprop.rules.labels import (
    class_indices,
    class_probabilities,
    is_one_hot,
    mask_of,
    set_mask,
    single,
    trial_weights,
    unpacked,
)
from brainprop.rules.linear_outputs import check_outputs

if keras.backend.backend() != "tensorflow":
    raise BrainPropError(
        f"Keras runs on {keras.backend.backend()}, and the rules on TensorFlow: set "
        "KERAS_BACKEND=tensorflow before Keras is imported"
    )


class TracedNumber:
    """A number that is fixed when the training step is traced. A new value traces the step again.

    Args:
        default: The value of a new model.
        low, high: The smallest and the largest value.
    """

    def __init__(self, default: float, low: float, high: float):
        self.default, self.low, self.high = default, low, high

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, model, owner=None):
        return self if model is None else vars(model).get(f"_{self.name}", self.default)

    def __set__(self, model, value):
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name} must lie in [{self.low}, {self.high}], not {value!r}")
        changed = value != getattr(model, self.name)
        vars(model)[f"_{self.name}"] = type(self.default)(value)
        if changed and getattr(model, "train_function", None) is not None:
            model.make_train_function(force=True)


class LearningRule(keras.Model):
    """A classifier with a linear output layer, which learns by a rule that a subclass defines.

    A subclass defines `trial_losses`, its loss for each trial. It then learns by gradient descent
    on their mean. A rule that is no gradient descent overrides `train_step` too.

    Labels are integers, shape `(batch,)` or `(batch, 1)`, or one-hot, shape `(batch, classes)`.
    A list of one such array is taken too, as in Keras. `compile` takes no loss: the rule defines
    it. Under a mixed-precision policy, give the output layer `dtype="float32"`: 16 bits would round
    its outputs. Samples that a `Masking` layer masks do not count, as in Keras. `keras.RematScope`
    must not cover a layer that contains batch normalization or dropout: Keras 3.15 differentiates
    these as in inference.

    Args:
        inputs: As for `keras.Model`.
        outputs: The output activations, a tensor of shape `(batch, classes)` from a linear layer.
        feedback: How the error, or attention, is fed back, a name in
            `brainprop.experiments.FEEDBACK`: docs/feedback.md. Defaults to "symmetric", through the
            transposed kernels.
        feedback_seed: Seed of the feedback kernels, an integer. Defaults to a random one.
        **kwargs: `name` and `trainable`, as for `keras.Model`.

    Attributes:
        feedback: The feedback connections, a `brainprop.rules.feedback.Feedback`.
        update_batch_size: The number of trials that an update is divided by. 0, the default, is the
            batch's own number, as in Keras. `brainprop.train` sets the full batch size, by which
            the paper's code divides the last, smaller batch of an epoch too.

    Raises:
        TypeError: If inputs or outputs are missing, or an argument is unknown.
        ValueError: If the outputs are not one linear tensor of shape `(batch, classes)`.
        BrainPropError: If the feedback mode is unknown, or not defined for one of the layers.
    """

    update_batch_size = TracedNumber(0, 0, 2**31)
    # Nonlinear activations of the output layer that do not change what the rule learns.
    harmless_activations: frozenset[str] = frozenset()

    def __init__(
        self,
        *args,
        feedback: str = "symmetric",
        feedback_seed: int | None = None,
        **kwargs,
    ):
        rule, given = type(self).__name__, kwargs.keys()
        if len(args) + len(given & {"inputs", "outputs"}) < 2:
            raise TypeError(
                f"make it as {rule}(inputs, outputs), without a `call`, or from a model as "
                f"{rule}.from_model(model)"
            )
        unknown = given - {"inputs", "outputs", "name", "trainable"}
        if unknown:  # Keras would ignore a misspelt argument.
            raise TypeError(f"{rule} takes no {', '.join(sorted(unknown))}")
        super().__init__(*args, **kwargs)
        check_outputs(self.output, self.harmless_activations)
        self._labels_by_class = None
        self.feedback = Feedback(self, feedback, feedback_seed)

    @classmethod
    def from_model(cls, model: keras.Model, **kwargs) -> "LearningRule":
        """Makes a model that learns by this rule from a Sequential or functional model.

        The two models share their layers and weights.

        Args:
            model: A built model with one linear output. Its optimizer is not taken over.
            **kwargs: The rule's own arguments, such as `exploration_rate`.

        Returns:
            A model to compile.

        Raises:
            TypeError: If it is not a Keras model, or an argument is unknown.
            ValueError: If the model has no input shape yet, or its output is not linear.
            BrainPropError: If the feedback mode is unknown, or not defined for one of the layers.
        """
        if not isinstance(model, keras.Model):
            raise TypeError(f"from_model takes a Keras model, not {type(model).__name__}")
        if not isinstance(getattr(model, "inputs", None), list):
            raise ValueError(
                f"the model {model.name!r} has no input shape: start it with keras.Input(shape)"
            )
        return cls(*ends_of(model), **kwargs)

    def trial_losses(self, labels, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each trial, without exploration, dropout or regularization.

        Args:
            labels: In any form that the class takes.
            outputs: Shape `(batch, classes)`, float32.

        Returns:
            Shape `(batch,)`, float32.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no trial_losses")

    def train_step(self, data):
        """Learns from a batch by gradient descent on the mean of `trial_losses`."""
        images, labels, sample_weight = unpacked(data)
        with tf.GradientTape() as tape:
            outputs, mask = self.feedforward(images)
            losses = self.trial_losses(labels, outputs)
            penalty = self.penalty()
        weight = trial_weights(labels, outputs, sample_weight, mask, self.update_batch_size)
        self.step(tape, [losses, penalty], [-weight, -1.0])
        return self.report(images, labels, outputs, mask, sample_weight, losses, penalty)

    def feedforward(self, images) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the outputs in training, and their mask.

        Args:
            images: Shape `(batch, ...)`, as the network takes them.

        Returns:
            Shape `(batch, classes)`, float32; and shape `(batch,)`, boolean, or `None`.
        """
        outputs = self.feedback.network(images, training=True)
        return tf.cast(outputs, tf.float32), mask_of(outputs)

    def penalty(self) -> tf.Tensor:
        """Returns this replica's part of the regularization losses: a scalar, float32."""
        losses = [*self.losses, *self.feedback.decay()]
        losses = [tf.reduce_sum(tf.cast(loss, tf.float32)) for loss in losses]
        return tf.add_n(losses) / replicas() if losses else tf.zeros(())

    def step(self, tape: tf.GradientTape, targets: list, signals: list) -> None:
        """Changes every trainable weight by `eta * sum(signal * d target / d weight)`.

        Any optimizer but plain SGD receives the sum's negative as its gradient.

        Args:
            tape: Has recorded the targets.
            targets: Tensors.
            signals: What gates the derivatives of each target; broadcast to its shape.
        """
        # Optimizers step against the gradient, hence the minus. Mixed precision scales it.
        scale = self.optimizer.scale_loss(tf.ones(()))
        weights = self.feedback.learning(self.trainable_weights)
        gradients = tape.gradient(targets, weights, output_gradients=[-s * scale for s in signals])
        self.optimizer.apply(gradients, weights)

    def report(self, images, labels, outputs, mask, sample_weight, losses, penalty) -> dict:
        """Returns the batch's metrics, the mean loss among them, as Keras expects of a step.

        Args:
            images: As `unpacked` returns them.
            labels: As `unpacked` returns them.
            outputs: As `feedforward` returns them.
            mask: As `feedforward` returns it.
            sample_weight: As `unpacked` returns it.
            losses: The loss of each trial, shape `(batch,)`, float32.
            penalty: As `penalty` returns it.
        """
        weight = trial_weights(labels, outputs, sample_weight, mask)
        loss = (tf.reduce_sum(weight * losses) + penalty) * replicas()
        self.loss_metric.update_state(loss, sample_weight=tf.shape(outputs)[0])
        set_mask(outputs, mask)
        return self.compute_metrics(images, labels, outputs, sample_weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the mean of `trial_losses` and the regularization losses: a scalar, float32."""
        del x, training
        outputs, labels = tf.cast(y_pred, tf.float32), single(y)
        weight = trial_weights(labels, outputs, single(sample_weight), mask_of(y_pred))
        return tf.reduce_sum(weight * self.trial_losses(labels, outputs)) + self.penalty()

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Returns the metrics; labels reach them in the form in which they came first."""
        labels, classes = tf.convert_to_tensor(single(y)), y_pred.shape[-1]
        if self._labels_by_class is None:
            self._labels_by_class = is_one_hot(labels, classes)
        if self._labels_by_class and not is_one_hot(labels, classes):
            labels = class_probabilities(labels, classes)
        elif is_one_hot(labels, classes) and not self._labels_by_class:
            labels = class_indices(labels, classes)
        return super().compute_metrics(x, labels, y_pred, single(sample_weight))

    def compile(self, optimizer="rmsprop", loss=None, loss_weights=None, *args, **kwargs):
        """Configures training as `keras.Model.compile` does; the rule defines the loss."""
        for name, value in (("loss", loss), ("loss_weights", loss_weights)):
            if value is not None:
                warnings.warn(
                    f"{type(self).__name__} ignores compile({name}=...): the rule defines its loss",
                    stacklevel=2,
                )
        self._labels_by_class = None
        super().compile(optimizer, loss, loss_weights, *args, **kwargs)

    def get_config(self):
        config = super().get_config()
        if self.feedback.mode != "symmetric":
            config |= {"feedback": self.feedback.mode, "feedback_seed": self.feedback.seed}
        return config

    def arguments(self) -> dict:
        """Returns the rule's own arguments of `__init__`: what `get_config` adds to Keras's."""
        of_keras = super().get_config()
        return {key: value for key, value in self.get_config().items() if key not in of_keras}

    def get_compile_config(self):
        """Includes the rule's arguments, which `clone_model` would lose."""
        config = super().get_compile_config()
        return config and config | {"rule": self.arguments()}

    def compile_from_config(self, config):
        config = keras.saving.deserialize_keras_object(config)
        arguments = config.pop("rule", {})
        feedback, seed = (arguments.pop(name, None) for name in ("feedback", "feedback_seed"))
        if feedback and self.feedback.mode == "symmetric":
            self.feedback = Feedback(self, feedback, seed)
        for name, value in arguments.items():
            if not np.array_equal(getattr(self, name, None), value):
                setattr(self, name, value)
        self.compile(**config)
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    @property
    def loss_metric(self) -> keras.metrics.Metric:
        """The mean loss of the epoch, which Keras reports."""
        return next(metric for metric in self.metrics if metric.name == "loss")
