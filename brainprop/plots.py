"""Figures, drawn without a display."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from brainprop.errors import BrainPropError
from brainprop.files import written_whole

if TYPE_CHECKING:  # A figure of results that are on disk does without TensorFlow.
    from brainprop.training import Run

# Blue and orange of the Okabe-Ito palette, which the color-blind can tell apart.
TRAINING_COLOR, VALIDATION_COLOR = "#0072B2", "#E69F00"
# Told apart by their style where there is no color.
ALGORITHM_STYLES = {
    "BrainProp": {"color": "#0072B2", "linestyle": "-"},
    "EBP": {"color": "#D55E00", "linestyle": (0, (4, 1.5))},
}
BEST_COLOR, OTHERS_COLOR = "#0072B2", "#56B4E9"

MAX_NUMBERED_CLASSES = 20  # With more, numbers in a confusion matrix's cells would be too small.
MAX_CAPTION = 20  # letters


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
    axes.set(title=run.experiment.title, xlabel="epoch", ylabel="accuracy [%]")
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


def predictions_figure(
    images: np.ndarray,
    captions: Sequence[str],
    predictions: Sequence[Sequence[tuple[str, float]]],
    title: str,
) -> Figure:
    """A grid of images as the network sees them, each beside bars of its best classes' outputs.

    Args:
        images: Shape `(n, height, width, channels)`, uint8, RGB or gray.
        captions: What to call each image; only the end of a long one is shown.
        predictions: Of each image, the names of the best classes and their outputs, best first.
        title: Of the figure.
    """
    columns = min(len(images), 3)
    rows = math.ceil(len(images) / columns)
    longest_name = max(len(name) for best in predictions for name, _ in best)
    width = 3.2 + 0.06 * longest_name
    figure = Figure(figsize=(width * columns, 1.7 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, 2 * columns, squeeze=False).reshape(-1, 2)
    outputs = [value for best in predictions for _, value in best]
    low, high = min(*outputs, 0), max(*outputs, 0)
    room = 0.35 * (high - low) or 1  # for the numbers beside the bars
    for axes in grid.flat:
        axes.axis("off")  # Those to spare stay empty.
    for (picture, bars), image, caption, best in zip(
        grid, images, captions, predictions, strict=False
    ):
        picture.imshow(image, cmap="gray", vmin=0, vmax=255)
        picture.set_title(_shortened(caption), fontsize=8, parse_math=False)
        names, values = zip(*best, strict=True)
        colors = [BEST_COLOR, *[OTHERS_COLOR] * (len(best) - 1)]
        drawn = bars.barh(range(len(best)), values, tick_label=names, color=colors)
        bars.bar_label(drawn, fmt="%.3g", padding=2, fontsize=7)
        bars.axis("on")
        bars.set_xlim(low - room * (low < 0), high + room)
        bars.axvline(0, color="black", linewidth=0.8)
        bars.invert_yaxis()
        bars.tick_params(left=False, bottom=False, labelbottom=False, labelsize=7)
        bars.spines[:].set_visible(False)
    figure.suptitle(title, fontsize=9)
    return figure


def confusion_figure(counts: np.ndarray, class_names: Sequence[str], title: str) -> Figure:
    """A confusion matrix, each row in percent of its class's images; gray where there are none.

    With more than `MAX_NUMBERED_CLASSES` classes, colors alone tell the percentages, on a scale on
    which rare confusions can be seen.

    Args:
        counts: How many images of each class (row) were taken for each class (column).
        class_names: The classes' names.
        title: Of the figure.
    """
    with np.errstate(invalid="ignore"):  # 0 / 0 where a class has no images
        percent = 100 * counts / counts.sum(axis=1, keepdims=True)
    classes = len(counts)
    numbered = classes <= MAX_NUMBERED_CLASSES
    side, font_size = (6, 10) if numbered else (0.12 * classes, 0.1 * classes)
    figure = Figure(figsize=(1.15 * side, side), layout="compressed")
    axes = figure.add_subplot()
    image = axes.imshow(
        percent,
        cmap=colormaps["cividis"].with_extremes(bad="lightgray"),
        norm=PowerNorm(1 if numbered else 0.5, vmin=0, vmax=100),
    )
    label_size = 9 if numbered else 6
    rotation = 90 if max(map(len, class_names)) > 2 else 0
    axes.set_xticks(range(classes), class_names, rotation=rotation, fontsize=label_size)
    axes.set_yticks(range(classes), class_names, fontsize=label_size)
    axes.set_title(title, fontsize=1.2 * font_size)
    axes.set_xlabel("class chosen", fontsize=font_size)
    axes.set_ylabel("right class", fontsize=font_size)
    bar = figure.colorbar(image, ax=axes, format=PercentFormatter())
    bar.ax.tick_params(labelsize=font_size)
    bar.set_label("share of the right class's images", fontsize=font_size)
    if numbered:
        for (row, column), value in np.ndenumerate(percent):
            if np.isfinite(value):
                text = f"{value:.1f}" if value else "0"
                color = "black" if value > 50 else "white"
                axes.text(column, row, text, color=color, ha="center", va="center", fontsize=8)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure in the format that its name's suffix tells, over an earlier file.

    Raises:
        BrainPropError: It cannot be written; then nothing is there, or what was there before.
    """
    try:
        with written_whole(path) as partial:
            figure.savefig(partial, format=path.suffix[1:].lower(), dpi=150)
    except OSError as error:
        raise BrainPropError(
            f"{path} cannot be written ({error.strerror}): make room or choose another folder"
        ) from error


def _shortened(caption: str) -> str:
    """The end of a caption that is too long, which is where file names differ."""
    return caption if len(caption) <= MAX_CAPTION else "…" + caption[-MAX_CAPTION:]
