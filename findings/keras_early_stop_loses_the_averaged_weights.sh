#!/usr/bin/env bash
# Keras 3.15.1 (JAX 0.7.2 as backend, Python 3.11): with use_ema=True, SwapEMAWeights(swap_on_epoch=True) leaves the
# averaged weights in the model after each epoch, and the current ones in the optimizer. fit ends by copying
# the optimizer's into the model, for which the callback makes up in the last of `epochs` only. So if
# EarlyStopping, or anything else, stops fit before, the model gets the current weights, and the averages,
# which all validation results are of, are lost. Ways out: swap_on_epoch=False, where the model ends with
# the averages of the last epoch, or restore_best_weights=True, where it ends with those of the best one.
# After predict, the same callback does not swap back, so each second prediction is of the other weights.
# TensorFlow as backend gives the same numbers.
#
# Seen (the validation losses of the epochs, and evaluate's loss on the same data after fit):
#   two epochs, no stop              [0.0493, 0.003] then 0.003
#   early stop, swap_on_epoch=True   [0.0493, 0.003, 0.0106] then 0.186
#   early stop, swap_on_epoch=False  [0.0493, 0.003, 0.0106] then 0.0106
#   early stop, restore_best_weights [0.0493, 0.003, 0.0106] then 0.003
#   four predictions in a row        [0.6031, 0.9313, 0.6031, 0.9313]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.7.2
cd "$folder"
KERAS_BACKEND=jax OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from keras.callbacks import EarlyStopping, SwapEMAWeights

x = np.ones((8, 1), "float32")
validation = (x, 0.5 * x)


def network():
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), loss="mse")
    return model


stop, restore = EarlyStopping(patience=1), EarlyStopping(patience=1, restore_best_weights=True)
for how, epochs, callbacks, expected in (
    ("two epochs, no stop", 2, [SwapEMAWeights(True)], 0.003),
    ("early stop, swap_on_epoch=True", 9, [SwapEMAWeights(True), stop], 0.186),
    ("early stop, swap_on_epoch=False", 9, [SwapEMAWeights(False), stop], 0.0106),
    ("early stop, restore_best_weights", 9, [SwapEMAWeights(True), restore], 0.003),
):
    model = network()
    fitted = model.fit(x, x, 2, epochs, 0, callbacks, validation_data=validation)
    losses = [round(loss, 4) for loss in fitted.history["val_loss"]]
    after = round(model.evaluate(*validation, verbose=0), 4)
    print(f"{how:32} {losses} then {after}")
    assert losses == [0.0493, 0.003, 0.0106][: len(losses)] and after == expected

model, seen = network(), []
for _ in range(12):
    model.train_on_batch(x, x)
for _ in range(4):
    predicted = model.predict(x[:1], verbose=0, callbacks=[SwapEMAWeights()])
    seen.append(round(predicted.item(), 4))
print(f"{'four predictions in a row':32} {seen}")
assert seen == [0.6031, 0.9313, 0.6031, 0.9313]
PYTHON
