"""The figures of a report: accuracy over epochs, and the results of a sweep."""

import math
from collections.abc import Sequence
from itertools import zip_longest
from statistics import fmean

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from brainprop.outputs.plots import algorithm_style, draw_curve, set_wrapped_title
from brainprop.paper import ALGORITHMS, RESULTS
from brainprop.reproduce.rows import Row, as_text, grouped, sorted_values

PAPER = "the paper's accuracy"  # In legends.
# What the figure of a sweep shows: attributes of results, and their names.
SWEEP_PANELS = {
    "accuracy": "accuracy [%]",
    "epochs_to_90_percent": "epochs to 90 % of\nthe run's best accuracy",
}


def curves_figure(rows: Sequence[Row]) -> Figure:
    """Draws validation accuracy over epochs, a panel for the algorithms that share all settings.

    The line is the mean of the seeds that still train in an epoch, and ends where they are fewer
    than half. The band reaches from the lowest to the highest.
    """
    panels = grouped(rows, lambda row: (row.experiment.dataset, _title(row)))
    columns = min(3, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(1 + 3.2 * columns, 0.7 + 2.7 * lines), layout="constrained")
    for place, ((_, title), panel) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(lines, columns, place, ylabel="validation accuracy [%]")
        set_wrapped_title(axes, title)
        for row in panel:
            _draw_seeds(axes, row.values("val_accuracy"), row.experiment.algorithm)
        levels = [RESULTS[row.experiment.row].accuracy[0] for row in panel if row.is_comparable]
        for level in levels:
            axes.axhline(level, color="black", linestyle=":", linewidth=1, label=PAPER)
        _zoom(axes, [curve for row in panel for curve in row.values("val_accuracy")], levels)
    _add_legend(figure)
    return figure


def _title(row: Row) -> str:
    images = f", {row.training_images:,} images" if row.training_images else ""
    return f"{row.dataset}, {row.experiment.architecture}{images}\n{row.settings()}".strip()


def _draw_seeds(axes: Axes, curves: Sequence[Sequence[float]], algorithm: str) -> None:
    epochs = [[value for value in values if value is not None] for values in zip_longest(*curves)]
    epochs = [values for values in epochs if len(values) >= len(curves) / 2]
    style, numbers = algorithm_style(algorithm), range(1, len(epochs) + 1)
    lows, highs = list(map(min, epochs)), list(map(max, epochs))
    axes.fill_between(numbers, lows, highs, color=style["color"], alpha=0.3, linewidth=0)
    draw_curve(axes, list(map(fmean, epochs)), linewidth=1.3, label=algorithm, **style)


def _zoom(axes: Axes, curves: Sequence[Sequence[float]], levels: Sequence[float]) -> None:
    """Leaves out the steep start of long runs, which would hide all later differences."""
    lowest = min([*levels, *(min(curve[len(curve) // 10 :]) for curve in curves)])
    highest = max([*levels, *map(max, curves)])
    margin = 0.15 * (highest - lowest)
    if margin > 0:
        axes.set_ylim(lowest - margin, highest + margin)


def sweep_figure(name: str, rows: Sequence[Row]) -> Figure:
    """Draws accuracy, and the epochs to 90 % of the best, against the values of a setting.

    The line joins the means of the seeds, except between names, which have no order. The bars
    reach from the lowest to the highest. Values at which all seeds diverged are marked.
    """

    def rest(row: Row) -> tuple:
        dataset, architecture, _ = row.experiment.row
        return dataset, architecture, row.images_beside(name), row.settings(without=name)

    panels = grouped(rows, rest)
    several = len({images for _, _, images, _ in panels}) > 1
    figure = Figure(figsize=(8, 0.8 + 2.8 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 2, squeeze=False)
    for pair, ((*_, images, others), panel) in zip(grid, panels.items(), strict=True):
        title = [panel[0].dataset, panel[0].experiment.architecture]
        title += [f"{images:,} images"] if several and images else []
        for axes, (attribute, label) in zip(pair, SWEEP_PANELS.items(), strict=True):
            _draw_sweep(axes, name, panel, attribute)
            axes.set(xlabel=name, ylabel=label)
            set_wrapped_title(axes, f"{', '.join(title)}\n{others}".strip())
        pair[1].set_ylim(bottom=0)
        pair[1].yaxis.set_major_locator(MaxNLocator(integer=True))  # Epochs.
    _add_legend(figure)
    return figure


def _draw_sweep(axes: Axes, name: str, rows: Sequence[Row], attribute: str) -> None:
    values = sorted_values(row.setting(name) for row in rows)
    places, scale = _places(values)
    are_names = any(isinstance(value, str) for value in values)
    by_algorithm = grouped(rows, lambda row: row.experiment.algorithm)
    for number, (algorithm, curve) in enumerate(by_algorithm.items()):
        style: dict = {"marker": "o", "markersize": 4, "capsize": 3, **algorithm_style(algorithm)}
        shift = 0.0
        if are_names:  # Beside each other, as equal results would cover each other.
            style["linestyle"], shift = "none", 0.1 * number
        seeds = {places[row.setting(name)] + shift: row.values(attribute) for row in curve}
        diverged = [place for place, values in seeds.items() if not values]
        for place in diverged:
            _mark_diverged(axes, place, style["color"])
            del seeds[place]
        spans = [(min(values), fmean(values), max(values)) for values in seeds.values()]
        lows, means, highs = np.reshape(spans, (-1, 3)).T
        axes.errorbar(list(seeds), means, (means - lows, highs - means), label=algorithm, **style)
    axes.set_xscale(scale)
    axes.set_xticks(list(places.values()), [as_text(value) for value in values])
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def _mark_diverged(axes: Axes, place: float, color) -> None:
    axes.axvline(place, color=color, linestyle=":", linewidth=1)
    style = {"color": color, "rotation": 90, "ha": "right", "size": "small"}
    axes.text(place, 0.03, "diverged", transform=axes.get_xaxis_transform(), **style)


def _places(values: Sequence) -> tuple[dict, str]:
    """Returns where values lie on an axis, and its scale.

    Names, and numbers that would lie too close to each other, have even distances.
    """
    if all(isinstance(value, int | float) for value in values):
        is_wide = values[-1] >= 10 * values[0] > 0
        gaps = np.diff(np.log(values) if is_wide else values)
        if len(gaps) and gaps.min() >= 0.08 * gaps.sum():
            return {value: value for value in values}, "log" if is_wide else "linear"
    return {value: place for place, value in enumerate(values)}, "linear"


def _add_legend(figure: Figure) -> None:
    """Adds one legend for all panels, above them."""
    lines: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        lines |= dict(zip(labels, handles, strict=True))
    names = [name for name in (*ALGORITHMS, PAPER) if name in lines]
    figure.legend(
        [lines[name] for name in names],
        names,
        title="mean, and lowest to highest, of the seeds",
        loc="outside upper center",
        ncols=len(names),
    )
