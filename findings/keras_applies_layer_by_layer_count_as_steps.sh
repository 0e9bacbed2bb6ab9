#!/usr/bin/env bash
# Keras 3.15.1 (JAX 0.7.2 as backend, Python 3.11): an optimizer counts each call of apply as a step of training, also
# calls with the gradient of one layer only, as rules that learn layer by layer make them. apply([gradient],
# [variable]) is accepted without a warning. The docstring asks for a gradient for each variable, but None for the
# other layers does the same, with a warning that gradients are missing. With gradient_accumulation_steps, a layer
# whose turn never falls on an updating call never learns, and its gradients pile up. Schedules, the averages
# of use_ema and the bias correction of Adam run as many times too fast as there are layers. The ways out
# are one apply for all layers, and an optimizer per layer. TensorFlow as backend gives the same numbers, but
# -3 three times for two accumulation steps: there, an update drops what other layers have accumulated.
#
# Seen (three weights after 12 steps, from 0, all gradients 1; the averages for use_ema; both ways out are alike):
#   three accumulation steps  ways out  -4.00  -4.00  -4.00    layer by layer   0.00   0.00  -4.00
#   two accumulation steps    ways out  -6.00  -6.00  -6.00    layer by layer  -6.00  -5.50  -6.00
#   learning rate schedule    ways out  -5.50  -5.50  -5.50    layer by layer  -2.46  -2.07  -1.74
#   average of the weights    ways out  -5.82  -5.82  -5.82    layer by layer  -9.39  -9.08  -8.75
#   Adam                      ways out -12.00 -12.00 -12.00    layer by layer -11.93 -11.69 -11.63
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.7.2
cd "$folder"
KERAS_BACKEND=jax OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import warnings

import keras
from keras.optimizers import SGD, Adam
from keras.optimizers.schedules import ExponentialDecay

gradient = keras.ops.ones(1)


def weights(make, how):
    variables = [keras.Variable(keras.ops.zeros(1)) for _ in range(3)]
    for group in [[variable] for variable in variables] if how == "an optimizer per layer" else [variables]:
        optimizer = make()
        optimizer.build(group)
        for _ in range(12):
            if how == "one apply":
                optimizer.apply([gradient] * 3, group)
                continue
            for variable in group:
                if how == "None for others":
                    optimizer.apply([gradient if other is variable else None for other in group])
                else:
                    optimizer.apply([gradient], [variable])
        optimizer.finalize_variable_values(group)  # Averages with use_ema, else no change.
    return [round(variable.numpy().item(), 2) + 0.0 for variable in variables]


for what, make, right, wrong in (
    ("three accumulation steps", lambda: SGD(1.0, gradient_accumulation_steps=3), -4.0, [0.0, 0.0, -4.0]),
    ("two accumulation steps", lambda: SGD(1.0, gradient_accumulation_steps=2), -6.0, [-6.0, -5.5, -6.0]),
    ("learning rate schedule", lambda: SGD(ExponentialDecay(1.0, 4, 0.5)), -5.5, [-2.46, -2.07, -1.74]),
    ("average of the weights", lambda: SGD(1.0, use_ema=True, ema_momentum=0.9), -5.82, [-9.39, -9.08, -8.75]),
    ("Adam", lambda: Adam(1.0), -12.0, [-11.93, -11.69, -11.63]),
):
    with warnings.catch_warnings(record=True) as caught:
        one, each, layers = (weights(make, how) for how in ("one apply", "an optimizer per layer", "layer by layer"))
    assert not caught
    with warnings.catch_warnings(record=True) as caught:
        assert weights(make, "None for others") == layers
    assert all("Gradients do not exist" in str(warning.message) for warning in caught)
    shown = ["".join(f"{weight:7.2f}" for weight in seen) for seen in (one, layers)]
    print(f"{what:24}  ways out{shown[0]}    layer by layer{shown[1]}")
    assert one == each == [right] * 3 and layers == wrong
PYTHON
