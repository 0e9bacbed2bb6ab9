#!/usr/bin/env bash
# reservoirpy 0.4.2 (NumPy 1.26.4, SciPy 1.13.1, joblib 1.4.2, Python 3.11): fitting a LocalPlasticityReservoir learns
# nothing from its activity. No error, no warning.
# The node adapts its recurrent weights by a local rule, from the presynaptic activity x of one step and the
# postsynaptic activity y of the next. fit() computes the next state for each value of the signal, but does not keep
# it. So x stays at the initial state, 0, at all steps. Hebbian, anti-Hebbian and BCM changes are products with x: each
# of them is 0, and the weights stay as they are. Oja's rule is left with its decay, y (0 - y W). With
# synapse_normalization=True, the default, the rows are scaled back, and nothing is left of that, either. So whatever
# the rule, the signal, eta and the epochs, the default node ends as its random weights with rows of length 1.
# Way out: for value in signal: node.fit(value[None]); node.step(value).
#
# Seen (relative change of the weights by fit(), by the documented formula, and with the way out (mended), for two
# signals of 100 steps, eta 0.001; where normalized, from the initial weights with rows of length 1):
#   hebbian                   sine   fit 0.000 formula 0.253 mended 0.253   noise  fit 0.000 formula 0.251 mended 0.252
#   anti-hebbian              sine   fit 0.000 formula 0.175 mended 0.175   noise  fit 0.000 formula 0.174 mended 0.174
#   bcm                       sine   fit 0.000 formula 0.255 mended 0.255   noise  fit 0.000 formula 0.254 mended 0.254
#   oja                       sine   fit 0.027 formula 0.170 mended 0.170   noise  fit 0.029 formula 0.170 mended 0.170
#   anti-oja                  sine   fit 0.027 formula 0.165 mended 0.165   noise  fit 0.030 formula 0.165 mended 0.164
#   hebbian      normalized   sine   fit 0.000 formula 0.142 mended 0.142   noise  fit 0.000 formula 0.141 mended 0.141
#   anti-hebbian normalized   sine   fit 0.000 formula 0.125 mended 0.124   noise  fit 0.000 formula 0.124 mended 0.123
#   bcm          normalized   sine   fit 0.000 formula 0.172 mended 0.171   noise  fit 0.000 formula 0.171 mended 0.171
#   oja          normalized   sine   fit 0.000 formula 0.142 mended 0.142   noise  fit 0.000 formula 0.141 mended 0.142
#   anti-oja     normalized   sine   fit 0.000 formula 0.124 mended 0.124   noise  fit 0.000 formula 0.123 mended 0.123
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reservoirpy==0.4.2 numpy==1.26.4 scipy==1.13.1 \
    joblib==1.4.2
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from reservoirpy.nodes import LocalPlasticityReservoir

ETA, THETA, UNITS = 0.001, 0.5, 30
RULES = {
    "hebbian": lambda x, y, w: ETA * x * y,
    "anti-hebbian": lambda x, y, w: -ETA * x * y,
    "bcm": lambda x, y, w: ETA * x * y * (y - THETA),
    "oja": lambda x, y, w: ETA * y * (x - y * w),
    "anti-oja": lambda x, y, w: -ETA * y * (x - y * w),
}
signals = {
    "sine": np.sin(np.arange(100) / 5)[:, None],
    "noise": np.random.default_rng(0).normal(size=(100, 1)),
}


def new(rule, normalized):
    node = LocalPlasticityReservoir(
        UNITS, local_rule=rule, eta=ETA, bcm_theta=THETA, synapse_normalization=normalized, lr=0.5, sr=0.9, seed=1
    )
    node.initialize(signals["sine"])
    return node


def dense(weights):
    return np.array(weights.todense() if hasattr(weights, "todense") else weights)


def formula(node, rule, signal, normalized):
    """Returns the weights after the rule was applied at each step, from the weights of the node."""
    weights, inputs = dense(node.W), dense(node.Win)
    connected, out, before = weights != 0, np.zeros(UNITS), np.zeros(UNITS)
    for value in signal:
        after = 0.5 * out + 0.5 * (weights @ out + inputs @ value + node.bias)
        weights += connected * RULES[rule](before[None, :], after[:, None], weights)
        if normalized:
            norms = np.linalg.norm(weights, axis=1, keepdims=True)
            weights /= np.where(norms > 0, norms, 1)
        before, out = after, np.tanh(after)
    return weights


def change(weights, start):
    return np.linalg.norm(weights - start) / np.linalg.norm(start)


for normalized in (False, True):
    for rule in RULES:
        line = f"{rule:12} {'normalized' if normalized else ''}".ljust(23)
        for name, signal in signals.items():
            node = new(rule, normalized)
            start = dense(node.W)
            wanted = formula(node, rule, signal, normalized)
            if normalized:  # What a normalization without any learning does.
                norms = np.linalg.norm(start, axis=1, keepdims=True)
                start /= np.where(norms > 0, norms, 1)
            node.fit(signal)
            seen = dense(node.W)
            mended = new(rule, normalized)
            for value in signal:
                mended.fit(value[None])
                mended.step(value)
            changes = [change(weights, start) for weights in (seen, wanted, dense(mended.W))]
            line += "   {:5}  fit {:.3f} formula {:.3f} mended {:.3f}".format(name, *changes)
            if normalized or "oja" not in rule:
                assert changes[0] < 1e-9
            assert abs(changes[0] - changes[1]) > 0.02 and np.isclose(changes[1], changes[2], rtol=0.02)
        print(line)
PYTHON
