#!/usr/bin/env bash
# PsychRNN 1.0.0 (TensorFlow 2.21.0, NumPy 2.4.6, Python 3.11): a second train() of a network starts over. train()
# initializes all variables before its first step, so whatever an earlier train() has taught the network is gone. Its
# documentation does not say so. No error, no warning. So training in pieces, pretraining on an easier task, or
# a second task after a first one all amount to the last training alone: the network seems to forget everything,
# and nothing transfers.
# The way out is a new network, of another name, with the weights of get_weights() among its parameters.
#
# Seen (100 steps of training, then one step at a learning rate of 0, which cannot change a weight: the largest
# difference of a weight from the start and from the trained network, and the loss):
#   before training          from the start 0.00   from the trained 0.67   loss 0.425
#   after train()            from the start 0.67   from the trained 0.00   loss 0.027
#   after a second train()   from the start 0.00   from the trained 0.67   loss 0.425
#   second train() of a copy from the start 0.67   from the trained 0.00   loss 0.027
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
params = dict(task.get_task_params(), N_rec=10)
stimuli, targets, mask, _ = task.get_trial_batch()


def train(network, learning_rate, steps):
    settings = {"learning_rate": learning_rate, "training_iters": 32 * (steps + 1), "verbosity": False}
    network.train(task, settings)


def state(network):
    weights = network.get_weights()
    names = ("W_in", "W_rec", "W_out", "b_rec", "b_out", "init_state")
    loss = np.mean((mask * (network.test(stimuli)[0] - targets)) ** 2)
    return np.concatenate([weights[name].ravel() for name in names]), loss


network = Basic(dict(params, name="first"))
start, start_loss = state(network)
train(network, 0.01, 100)
trained, trained_loss = state(network)
weights = network.get_weights()
train(network, 0.0, 1)
again, again_loss = state(network)
copy = Basic(dict(params, **weights, name="second"))
train(copy, 0.0, 1)
kept, kept_loss = state(copy)
for how, now, loss in (
    ("before training", start, start_loss),
    ("after train()", trained, trained_loss),
    ("after a second train()", again, again_loss),
    ("second train() of a copy", kept, kept_loss),
):
    distances = [abs(now - other).max() for other in (start, trained)]
    print("{:24} from the start {:.2f}   from the trained {:.2f}   loss {:.3f}".format(how, *distances, loss))
assert (again == start).all() and (kept == trained).all() and abs(trained - start).max() > 0.2
assert again_loss == start_loss and trained_loss < start_loss / 3
PYTHON
