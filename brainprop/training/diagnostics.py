"""Diagnostics: what a learning rule does to each layer, measured on a fixed batch of images.

The probe batch is a sample of the validation images. The network does not learn them, so errors
and updates do not vanish just because it knows them by heart, and it is the same in all epochs,
so that nothing but the network changes. Measuring neither draws a random number nor writes to a
variable: training goes on as if nobody had looked.
"""

from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from brainprop.datasets.table import Data
from brainprop.experiments import Experiment
from brainprop.rules import brainprop, ebp
from brainprop.rules.base import LearningRule, class_indices
from brainprop.rules.local_rule import angle
from brainprop.training.batches import evaluation_batches
from brainprop.training.callbacks import pad_with_nan
from brainprop.training.evaluation import EVALUATION_BATCH_SIZE
from brainprop.training.fit import splits

PROBE_SIZE = 512
# Reward-prediction errors are counted in bins 0.1 wide; those beyond, in the outermost ones.
ERROR_BIN_CENTERS = np.linspace(-1.2, 1.2, 25).round(1)


class Diagnostics(keras.callbacks.Callback):
    """Adds what `measure` finds after each epoch to the history; TensorBoard may have it too.

    Args:
        batches: The probe batch, in parts, as `measure` takes it.
        log_dir: The folder to write summaries for TensorBoard into, if any.
    """

    def __init__(self, batches: Iterable, log_dir: Path | None = None):
        super().__init__()
        self.batches, self.log_dir = batches, log_dir

    def on_train_begin(self, logs=None):
        if self.log_dir is not None:
            self.writer = tf.summary.create_file_writer(str(self.log_dir / "diagnostics"))

    def on_epoch_end(self, epoch, logs=None):
        measured = measure(self.model, self.batches)
        if self.log_dir is not None:
            self._write_summaries(epoch, measured)
        # Not into the logs, all of which Keras prints.
        for name, value in measured.items():
            pad_with_nan(epoch, self.model.history, name, value).append(value)

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
    """The probe batch of an experiment, in parts that are no larger than evaluation's.

    Args:
        data: As for `train`.
        experiment: The settings.

    Returns:
        Batches `(images, labels)` of `PROBE_SIZE` images that lie evenly spaced in the validation
        set, which may be sorted by class; of all images, if there are fewer.
    """
    _, (images, labels), _ = splits(data, experiment)
    chosen = np.unique(np.linspace(0, len(labels) - 1, PROBE_SIZE, dtype=int))
    return evaluation_batches(images[chosen], labels[chosen], EVALUATION_BATCH_SIZE)


def measure(model: LearningRule, batches: Iterable) -> dict[str, float | list[int]]:
    """Measures a network on a probe batch, without dropout, batch statistics or exploration.

    Both rules' updates are those for this network, whichever rule it learns by: an EBP network's
    logits are read as Q-values, and BrainProp's Q-values as logits. Weight decay, which the rules
    share, is left out.

    Args:
        model: A compiled model, in which each layer with a kernel is used once.
        batches: The probe batch, in parts `(images, labels)`; labels are such as the rules take.

    Returns:
        For each layer with a kernel that learns, named by its number and kind:

        - `angle/{layer}`: the angle between BrainProp's and EBP's update of the kernel, in
          degrees; not a number where one of them is 0.
        - `update_norm/{layer}`: the norm of the update by the model's own rule under plain SGD,
          the learning rate times the gradient averaged over the probe batch.
        - `weight_norm/{layer}`: the norm of the kernel.
        - `dead/{layer}`: the share of its ReLUs that are 0 for the whole probe batch, in [0, 1]. A
          convolution has a ReLU at each position of each feature map.

        And for the network:

        - `q_selected`, `q_right`: the mean Q-value of the selected and of the right class.
        - `selected`: how many times each class is selected.
        - `reward_prediction_error`: how many errors lie in each bin around `ERROR_BIN_CENTERS`.
    """
    layers = _layers_with_kernel(model)
    labels, q_values, peaks, gradients = _probe(model, layers, batches)
    labels = class_indices(labels, q_values.shape[-1]).numpy()
    learning_rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    measured: dict[str, float | list[int]] = {}
    for name, layer in layers.items():
        update = learning_rate * gradients[type(model).__name__][name]
        updates = (gradients[rule][name].astype("float64") for rule in ("BrainProp", "EBP"))
        with np.errstate(invalid="ignore"):  # Without a gradient, there is no angle.
            measured[f"angle/{name}"] = angle(*updates)
        measured[f"update_norm/{name}"] = float(np.linalg.norm(update))
        measured[f"weight_norm/{name}"] = float(np.linalg.norm(layer.kernel))
    for name, peak in peaks.items():
        measured[f"dead/{name}"] = float(np.mean(peak == 0))
    selected, q_selected = q_values.argmax(-1), q_values.max(-1)
    measured["q_selected"] = float(q_selected.mean())
    measured["q_right"] = float(q_values[np.arange(len(labels)), labels].mean())
    measured["selected"] = np.bincount(selected, minlength=q_values.shape[-1]).tolist()
    measured["reward_prediction_error"] = _histogram((selected == labels) - q_selected)
    return measured


