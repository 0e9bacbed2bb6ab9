"""BrainProp as the brain would compute it: local, trial by trial, nothing differentiated.

`rules.brainprop.BrainProp` trains large networks. This is the same rule written out, to be read.
A synapse changes by its own tag and by one number that all synapses receive, the reward-prediction
error.

Source: "Attention-Gated Brain Propagation: How the brain can implement reward-based error
backpropagation", NeurIPS 2020.
"""

import math
from collections.abc import Sequence

import numpy as np

from brainprop.common.arguments import check_number
from brainprop.common.errors import BrainPropError, printable

# The smallest and the largest value of each number of a network.
LIMITS = {
    "learning_rate": (0, math.inf),
    "exploration_rate": (0, 1),
    "weight_decay": (0, math.inf),
}


class LocalNetwork:
    """A fully connected network of ReLU units, without biases, that learns trial by trial.

    Feedforward connections lead from the stimulus to the output units, whose activities are the
    Q-values `q_k`. Feedback connections lead attention from the selected output unit down to the
    first hidden layer. They have separate weights. Both learn by the same rule:

        dW = learning_rate * (delta * tag - weight_decay * W)

    Args:
        units: The number of units in each layer, from the stimulus to the classes.
        learning_rate: The learning rate of every synapse.
        kernel_stddev: The standard deviation of the initial weights, which are normally
            distributed around 0.
        exploration_rate: Epsilon, the probability of a class drawn from the Boltzmann
            distribution of the Q-values, in [0, 1]; 0 is greedy. Defaults to 0.02.
        weight_decay: The part of itself that each weight loses, times the learning rate; the same
            as Keras's `L2(weight_decay / 2)`. Defaults to 0.
        random_feedback: Whether the feedback weights start as separate random numbers.
            Defaults to False: they start as the transposed feedforward weights.
        seed: Seed of the initial weights and of exploration, an integer. Defaults to a random one.

    Attributes:
        feedforward: The weights from each layer to the one above, the stimulus first. Each has the
            shape `(units below, units above)`, as a Keras kernel, float32.
        feedback: The weights from each layer to the one below, down to the first hidden layer.
            `feedback[i]` is the way back of `feedforward[i + 1]`, shape
            `(units above, units below)`, float32.
        learning_rate, exploration_rate, weight_decay: The arguments, which can be set at any time.

    Raises:
        BrainPropError: If one of these three is no number, or out of its range.

    Example:
        network = LocalNetwork([784, 100, 50, 10], learning_rate=0.03, kernel_stddev=0.1)
        for image, label in zip(images, labels):
            network.trial(image, label)
        answers = network.activities(test_images)[-1].argmax(axis=-1)
    """

    def __init__(
        self,
        units: Sequence[int],
        learning_rate: float,
        kernel_stddev: float,
        exploration_rate: float = 0.02,
        weight_decay: float = 0.0,
        random_feedback: bool = False,
        seed: int | None = None,
    ):
        self.learning_rate = learning_rate
        self.exploration_rate = exploration_rate
        self.weight_decay = weight_decay
        self.rng = np.random.default_rng(seed)

        def kernel(*shape):
            return self.rng.normal(0.0, kernel_stddev, shape).astype(np.float32)

        self.feedforward = [kernel(*shape) for shape in zip(units[:-1], units[1:], strict=True)]
        self.feedback = [
            kernel(*weights.T.shape) if random_feedback else weights.T.copy()
            for weights in self.feedforward[1:]
        ]

    def __setattr__(self, name, value):
        if name in LIMITS:
            check_number(name, value, float, *LIMITS[name])
        super().__setattr__(name, value)

    def trial(self, stimulus: np.ndarray, label: int) -> float:
        """Shows a stimulus; the network selects a class, is rewarded or not, and learns from it.

        Args:
            stimulus: The activities of the input units, shape `(units[0],)`.
            label: The class for which there is a reward.

        Returns:
            The reward: 1 if the selected class is the label, else 0.

        Raises:
            BrainPropError: If the label is no class.
        """
        # The feedforward sweep ends in a Q-value for each class. One class is selected.
        *activities, q_values = self.activities(stimulus)
        if label not in range(len(q_values)):
            raise BrainPropError(
                f"the label must be 0 to {len(q_values) - 1}, not {printable(label)}"
            )
        selected = self.select_class(q_values)
        reward = float(selected == label)

        # The reward-prediction error is broadcast: all synapses get the same number.
        reward_prediction_error = reward - q_values[selected]

        # Attention starts at the selected output unit alone, and passes on through active units.
        attention = [np.arange(len(q_values)) == selected]
        for activity, feedback in zip(activities[:0:-1], self.feedback[::-1], strict=True):
            gate = activity > 0
            attention.insert(0, gate * (attention[0] @ feedback))

        # A synapse's tag is the activity of the unit below times the attention to the unit above,
        # the same in both directions between two units.
        tags = [np.outer(below, above) for below, above in zip(activities, attention, strict=True)]
        for weights, tag in zip(self.feedforward, tags, strict=True):
            self.update(weights, tag, reward_prediction_error)
        for weights, tag in zip(self.feedback, tags[1:], strict=True):
            self.update(weights, tag.T, reward_prediction_error)
        return reward

    def activities(self, stimulus: np.ndarray) -> list[np.ndarray]:
        """Returns the activities after the feedforward sweep, for one stimulus or many at once.

        Args:
            stimulus: Shape `(..., units[0])`.

        Returns:
            The activities of each layer, shape `(..., units[i])`: the stimulus itself, the ReLU
            units, and the linear output units.
        """
        activities = [stimulus]
        for weights in self.feedforward[:-1]:
            activities.append(np.maximum(activities[-1] @ weights, 0))
        return [*activities, activities[-1] @ self.feedforward[-1]]

    def select_class(self, q_values: np.ndarray) -> int:
        """Selects the greedy class, or with probability epsilon a drawn one (Max-Boltzmann)."""
        if self.rng.random() >= self.exploration_rate:
            return int(np.argmax(q_values))
        boltzmann = np.exp(q_values - np.max(q_values), dtype=np.float64)
        return int(self.rng.choice(len(q_values), p=boltzmann / boltzmann.sum()))

    def update(self, weights: np.ndarray, tag: np.ndarray, reward_prediction_error: float) -> None:
        """Changes the weights of a set of synapses in place; `tag` has their shape."""
        weights += self.learning_rate * (
            reward_prediction_error * tag - self.weight_decay * weights
        )

    def angles(self) -> list[float]:
        """Returns the angle between each feedback kernel and its transposed partner, in degrees.

        At 0 they are equal up to a factor. Independent random kernels are at 90 on average.
        """
        return [
            angle(feedforward.T, feedback)
            for feedforward, feedback in zip(self.feedforward[1:], self.feedback, strict=True)
        ]


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the angle in degrees between two arrays of one shape, taken as vectors."""
    cosine = np.vdot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
