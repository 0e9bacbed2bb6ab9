"""Figures, drawn without a display."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from brainprop.common.files import atomic_write, writing
from brainprop.paper import ALGORITHMS

if TYPE_CHECKING:  # A figure of results that are on disk does without TensorFlow.
    from brainprop.training.run import Run

# Blue and orange of the Okabe-Ito palette, which the color-blind can distinguish.
TRAINING_COLOR, VALIDATION_COLOR = "#0072B2", "#E69F00"
# The algorithms' styles, in the algorithms' order. Without color, the dashes distinguish them.
ALGORITHM_STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "linestyle": "-"},
    {"color": "#D55E00", "linestyle": (0, (4, 1.5))},
    {"color": "#009E73", "linestyle": (0, (1, 1))},
    {"color": "#CC79A7", "linestyle": (0, (4, 1, 1, 1))},
)
BEST_COLOR, OTHERS_COLOR = "#0072B2", "#56B4E9"
# This map's colors are in order, as layers are, and the color-blind can distinguish them too.
LAYER_COLORS = colormaps["viridis"]

PAPER = "the paper's accuracy"  # In legends.
TRIAL_FIGURES = {
    "reward": "reward",
    "abs_reward_prediction_error": "|reward-prediction error|",
    "explored": "share explored",
}

MAX_NUMBERED_CLASSES = 20  # With more classes, numbers would be too small.
MAX_CAPTION = 20  # Letters.


def accuracy_figure(run: Run) -> Figure:
    """Draws training and validation accuracy over epochs, with the best epoch marked.

    Under BrainProp, a second panel has the means over the trials of each epoch: the reward, the
    absolute reward-prediction error, and the share of explored choices.
    """
    with_trials = "reward" in run.history
    figure = Figure(figsize=(6, 7 if with_trials else 4), layout="constrained")
    accuracy, *trials = figure.subplots(2 if with_trials else 1, squeeze=False).flat
    _draw_accuracy(accuracy, run)
    accuracy.set_title(run.experiment.title)
    for axes in trials:
        for style, (key, label) in zip(ALGORITHM_STYLES, TRIAL_FIGURES.items(), strict=False):
            _draw_curve(axes, run.history[key], label=label, **style)
        axes.set_ylabel("mean over trials")
        axes.legend()
    return figure


def _draw_accuracy(axes: Axes, run: Run) -> None:
    for key, label, color in (
        ("accuracy", "training", TRAINING_COLOR),
        ("val_accuracy", "validation", VALIDATION_COLOR),
    ):
        percent = [100 * value for value in run.history[key]]
        _draw_curve(axes, percent, label=label, color=color)
    axes.plot(
        run.best_epoch,
        100 * run.best_accuracy,
        "k*",
        markersize=10,
        label=f"best: {100 * run.best_accuracy:.2f} % (epoch {run.best_epoch})",
    )
    axes.set_ylabel("accuracy [%]")
    axes.legend(loc="lower right")


def _draw_curve(axes: Axes, values: Sequence[float], **style) -> Line2D:
    """Draws a curve over epochs; a single epoch is a point."""
    marker = "o" if len(values) == 1 else None
    (line,) = axes.plot(range(1, len(values) + 1), values, marker=marker, **style)
    _label_epochs(axes)
    axes.grid(alpha=0.3)
    return line


def _label_epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    steps = [1, 2, 2.5, 5, 10]
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1, steps=steps))


def learning_curves_figure(
    panels: Mapping[str, Mapping[str, Sequence]], levels: Mapping[str, float] | None = None
) -> Figure:
    """Draws the validation accuracy of each algorithm over epochs, a panel for each network.

    The line is the mean of the seeds that still train in an epoch, as long as that is half of them
    or more; the band reaches from the lowest to the highest.

    Args:
        panels: By title, and then by algorithm: each seed's validation accuracy in percent, after
            each epoch. The seeds may differ in their number of epochs.
        levels: By title: the paper's accuracy in percent, which becomes a line.
    """
    columns = min(3, max(1, len(panels)))
    rows = max(1, math.ceil(len(panels) / columns))
    figure = Figure(figsize=(1 + 3.2 * columns, 0.7 + 2.7 * rows), layout="constrained")
    lines = {}
    for position, (title, curves) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, position)
        for algorithm, seeds in curves.items():
            style = _style_of(algorithm)
            means, lows, highs = _by_epoch(seeds)
            epochs = range(1, len(means) + 1)
            axes.fill_between(epochs, lows, highs, color=style["color"], alpha=0.3, linewidth=0)
            lines[algorithm] = _draw_curve(axes, means, linewidth=1.3, **style)
        axes.set_title(_wrapped(title), fontsize="medium")
        axes.set_ylabel("validation accuracy [%]")
        level = (levels or {}).get(title)
        axes.set_ylim(*_accuracy_limits(curves, level))
        if level is not None:
            lines[PAPER] = axes.axhline(level, color="black", linestyle=":", linewidth=1)
    names = [name for name in (*ALGORITHMS, PAPER) if name in lines]
    figure.legend(
        [lines[name] for name in names],
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


def _accuracy_limits(
    curves: Mapping[str, Sequence[Sequence[float]]],
    level: float | None,
) -> tuple[float | None, float | None]:
    """Leaves out the steep start of long runs, beside which nothing else could be seen."""
    lows = [min(values[len(values) // 10 :]) for seeds in curves.values() for values in seeds]
    highs = [max(values) for seeds in curves.values() for values in seeds]
    levels = [] if level is None else [level]
    lowest, highest = min(lows + levels), max(highs + levels)
    span = highest - lowest
    return (lowest - 0.15 * span, highest + 0.15 * span) if span > 0 else (None, None)


def sweep_figure(
    panels: Mapping[str, Mapping[str, Mapping[Any, Sequence[tuple[float, int]]]]], setting: str
) -> Figure:
    """Draws accuracy, and epochs to 90 % of it, against the values of a setting.

    The line is the mean of the seeds, the bars reach from the lowest to the highest.

    Args:
        panels: By title, by algorithm, and by value: of each seed, the best accuracy in percent
            and the number of epochs to 90 % of it.
        setting: Name of the setting.
    """
    figure = Figure(figsize=(8, 0.8 + 2.8 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 2, squeeze=False)
    bars = {}
    for row, (title, curves) in zip(grid, panels.items(), strict=True):
        values = list(dict.fromkeys(value for curve in curves.values() for value in curve))
        places, scale = _places(values)
        labels = ["all" if value is None else as_text(value) for value in values]
        for column, (axes, label) in enumerate(
            zip(row, ("accuracy [%]", "epochs to 90 % of it"), strict=True)
        ):
            for algorithm, curve in curves.items():
                seeds = [[result[column] for result in results] for results in curve.values()]
                means = np.array([np.mean(numbers) for numbers in seeds])
                spread = means - [min(n) for n in seeds], [max(n) for n in seeds] - means
                at = [places[value] for value in curve]
                bars[algorithm] = axes.errorbar(
                    at, means, spread, marker="o", markersize=4, capsize=3, **_style_of(algorithm)
                )
            axes.set_xscale(scale)
            axes.set_xticks([places[value] for value in values], labels)
            axes.minorticks_off()
            axes.set(xlabel=setting, ylabel=label)
            axes.set_title(_wrapped(title), fontsize="medium")
            axes.grid(alpha=0.3)
        row[1].set_ylim(bottom=0)
    figure.legend(
        list(bars.values()),
        list(bars),
        title="mean, and lowest to highest, of the seeds",
        loc="outside upper center",
        ncols=max(1, len(bars)),
    )
    return figure


def _places(values: Sequence) -> tuple[dict, str]:
    """Returns where the values lie on an axis, and its scale: "log", or "linear".

    Names, and numbers that would lie too close to each other, have even distances.
    """
    if all(isinstance(value, int | float) for value in values):
        ordered = sorted(map(float, values))
        if ordered[0] > 0 and ordered[-1] / ordered[0] >= 10:
            return {value: float(value) for value in values}, "log"
        gaps = np.diff(ordered)
        if len(gaps) and gaps.min() >= 0.08 * gaps.sum():
            return {value: float(value) for value in values}, "linear"
    return {value: float(place) for place, value in enumerate(values)}, "linear"


def as_text(value) -> str:
    """Returns a setting's value as tables and figures show it."""
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def _style_of(algorithm: str) -> dict[str, Any]:
    return ALGORITHM_STYLES[list(ALGORITHMS).index(algorithm) % len(ALGORITHM_STYLES)]


