"""Draws accuracy and alignment over epochs for each feedback mode, from runs of `reproduce`.

    python examples/feedback_figure.py weights/MNIST_conv_BrainProp FIGURE.png

The first argument is the folder and the start of the names of one network's histories. Of these it
takes seed 1 with different `--feedback`.
"""

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt

from brainprop.experiments import FEEDBACK, Experiment


def main(histories: str, figure: str) -> None:
    """Draws the runs of seed 1 whose files' names start so."""
    runs = {}
    folder, start = Path(histories).parent, Path(histories).name
    for path in sorted(folder.glob(f"{start}_seed1*.json")):
        run = json.loads(path.read_text())
        experiment = Experiment(**run["settings"])
        if experiment.overrides().keys() <= {"feedback"}:
            runs[experiment.feedback] = run["history"]
    fig, (accuracy, kernels, updates) = plt.subplots(
        1, 3, figsize=(13, 4), layout="constrained", width_ratios=(1.2, 1, 1)
    )
    for mode in filter(runs.__contains__, FEEDBACK):
        history = runs[mode]
        epochs = range(1, len(history["val_accuracy"]) + 1)
        errors = [100 * (1 - value) for value in history["val_accuracy"]]
        (line,) = accuracy.semilogy(epochs, errors, label=mode)
        color = line.get_color()
        for name, style in zip(layers(history, "feedback_angle"), ("-", "--", ":"), strict=False):
            label = f"{mode}, {name.partition('_')[2]}"
            kernels.plot(epochs, history[f"feedback_angle/{name}"], style, color=color, label=label)
        first = layers(history, "angle_to_symmetric")[:1]
        for name in first:
            updates.plot(epochs, history[f"angle_to_symmetric/{name}"], color=color, label=mode)
    accuracy.set(title="Test error", ylabel="%", xlabel="epoch")
    kernels.set(title="Feedback kernel to kernel", ylabel="degrees", xlabel="epoch", ylim=(0, 95))
    updates.set(
        title="First layer's update to the one\nwith symmetric feedback",
        ylabel="degrees", xlabel="epoch", ylim=(0, 130),
    )  # fmt: skip
    for axes in (accuracy, kernels, updates):
        axes.legend(fontsize="x-small")
        axes.grid(alpha=0.3)
    fig.savefig(figure, dpi=120)


def layers(history: dict, measure: str) -> list[str]:
    """Returns the names of the layers that have a measure, from the input on."""
    names = [key.partition("/")[2] for key in history if key.startswith(f"{measure}/")]
    return sorted(names, key=lambda name: int(name.partition("_")[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
