#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): an optimizer with gradient_accumulation_steps=k and use_ema=True updates
# its moving average of the weights in every step, also in the k - 1 of k that only accumulate gradients, although by
# its documentation no variable of the optimizer changes in these. So an average with momentum m has momentum
# m^k: 0.99 and 16 steps give 0.85. With ema_overwrite_frequency, too, the weights are overwritten k
# times instead of once, the first time before the update that they wait for: then gradients of other
# weights are accumulated for one update. No error, no warning. The same updates from whole batches
# give the average that the momentum says. Way out: the k-th root of the momentum comes near.
#
# Seen (average after 10 updates of 0.1 with momentum 0.9; the weight after each of 6 updates, overwritten every 3rd):
#   average        whole batches 0.449   4 steps accumulated 0.744   written out 0.449
#   with the root  4 steps accumulated 0.403
#   overwritten    whole batches 0.100 0.200 0.129 0.229 0.329 0.185
#                  accumulated   0.100 0.200 0.129 0.229 0.329 0.205 changed without an update 2 times
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

keras.config.set_floatx("float64")


def path(steps, updates, momentum=0.9, every=None):
    """Returns the weight after each step, and the average at the end. Each update adds 0.1."""
    optimizer = keras.optimizers.SGD(
        0.1, use_ema=True, ema_momentum=momentum, ema_overwrite_frequency=every, gradient_accumulation_steps=steps
    )
    weight = keras.Variable(np.zeros(1))
    optimizer.build([weight])
    weights = []
    for _ in range(updates * (steps or 1)):
        optimizer.apply([keras.ops.convert_to_tensor(-np.ones(1))], [weight])
        weights.append(weight.numpy()[0])
    return np.array(weights), optimizer._model_variables_moving_average[0].numpy()[0]


def averaged(updates, momentum, first=0.1):
    average = first  # Keras starts at the weight after the first update.
    for weight in 0.1 * np.arange(2, updates + 1):
        average = momentum * average + (1 - momentum) * weight
    return average


whole, accumulated = path(None, 10)[1], path(4, 10)[1]
right = averaged(10, 0.9)
print(f"average        whole batches {whole:.3f}   4 steps accumulated {accumulated:.3f}   written out {right:.3f}")
rooted = path(4, 10, 0.9 ** (1 / 4))[1]
print(f"with the root  4 steps accumulated {rooted:.3f}")
assert abs(whole - right) < 1e-6 and abs(accumulated - right) > 0.2

whole, accumulated = path(None, 6, every=3)[0], path(4, 6, every=3)[0]
print("overwritten    whole batches", *(f"{w:.3f}" for w in whole))
waiting = [bool(accumulated[at] != accumulated[at - 1]) for at in range(1, 24) if at % 4 != 3]
print("               accumulated  ", *(f"{w:.3f}" for w in accumulated[3::4]), f"changed without an update {sum(waiting)} times")
assert not np.allclose(accumulated[3::4], whole, atol=1e-3) and any(waiting)
PYTHON
