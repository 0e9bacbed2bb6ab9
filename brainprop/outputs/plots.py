"""Figures of a run and of pictures, drawn without a display."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from brainprop.common.files import atomic_write, writing
from brainprop.paper import ALGORITHMS

if TYPE_CHECKING:  # A figure of results on disk does not need TensorFlow.
    from brainprop.training.run import Run

# Colors of the Okabe-Ito palette and of viridis, which the color-blind can distinguish.
BLUE, ORANGE, SKY_BLUE = "#0072B2", "#E69F00", "#56B4E9"
LAYER_COLORS = colormaps["viridis"]  # In order, as layers are.
# The algorithms' styles, in the algorithms' order. Without color, the dashes distinguish them.
ALGORITHM_STYLES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-"},
    {"color": "#D55E00", "linestyle": (0, (4, 1.5))},
    {"color": "#009E73", "linestyle": (0, (1, 1))},
    {"color": "#CC79A7", "linestyle": (0, (4, 1, 1, 1))},
)
TRIAL_FIGURES = {
    "reward": "reward",
    "abs_reward_prediction_error": "|reward-prediction error|",
    "explored": "share explored",
}
MAX_NUMBERED_CLASSES = 20  # With more classes, numbers would be too small.
MAX_CAPTION = 20  # Letters.
PLAIN_TEXT: dict[str, Any] = {"parse_math": False}  # Of names that may have a "$".


def algorithm_style(algorithm: str) -> dict[str, Any]:
    """Returns the color and the dashes of an algorithm's curves."""
    return ALGORITHM_STYLES[list(ALGORITHMS).index(algorithm) % len(ALGORITHM_STYLES)]


def draw_curve(axes: Axes, values: Sequence[float], **style) -> None:
    """Draws a curve over epochs; a single epoch is a point."""
    marker = "o" if len(values) == 1 else None
    axes.plot(range(1, len(values) + 1), values, marker=marker, **style)
    axes.grid(alpha=0.3)
    _label_epochs(axes)


def _label_epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    steps = [1, 2, 2.5, 5, 10]
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1, steps=steps))


def set_wrapped_title(axes: Axes, title: str) -> None:
    """Sets the title of a small panel."""
    lines = [textwrap.fill(line, 40) for line in title.splitlines()]
    axes.set_title("\n".join(lines), fontsize="medium", **PLAIN_TEXT)


def accuracy_figure(run: Run) -> Figure:
    """Draws training and validation accuracy over epochs, with the best epoch marked.

    Under BrainProp, a second panel has the means over the trials of each epoch: the reward, the
    absolute reward-prediction error, and the share of explored choices, as far as there are any.
    """
    means = {key: label for key, label in TRIAL_FIGURES.items() if key in run.history}
    rows = 2 if means else 1
    figure = Figure(figsize=(6, 1 + 3 * rows), layout="constrained")
    accuracy, *trials = figure.subplots(rows, squeeze=False).flat
    _draw_accuracy(accuracy, run)
    accuracy.set_title(run.experiment.title, **PLAIN_TEXT)
    for axes in trials:
        for style, (key, label) in zip(ALGORITHM_STYLES, means.items(), strict=False):
            draw_curve(axes, run.history[key], label=label, **style)
        axes.set_ylabel("mean over trials")
        axes.legend()
    return figure


def _draw_accuracy(axes: Axes, run: Run) -> None:
    _draw_pair(axes, run, {"accuracy": "training", "val_accuracy": "validation"}, scale=100)
    best = 100 * run.best_accuracy
    label = f"best: {best:.2f} % (epoch {run.best_epoch})"
    axes.plot(run.best_epoch, best, "k*", markersize=10, label=label)
    axes.set_ylabel("accuracy [%]")
    axes.legend(loc="lower right")


def _draw_pair(axes: Axes, run: Run, labels: dict[str, str], scale: float = 1) -> None:
    """Draws two curves of the history, whose labels are given by key."""
    for color, (key, label) in zip((BLUE, ORANGE), labels.items(), strict=True):
        draw_curve(axes, [scale * value for value in run.history[key]], label=label, color=color)


