#!/usr/bin/env bash
# PCX 0.6.3 (predictive coding; JAX 0.4.38, Equinox 0.11.12, Python 3.11): save_params of a network that shares weights
# between layers, as shared() makes them, writes a file that load_params cannot read. Each further use of a
# shared parameter is written as None, which NumPy can only pickle, and load_params reads without pickles.
# The values themselves are in the file: numpy.load reads each of them.
#
# Seen:
#   without sharing: loaded
#   shared(): ValueError: Object arrays cannot be loaded when allow_pickle=False
#   the shared weight in the file: equal
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pcx==0.6.3 jax==0.4.38 equinox==0.11.12 optax==0.2.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from pcx.nn import Linear, shared
from pcx.predictive_coding import EnergyModule
from pcx.utils import load_params, save_params


class Network(EnergyModule):
    def __init__(self, share):
        super().__init__()
        self.first = Linear(2, 2)
        self.second = shared(self.first) if share else Linear(2, 2)


for how, share, expected in (
    ("without sharing", False, "loaded"),
    ("shared()", True, "ValueError: Object arrays cannot be loaded when allow_pickle=False"),
):
    network = Network(share)
    save_params(network, "network.npz")
    try:
        load_params(network, "network.npz")
        outcome = "loaded"
    except ValueError as error:
        outcome = f"ValueError: {error}"
    print(f"{how}: {outcome}")
    assert outcome == expected

with np.load("network.npz") as file:
    weight = file[".first.nn.weight"]
print("the shared weight in the file:", "equal" if (weight == network.first.nn.weight.get()).all() else "not equal")
assert (weight == network.first.nn.weight.get()).all()
PYTHON
