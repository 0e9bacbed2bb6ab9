"""Results as `brainprop.reproduce` leaves them, made up: plausible curves, and no training."""

import json

import numpy as np

from brainprop.experiments import Experiment
from brainprop.reproduce.run_folder import RunFiles

# The accuracy that a network ends with, in percent, and the epochs in which it comes near it.
PLAUSIBLE = {
    ("MNIST", "conv", "BrainProp"): (99.31, 4), ("MNIST", "conv", "EBP"): (99.44, 2),
    ("CIFAR10", "deep", "BrainProp"): (88.88, 25), ("CIFAR10", "deep", "EBP"): (89.9, 15),
    ("CIFAR100", "deep", "BrainProp"): (59.58, 60), ("CIFAR100", "deep", "EBP"): (63.0, 22),
    ("TinyImageNet", "deep", "BrainProp"): (47.5, 90), ("TinyImageNet", "deep", "EBP"): (48.3, 30),
}  # fmt: skip


def curve(final, rise, seed):
    """Validation accuracies in [0, 1], up to 45 epochs after the best."""
    rng = np.random.default_rng(seed)
    count = int(5 * rise + rng.integers(45, 60))
    values = (final + rng.normal(0, 0.3)) * (1 - 0.9 * np.exp(-np.arange(1, count + 1) / rise))
    values += rng.normal(0, (100 - final) / 60, count)
    return (np.clip(values, 0, 100) / 100).round(4).tolist()


def write_run(folder, experiment, val_accuracy, diverged_in=None, **changes):
    """Writes the result of a run with these validation accuracies; returns its path.

    `diverged_in` names the loss that is no longer a number in the last epoch.
    """
    loss = [1 / epoch for epoch in range(1, len(val_accuracy) + 1)]
    history = {"loss": loss, "val_loss": loss[:], "val_accuracy": val_accuracy}
    if diverged_in:
        history[diverged_in][-1] = None
    told = {
        "settings": experiment.settings(),
        "images": {"training": 60_000, "validation": 10_000},
        "device": "a GPU",
        "outcome": "made up",
        "epochs": len(val_accuracy),
        "best_epoch": 1 + int(np.argmax(val_accuracy)),
        "best_val_accuracy": max(val_accuracy),
        "test_accuracy": None,
        "history": history | {"seconds": [9.0] + [3.0] * (len(val_accuracy) - 1)},
    } | changes
    path = RunFiles(folder, experiment).result
    path.write_text(json.dumps(told))
    return path


def write_plausible_runs(folder, seeds=range(1, 11)):
    """Writes ten seeds of each row in `PLAUSIBLE`."""
    for names, (final, rise) in PLAUSIBLE.items():
        for seed in seeds:
            write_run(folder, Experiment(*names, seed=seed), curve(final, rise, seed))
