#!/usr/bin/env bash
# Norse 1.1.0 (PyTorch 2.13.0, Python 3.11): lif_feed_forward_adjoint_step, the LIF neuron with an adjoint (EventProp)
# backward pass, multiplies gradients by tau_mem / tau_syn, which is 2 by default, once in each layer: the
# voltage follows the current with tau_mem, but the backward pass takes tau_syn for it. Even without
# a spike, where the gradient is that of a linear filter, it is that much off. In a network, earlier layers
# get larger gradients by powers of it. A hook that divides the gradient of each layer's input by it is the
# way out; equal time constants are another. The surrogate gradient, lif_feed_forward_step, has no such factor.
#
# Seen (gradient of the last voltage with respect to the currents of four steps, no spikes, tau_mem 10 ms):
#   tau_syn  2.5 ms    true 0.1755 0.1710 0.1500 0.1000    adjoint 0.7020 0.6840 0.6000 0.4000
#   tau_syn  5.0 ms    true 0.2465 0.2170 0.1700 0.1000    adjoint 0.4930 0.4340 0.3400 0.2000
#   tau_syn 10.0 ms    true 0.2916 0.2430 0.1800 0.1000    adjoint 0.2916 0.2430 0.1800 0.1000
#   tau_syn 20.0 ms    true 0.3168 0.2568 0.1850 0.1000    adjoint 0.1584 0.1284 0.0925 0.0500
#   with the hook, the adjoint is the true gradient
#   three spiking layers, tau_syn 5 ms: the gradients of their weights over those with the hook: 8 4 2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check norse==1.1.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import torch
from norse.torch import LIFFeedForwardState, LIFParameters
from norse.torch import lif_feed_forward_adjoint_step as adjoint
from norse.torch import lif_feed_forward_step as surrogate

torch.set_default_dtype(torch.float64)
TAU_MEM = 0.01


def last_voltage(step, currents, weights, tau_syn, hook=False):
    p = LIFParameters(tau_syn_inv=torch.tensor(1 / tau_syn), tau_mem_inv=torch.tensor(1 / TAU_MEM))
    states = [LIFFeedForwardState(v=torch.zeros(1), i=torch.zeros(1)) for _ in weights]
    for values in currents:
        for layer, weight in enumerate(weights):
            values = values * weight
            if hook:
                values.register_hook(lambda gradient: gradient * tau_syn / TAU_MEM)
            values, states[layer] = step(values, states[layer], p)
    return states[-1].v.sum()


def gradient(inputs, *arguments):
    return torch.stack(torch.autograd.grad(last_voltage(adjoint, *arguments), inputs)).flatten()


one = [torch.ones(1)]
for tau_syn in (0.0025, 0.005, 0.01, 0.02):
    currents = torch.full((4, 1), 0.1, requires_grad=True)
    default, hooked = (gradient([currents], currents, one, tau_syn, hook) for hook in (False, True))
    up, down = (
        torch.stack([last_voltage(surrogate, 0.1 + change, one, tau_syn) for change in changes])
        for changes in (0.01 * torch.eye(4)[:, :, None], -0.01 * torch.eye(4)[:, :, None])
    )
    true = (up - down) / 0.02
    shown = [" ".join(f"{value:.4f}" for value in values) for values in (true, default)]
    print(f"tau_syn {1000 * tau_syn:4.1f} ms    true {shown[0]}    adjoint {shown[1]}")
    assert torch.allclose(default, true * TAU_MEM / tau_syn) and torch.allclose(hooked, true)
print("with the hook, the adjoint is the true gradient")
weights = [torch.full((1,), 6.0, requires_grad=True) for _ in range(3)]
default, hooked = (gradient(weights, torch.ones(30, 1), weights, 0.005, hook) for hook in (False, True))
ratios = [f"{ratio:g}" for ratio in (default / hooked).tolist()]
print("three spiking layers, tau_syn 5 ms: the gradients of their weights over those with the hook:", *ratios)
assert ratios == ["8", "4", "2"] and hooked.isfinite().all()
PYTHON
