#!/usr/bin/env bash
# snnTorch 1.0.0 (PyTorch 2.13.0, NumPy 2.4.6, Python 3.11): AssociativeLeaky falls silent after about 30 steps.
# Its memory is a matrix that decays and gets the outer product of a value and a key in each step. All
# steps are computed at once: each write is divided by the product of all decays so far, plus 1e-8, and the sum is
# multiplied by that product again. The decays are the sigmoid of a linear layer, so they start near 0.5, and the
# product falls below 1e-8 at step 27 or so. From there, each write is worth nothing, the newest included, and the
# memory shrinks to zero while it should stay about as full. There are no spikes any more and no gradients,
# however long the sequence goes on, and whatever is in it. No error, no warning, no NaN. Documentation gives no
# limit on the length.
# A sequence cannot be cut in pieces, as forward() neither takes nor returns a memory. The way out is to raise the
# decays, as by adding 5 to the bias of to_alpha, such that their product stays well above 1e-8. Then the memory is
# right, yet it hardly forgets.
#
# Seen (random inputs, 10 samples, 64 neurons, no projection: the mean size of the memory, and the fraction of
# neurons that spike, of the library and of the same decays, values and keys step by step):
#   steps  1 to  10   memory 0.296   true 0.296   spikes 0.028   true 0.028
#   steps 11 to  20   memory 0.314   true 0.317   spikes 0.030   true 0.031
#   steps 21 to  30   memory 0.220   true 0.320   spikes 0.019   true 0.031
#   steps 31 to  40   memory 0.030   true 0.324   spikes 0.000   true 0.030
#   steps 41 to 100   memory 0.000   true 0.329   spikes 0.000   true 0.034
#   gradients of the memory at step 100 by the input of step 100   library 0.000   true 1.062
#   bias + 5, steps 41 to 100   memory 4.473   true 4.473   spikes 0.572   true 0.572
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snntorch==1.0.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import torch
from snntorch import AssociativeLeaky

steps, samples, size = 100, 10, 8
torch.manual_seed(0)
neurons = AssociativeLeaky(16, size, size, size**2, use_q_projection=False)
inputs = torch.randn(steps, samples, 16)


def step_by_step(inputs):
    memory, memories = torch.zeros(samples, size, size, dtype=torch.double), []
    for x in inputs:
        value, key, decay = (layer(x).double() for layer in (neurons.to_v, neurons.to_k, neurons.to_alpha))
        memory = memory * decay.sigmoid()[:, None, :] + value[:, :, None] * key[:, None, :]
        memories.append(memory.reshape(samples, -1))
    return torch.stack(memories)


def library(inputs):
    neurons.output = False
    memory = neurons(inputs)
    neurons.output = True
    return memory


def measures(first, last):
    with torch.no_grad():
        memory, spikes, true = (f(inputs)[first:last].numpy() for f in (library, neurons, step_by_step))
    return np.abs(memory).mean(), np.abs(true).mean(), spikes.mean(), (true > 1).mean()


def gradient(f):  # Of the memory after the last step by the input of that same step.
    x = inputs.clone().requires_grad_()
    f(x)[-1].sum().backward()
    return x.grad[-1].abs().mean().item()


line = "memory {:.3f}   true {:.3f}   spikes {:.3f}   true {:.3f}"
for first, last in ((0, 10), (10, 20), (20, 30), (30, 40), (40, 100)):
    seen = measures(first, last)
    print(f"steps {first + 1:2} to {last:3}  ", line.format(*seen))
assert seen[0] < 0.001 and seen[1] > 0.3 and seen[2] == 0 and seen[3] > 0.03
assert np.allclose(*measures(0, 10)[:2], atol=1e-5)

gradients = gradient(library), gradient(step_by_step)
print("gradients of the memory at step 100 by the input of step 100   library {:.3f}   true {:.3f}".format(*gradients))
assert gradients[0] < 1e-6 and gradients[1] > 0.5

with torch.no_grad():
    neurons.to_alpha.bias += 5
seen = measures(40, 100)
print("bias + 5, steps 41 to 100  ", line.format(*seen))
assert np.allclose(seen[0], seen[1], atol=1e-4) and abs(seen[2] - seen[3]) < 1e-3
PYTHON
