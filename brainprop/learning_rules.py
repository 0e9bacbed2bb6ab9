"""The learning rules: BrainProp, and error-backpropagation (EBP) as the baseline.

Both are Keras models, made as `Rule(inputs, outputs)` from any network with a linear output
layer. They share everything but what goes backwards from that layer.
"""

import keras
import tensorflow as tf

from brainprop import layers  # noqa: F401  # So that Keras can load saved models that have them.
from brainprop.errors import BrainPropError

if keras.backend.backend() != "tensorflow":
    raise BrainPropError(
        f"Keras runs on {keras.backend.backend()}, and the rules on TensorFlow: set "
        "KERAS_BACKEND=tensorflow before Keras is imported"
    )


class LearningRule(keras.Model):
    """A classifier with a linear output layer; subclasses say how it learns.

    It is made as `Rule(inputs, outputs)`; of a `Sequential`, give `inputs` and `outputs[0]`. Labels
    are integers, shape `(batch,)` or `(batch, 1)`, or one-hot, shape `(batch, classes)`; of soft
    ones, EBP takes the probabilities, and BrainProp, which is rewarded for one class, the largest.
    `compile` needs no loss and heeds none, since the rule brings its own. Under a policy of mixed
    precision, give the output layer `dtype="float32"`: in 16 bits, its outputs would be rounded.

    Raises:
        TypeError: Inputs and outputs are missing: no network is given by a `call` of its own. Or
            another argument is none of the rule's.
        ValueError: The outputs are several tensors or of another shape, or end in a softmax.
    """

    def __init__(self, *args, **kwargs):
        rule, given = type(self).__name__, kwargs.keys()
        if len(args) + len(given & {"inputs", "outputs"}) < 2:  # Keras would tell obscurely.
            raise TypeError(f"make it as {rule}(inputs, outputs), without a `call`")
        unknown = given - {"inputs", "outputs", "name", "trainable"}
        if unknown:  # Keras would pass over what is misspelt.
            raise TypeError(f"{rule} takes no {', '.join(sorted(unknown))}")
        super().__init__(*args, **kwargs)
        check_outputs(self.output)

    def penalty(self) -> tf.Tensor:
        """This replica's part of the regularization losses: a scalar, float32."""
        losses = [tf.reduce_sum(tf.cast(loss, tf.float32)) for loss in self.losses]
        return tf.add_n(losses) / replicas() if losses else tf.zeros(())

    @property
    def loss_metric(self) -> keras.metrics.Metric:
        """The mean loss of the epoch, which Keras reports."""
        return next(metric for metric in self.metrics if metric.name == "loss")


