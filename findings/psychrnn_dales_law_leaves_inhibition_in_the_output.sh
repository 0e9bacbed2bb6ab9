#!/usr/bin/env bash
# PsychRNN 1.0.0 (TensorFlow 2.21.0, NumPy 2.4.6, Python 3.11): with dale_ratio, inhibitory units act on the output. The
# documentation says that they do not contribute to it: Dale_out, which multiplies the output weights, has ones
# for excitatory units and zeros for the others. The initializer computes this matrix, but then takes that of the
# recurrent weights, with -1 for inhibitory units. So the output has inhibition from units that should be local.
# No error, no warning. The repository has had it right since April 2021, but no release has followed.
# The way out is Dale_out among the parameters.
#
# Seen (8 excitatory and 2 inhibitory units; how many inhibitory units have output weights, the sign of these, and the
# largest difference of an output from that of the excitatory units alone, computed in NumPy):
#   default  units 2 of 2   sign -1   difference 0.77
#   Dale_out units 0 of 2   sign  0   difference 0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check psychrnn==1.0.0 tensorflow==2.21.0 numpy==2.4.6
cd "$folder"
CUDA_VISIBLE_DEVICES=-1 TF_CPP_MIN_LOG_LEVEL=3 OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from psychrnn.backend.models.basic import Basic
from psychrnn.tasks.perceptual_discrimination import PerceptualDiscrimination

np.random.seed(0)
task = PerceptualDiscrimination(dt=50, tau=100, T=500, N_batch=32)
stimuli = task.get_trial_batch()[0]
dale_out = np.diag([1.0] * 8 + [0.0] * 2)
for name, more, wrong in (("default", {}, True), ("Dale_out", {"Dale_out": dale_out}, False)):
    network = Basic(dict(task.get_task_params(), name=name, N_rec=10, dale_ratio=0.8, **more))
    outputs, states = network.test(stimuli)
    weights, rates = network.get_weights(), np.maximum(states, 0)
    inhibitory = weights["W_out"][:, 8:]
    alone = rates[..., :8] @ weights["W_out"][:, :8].T + weights["b_out"]
    difference, count = abs(outputs - alone).max(), (inhibitory != 0).any(0).sum()
    print(f"{name:8} units {count} of 2   sign {np.sign(inhibitory.sum()):2.0f}   difference {difference:.2f}")
    assert (weights["W_rec"][:, :8] >= 0).all() and (weights["W_rec"][:, 8:] <= 0).all()
    assert (weights["W_out"][:, :8] > 0).all() and (inhibitory < 0).all() == wrong
    assert count == 2 * wrong and (difference > 0.1) == wrong
PYTHON