def _wrapped(title: str) -> str:
    return "\n".join(textwrap.fill(line, 40) for line in title.splitlines())


def predictions_figure(
    images: np.ndarray,
    captions: Sequence[str],
    predictions: Sequence[Sequence[tuple[str, float]]],
    title: str,
    unit: str,
) -> Figure:
    """Draws images as the network sees them, each beside bars of its best classes' outputs.

    Args:
        images: Shape `(n, height, width, channels)`, uint8, RGB or gray.
        captions: The images' names; only the end of a long one is shown.
        predictions: For each image, the names of the best classes and their outputs, best first.
        title: Title of the figure.
        unit: What an output is called: "Q-value".
    """
    columns = min(len(images), 3)
    rows = math.ceil(len(images) / columns)
    longest_name = max(len(name) for best in predictions for name, _ in best)
    width = 3.4 + 0.06 * longest_name
    figure = Figure(figsize=(width * columns, 2 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, 2 * columns, squeeze=False).reshape(-1, 2)
    outputs = [value for best in predictions for _, value in best]
    low, high = min(*outputs, 0), max(*outputs, 1)
    for axes in grid.flat:
        axes.axis("off")  # The last row may have empty places.
    for (picture, bars), image, caption, best in zip(
        grid, images, captions, predictions, strict=False
    ):
        picture.axis("on")  # A white picture needs a frame.
        picture.set(xticks=[], yticks=[])
        picture.imshow(image, cmap="gray", vmin=0, vmax=255)
        picture.set_title(_shortened(caption), fontsize=8, parse_math=False)
        values = [value for _, value in best]
        labels = [f"{name}: {value:.2f}" for name, value in best]
        colors = [BEST_COLOR, *[OTHERS_COLOR] * (len(best) - 1)]
        bars.barh(range(len(best)), values, tick_label=labels, color=colors)
        bars.axis("on")
        bars.set_xlim(low, high)
        bars.axvline(0, color="black", linewidth=0.8)
        bars.invert_yaxis()
        bars.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        bars.set_xlabel(unit, fontsize=7, labelpad=1)
        bars.tick_params(left=False, labelsize=7)
        bars.grid(axis="x", alpha=0.3)
        bars.set_axisbelow(True)
        bars.spines[["top", "left", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=9)
    return figure


def confusion_figure(counts: np.ndarray, class_names: Sequence[str], title: str) -> Figure:
    """Draws a confusion matrix, each row in percent of its class's images.

    Up to `MAX_NUMBERED_CLASSES` classes have numbers, and colors for the errors; the diagonal is
    gray. With more classes there are colors only, on a scale that shows rare errors.

    Args:
        counts: How many images of each class (row) were taken for each class (column).
        class_names: The classes' names.
        title: Title of the figure.
    """
    with np.errstate(invalid="ignore"):  # 0 / 0 where a class has no images
        percent = 100 * counts / counts.sum(axis=1, keepdims=True)
    classes = len(counts)
    numbered = classes <= MAX_NUMBERED_CLASSES
    side, font_size = (6, 10) if numbered else (0.12 * classes, 0.1 * classes)
    figure = Figure(figsize=(1.15 * side, side), layout="compressed")
    axes = figure.add_subplot()
    shown, meaning, colors, scale = percent, "of the right class's images", "cividis", (0.5, 0, 100)
    if numbered:
        shown, meaning = np.where(np.eye(classes), np.nan, percent), "confused with another class"
        colors, scale = "Oranges", (1, 0, np.nanmax([*shown.flat, 0]) or 1)
    norm = PowerNorm(*scale)
    cmap = colormaps[colors].with_extremes(bad="lightgray")
    image = axes.imshow(shown, cmap=cmap, norm=norm)
    label_size = 9 if numbered else 6
    rotation = 90 if max(map(len, class_names)) > 2 else 0
    axes.set_xticks(range(classes), class_names, rotation=rotation, fontsize=label_size)
    axes.set_yticks(range(classes), class_names, fontsize=label_size)
    axes.set_title(title, fontsize=1.2 * font_size)
    axes.set_xlabel("class chosen", fontsize=font_size)
    axes.set_ylabel("right class", fontsize=font_size)
    bar = figure.colorbar(image, ax=axes, format="{x:g} %")
    bar.ax.tick_params(labelsize=font_size)
    bar.set_label(f"share {meaning}", fontsize=font_size)
    centered: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
    if numbered:
        for (row, column), value in np.ndenumerate(percent):
            if np.isfinite(value):
                is_dark = row != column and norm(value) > 0.6
                text, color = f"{value:.1f}" if value else "0", "white" if is_dark else "black"
                axes.text(column, row, text, color=color, **centered)
        for row in np.flatnonzero(counts.sum(axis=1) == 0):
            axes.text((classes - 1) / 2, int(row), "no images", **centered)
    return figure


def write_figure(figure: Figure, path: Path, format: str, dpi: float | None = None) -> None:
    """Writes a figure as a "pdf" or a "png", without the time of day in it.

    Args:
        figure: What was drawn.
        path: The file, with any suffix.
        format: "pdf" or "png".
        dpi: Pixels an inch; by default Matplotlib's.
    """
    metadata = {"CreationDate": None} if format == "pdf" else {}
    figure.savefig(path, format=format, dpi=dpi or "figure", metadata=metadata)


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure in the format of the file's suffix, and replaces an earlier file.

    Raises:
        BrainPropError: If it cannot be written. An earlier file is then left as it was.
    """
    with writing(path, "make room or choose another folder"), atomic_write(path) as partial:
        write_figure(figure, partial, path.suffix[1:].lower(), dpi=150)


def _shortened(caption: str) -> str:
    """Returns the end of a long caption, since file names differ at their ends."""
    return caption if len(caption) <= MAX_CAPTION else "…" + caption[-MAX_CAPTION:]


def diagnostics_figure(run: Run) -> Figure:
    """What `diagnostics.measure` found after each epoch, on one page.

    Accuracy, Q-values, reward-prediction errors and selected classes are those of the whole
    network; below them, angles, norms and dead ReLUs have a curve for each layer. Feedback that is
    not symmetric adds its own angles.
    """
    from brainprop.training.diagnostics import ERROR_BIN_CENTERS  # Imports TensorFlow.

    own_feedback = any(name.startswith("angle_to_symmetric/") for name in run.history)
    rows = 5 if own_feedback else 4
    figure = Figure(figsize=(8, 2.75 * rows), layout="constrained")
    panels = figure.subplots(rows, 2).flat
    accuracy, q_values, errors, selected, angle, update, weight, dead, *of_feedback = panels
    history, algorithm = run.history, run.experiment.algorithm
    counts = np.array(history["selected"])  # Of an epoch without diagnostics, NaN.
    probed, classes = int(np.nanmax(counts.sum(axis=1))), counts.shape[1]
    q_value = ALGORITHMS[algorithm].activation_name
    figure.suptitle(f"{run.experiment.title}: after each epoch, on {probed} validation images")

    _draw_accuracy(accuracy, run)
    accuracy.set_title("Accuracy, on all images")
    accuracy.legend(fontsize="small")  # Where it hides least.

    for key, label, color in (
        ("q_selected", "of the selected class", TRAINING_COLOR),
        ("q_right", "of the right class", VALIDATION_COLOR),
    ):
        _draw_curve(q_values, history[key], label=label, color=color)
    q_values.set(title=f"Mean {q_value}", ylabel=q_value)
    q_values.legend()

    _draw_counts(errors, history["reward_prediction_error"], ERROR_BIN_CENTERS, probed)
    errors.set(title="Reward-prediction errors", ylabel=f"reward − {q_value}")
    colors = _draw_counts(selected, history["selected"], range(classes), probed)
    selected.set(title="Selected classes", ylabel="class")
    if classes <= MAX_NUMBERED_CLASSES:
        selected.set_yticks(range(classes), run.class_names or range(classes))
    bar = figure.colorbar(colors, ax=[errors, selected], label="share of images [%]")
    bar.ax.yaxis.set_major_formatter("{x:g}")

    _draw_layers(angle, run, "angle")
    angle.axhline(90, color="black", linewidth=0.8, linestyle=":")
    angle.set(title="Angle of BrainProp's to EBP's update", ylabel="angle [degrees]")
    angle.set(ylim=(0, None), yticks=range(0, 181, 30))
    _draw_layers(update, run, "update_norm")
    update.set(title=f"Size of {algorithm}'s update", ylabel="norm", yscale="log")
    _draw_layers(weight, run, "weight_norm")
    weight.set(title="Size of the weights", ylabel="norm", ylim=(0, None))
    _draw_layers(dead, run, "dead", scale=100)
    dead.set(title="Dead ReLUs: 0 for all these images", ylabel="share [%]")
    for axes, key, title in zip(
        of_feedback,
        ("angle_to_symmetric", "feedback_angle"),
        ("Angle to the update with symmetric feedback", "Angle of feedback to kernel"),
        strict=False,
    ):
        _draw_layers(axes, run, key)
        axes.axhline(90, color="black", linewidth=0.8, linestyle=":")
        axes.set(title=title, ylabel="angle [degrees]", ylim=(0, None), yticks=range(0, 181, 30))
    handles, labels = weight.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, title="layer")
    return figure


def _draw_counts(
    axes: Axes, counts: Sequence[Sequence[int]], centers: Sequence[float] | np.ndarray, images: int
) -> ScalarMappable:
    """The share of the images in each bin over epochs as colors; where there is none, white."""
    by_epoch = np.array(counts, float).T
    half = (centers[1] - centers[0]) / 2
    image = axes.imshow(
        100 * np.ma.masked_equal(by_epoch, 0) / images,
        extent=(0.5, len(counts) + 0.5, centers[0] - half, centers[-1] + half),
        norm=LogNorm(min(100 / images, 10), 100),
        cmap="cividis_r",
        origin="lower",
        aspect="auto",
        interpolation="none",
    )
    _label_epochs(axes)
    return image


def _draw_layers(axes: Axes, run: Run, measure: str, scale: float = 1) -> None:
    """A curve for each layer of which there is such a measure."""
    layers = [name.split("/")[1] for name in run.history if name.startswith("weight_norm/")]
    colors = LAYER_COLORS(np.linspace(0, 0.9, len(layers)))
    for layer, color in zip(layers, colors, strict=True):
        values = run.history.get(f"{measure}/{layer}", [])
        if values:
            scaled = [scale * value for value in values]
            _draw_curve(axes, scaled, label=layer.replace("_", " "), color=color)
