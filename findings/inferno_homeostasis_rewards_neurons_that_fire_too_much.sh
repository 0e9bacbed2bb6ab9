#!/usr/bin/env bash
# Inferno 0.0.5 (inferno-ai on PyPI; PyTorch 2.13.0, Python 3.11): LinearHomeostasis strengthens the weights of
# neurons that fire too much. The documentation states dw = plasticity * (target - rate) / target. The
# trainer hands over the negative part of this with its sign, and the updater subtracts it, since it
# expects the size of a depression. So weights grow on both sides of the target, and nothing brings a
# neuron back. Delays, too, only grow. A batch_reduction that takes the absolute value gives the documented
# rule: it gets the positive and the negative parts one by one.
# And one call for several cells uses the first cell's target for all. A call per cell does not.
#
# Seen (change of a weight or delay in one update; target 0.5 spikes per step, plasticity 0.1):
#   weight  rate 0.25: +0.05    rate 0.5: +0.00    rate 1.0: +0.10    by default
#   weight  rate 0.25: +0.05    rate 0.5: +0.00    rate 1.0: -0.10    absolute values
#   delay   rate 0.25: +0.05    rate 0.5: +0.00    rate 1.0: +0.10    by default
#   delay   rate 0.25: -0.05    rate 0.5: +0.00    rate 1.0: +0.10    absolute values
#   second cell, target 0.25, at rate 0.25: +0.05 in one call, +0.00 in a call per cell
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check inferno-ai==0.0.5 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import torch
from inferno.extra import ExactNeuron
from inferno.learn import LinearHomeostasis
from inferno.neural import DeltaCurrent, LinearDense, Serial

RATES = (0.25, 0.5, 1.0)
absolute = {"batch_reduction": lambda part, dim: part.mean(dim).abs()}


def changes(parameter, targets=(0.5,), per_cell=False, **arguments):
    trainer, layers = LinearHomeostasis(0.1, None, parameter, **arguments), {}
    for number, target in enumerate(targets):
        connection = LinearDense(
            1, 3, 1.0, synapse=DeltaCurrent.partialconstructor(1.0), delay=1.0, delay_init=torch.zeros_like
        )
        connection.weight = torch.zeros(3, 1)
        connection.updater = connection.defaultupdater()
        neurons = ExactNeuron((3,), 1.0, rest_v=-60.0, thresh_v=-50.0)
        layers[str(number)] = layer = Serial(connection, neurons)
        trainer.register_cell(str(number), layer.cell, target=target)
        for step in range(4):
            spikes = torch.tensor([[step < 4 * rate for rate in RATES]])
            layer(torch.zeros(1, 1), neuron_kwargs={"override": spikes})
    for cells in [[name] for name in layers] if per_cell else [None]:
        trainer(cells=cells)
    layer.connection.update()
    return [round(value, 4) + 0.0 for value in getattr(layer.connection, parameter).flatten().tolist()]


for parameter, sign in (("weight", 1), ("delay", -1)):
    for how, arguments in (("by default", {}), ("absolute values", absolute)):
        seen = changes(parameter, **arguments)
        shown = "    ".join(f"rate {rate}: {value:+.2f}" for rate, value in zip(RATES, seen))
        print(f"{parameter:6}  {shown}    {how}")
        assert seen == ([0.05 * sign, 0.0, -0.1 * sign] if arguments else [0.05, 0.0, 0.1])
seen = [changes("weight", (0.5, 0.25), per_cell)[0] for per_cell in (False, True)]
print("second cell, target 0.25, at rate 0.25: {:+.2f} in one call, {:+.2f} in a call per cell".format(*seen))
assert seen == [0.05, 0.0]
PYTHON
