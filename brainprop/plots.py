"""Figures, drawn without a display."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:  # A figure of results that are on disk does without TensorFlow.
    from brainprop.training import Run

# Blue and orange of the Okabe-Ito palette, which the color-blind can tell apart.
TRAINING_COLOR, VALIDATION_COLOR = "#0072B2", "#E69F00"
# Told apart by their style where there is no color.
ALGORITHM_STYLES = {
    "BrainProp": {"color": "#0072B2", "linestyle": "-"},
    "EBP": {"color": "#D55E00", "linestyle": (0, (4, 1.5))},
}


def accuracy_figure(run: Run) -> Figure:
    """Training and validation accuracy in percent over epochs, with the best epoch marked."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    epochs = range(1, run.epochs + 1)
    marker = "o" if run.epochs == 1 else None
    for key, label, color in (
        ("accuracy", "training", TRAINING_COLOR),
        ("val_accuracy", "validation", VALIDATION_COLOR),
    ):
        percent = [100 * value for value in run.history[key]]
        axes.plot(epochs, percent, color=color, label=label, marker=marker)
    axes.plot(
        run.best_epoch,
        100 * run.best_accuracy,
        "k*",
        markersize=10,
        label=f"best: {100 * run.best_accuracy:.2f} % (epoch {run.best_epoch})",
    )
    experiment = run.experiment
    axes.set(
        title=f"{experiment.dataset}, {experiment.architecture}, {experiment.algorithm}",
        xlabel="epoch",
        ylabel="accuracy [%]",
    )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def save_accuracy_figure(run: Run, path: Path) -> None:
    """Writes `accuracy_figure` as a PDF."""
    accuracy_figure(run).savefig(path, format="pdf")


def learning_curves_figure(panels: Mapping[str, Mapping[str, Sequence]]) -> Figure:
    """Validation accuracy over epochs of each algorithm, a panel for each network.

    The line is the mean of the seeds that still train in an epoch, as long as that is half of them
    or more; the band reaches from the lowest to the highest.

    Args:
        panels: By title, and then by algorithm: each seed's validation accuracy in percent, after
            each epoch. The seeds may differ in their number of epochs.
    """
    columns = min(3, max(1, len(panels)))
    rows = max(1, math.ceil(len(panels) / columns))
    figure = Figure(figsize=(1 + 3.2 * columns, 0.7 + 2.7 * rows), layout="constrained")
    styles = {}
    for position, (title, curves) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, position)
        for algorithm, seeds in curves.items():
            style = ALGORITHM_STYLES[algorithm]
            means, lows, highs = _by_epoch(seeds)
            epochs = range(1, len(means) + 1)
            marker = "o" if len(means) == 1 else None
            axes.fill_between(epochs, lows, highs, color=style["color"], alpha=0.3, linewidth=0)
            (styles[algorithm],) = axes.plot(epochs, means, marker=marker, linewidth=1.3, **style)
        axes.set_title(_wrapped(title), fontsize="medium")
        axes.set(xlabel="epoch", ylabel="validation accuracy [%]")
        axes.set_ylim(bottom=_bottom(curves))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    names = [name for name in ALGORITHM_STYLES if name in styles]
    figure.legend(
        [styles[name] for name in names],
        names,
        title="mean, and lowest to highest, of the seeds",
        loc="outside upper center",
        ncols=max(1, len(names)),
    )
    return figure


def _by_epoch(seeds: Sequence[Sequence[float]]) -> tuple[list[float], list[float], list[float]]:
    """The mean, the lowest and the highest accuracy in each epoch in which half still train."""
    epochs = [[value for value in values if value is not None] for values in zip_longest(*seeds)]
    epochs = [values for values in epochs if len(values) >= len(seeds) / 2]
    means = [sum(values) / len(values) for values in epochs]
    return means, [min(values) for values in epochs], [max(values) for values in epochs]


def _bottom(curves: Mapping[str, Sequence[Sequence[float]]]) -> float | None:
    """Leaves out the steep start of long runs, beside which nothing else could be seen."""
    lowest = [min(values[len(values) // 10 :]) for seeds in curves.values() for values in seeds]
    highest = max(max(values) for seeds in curves.values() for values in seeds)
    return min(lowest) - 0.15 * (highest - min(lowest)) if highest > min(lowest) else None


def _wrapped(title: str) -> str:
    return "\n".join(textwrap.fill(line, 40) for line in title.splitlines())


def save_learning_curves(panels: Mapping, path: Path, format: str) -> None:
    """Writes `learning_curves_figure`, without the time of day in it.

    Args:
        panels: See `learning_curves_figure`.
        path: Where to.
        format: "pdf" or "png".
    """
    metadata = {"CreationDate": None} if format == "pdf" else {}
    learning_curves_figure(panels).savefig(path, format=format, dpi=200, metadata=metadata)