@keras.saving.register_keras_serializable(package="brainprop")
class BrainProp(LearningRule):
    """Reward-based learning from a single output unit, gated by attention.

    The network selects one class `s`, is rewarded or not, and broadcasts one number, the
    reward-prediction error `delta = r - q_s`. Attention feedback, from the selected output unit
    alone, tags each synapse `W` with `d q_s / dW`; delta gates the tags:

        dW = learning_rate * delta * d q_s / dW,    averaged over the batch

    The equation is that of "Attention-Gated Brain Propagation: How the brain can implement
    reward-based error backpropagation", NeurIPS 2020, under `keras.optimizers.SGD`. Any other
    optimizer receives `-delta * d q_s / dW` as its gradient. The loss that is reported is
    `delta**2 / 2`, averaged over the batch, plus the regularization losses.

    `BrainProp.from_config(model.get_config())` copies an untrained model; Keras's `clone_model`
    would take the defaults for what follows.

    Args:
        inputs: As for `keras.Model`.
        outputs: The Q-values, shape `(batch, classes)`: those of a linear layer.
        exploration_rate: Epsilon, the probability of a class drawn from the Boltzmann
            distribution of the Q-values, in [0, 1]; 0 is greedy. May be set at any time; Keras
            then traces the training step anew, which takes as long as at first.
        seed: Of the exploration, an integer.
        **kwargs: As for `keras.Model`.

    Example:

        model = BrainProp(inputs, keras.layers.Dense(10)(features))
        model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
        model.fit(images, labels, batch_size=128, epochs=10)
    """

    def __init__(self, *args, exploration_rate: float = 0.02, seed: int | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.exploration_rate = exploration_rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trials = TrialMeans()

    def train_step(self, data):
        """Learns from a batch of trials; the names are those of the class's equation."""
        images, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            q_values = tf.cast(self(images, training=True), tf.float32)
            selected = self.select_class(q_values)
            q_selected = selected_value(q_values, selected)
            penalty = self.penalty()

        reward = rewards(selected, labels, q_values)
        reward_prediction_error = reward - q_selected
        # delta / batch, which the tape sums up: the average over the batch.
        learning_signal = reward_prediction_error * shares(reward, sample_weight)

        # The tape yields d q_s / dW of the selected unit alone, gated by delta. Optimizers step
        # against the gradient, hence the minus.
        scale = self.optimizer.scale_loss(tf.ones(()))
        gradients = tape.gradient(
            [q_selected, penalty],
            self.trainable_weights,
            output_gradients=[-learning_signal * scale, scale],
        )
        self.optimizer.apply(gradients, self.trainable_weights)

        loss = tf.reduce_sum(learning_signal * reward_prediction_error) / 2 + penalty
        self.loss_metric.update_state(loss * replicas(), sample_weight=tf.size(reward))
        self.trials.update(reward, reward_prediction_error, selected, q_values)
        return self.compute_metrics(images, labels, q_values, sample_weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss without exploration, by which Keras evaluates: a scalar, float32."""
        del x, training
        q_values = tf.cast(y_pred, tf.float32)
        greedy = greedy_class(q_values)
        reward = rewards(greedy, y, q_values)
        reward_prediction_error = reward - selected_value(q_values, greedy)
        weights = shares(reward, sample_weight)
        return tf.reduce_sum(weights * reward_prediction_error**2) / 2 + self.penalty()

    def select_class(self, q_values: tf.Tensor) -> tf.Tensor:
        """Max-Boltzmann exploration: the greedy class, or with probability epsilon a drawn one.

        Args:
            q_values: Shape `(batch, classes)`, float32.

        Returns:
            The selected class of each trial, shape `(batch,)`, int32.
        """
        greedy = greedy_class(q_values)
        if self.exploration_rate == 0:
            return greedy
        boltzmann = keras.random.categorical(q_values, 1, seed=self.seed_generator)[:, 0]
        dice = keras.random.uniform(tf.shape(greedy), seed=self.seed_generator)
        return tf.where(dice < self.exploration_rate, boltzmann, greedy)

    @property
    def exploration_rate(self) -> float:
        return self._exploration_rate

    @exploration_rate.setter
    def exploration_rate(self, rate: float):
        if not 0 <= rate <= 1:
            raise ValueError(f"exploration_rate must lie in [0, 1], not {rate!r}")
        changed = rate != getattr(self, "_exploration_rate", None)
        self._exploration_rate = float(rate)
        if changed and self.train_function is not None:
            self.make_train_function(force=True)  # Traces the step anew, with the new rate.

    def get_config(self):
        own = {"exploration_rate": self.exploration_rate, "seed": self.seed}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="brainprop")
class EBP(LearningRule):
    """Error-backpropagation: softmax of the outputs, categorical cross-entropy.

    The training step is Keras's own. The softmax is part of the loss, so the network is the same
    as BrainProp's and `predict` returns logits, shape `(batch, classes)`.
    """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Cross-entropy averaged over the batch, plus the regularization losses: a scalar."""
        del x, training
        logits = tf.cast(y_pred, tf.float32)
        cross_entropy = tf.nn.softmax_cross_entropy_with_logits(
            class_probabilities(y, logits), logits
        )
        return tf.reduce_sum(cross_entropy * shares(cross_entropy, sample_weight)) + self.penalty()


def check_outputs(outputs: keras.KerasTensor) -> None:
    """Refuses outputs from which the rules would learn something else, without a word.

    Raises:
        ValueError: They are several tensors or of another shape, or end in a softmax.
    """
    one = isinstance(outputs, keras.KerasTensor)
    if not one or len(outputs.shape) != 2 or outputs.shape[1] in (None, 1):
        raise ValueError(
            "outputs must be one tensor, of shape (batch, classes), two classes or more"
        )
    output = outputs
    while isinstance(output, keras.KerasTensor):  # That of a model in the model, in the end.
        last, _, index = output._keras_history
        within = getattr(last, "outputs", None)
        output = within[index] if within and isinstance(within, list) else None
    softmax = getattr(last, "activation", None) in (keras.activations.softmax, tf.nn.softmax)
    if softmax or type(last).__name__ == "Softmax":  # Both of Keras's layer and operation.
        raise ValueError(f"outputs must be linear: take the softmax from layer {last.name!r}")


def class_indices(labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Integer labels, shape `(batch,)`, int32, from integer or from one-hot ones.

    Raises:
        ValueError: They have another shape, or one that is not known.
        tf.errors.InvalidArgumentError: One of them is no class; XLA does not check that.
    """
    labels, classes = tf.convert_to_tensor(labels), outputs.shape[-1]
    if is_by_class(labels, classes):
        return tf.argmax(labels, axis=-1, output_type=tf.int32)
    if labels.shape.rank == 1 or (labels.shape.rank == 2 and labels.shape[1] == 1):
        indices = tf.cast(tf.reshape(labels, [-1]), tf.int32)
        are_classes = tf.reduce_all((indices >= 0) & (indices < classes))
        tf.debugging.Assert(are_classes, [f"labels must be 0 to {classes - 1}, not", indices])
        return indices
    raise ValueError(
        f"labels must have the shape (batch,), (batch, 1) or (batch, {classes}), not {labels.shape}"
    )


def class_probabilities(labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Labels as probabilities of the classes, shape `(batch, classes)`, float32.

    Raises:
        Exception: As `class_indices`.
    """
    labels, classes = tf.convert_to_tensor(labels), outputs.shape[-1]
    if is_by_class(labels, classes):
        return tf.cast(labels, tf.float32)
    return tf.one_hot(class_indices(labels, outputs), classes)


def is_by_class(labels: tf.Tensor, classes: int) -> bool:
    """Whether labels have a column for each class: one-hot ones, or soft ones."""
    return labels.shape.rank == 2 and labels.shape[1] == classes


def greedy_class(q_values: tf.Tensor) -> tf.Tensor:
    """The class of the largest Q-value in each trial, shape `(batch,)`, int32."""
    return tf.argmax(q_values, axis=-1, output_type=tf.int32)


def rewards(selected: tf.Tensor, labels: tf.Tensor, q_values: tf.Tensor) -> tf.Tensor:
    """1 where the selected class is the right one, else 0: shape `(batch,)`, as Q-values in dtype.

    Raises:
        Exception: As `class_indices`.
    """
    return tf.cast(tf.equal(selected, class_indices(labels, q_values)), q_values.dtype)


def selected_value(q_values: tf.Tensor, selected: tf.Tensor) -> tf.Tensor:
    """The selected unit's Q-value in each trial, shape `(batch,)`: attention is on it alone."""
    attention = tf.one_hot(selected, q_values.shape[-1], dtype=q_values.dtype)
    return tf.reduce_sum(attention * q_values, axis=-1)


def shares(like: tf.Tensor, sample_weight: tf.Tensor | None) -> tf.Tensor:
    """What each trial counts in the average over the batch.

    That is `sample_weight / batch`, where the batch is that of all replicas together, which have
    equal parts of it.

    Args:
        like: Has the shape `(batch,)` and the dtype of what is returned.
        sample_weight: Of the trials; 1 for each if `None`.
    """
    weights = tf.ones_like(like) if sample_weight is None else sample_weight
    batch = tf.cast(tf.size(like), like.dtype) * replicas()
    return tf.cast(tf.reshape(weights, [-1]), like.dtype) / batch


def replicas() -> int:
    """Over how many devices `tf.distribute` spreads the batch; their gradients are summed."""
    context = tf.distribute.get_replica_context()  # None where a batch is not spread.
    return context.num_replicas_in_sync if context else 1


class TrialMeans:
    """What BrainProp's training trials were like, on average since the last reset.

    Attributes:
        means: Keras metrics by name: `reward`, in [0, 1]; `abs_reward_prediction_error`; and
            `explored`, the share of trials in which the selected class was not the greedy one.
    """

    def __init__(self):
        names = ("reward", "abs_reward_prediction_error", "explored")
        self.means = {name: keras.metrics.Mean(name) for name in names}

    def update(self, reward, reward_prediction_error, selected, q_values) -> None:
        self.means["reward"].update_state(reward)
        self.means["abs_reward_prediction_error"].update_state(tf.abs(reward_prediction_error))
        self.means["explored"].update_state(selected != greedy_class(q_values))

    def result(self) -> dict[str, float]:
        return {name: float(mean.result()) for name, mean in self.means.items()}

    def reset(self) -> None:
        for mean in self.means.values():
            mean.reset_state()
