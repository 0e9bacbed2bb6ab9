"""Diagnostics: what a learning rule does to each layer, measured on a fixed batch of images.

The probe batch is a sample of the validation images. The network is not trained on them, so their
errors and updates do not vanish through overfitting. The batch is the same in all epochs, so only
the network changes. Measuring draws no random number and writes to no variable, so it does not
change training.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from brainprop.common.errors import BrainPropError
from brainprop.datasets.splits import Data
from brainprop.experiments import Experiment
from brainprop.rules import brainprop, ebp
from brainprop.rules.base import LearningRule
from brainprop.rules.labels import class_indices, mask_of
from brainprop.rules.local_rule import angle
from brainprop.training.batches import evaluation_batches, scaled_images
from brainprop.training.callbacks import current_learning_rate, pad_with_nan
from brainprop.training.evaluation import EVALUATION_BATCH_SIZE
from brainprop.training.prepare import validation_set

PROBE_SIZE = 512
OWN_RULE = "own"  # The rule that the model learns by.
SYMMETRIC = "symmetric"  # The same rule, through the transposed kernels.
# Reward-prediction errors are counted in bins 0.1 wide. The outermost bins have no outer edge.
ERROR_BIN_CENTERS = np.linspace(-1.2, 1.2, 25).round(1)


class Diagnostics(keras.callbacks.Callback):
    """Adds what `measure` returns after each epoch to the history, and to TensorBoard.

    Args:
        batches: The probe batch, in parts, as `measure` takes it.
        log_dir: The folder for TensorBoard's summaries. Defaults to none.
    """

    def __init__(self, batches: Iterable, log_dir: Path | None = None):
        super().__init__()
        self.batches, self.log_dir = batches, log_dir

    def on_train_begin(self, logs=None):
        self.history = self.model.history  # A user's own `History` takes its place for a while.
        if self.log_dir is not None:
            self.writer = tf.summary.create_file_writer(str(self.log_dir / "diagnostics"))

    def on_epoch_end(self, epoch, logs=None):
        measured = measure(self.model, self.batches)
        if self.log_dir is not None:
            self._write_summaries(epoch, measured)
        # Another callback may have added this epoch's other figures already.
        epochs = len(self.history.history.get("loss", ())) - (epoch in self.history.epoch)
        # Not into the logs, all of which Keras prints.
        for name, value in measured.items():
            pad_with_nan(epochs, self.history, name, value).append(value)

    def on_train_end(self, logs=None):
        if self.log_dir is not None:
            self.writer.close()

    def _write_summaries(self, epoch: int, measured: dict) -> None:
        errors = np.repeat(ERROR_BIN_CENTERS, measured["reward_prediction_error"])
        with self.writer.as_default(epoch):
            tf.summary.histogram("reward_prediction_error", errors)
            for name, value in measured.items():
                if isinstance(value, float):
                    tf.summary.scalar(name, value)


def probe_batches(data: Data, experiment: Experiment) -> tf.data.Dataset:
    """Returns the probe batch of an experiment, in parts that are no larger than evaluation's.

    Args:
        data: As for `train`.
        experiment: The settings.

    Returns:
        Batches `(images, labels)` of `PROBE_SIZE` images that lie evenly spaced in the validation
        set, which may be sorted by class; of all images, if there are fewer.
    """
    images, labels = validation_set(data, experiment)
    chosen = np.unique(np.linspace(0, len(labels) - 1, PROBE_SIZE, dtype=int))
    return evaluation_batches(images[chosen], labels[chosen], EVALUATION_BATCH_SIZE)


def measure(model: LearningRule, batches: Iterable) -> dict[str, float | list[int]]:
    """Measures a network on a probe batch, without dropout, batch statistics or exploration.

    Images that a layer masks do not count, as in Keras.

    Both rules' updates are computed for this network, regardless of the rule it learns by: an EBP
    network's logits are read as Q-values, and BrainProp's Q-values as logits. Weight decay, which
    the rules share, is left out.

    Args:
        model: A compiled model. Its layers can be nested.
        batches: The probe batch `(images, labels)`, or several in a list or a `tf.data.Dataset`.
            Images are taken as `evaluate` takes them; labels have any form that the rules take.

    Returns:
        For each kernel that learns, named by its number and its layer's kind:

        - `angle/{layer}`: The angle between BrainProp's and EBP's update of the kernel, in
          degrees. NaN if one of them is 0. BrainProp's has the network's feedback; EBP's is that of
          backpropagation, with symmetric feedback.
        - `update_norm/{layer}`: The norm of the update by the model's own rule under plain SGD:
          the learning rate times the gradient averaged over the probe batch.
        - `weight_norm/{layer}`: The norm of the kernel.
        - `dead/{layer}`: The share of its ReLUs that are 0 for the whole probe batch, in [0, 1]. A
          convolution has a ReLU at each position of each feature map.
        - `angle_to_symmetric/{layer}`, if feedback is not symmetric: The angle between the update
          by the model's own rule and the one that symmetric feedback gives.
        - `feedback_angle/{layer}`, if it has a separate feedback kernel: The angle between the
          kernel and this one.

        And for the network:

        - `q_selected`, `q_right`: The mean Q-value of the selected and of the right class. A row
          of one-hot labels of zeros has no right class.
        - `selected`: How many times each class is selected.
        - `reward_prediction_error`: How many errors lie in each bin around `ERROR_BIN_CENTERS`.

    Raises:
        BrainPropError: If the model is not compiled, or there are no images.
    """
    if not model.compiled:
        raise BrainPropError(f"the model {model.name!r} is not compiled: compile it first")
    if isinstance(batches, tuple):
        batches = [batches]
    kernels = _kernels(model)
    labels, q_values, peaks, gradients = _probe(model, kernels, batches)
    labels = class_indices(labels, q_values.shape[-1]).numpy()
    learning_rate = current_learning_rate(model)
    feedback = {
        id(layer.kernel): _single_precision(separate)
        for layer in model.feedback.kernels
        if (separate := model.feedback.kernel(layer)) is not None
    }
    measured: dict[str, float | list[int]] = {}
    for name, variable in kernels.items():
        kernel = _single_precision(variable)
        update = learning_rate * gradients[OWN_RULE][name]
        updates = (gradients[rule][name].astype("float64") for rule in ("BrainProp", "EBP"))
        with np.errstate(invalid="ignore"):  # Without a gradient, there is no angle.
            measured[f"angle/{name}"] = angle(*updates)
            if SYMMETRIC in gradients:
                other = gradients[SYMMETRIC][name].astype("float64")
                measured[f"angle_to_symmetric/{name}"] = angle(update.astype("float64"), other)
            if id(variable) in feedback:
                measured[f"feedback_angle/{name}"] = angle(kernel, feedback[id(variable)])
        measured[f"update_norm/{name}"] = float(np.linalg.norm(update))
        measured[f"weight_norm/{name}"] = float(np.linalg.norm(kernel))
    for name, peak in peaks.items():
        measured[f"dead/{name}"] = float(np.mean(peak == 0))
    selected, q_selected = q_values.argmax(-1), q_values.max(-1)
    measured["q_selected"] = float(q_selected.mean())
    has_right = labels >= 0
    right = q_values[has_right, labels[has_right]]
    measured["q_right"] = float(right.mean()) if right.size else math.nan
    measured["selected"] = np.bincount(selected, minlength=q_values.shape[-1]).tolist()
    measured["reward_prediction_error"] = _histogram((selected == labels) - q_selected)
    return measured


def _single_precision(weights) -> np.ndarray:
    """Returns weights as an array; 16 bits would not hold the sum of their squares."""
    return keras.ops.convert_to_numpy(weights).astype("float32")


def _kernels(model: LearningRule) -> dict[str, keras.Variable]:
    """Returns the kernels that learn, by a name that is the same for all models of this network."""
    kinds = {id(layer.kernel): type(layer).__name__ for layer in _layers_with_kernel(model)}
    kernels = [weight for weight in model.weights if weight.name.endswith("kernel")]
    kinds |= {id(kernel): "output" for kernel in kernels[-1:]}
    return {
        f"{number}_{kinds.get(id(kernel), kernel.path.split('/')[-2])}": kernel
        for number, kernel in enumerate(kernels, start=1)
        if kernel.trainable
    }


def _layers_with_kernel(model: keras.Model) -> list[keras.Layer]:
    """Returns the layers with a kernel, those in nested models and wrappers included."""
    return [layer for layer in model._flatten_layers() if hasattr(layer, "kernel")]


@contextmanager
def _recorded_relus(
    model: LearningRule, kernels: dict[str, keras.Variable]
) -> Iterator[dict[str, list[tf.Tensor]]]:
    """Yields a dictionary to which forward passes in the block add the activities of the ReLUs.

    A layer that the network uses several times has activities for each use.
    """
    names = {id(kernel): name for name, kernel in kernels.items()}
    relu = keras.activations.relu
    layers = [
        layer
        for layer in _layers_with_kernel(model)
        if id(layer.kernel) in names and getattr(layer, "activation", None) is relu
    ]
    activities: dict[str, list[tf.Tensor]] = {name: [] for name in names.values()}

    def recording(name):
        def activation(x):
            activity = relu(x)
            activities[name].append(activity)
            return activity

        return activation

    for layer in layers:
        layer.activation = recording(names[id(layer.kernel)])
    try:
        yield activities
    finally:
        for layer in layers:
            layer.activation = relu


def _probe(model: LearningRule, kernels: dict[str, keras.Variable], batches: Iterable) -> tuple:
    """Runs the network on the probe batch, and the rules' feedback signals backwards through it.

    Returns:
        labels: As the batches have them. Here and below, images that a layer masks are left out.
        outputs: Shape `(n, classes)`, float32.
        peaks: The largest activity of each ReLU, by layer.
        gradients: The gradient of each kernel, averaged over the batch, by rule and layer. EBP's,
            and `SYMMETRIC`, come through the transposed kernels.
    """
    rules = {
        "BrainProp": brainprop.trial_losses,
        "EBP": ebp.trial_losses,
        OWN_RULE: model.trial_losses,
    }
    if model.feedback.mode != "symmetric":
        rules[SYMMETRIC] = model.trial_losses
    values = {name: kernel.value for name, kernel in kernels.items()}

    def probe(images: tf.Tensor, labels: tf.Tensor) -> tuple:
        with (
            _recorded_relus(model, kernels) as activities,
            tf.GradientTape(persistent=True) as tape,
        ):
            outputs = model(images, training=False)
            mask = mask_of(outputs)
            outputs = tf.cast(outputs, tf.float32)
            through_feedback = outputs
            if SYMMETRIC in rules:
                through_feedback = tf.cast(model.feedback.network(images), tf.float32)
        peaks = {
            name: tf.concat([tf.reshape(tf.reduce_max(a, axis=0), [-1]) for a in uses], axis=0)
            for name, uses in activities.items()
            if uses
        }
        scale = model.optimizer.scale_loss(tf.ones(()))
        gradients = {}
        for rule, trial_losses in rules.items():
            feedback = scale * _feedback(trial_losses, labels, outputs)
            symmetric = rule in ("EBP", SYMMETRIC)
            scaled = tape.gradient(
                outputs if symmetric else through_feedback,
                values,
                output_gradients=feedback,
                unconnected_gradients="zero",
            )
            gradients[rule] = tf.nest.map_structure(
                lambda gradient: tf.cast(gradient, tf.float32) / scale, scaled
            )
        counts = tf.ones(len(outputs), bool) if mask is None else tf.reshape(mask, [-1])
        return counts, outputs, peaks, gradients

    def part(images, labels) -> tuple:
        counts, *found = _run(probe, images, labels)
        if np.all(counts):
            return labels, *found
        return part(*tf.nest.map_structure(lambda x: tf.boolean_mask(x, counts), (images, labels)))

    parts = [part(scaled_images(model, images), labels) for images, labels in batches]
    parts = [part for part in parts if len(part[0])]
    if not parts:
        raise BrainPropError("there are no images to measure on")
    labels, outputs, peaks, gradients = zip(*parts, strict=True)
    sizes = [len(part) for part in labels]
    return (
        np.concatenate(labels),
        np.concatenate(outputs),
        tf.nest.map_structure(lambda *parts: np.max(parts, axis=0), *peaks),
        tf.nest.map_structure(lambda *parts: np.average(parts, axis=0, weights=sizes), *gradients),
    )


def _feedback(trial_losses, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Returns what a rule feeds back from the output units: the gradient of its mean loss."""
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        loss = tf.reduce_mean(trial_losses(labels, outputs))
    return tape.gradient(loss, outputs)


def _run(probe, images: tf.Tensor, labels: tf.Tensor) -> tuple:
    """Runs a function where the model is; on one of its devices, if there are several."""
    strategy = tf.distribute.get_strategy()
    results = strategy.run(probe, args=(images, labels))
    return tf.nest.map_structure(lambda x: strategy.experimental_local_results(x)[0], results)


def _histogram(errors: np.ndarray) -> list[int]:
    """Returns how many errors lie in each bin; NaN lies in none."""
    half = (ERROR_BIN_CENTERS[1] - ERROR_BIN_CENTERS[0]) / 2
    edges = [*(ERROR_BIN_CENTERS - half), ERROR_BIN_CENTERS[-1] + half]
    within = np.clip(errors, ERROR_BIN_CENTERS[0], ERROR_BIN_CENTERS[-1])
    return np.histogram(within, edges)[0].tolist()
