"""Figures, drawn without a display."""

from pathlib import Path

from matplotlib.figure import Figure

from brainprop.training import Run

# Blue and orange of the Okabe-Ito palette, which the color-blind can tell apart.
TRAINING_COLOR, VALIDATION_COLOR = "#0072B2", "#E69F00"


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
