"""The local rule on MNIST: attention feedback that starts at random learns to guide learning.

    python -m examples.local_rule_mnist --output local_rule.png

Feedback and feedforward weights change by the same amounts, and weight decay makes them forget the
random numbers that they started from. So the angle between them falls: they become transposes of
each other, as error-backpropagation assumes.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from brainprop import BrainPropError, LocalNetwork, load_data
from brainprop.common.commands import ArgumentParser
from brainprop.common.files import check_figure
from brainprop.outputs.plots import save_figure

NETWORK = {"units": (784, 100, 50, 10), "learning_rate": 0.02, "kernel_stddev": 0.1, "seed": 1}
WEIGHT_DECAY = 0.002
# What the feedback weights start as. The Okabe-Ito palette's colors suit the color-blind.
CONDITIONS = (
    ("the transposed feedforward weights", False, WEIGHT_DECAY, "#0072B2"),
    ("random numbers", True, WEIGHT_DECAY, "#E69F00"),
    ("random numbers, without weight decay", True, 0.0, "#009E73"),
)
MEASUREMENTS = 40


def load_stimuli(max_train_samples):
    """Loads MNIST as activities of input units, shape `(n, 784)`, float32 in [0, 1], and labels."""
    data = load_data("MNIST", max_train_samples=max_train_samples, max_eval_samples=2000)
    return [(images.reshape(len(images), -1) / np.float32(255), labels) for images, labels in data]


def development(network, train_set, test_set):
    """Trains a network on one image after the other.

    Yields:
        Before training and then `MEASUREMENTS` times: the number of trials so far, the accuracy on
        the test set in percent, and the angles in degrees.
    """
    (images, labels), (test_images, test_labels) = train_set, test_set
    milestones = np.linspace(0, len(images), MEASUREMENTS + 1, dtype=int)
    for start, end in itertools.pairwise((0, *milestones)):
        for image, label in zip(images[start:end], labels[start:end], strict=True):
            network.trial(image, label)
        answers = network.activities(test_images)[-1].argmax(axis=-1)
        yield end, 100 * np.mean(answers == test_labels), network.angles()


def draw(developments):
    """Draws accuracy and angles over trials from what `development` yields in each condition."""
    figure = Figure(figsize=(6.4, 7.2), layout="constrained")
    figure.suptitle("BrainProp's local rule on MNIST, one image at a time")
    accuracy_axes, angle_axes = figure.subplots(2, sharex=True)
    for (label, _, _, color), measurements in zip(CONDITIONS, developments, strict=True):
        trials, accuracy, angles = zip(*measurements, strict=True)
        to_first, to_second = zip(*angles, strict=True)
        accuracy_axes.plot(trials, accuracy, color=color, label=label)
        angle_axes.plot(trials, to_first, color=color)
        angle_axes.plot(trials, to_second, "--", color=color)
    angle_axes.plot([], [], "k-", label="the second hidden layer to the first")
    angle_axes.plot([], [], "k--", label="the selected output unit to the second hidden layer")
    accuracy_axes.set(ylabel="accuracy on test images [%]", ylim=(0, 100))
    angle_axes.set(
        xlabel="training trials",
        ylabel="angle between feedback and\nfeedforward weights [degrees]",
        ylim=(-4, 100),
        yticks=(0, 30, 60, 90),
    )
    for axes, title in (accuracy_axes, "feedback weights start as"), (angle_axes, "feedback from"):
        # Above the axes, where it covers no line.
        axes.legend(
            title=title, alignment="left", loc="lower left", bbox_to_anchor=(0, 1), frameon=False
        )
        axes.grid(alpha=0.3)
    return figure


def main(argv=None):
    """Trains in each condition, prints the results and draws them."""
    parser = ArgumentParser("local_rule_mnist", description=__doc__.split("\n")[0])
    parser.add_argument("--max-train-samples", type=int, metavar="N", help="train on N images only")
    parser.add_argument("--output", type=Path, default="local_rule.png", help="a PNG or PDF file")
    arguments = parser.parse_args(argv)
    output = arguments.output
    developments = []
    try:
        check_figure(output, "--output")
        train_set, test_set = load_stimuli(arguments.max_train_samples)
        for label, random_feedback, weight_decay, _ in CONDITIONS:
            network = LocalNetwork(
                **NETWORK, random_feedback=random_feedback, weight_decay=weight_decay
            )
            developments.append(list(development(network, train_set, test_set)))
            _, accuracy, angles = developments[-1][-1]
            degrees = " and ".join(f"{angle:.0f}" for angle in angles)
            print(f"{label}: accuracy {accuracy:.1f} %, angles {degrees} degrees", flush=True)
        save_figure(draw(developments), output)
    except BrainPropError as error:
        return parser.report(error)
    print(f"saved {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
