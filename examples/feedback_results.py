"""Compares the feedback modes on a network, from the histories of `brainprop.reproduce`.

    python -m examples.feedback_results weights MNIST conv FIGURE.png

Prints a table of the runs that differ from the paper's settings at most in `--feedback`. Draws
error and angles of seed 1 over epochs, BrainProp above EBP.
"""

import dataclasses
import json
import sys
from itertools import cycle
from pathlib import Path
from statistics import fmean

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainprop.experiments import FEEDBACK
from brainprop.reproduce.rows import Row, read_results, table_rows
from brainprop.reproduce.run_folder import RunFiles

RULES = ("BrainProp", "EBP")
STYLES = ("-", "--", ":", "-.")


def main(folder: str, dataset: str, architecture: str, figure: str) -> None:
    """Prints the table and saves the figure.

    Args:
        folder: The results folder with the histories.
        dataset: The data set, such as "MNIST".
        architecture: The architecture, such as "conv".
        figure: The file of the figure.
    """
    rows = {
        (row.experiment.algorithm, row.experiment.feedback): row
        for row in table_rows(read_results(Path(folder)))
        if row.experiment.row[:2] == (dataset, architecture)
        and row.overrides.keys() <= {"feedback"}
    }
    if not rows:
        sys.exit(f"{folder} has no finished run of {dataset} {architecture}")
    head = [f"{rule} {column}" for rule in RULES for column in ("[%]", "best epoch", "angles")]
    print("|", " | ".join(["feedback", *head]), "|")
    print("|", " | ".join(["---"] * (1 + len(head))), "|")
    for mode in FEEDBACK:
        cells = [cell for rule in RULES for cell in row_cells(Path(folder), rows.get((rule, mode)))]
        print("|", " | ".join([f"`{mode}`", *cells]), "|")
    draw(Path(folder), rows).savefig(figure, dpi=120)


def row_cells(folder: Path, row: Row | None) -> list[str]:
    """Returns accuracy, best epoch, and the angles of feedback to kernel at the best epoch."""
    if row is None:
        return ["not run", "", ""]
    histories = [read_history(folder, row, result.experiment.seed) for result in row.results]
    if not histories:
        history = read_history(folder, row, row.experiment.seed)
        curve, best = history["val_accuracy"], best_index(history)
        accuracy = f"diverged in epoch {len(curve)}; {100 * curve[best]:.2f} at best"
        return [accuracy, f"{1 + best}", angles_at_best([history])]
    diverged = f", {row.diverged} diverged" if row.diverged else ""
    accuracy = row.cell("accuracy", 2) + diverged
    return [accuracy, row.cell("epochs_to_best"), angles_at_best(histories)]


def angles_at_best(histories: list[dict]) -> str:
    """Returns the angle at each layer: the mean over the runs, each at its best epoch."""
    angles = []
    for name in measured(histories[0], "feedback_angle"):
        at_best = [run[name][best_index(run)] for run in histories]
        known = [angle for angle in at_best if angle is not None]
        if known:
            angles.append(f"{fmean(known):.0f}")
    return ", ".join(angles)


def best_index(history: dict) -> int:
    """Returns the best epoch, counted from 0: the first with the highest accuracy."""
    return history["val_accuracy"].index(max(history["val_accuracy"]))


def draw(folder: Path, rows: dict[tuple[str, str], Row]) -> Figure:
    """Returns the figure: a row of plots for each rule, a color for each mode."""
    figure, axes = plt.subplots(
        2, 3, figsize=(13, 8), layout="constrained", width_ratios=(1.2, 1, 1), sharey="col"
    )
    for rule, (errors, kernels, updates) in zip(RULES, axes, strict=True):
        styles: dict[str, str] = {}
        for mode in (mode for mode in FEEDBACK if (rule, mode) in rows):
            history = read_history(folder, rows[rule, mode], seed=1)
            color = f"C{FEEDBACK.index(mode)}"
            epochs = range(1, 1 + len(history["val_accuracy"]))
            errors.semilogy(
                epochs, [100 * (1 - x) for x in history["val_accuracy"]], color=color, label=mode
            )
            for name, style in zip(measured(history, "feedback_angle"), cycle(STYLES)):  # noqa: B905
                kernels.plot(epochs, history[name], style, color=color)
                styles[name.partition("/")[2]] = style
            for name in measured(history, "angle_to_symmetric")[:1]:
                updates.plot(epochs, history[name], color=color)
        errors.set(title=f"{rule}: test error", ylabel="%")
        errors.legend()
        kernels.set(title="Feedback kernel to kernel", ylabel="degrees", ylim=(0, 95))
        kernels.legend(
            [Line2D([], [], color="gray", ls=style) for style in styles.values()], styles
        )
        updates.set(
            title="First layer's update to the one\nwith symmetric feedback",
            ylabel="degrees", ylim=(0, 130),
        )  # fmt: skip
        for plot in (errors, kernels, updates):
            plot.set(xlabel="epoch")
            plot.grid(alpha=0.3)
    return figure


def read_history(folder: Path, row: Row, seed: int) -> dict[str, list]:
    """Reads the numbers of every epoch of a row's run."""
    experiment = dataclasses.replace(row.experiment, seed=seed)
    return json.loads(RunFiles(folder, experiment).result.read_text())["history"]


def measured(history: dict, measure: str) -> list[str]:
    """Returns the keys of a measure, those of the first layer first."""
    names = [name for name in history if name.startswith(f"{measure}/")]
    return sorted(names, key=lambda name: int(name.partition("/")[2].partition("_")[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