def diagnostics_figure(run: Run) -> Figure:
    """Draws what `diagnostics.measure` found after each epoch, on one page.

    Accuracy, Q-values, reward-prediction errors and selected classes are the whole network's. Below
    them, angles, norms and dead ReLUs have a curve for each layer. Feedback that is not symmetric
    adds its own angles.
    """
    from brainprop.training.diagnostics import ERROR_BIN_CENTERS  # Imports TensorFlow.

    history, algorithm = run.history, run.experiment.algorithm
    rows = 5 if any(name.startswith("angle_to_symmetric/") for name in history) else 4
    figure = Figure(figsize=(8, 2.75 * rows), layout="constrained")
    accuracy, q_values, errors, selected, *by_layer = figure.subplots(rows, 2).flat
    counts = np.array(history["selected"])  # Of an epoch without diagnostics, NaN.
    probed, classes = int(np.nanmax(counts.sum(axis=1))), counts.shape[1]
    row = ALGORITHMS.get(algorithm)  # A custom rule has none.
    q_value = row.activation_name if row else "output"
    title = f"{run.experiment.title}: after each epoch, on {probed} validation images"
    figure.suptitle(title, **PLAIN_TEXT)

    _draw_accuracy(accuracy, run)
    accuracy.set_title("Accuracy, on all images")
    accuracy.legend(fontsize="small")  # Where it hides least.
    _draw_pair(
        q_values, run, {"q_selected": "of the selected class", "q_right": "of the right class"}
    )
    q_values.set(title=f"Mean {q_value}", ylabel=q_value)
    q_values.legend()
    _draw_counts(errors, history["reward_prediction_error"], ERROR_BIN_CENTERS, probed)
    errors.set(title="Reward-prediction errors", ylabel=f"reward − {q_value}")
    colors = _draw_counts(selected, history["selected"], range(classes), probed)
    selected.set(title="Selected classes", ylabel="class")
    if classes <= MAX_NUMBERED_CLASSES:
        selected.set_yticks(range(classes), run.class_names or range(classes), **PLAIN_TEXT)
    bar = figure.colorbar(colors, ax=[errors, selected], label="share of images [%]")
    bar.ax.yaxis.set_major_formatter("{x:g}")

    angle = {"ylabel": "angle [degrees]", "ylim": (0, None), "yticks": range(0, 181, 30)}
    measures: dict[str, dict[str, Any]] = {
        "angle": {"title": "Angle of BrainProp's to EBP's update", **angle},
        "update_norm": {
            "title": f"Size of {algorithm}'s update",
            "ylabel": "norm",
            "yscale": "log",
        },
        "weight_norm": {"title": "Size of the weights", "ylabel": "norm", "ylim": (0, None)},
        "dead": {"title": "Dead ReLUs: 0 for all these images", "ylabel": "share [%]"},
        "angle_to_symmetric": {"title": "Angle to symmetric feedback's update", **angle},
        "feedback_angle": {"title": "Angle of feedback to kernel", **angle},
    }
    for axes, (measure, look) in zip(by_layer, measures.items(), strict=False):
        _draw_layers(axes, run, measure)
        axes.set(**look)
    lines = by_layer[2].lines  # Each layer has weights.
    labels = [str(line.get_label()) for line in lines]
    figure.legend(lines, labels, loc="outside lower center", ncols=5, title="layer")
    return figure


def _draw_counts(
    axes: Axes, counts: Sequence[Sequence[int]], centers: Sequence[float] | np.ndarray, images: int
) -> ScalarMappable:
    """Draws each bin's share of the images over epochs as colors; an empty bin is white."""
    half = (centers[1] - centers[0]) / 2
    colors = axes.imshow(
        100 * np.ma.masked_equal(np.array(counts, float).T, 0) / images,
        extent=(0.5, len(counts) + 0.5, centers[0] - half, centers[-1] + half),
        norm=LogNorm(min(100 / images, 10), 100),
        cmap="cividis_r",
        origin="lower",
        aspect="auto",
        interpolation="none",
    )
    _label_epochs(axes)
    return colors