def _layers_with_kernel(model: LearningRule) -> dict[str, keras.Layer]:
    """The layers with a kernel that learns, under names that are the same for any such model."""
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    return {
        f"{number}_{'output' if layer is layers[-1] else type(layer).__name__}": layer
        for number, layer in enumerate(layers, start=1)
        if layer.trainable
    }


def _probe(model: LearningRule, layers: dict[str, keras.Layer], batches: Iterable) -> tuple:
    """Runs the network on the probe batch, and the rules' feedback backwards through it.

    Returns:
        labels: As the batches have them.
        outputs: Shape `(n, classes)`, float32.
        peaks: The largest activity of each ReLU, by layer.
        gradients: The gradient of each kernel, averaged over the batch, by rule and layer.
    """
    relus = [name for name, layer in layers.items() if _is_rectified(layer)]
    activities = {name: layers[name].output for name in relus}
    network = keras.Model(model.input, {"activities": activities, "outputs": model.output})
    kernels = {name: layer.kernel for name, layer in layers.items()}
    losses = {
        "BrainProp": brainprop.trial_losses,
        "EBP": ebp.trial_losses,
        type(model).__name__: model.trial_losses,
    }

    def probe(images: tf.Tensor, labels: tf.Tensor) -> tuple:
        with tf.GradientTape(persistent=True) as tape:
            found = network(images, training=False)
            outputs = tf.cast(found["outputs"], tf.float32)
        peaks = {name: tf.reduce_max(found["activities"][name], axis=0) for name in relus}
        scale = model.optimizer.scale_loss(tf.ones(()))
        gradients = {}
        for name, trial_losses in losses.items():
            feedback = scale * _feedback(trial_losses, labels, outputs)
            scaled = tape.gradient(outputs, kernels, output_gradients=feedback)
            gradients[name] = tf.nest.map_structure(lambda gradient: gradient / scale, scaled)
        return outputs, peaks, gradients

    parts = [(labels, *_run(probe, images, labels)) for images, labels in batches]
    labels, outputs, peaks, gradients = zip(*parts, strict=True)
    sizes = [len(part) for part in labels]
    return (
        np.concatenate(labels),
        np.concatenate(outputs),
        tf.nest.map_structure(lambda *parts: np.max(parts, axis=0), *peaks),
        tf.nest.map_structure(lambda *parts: np.average(parts, axis=0, weights=sizes), *gradients),
    )


def _is_rectified(layer: keras.Layer) -> bool:
    return getattr(layer, "activation", None) is keras.activations.relu


def _feedback(trial_losses, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Returns what a rule sends back from the output units: its mean loss's gradient."""
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        loss = tf.reduce_mean(trial_losses(labels, outputs))
    return tape.gradient(loss, outputs)


def _run(probe, images: tf.Tensor, labels: tf.Tensor) -> tuple:
    """Runs a function where the model is; on one of its devices, if they are several."""
    strategy = tf.distribute.get_strategy()
    results = strategy.run(probe, args=(images, labels))
    return tf.nest.map_structure(lambda x: strategy.experimental_local_results(x)[0], results)


def _histogram(errors: np.ndarray) -> list[int]:
    """How many errors lie in each bin; those that are not a number lie in none."""
    half = (ERROR_BIN_CENTERS[1] - ERROR_BIN_CENTERS[0]) / 2
    edges = [*(ERROR_BIN_CENTERS - half), ERROR_BIN_CENTERS[-1] + half]
    within = np.clip(errors, ERROR_BIN_CENTERS[0], ERROR_BIN_CENTERS[-1])
    return np.histogram(within, edges)[0].tolist()
