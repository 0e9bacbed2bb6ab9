#!/usr/bin/env bash
# BioTorch 0.0.16 (PyTorch 2.13.0, Python 3.11): frSF's feedback has fixed random magnitudes and the signs of
# the forward weights. compute_alignment(), from which come the alignment curves of its benchmarks, leaves
# out the signs, and so reports the 90 degrees of unrelated weights. The feedback that the backward pass uses
# is at 41 degrees to the weights, as brSF's is, which is reported correctly.
#
# Seen (degrees between forward weights and feedback):
#   frsf    reported 89.99    used 41.34
#   brsf    reported 41.45    used 41.45
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.3.5
# The other requirements are for its data sets and notebooks.
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps biotorch==0.0.16
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import biotorch.layers.brsf
import biotorch.layers.frsf
import torch

for module in (biotorch.layers.frsf, biotorch.layers.brsf):
    torch.manual_seed(0)
    layer = module.Linear(300, 200)
    # A backward pass of each unit's own error gives the feedback weights.
    inputs = torch.zeros(200, 300, requires_grad=True)
    layer(inputs).backward(torch.eye(200))
    feedback, weight = inputs.grad.flatten(), layer.weight.detach().flatten()
    reported = layer.compute_alignment().item()
    cosine = torch.dot(feedback, weight) / feedback.norm() / weight.norm()
    used = torch.rad2deg(torch.arccos(cosine)).item()
    name = module.__name__.rsplit(".")[-1]
    print(f"{name}    reported {reported:.2f}    used {used:.2f}")
    assert abs(used - 41.4) < 1
    assert abs(reported - 90) < 2 if name == "frsf" else abs(reported - used) < 0.1
PYTHON
