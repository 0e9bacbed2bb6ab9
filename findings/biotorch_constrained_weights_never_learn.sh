#!/usr/bin/env bash
# BioTorch 0.0.16 (PyTorch 2.13.0, Python 3.11): with the layer option "constrain_weights", no weight ever
# learns. Each forward pass replaces the weight by a new parameter of the same norm, so the optimizer
# updates one that no layer uses any more. Biases still learn, so the loss falls a little and the network
# looks like a weak one. All methods do the same: fa, usf, brsf, frsf and dfa.
#
# Seen, after 300 steps (training accuracy, largest change of a weight):
#   fa      False: 100 %, 0.82    True: 33 %, 0.00
#   usf     False: 100 %, 0.84    True: 44 %, 0.00
#   brsf    False: 100 %, 0.90    True: 41 %, 0.00
#   frsf    False: 100 %, 0.99    True: 41 %, 0.00
#   dfa     False: 100 %, 0.81    True: 34 %, 0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.3.5
# The other requirements are for its data sets and notebooks.
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps biotorch==0.0.16
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import contextlib
import io

import torch
from biotorch.module.biomodule import BioModule
from torch import nn

torch.manual_seed(0)
x = torch.randn(64, 20)
y = (x @ torch.randn(20, 5)).argmax(1)
cross_entropy = nn.CrossEntropyLoss()


def trained(method, constrained):
    torch.manual_seed(1)
    options = {"constrain_weights": constrained, "gradient_clip": False, "init": "xavier"}
    layers = nn.Sequential(nn.Linear(20, 50), nn.ReLU(), nn.Linear(50, 5))
    with contextlib.redirect_stdout(io.StringIO()):
        model = BioModule(
            layers, method, copy_weights=False, layer_config={"options": options}, output_dim=5
        )
    before = [layers[i].weight.detach().clone() for i in (0, 2)]
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(300):
        outputs = model(x, y, cross_entropy) if method == "dfa" else model(x)
        optimizer.zero_grad()
        cross_entropy(outputs, y).backward()
        optimizer.step()
    changes = [(layers[i].weight - w).abs().max().item() for i, w in zip((0, 2), before)]
    return (outputs.argmax(1) == y).float().mean().item(), max(changes)


for method in ("fa", "usf", "brsf", "frsf", "dfa"):
    (accuracy, change), (constrained_accuracy, constrained_change) = (
        trained(method, constrained) for constrained in (False, True)
    )
    print(
        f"{method:7} False: {accuracy:.0%}, {change:.2f}"
        f"    True: {constrained_accuracy:.0%}, {constrained_change:.2f}".replace("%", " %")
    )
    assert accuracy > 0.95 and change > 0.1
    assert constrained_accuracy < 0.7 and constrained_change < 1e-5
PYTHON
