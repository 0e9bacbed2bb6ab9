#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): with use_ema=True, a model ends fit with weights that break their own
# constraints. By the documentation a constraint holds after each update, and the average is of the weights as they
# are after each batch. But an optimizer takes the average before it applies the constraint. So the
# average is of weights that the model never has. NonNeg and MaxNorm allow convex sets, which no average
# of allowed weights can leave; yet fit ends with negative weights and too large norms, and the results of
# SwapEMAWeights in validation are of such weights. A step that a constraint undoes again and again stays in
# the average in full, for all momentums. So excitatory weights become inhibitory. No error, no warning.
# ema_overwrite_frequency doesn't help, as fit copies the average once more at its end.
# Way out: apply the constraint to the weights after fit, or average weights in a callback.
#
# Seen (the weights after 200 full-batch steps, or their norm; and their distance to the averages written out):
#   NonNeg, no average            0.920  0.784  0.000  0.000  least  0.000
#   NonNeg, use_ema=True          0.920  0.784 -0.251 -0.298  least -0.298  before the constraint 0.000  after it 0.389
#   NonNeg, overwritten           0.920  0.784 -0.251 -0.298  least -0.298
#   MaxNorm(1), no average       norm 1.000
#   MaxNorm(1), use_ema=True     norm 1.198  before the constraint 0.000  after it 0.198
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

keras.config.set_floatx("float64")
STEPS, RATE, MOMENTUM = 200, 0.1, 0.9
rng = np.random.default_rng(0)
inputs, start = rng.normal(size=(64, 4)), np.full(4, 0.1)
targets = inputs @ [1.0, 1.0, -1.0, -1.0]


def fitted(constraint, **kwargs):
    layer = keras.layers.Dense(
        1, use_bias=False, kernel_initializer=keras.initializers.Constant(0.1), kernel_constraint=constraint
    )
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(RATE, ema_momentum=MOMENTUM, **kwargs), loss="mse")
    model.fit(inputs, targets[:, None], batch_size=64, epochs=STEPS, verbose=0)
    return model.get_weights()[0][:, 0]


def averages(project):
    """Returns the averages of the weights before, and after the constraint of each step."""
    weights, before, after = start, None, None
    for _ in range(STEPS):
        moved = weights - RATE * 2 * inputs.T @ (inputs @ weights - targets) / len(inputs)
        weights = project(moved)
        before = moved if before is None else MOMENTUM * before + (1 - MOMENTUM) * moved
        after = weights if after is None else MOMENTUM * after + (1 - MOMENTUM) * weights
    return before, after


def non_negative(weights):
    return np.maximum(weights, 0)


def bounded(weights):
    return weights / max(1, np.linalg.norm(weights))


def distances(weights, project):
    return [np.linalg.norm(weights - average) for average in averages(project)]


def shown(weights):
    return " ".join(f"{w:6.3f}" for w in weights) + f"  least {weights.min():6.3f}"


plain = fitted(keras.constraints.NonNeg())
averaged = fitted(keras.constraints.NonNeg(), use_ema=True)
overwritten = fitted(keras.constraints.NonNeg(), use_ema=True, ema_overwrite_frequency=1000)
before, after = distances(averaged, non_negative)
print("NonNeg, no average          ", shown(plain))
print("NonNeg, use_ema=True        ", shown(averaged), f" before the constraint {before:.3f}  after it {after:.3f}")
print("NonNeg, overwritten         ", shown(overwritten))
assert plain.min() == 0 and averaged.min() < -0.1 and overwritten.min() < -0.1
assert before < 1e-5 and after > 0.1 and averages(non_negative)[1].min() >= 0

plain = np.linalg.norm(fitted(keras.constraints.MaxNorm(1.0)))
averaged = fitted(keras.constraints.MaxNorm(1.0), use_ema=True)
before, after = distances(averaged, bounded)
norm = np.linalg.norm(averaged)
print(f"MaxNorm(1), no average       norm {plain:.3f}")
print(f"MaxNorm(1), use_ema=True     norm {norm:.3f}  before the constraint {before:.3f}  after it {after:.3f}")
assert plain < 1 + 1e-6 and norm > 1.1 and before < 1e-5 and after > 0.1
PYTHON
