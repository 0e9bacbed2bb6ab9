"""BrainProp from scratch: the rule, a small network and MNIST, in plain TensorFlow.

    python examples/from_scratch.py

It imports nothing from the package. Ten epochs take about a minute on two CPU cores and reach
a test accuracy above 97 %.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

MNIST = Path(__file__).parents[1] / "mnist.npz"
UNITS = (784, 500, 10)  # Pixels, hidden units, classes.
LEARNING_RATE = 0.3
EXPLORATION_RATE = 0.02
BATCH_SIZE = 32


def load_mnist(part):
    """Loads the images, float32 in [0, 1], shape (n, 784), and labels of "train" or "test"."""
    with np.load(MNIST) as file:
        images, labels = file[f"x_{part}"], file[f"y_{part}"]
    return images.reshape(-1, 784).astype("float32") / 255, labels.astype("int32")


def new_weights():
    """Returns a matrix for each layer. The output's is zero, so Q-values start at zero."""
    hidden = tf.random.normal(UNITS[:2], stddev=(2 / UNITS[0]) ** 0.5)
    return [tf.Variable(hidden), tf.Variable(tf.zeros(UNITS[1:]))]


def q_values(weights, images):
    """Returns the expected reward of each class, shape (batch, 10)."""
    hidden = tf.nn.relu(images @ weights[0])
    return hidden @ weights[1]


def select_class(q):
    """Selects the class of the largest Q-value or, now and then, draws a class by softmax."""
    greedy = tf.argmax(q, axis=1, output_type=tf.int32)
    drawn = tf.random.categorical(q, 1, dtype=tf.int32)[:, 0]
    explores = tf.random.uniform(tf.shape(greedy)) < EXPLORATION_RATE
    return tf.where(explores, drawn, greedy)


@tf.function
def learn(weights, images, labels):
    """Changes the weights by dW = learning_rate * delta * dq_s/dW, averaged over the batch."""
    with tf.GradientTape() as tape:
        q = q_values(weights, images)
        s = select_class(q)
        q_s = tf.gather(q, s, batch_dims=1)  # Attention is on the selected unit alone.
    r = tf.cast(s == labels, tf.float32)  # The reward.
    delta = r - q_s  # The reward-prediction error, broadcast to all synapses.
    changes = tape.gradient(q_s, weights, output_gradients=delta / len(images))
    for weight, change in zip(weights, changes, strict=True):
        weight.assign_add(LEARNING_RATE * change)
    return tf.reduce_mean(r)


def main(epochs=10, training_images=60_000):
    """Trains the network, prints a line for each epoch and returns the test accuracy."""
    tf.random.set_seed(1)
    images, labels = (array[:training_images] for array in load_mnist("train"))
    test_images, test_labels = load_mnist("test")
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images))
    batches = batches.batch(BATCH_SIZE, drop_remainder=True)
    weights = new_weights()
    for epoch in range(1, epochs + 1):
        reward = np.mean([learn(weights, *batch) for batch in batches])
        answers = np.argmax(q_values(weights, test_images), axis=1)
        accuracy = np.mean(answers == test_labels)
        print(f"epoch {epoch}: mean reward {reward:.4f}, test accuracy {accuracy:.4f}")
    return accuracy


if __name__ == "__main__":
    main()
