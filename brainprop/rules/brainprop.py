"""BrainProp: reward-based learning from a single output unit, gated by attention."""

import keras
import tensorflow as tf

from brainprop.common.devices import replica_seed
from brainprop.rules.base import LearningRule, TracedNumber
from brainprop.rules.labels import class_indices, trial_weights, unpacked


@keras.saving.register_keras_serializable(package="brainprop")
class BrainProp(LearningRule):
    """A classifier that learns by BrainProp.

    The network selects one class `s`, receives a reward `r`, and broadcasts one number, the
    reward-prediction error `delta = r - q_s`. Attention feedback, from the selected output unit
    alone, tags each synapse `W` with `d q_s / dW`; delta gates the tags:

        dW = learning_rate * delta * d q_s / dW,    averaged over the batch

    Source: "Attention-Gated Brain Propagation: How the brain can implement reward-based error
    backpropagation", NeurIPS 2020. The equation holds for `keras.optimizers.SGD`; any other
    optimizer receives `-delta * d q_s / dW` as its gradient. The reported loss is `delta**2 / 2`,
    averaged over the batch, plus the regularization losses. Training also reports `reward`,
    `abs_reward_prediction_error` and `explored`, their means over the epoch.

    `keras.models.clone_model` keeps the rule's arguments if the model is compiled, and
    `BrainProp.from_config(model.get_config())` keeps them always.

    Args:
        inputs: As for `keras.Model`.
        outputs: The Q-values, shape `(batch, classes)`, from a linear layer.
        exploration_rate: Epsilon, the probability of a class drawn from the Boltzmann distribution
            of the Q-values, in [0, 1]; 0 is greedy. It can be set at any time; Keras then traces
            the training step again. Defaults to 0.02, the paper's value.
        reward_noise: The probability that a reward is flipped, in [0, 1]. Defaults to 0.
        seed: Seed of exploration and reward noise, an integer. Defaults to a random one.
        **kwargs: `feedback` and `feedback_seed`, as for `LearningRule`; `name` and `trainable`, as
            for `keras.Model`.

    Raises:
        TypeError, BrainPropError: As for `LearningRule`.
        ValueError: As for `LearningRule`, or if a probability is not in [0, 1].

    Example:
        model = BrainProp(inputs, keras.layers.Dense(10)(features))
        model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
        model.fit(images, labels, batch_size=128, epochs=10)
    """

    exploration_rate = TracedNumber(0.02, 0, 1)
    reward_noise = TracedNumber(0.0, 0, 1)

    def __init__(
        self,
        *args,
        exploration_rate: float = 0.02,
        reward_noise: float = 0.0,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.exploration_rate = exploration_rate
        self.reward_noise = reward_noise
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._trials = _TrialMetrics()

    def train_step(self, data):
        """Learns from a batch of trials by the class's equation."""
        images, labels, sample_weight = unpacked(data)
        with tf.GradientTape() as tape:
            q, mask = self.feedforward(images)  # Q-values.
            s = self.select_class(q)  # The selected class of each trial.
            q_s = selected_value(q, s)  # Attention is on its output unit alone.
            penalty = self.penalty()
        r = self.observed(self.reward(s, class_indices(labels, q.shape[-1])))
        delta = r - q_s  # The reward-prediction error, broadcast to all synapses.
        weight = trial_weights(labels, q, sample_weight, mask, self.update_batch_size)
        # dW = eta * sum(weight * delta * dq_s/dW), minus weight decay.
        self.step(tape, [q_s, penalty], [weight * delta, -1.0])

        logs = self.report(images, labels, q, mask, sample_weight, delta**2 / 2, penalty)
        return logs | self._trials.updated(r, delta, s != greedy_class(q), mask)

    def select_class(self, q: tf.Tensor) -> tf.Tensor:
        """Selects a class: the greedy one, or with probability epsilon a drawn one (Max-Boltzmann).

        Args:
            q: Q-values, shape `(batch, classes)`, float32.

        Returns:
            The selected class of each trial, shape `(batch,)`, int32.
        """
        greedy = greedy_class(q)
        if self.exploration_rate == 0:
            return greedy
        boltzmann = tf.random.stateless_categorical(q, 1, replica_seed(self.seed_generator))[:, 0]
        dice = tf.random.stateless_uniform(tf.shape(greedy), replica_seed(self.seed_generator))
        explores = dice < self.exploration_rate
        return tf.where(explores, tf.cast(boltzmann, tf.int32), greedy)

    def reward(self, selected: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        """Returns the reward: 1 if the selected class is the right one, else 0.

        A subclass can override it, for other magnitudes or a custom environment.

        Args:
            selected: The selected class of each trial, shape `(batch,)`, int32.
            right: The right class of each trial, shape `(batch,)`, int32; -1 if there is none.

        Returns:
            Shape `(batch,)`, float32.
        """
        return reward_of(selected, right)

    def observed(self, reward: tf.Tensor) -> tf.Tensor:
        """Returns the reward as the network receives it: flipped with probability `reward_noise`.

        Args:
            reward: Shape `(batch,)`, float32, in [0, 1].
        """
        if self.reward_noise == 0:
            return reward
        dice = tf.random.stateless_uniform(tf.shape(reward), replica_seed(self.seed_generator))
        return tf.where(dice < self.reward_noise, 1 - reward, reward)

    def trial_losses(self, labels, outputs):
        """Returns `delta**2 / 2` of each trial without exploration, shape `(batch,)`, float32."""
        return trial_losses(labels, outputs, self.reward)

    def reset_metrics(self):
        super().reset_metrics()
        self._trials.reset()

    def train_on_batch(self, *args, return_dict: bool = False, **kwargs):
        """Trains on a batch as `keras.Model.train_on_batch` does.

        A list holds the loss and the compiled metrics; the dictionary also holds those of trials.
        """
        logs = super().train_on_batch(*args, return_dict=True, **kwargs)
        if return_dict:
            return logs
        values = [logs[name] for name in self.get_metrics_result()]
        return values if len(values) > 1 else values[0]

    def compile_from_config(self, config):
        super().compile_from_config(config)
        if self.seed is not None:
            fresh = keras.random.SeedGenerator(self.seed)
            self.seed_generator.state.assign(fresh.state)

    def get_config(self):
        own = ("exploration_rate", "reward_noise", "seed")
        return super().get_config() | {name: getattr(self, name) for name in own}


def greedy_class(q: tf.Tensor) -> tf.Tensor:
    """Returns the class of the largest Q-value of each trial, shape `(batch,)`, int32."""
    return tf.argmax(q, axis=-1, output_type=tf.int32)


def selected_value(q: tf.Tensor, selected: tf.Tensor) -> tf.Tensor:
    """Returns the Q-value of the selected unit of each trial, shape `(batch,)`."""
    attention = tf.one_hot(selected, q.shape[-1], dtype=q.dtype)
    return tf.reduce_sum(attention * q, axis=-1)


def reward_of(selected: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Returns 1 where the selected class is the right one, else 0: shape `(batch,)`, float32."""
    return tf.cast(tf.equal(selected, right), tf.float32)


def trial_losses(labels, q: tf.Tensor, reward=reward_of) -> tf.Tensor:
    """Returns `(r - q_s)**2 / 2` of the greedy class of each trial, shape `(batch,)`, float32."""
    s = greedy_class(q)
    r = reward(s, class_indices(labels, q.shape[-1]))
    return (r - selected_value(q, s)) ** 2 / 2


class _TrialMetrics:
    """The means of an epoch's trials. Keras does not see them, as evaluation has none."""

    def __init__(self):
        names = ("reward", "abs_reward_prediction_error", "explored")
        self.metrics = {name: keras.metrics.Mean(name) for name in names}

    def updated(self, reward, delta, explored, mask) -> dict:
        for metric, values in zip(
            self.metrics.values(), (reward, tf.abs(delta), explored), strict=True
        ):
            metric.update_state(values, sample_weight=mask)
        return {name: metric.result() for name, metric in self.metrics.items()}

    def reset(self) -> None:
        for metric in self.metrics.values():
            metric.reset_state()
