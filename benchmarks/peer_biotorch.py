"""Compares training steps of EBP with feedback alignment with those of BioTorch 0.0.16.

    python3.11 -m venv biotorch
    biotorch/bin/pip install torch==2.13.0 numpy
    biotorch/bin/pip install --no-deps biotorch==0.0.16
    python -m benchmarks.peer_biotorch biotorch/bin/python

One dense network with the same weights, feedback and batches learns here and there, with feedback
alignment (`random` here, "fa" there) and with direct feedback alignment (`direct`, "dfa"). The
largest difference of their weights is printed.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

UNITS = (20, 30, 25, 15, 10)
STEPS, BATCH, LEARNING_RATE, STDDEV = 50, 32, 0.1, 0.3
MODES = {"random": "fa", "direct": "dfa"}
TOLERANCE = 1e-4


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.peer_biotorch", description=__doc__)
    parser.add_argument("python", type=Path, help="the interpreter that has BioTorch")
    parser.add_argument("--theirs", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.theirs:
        theirs(*arguments.theirs)
        return 0
    differences = {mode: compared(mode, arguments.python) for mode in MODES}
    for mode, difference in differences.items():
        print(f"{mode}: weights differ by at most {difference:.2g} after {STEPS} steps")
    return 0 if max(differences.values()) < TOLERANCE else 1


def compared(mode: str, python: Path) -> float:
    """Trains here and there, and returns the largest difference of a weight."""
    rng = np.random.default_rng(1)
    layers = list(zip(UNITS[:-1], UNITS[1:], strict=True))
    start = [rng.normal(0, STDDEV, shape).astype("float32") for shape in layers]
    shapes = layers[1:] if mode == "random" else [(UNITS[-1], below) for below, _ in layers[1:]]
    feedback = [rng.normal(0, STDDEV, shape).astype("float32") for shape in shapes]
    images = rng.random((STEPS, BATCH, UNITS[0]), "float32")
    labels = rng.integers(UNITS[-1], size=(STEPS, BATCH))
    ours = our_weights(mode, start, feedback, images, labels)
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        weights: dict[str, Any] = {f"w{i}": w for i, w in enumerate(start)}
        weights |= {f"b{i}": b for i, b in enumerate(feedback)}
        weights |= {"mode": np.array(MODES[mode]), "images": images, "labels": labels}
        np.savez(given, **weights)
        command = [python, "-m", "benchmarks.peer_biotorch", python, "--theirs", given, found]
        root = Path(__file__).parents[1]
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd=root)
        with np.load(found) as file:
            theirs = [file[f"w{i}"] for i in range(len(start))]
    changes = [np.abs(a - b).max() for a, b in zip(ours, start, strict=True)]
    assert min(changes) > 0.01, changes  # Every layer has learned.
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


def our_weights(mode: str, start: list, feedback: list, images, labels) -> list[np.ndarray]:
    """Returns the weights after training with this program."""
    import keras

    from brainprop import EBP

    inputs = activity = keras.Input((UNITS[0],))
    for units in UNITS[1:-1]:
        activity = keras.layers.Dense(units, "relu", use_bias=False)(activity)
    outputs = keras.layers.Dense(UNITS[-1], use_bias=False)(activity)
    model = EBP(inputs, outputs, feedback=mode)
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    layers = [layer for layer in model.layers if layer.weights]
    for layer, weight in zip(layers, start, strict=True):
        layer.set_weights([weight])
    for kept, value in zip(model.feedback.kernels.values(), feedback, strict=True):
        kept.assign(value)
    for batch, answers in zip(images, labels, strict=True):
        model.train_on_batch(batch, answers)
    return [layer.get_weights()[0] for layer in layers]


def theirs(given: str, found: str) -> None:
    """Trains with BioTorch, in the interpreter that has it."""
    import torch
    from biotorch.module.biomodule import BioModule
    from torch import nn

    with np.load(given) as file:
        data = dict(file)
    mode = str(data["mode"])
    stack: list[nn.Module] = []
    for below, above in zip(UNITS[:-1], UNITS[1:], strict=True):
        stack += [nn.Linear(below, above, bias=False), nn.ReLU()]
    model = BioModule(nn.Sequential(*stack[:-1]), mode, output_dim=UNITS[-1])
    layers = [module for module in model.module if hasattr(module, "weight")]
    with torch.no_grad():
        for index, layer in enumerate(layers):
            layer.weight.copy_(torch.from_numpy(data[f"w{index}"].T.copy()))
            if index:  # The first layer's feedback reaches nothing.
                own = data[f"b{index - 1}"]
                own = own.T if mode == "fa" else own
                layer.weight_backward.copy_(torch.from_numpy(own.copy()))
    optimizer = torch.optim.SGD([layer.weight for layer in layers], lr=LEARNING_RATE)
    loss_function = nn.CrossEntropyLoss()
    model.train()
    for batch, answers in zip(data["images"], data["labels"], strict=True):
        targets = torch.from_numpy(answers)
        optimizer.zero_grad()
        outputs = model(torch.from_numpy(batch), targets, loss_function)
        loss_function(outputs, targets).backward()
        optimizer.step()
    weights: dict[str, Any] = {
        f"w{i}": layer.weight.detach().numpy().T for i, layer in enumerate(layers)
    }
    np.savez(found, **weights)


if __name__ == "__main__":
    sys.exit(main())
