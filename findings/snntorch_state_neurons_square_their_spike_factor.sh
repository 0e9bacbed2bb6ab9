#!/usr/bin/env bash
# snnTorch 1.0.0 (PyTorch 2.13.0, NumPy 2.4.6, Python 3.11): StateLeaky and LinearLeaky multiply their spikes by
# graded_spikes_factor twice. The documentation has the spikes scaled by this value, as Leaky does. A factor of 2
# makes spikes of 4, one of 0.5 makes 0.25. A negative one, for inhibitory neurons, makes positive spikes, so
# that the neurons excite. No error, no warning. A factor that is learned can make positive spikes only: started at
# 0.5 with targets of -1, it goes to 0 and stays there, where Leaky's goes to -1.
# The way out is to leave the factor at 1 and multiply the spikes that come back.
#
# Seen (the size of a spike by factor; a learned factor after training towards spikes of -1):
#   factor  2.0   Leaky  2.00   StateLeaky  4.00   LinearLeaky  4.00
#   factor  0.5   Leaky  0.50   StateLeaky  0.25   LinearLeaky  0.25
#   factor -1.0   Leaky -1.00   StateLeaky  1.00   LinearLeaky  1.00
#   learned       Leaky -1.00   StateLeaky  0.00   LinearLeaky  0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snntorch==1.0.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import torch
from snntorch import Leaky, LinearLeaky, StateLeaky


def neurons(**settings):
    linear = LinearLeaky(0.5, 1, 1, bias=False, **settings)
    torch.nn.init.ones_(linear.linear.weight)
    return {"Leaky": Leaky(0.5, **settings), "StateLeaky": StateLeaky(0.5, 1, **settings), "LinearLeaky": linear}


def spike(neuron):  # One step above the threshold of 1: one spike.
    return neuron(torch.full((1, 1, 1), 5.0))[0]


for factor in (2.0, 0.5, -1.0):
    seen = {kind: spike(neuron).item() for kind, neuron in neurons(graded_spikes_factor=factor).items()}
    print(f"factor {factor:4}  ", "   ".join(f"{kind} {value:5.2f}" for kind, value in seen.items()))
    assert list(seen.values()) == [factor, factor**2, factor**2]

learned = {}
for kind, neuron in neurons(graded_spikes_factor=0.5, learn_graded_spikes_factor=True).items():
    optimizer = torch.optim.SGD([neuron.graded_spikes_factor], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (spike(neuron) + 1).square().sum().backward()
        optimizer.step()
    learned[kind] = neuron.graded_spikes_factor.item()
print("learned      ", "   ".join(f"{kind} {value:5.2f}" for kind, value in learned.items()))
assert abs(learned["Leaky"] + 1) < 1e-3 and max(abs(learned[kind]) for kind in ("StateLeaky", "LinearLeaky")) < 1e-3
PYTHON
