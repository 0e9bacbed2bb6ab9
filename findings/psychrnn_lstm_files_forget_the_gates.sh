#!/usr/bin/env bash
# PsychRNN 1.0.0 (TensorFlow 2.21.0, NumPy 2.4.6, Python 3.11): load_weights_path, documented for all networks, gives an
# LSTM back none of its gates. save() writes all weights, but on loading, the base class takes only its own from the
# file, of which an LSTM uses those of the output. Those of the gates and the initial state are drawn anew.
# No error, no warning. A Basic network loads completely.
# And the initial state is trained for each place in the batch, so the answer to a trial depends on its place.
# LSTMSimulator, documented as a NumPy version of test(), starts all trials from the state of the first place.
# The ways out are to write the file's values into the variables, and to simulate from the state of each place.
#
# Seen (after 60 steps of training: the largest difference of an output from those of the trained network, over all
# 32 trials of a batch, and in the first one; NumPy is the LSTM written out, with the weights in the file):
#   Basic, loaded         all trials 0.00   first trial 0.00
#   LSTM, loaded          all trials 0.43   first trial 0.38
#   LSTM, values written  all trials 0.00   first trial 0.00
#   LSTMSimulator         all trials 0.10   first trial 0.00
#   NumPy, first place    all trials 0.10   first trial 0.00
#   NumPy, each place     all trials 0.00   first trial 0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check psychrnn==1.0.0 tensorflow==2.21.0 numpy==2.4.6
cd "$folder"
CUDA_VISIBLE_DEVICES=-1 TF_CPP_MIN_LOG_LEVEL=3 OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import tensorflow as tf
from psychrnn.backend.models.basic import Basic
from psychrnn.backend.models.lstm import LSTM
from psychrnn.backend.simulation import LSTMSimulator
from psychrnn.tasks.perceptual_discrimination import PerceptualDiscrimination

np.random.seed(0)
tf.compat.v1.set_random_seed(0)
task = PerceptualDiscrimination(dt=50, tau=100, T=500, N_batch=32)
params = dict(task.get_task_params(), N_rec=10)
stimuli = task.get_trial_batch()[0]


def by_hand(weights, places):
    def gate(name, squash):
        return squash(np.concatenate([hidden, x], 1) @ weights["W_" + name] + weights["b_" + name])

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    hidden, cell, outputs = weights["init_hidden"][places], weights["init_cell"][places], []
    for x in stimuli.swapaxes(0, 1):
        forget, new, output = gate("f", sigmoid), gate("i", sigmoid) * gate("c", np.tanh), gate("o", sigmoid)
        cell = forget * cell + new
        hidden = output * sigmoid(cell)
        outputs.append(hidden @ weights["W_out"].T + weights["b_out"])
    return np.swapaxes(outputs, 0, 1)


seen = {}
for kind in (Basic, LSTM):
    network, name = kind(dict(params, name=kind.__name__)), kind.__name__
    network.train(task, {"learning_rate": 0.01, "training_iters": 32 * 61, "verbosity": False})
    trained = network.test(stimuli)[0]
    network.save(name + ".npz")
    loaded = kind(dict(params, name="loaded" + name, load_weights_path=name + ".npz"))
    seen[name + ", loaded"] = abs(loaded.test(stimuli)[0] - trained)
file = np.load("LSTM.npz", allow_pickle=True)
for variable in tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.GLOBAL_VARIABLES, scope="loadedLSTM"):
    variable.load(file[variable.name.split("/", 1)[1].removesuffix(":0")], loaded.sess)
seen["LSTM, values written"] = abs(loaded.test(stimuli)[0] - trained)
simulator = LSTMSimulator(params=params, weights=network.get_weights())
seen["LSTMSimulator"] = abs(simulator.run_trials(stimuli)[0] - trained)
seen["NumPy, first place"] = abs(by_hand(file, [0] * 32) - trained)
seen["NumPy, each place"] = abs(by_hand(file, range(32)) - trained)
for how, differences in seen.items():
    print(f"{how:21} all trials {differences.max():.2f}   first trial {differences[0].max():.2f}")
largest = [differences.max() for differences in seen.values()]
assert all((x > 0.01) == wrong for x, wrong in zip(largest, (False, True, False, True, True, False)))
PYTHON