def _draw_layers(axes: Axes, run: Run, measure: str) -> None:
    """Draws a curve for each layer that has the measure."""
    layers = [name.split("/")[1] for name in run.history if name.startswith("weight_norm/")]
    scale = 100 if measure == "dead" else 1
    for layer, color in zip(layers, LAYER_COLORS(np.linspace(0, 0.9, len(layers))), strict=True):
        values = [scale * value for value in run.history.get(f"{measure}/{layer}", ())]
        if values:
            draw_curve(axes, values, label=layer.replace("_", " "), color=color)
    if "angle" in measure:
        axes.axhline(90, color="black", linewidth=0.8, linestyle=":")


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
    width = 3.4 + 0.06 * max(len(name) for best in predictions for name, _ in best)
    figure = Figure(figsize=(width * columns, 2 * rows + 0.3), layout="constrained")
    figure.suptitle(title, fontsize=9, **PLAIN_TEXT)
    grid = figure.subplots(rows, 2 * columns, squeeze=False).reshape(-1, 2)
    outputs = [value for best in predictions for _, value in best]
    for picture, bars in grid[len(images) :]:  # The last row may have empty places.
        picture.axis("off")
        bars.axis("off")
    for (picture, bars), image, caption, best in zip(
        grid, images, captions, predictions, strict=False
    ):
        picture.imshow(image, cmap="gray", vmin=0, vmax=255)
        picture.set(xticks=[], yticks=[])
        # File names differ at their ends.
        end = caption if len(caption) <= MAX_CAPTION else "…" + caption[-MAX_CAPTION:]
        picture.set_title(end, fontsize=8, **PLAIN_TEXT)
        labels = [f"{name}: {value:.2f}" for name, value in best]
        colors = [BLUE, *[SKY_BLUE] * (len(best) - 1)]
        bars.barh(range(len(best)), [value for _, value in best], color=colors)
        bars.set_yticks(range(len(best)), labels, **PLAIN_TEXT)
        bars.set_xlim(min(*outputs, 0), max(*outputs, 1))
        bars.axvline(0, color="black", linewidth=0.8)
        bars.invert_yaxis()
        bars.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        bars.set_xlabel(unit, fontsize=7, labelpad=1)
        bars.tick_params(left=False, labelsize=7)
        bars.grid(axis="x", alpha=0.3)
        bars.set_axisbelow(True)
        bars.spines[["top", "left", "right"]].set_visible(False)
    return figure


def confusion_figure(counts: np.ndarray, class_names: Sequence[str], title: str) -> Figure:
    """Draws a confusion matrix in percent of each row, on a scale of colors that shows rare errors.

    With up to `MAX_NUMBERED_CLASSES` classes, the cells have numbers too.

    Args:
        counts: How many images of each class (row) were taken for each class (column).
        class_names: The classes' names.
        title: Title of the figure.
    """
    classes, images = len(counts), counts.sum(axis=1)
    percent = 100 * counts / np.maximum(images, 1)[:, np.newaxis]
    numbered = classes <= MAX_NUMBERED_CLASSES
    side, size, label_size = (6, 10, 9) if numbered else (0.12 * classes, 0.1 * classes, 6)
    figure = Figure(figsize=(1.15 * side, side), layout="compressed")
    axes, norm = figure.add_subplot(), PowerNorm(1 / 3, 0, 100)
    bar = figure.colorbar(axes.imshow(percent, cmap="Blues", norm=norm))
    bar.ax.yaxis.set_major_formatter("{x:g} %")
    bar.ax.tick_params(labelsize=size)
    bar.set_label("share of the right class's images", fontsize=size)
    look = {"fontsize": label_size, **PLAIN_TEXT}
    rotation = 90 if max(map(len, class_names)) > 2 else 0
    axes.set_xticks(range(classes), class_names, rotation=rotation, **look)
    axes.set_yticks(range(classes), class_names, **look)
    axes.set_title(title, fontsize=1.2 * size, **PLAIN_TEXT)
    axes.set_xlabel("class chosen", fontsize=size)
    axes.set_ylabel("right class", fontsize=size)
    centered: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
    for (row, column), value in np.ndenumerate(percent):
        if numbered and images[row]:
            color = "white" if norm(value) > 0.6 else "black"
            axes.text(column, row, f"{value:.1f}" if value else "0", color=color, **centered)
    for row, count in enumerate(images):
        if not count:
            axes.text((classes - 1) / 2, row, "no images", **centered)
    return figure


def write_figure(figure: Figure, path: Path, format: str, dpi: float | None = None) -> None:
    """Writes a figure as PDF or PNG, without the time of creation in it.

    Args:
        figure: What was drawn.
        path: The file, with any suffix.
        format: "pdf" or "png".
        dpi: Pixels an inch. Defaults to Matplotlib's.
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
