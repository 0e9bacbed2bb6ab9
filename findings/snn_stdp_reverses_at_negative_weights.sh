#!/usr/bin/env bash
# SpikingJelly 2.0.0 and snnTorch 1.0.0 (PyTorch 2.13.0, Python 3.11): STDPLearner without f_pre and f_post is
# not plain STDP. Their default is the identity, which means that the weight itself is the factor: an input
# spike before an output spike makes a negative weight more negative, the reverse order makes it less
# so, and a weight of zero never changes. Half of the weights of a new nn.Linear are negative. With
# torch.ones_like for both, the rule is plain STDP. SpikingJelly's reward-modulated MSTDPLearner is the same.
#
# Seen (the update for an input spike before, and after, an output spike):
#   SpikingJelly STDPLearner   default:      weight 1: 0.5, -0.5  weight 0: 0.0, 0.0  weight -1: -0.5, 0.5
#   SpikingJelly STDPLearner   ones_like:    weight 1: 0.5, -0.5  weight 0: 0.5, -0.5  weight -1: 0.5, -0.5
#   SpikingJelly MSTDPLearner  default:      weight 1: 0.6, -0.6  weight 0: 0.0, 0.0  weight -1: -0.6, 0.6
#   SpikingJelly MSTDPLearner  ones_like:    weight 1: 0.6, -0.6  weight 0: 0.6, -0.6  weight -1: 0.6, -0.6
#   snnTorch STDPLearner       default:      weight 1: 0.5, -0.5  weight 0: 0.0, 0.0  weight -1: -0.5, 0.5
#   snnTorch STDPLearner       ones_like:    weight 1: 0.5, -0.5  weight 0: 0.5, -0.5  weight -1: 0.5, -0.5
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 spikingjelly==2.0.0 snntorch==1.0.0
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import functools

import snntorch.functional.stdp_learner as snntorch_learning
import torch
from spikingjelly.activation_based import learning
from torch import nn


def update(learner, weight, spikes, reward=(), **factors):
    synapse, neuron = nn.Linear(1, 1, bias=False), nn.Identity()
    nn.init.constant_(synapse.weight, weight)
    learner = learner(synapse=synapse, sn=neuron, tau_pre=2.0, tau_post=2.0, **factors)
    total = 0.0
    for before, after in (*spikes, (0, 0)):  # A reward acts on the step before it.
        synapse(torch.tensor([[float(before)]]))
        neuron(torch.tensor([[float(after)]]))
        total += learner.step(*reward, on_grad=False).item()
    return round(total, 1) + 0.0


plain = {"f_pre": torch.ones_like, "f_post": torch.ones_like}
for name, learner, reward, size in (
    ("SpikingJelly STDPLearner ", functools.partial(learning.STDPLearner, "s"), (), 0.5),
    ("SpikingJelly MSTDPLearner", functools.partial(learning.MSTDPLearner, "s"), (1.0,), 0.6),
    ("snnTorch STDPLearner     ", snntorch_learning.STDPLearner, (), 0.5),
):
    for how, factors in (("default:  ", {}), ("ones_like:", plain)):
        seen = {}
        for weight in (1, 0, -1):
            seen[weight] = [
                update(learner, weight, spikes, reward, **factors)
                for spikes in (((1, 0), (0, 1)), ((0, 1), (1, 0)))
            ]
        updates = "  ".join(f"weight {w}: {first}, {second}" for w, (first, second) in seen.items())
        print(f"{name}  {how}    {updates}")
        factor = (lambda weight: 1) if factors else (lambda weight: weight)
        assert seen == {w: [size * factor(w), -size * factor(w)] for w in (1, 0, -1)}
PYTHON
