#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): padding that a mask excludes counts in many metrics all the same.
# With Embedding(mask_zero=True) or Masking, the loss of a network for sequences leaves out the steps that are
# padded, and so do those metrics that are a mean of a function, such as accuracy or MeanSquaredError. But the mask is
# applied in the class that wraps such a function, and no other metric looks for it. Precision, AUC, IoU, the counts of
# true and false answers and RootMeanSquaredError rate the padding, too, by the labels that it happens to have.
# So one line of a history shows an accuracy of the real steps beside a precision of all, and the root mean squared
# error is not the root of the mean squared error. With metrics=[...] as with weighted_metrics=[...].
# No error, no warning. The way out is to pass the mask also as sample_weight, with weighted_metrics.
#
# Seen (a network for labels of each step, with 2 to 5 of 10 steps that are real, after training; by Keras, and by the
# formula without and with the padding):
#                           Keras     real   padded
#   BinaryCrossentropy       0.257    0.257    1.823
#   BinaryAccuracy           0.894    0.894    0.616
#   MeanSquaredError         0.082    0.082    0.383
#   RootMeanSquaredError     0.619    0.287    0.619
#   Precision                0.348    1.000    0.348
#   TrueNegatives          275.000   76.000  275.000
#   FalsePositives         223.000    0.000  223.000
#   BinaryIoU                0.427    0.803    0.427
#   AUC                      0.700    0.913    0.701
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from keras import layers, metrics

rng = np.random.default_rng(0)
keras.utils.set_random_seed(0)
samples, steps = 64, 10
words = rng.integers(1, 9, (samples, steps)) * (np.arange(steps) < rng.integers(2, 6, (samples, 1)))
labels = ((words > 4) | (rng.random(words.shape) < 0.2)) & (words > 0)
kinds = {
    "BinaryCrossentropy": (metrics.BinaryCrossentropy(), True),
    "BinaryAccuracy": (metrics.BinaryAccuracy(), True),
    "MeanSquaredError": (metrics.MeanSquaredError(), True),
    "RootMeanSquaredError": (metrics.RootMeanSquaredError(), False),
    "Precision": (metrics.Precision(), False),
    "TrueNegatives": (metrics.TrueNegatives(), False),
    "FalsePositives": (metrics.FalsePositives(), False),
    "BinaryIoU": (metrics.BinaryIoU(), False),
    "AUC": (metrics.AUC(num_thresholds=5000), False),
}


def network(**kwargs):
    model = keras.Sequential(
        [
            keras.Input((steps,)),
            layers.Embedding(9, 4, mask_zero=True),
            layers.LSTM(8, return_sequences=True),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", jit_compile=False, **kwargs)
    return model


def formulas(chosen):
    p, y = predicted[chosen], labels[chosen].astype(float)
    guess, squared = p > 0.5, np.mean((p - y) ** 2)
    true, false = np.sum(guess * y), np.sum(guess * (1 - y))
    missed, negative = np.sum(~guess * y), np.sum(~guess * (1 - y))
    above = p[y > 0][:, None] - p[y == 0]
    return {
        "BinaryCrossentropy": -np.mean(np.log(np.where(y > 0, p, 1 - p))),
        "BinaryAccuracy": np.mean(guess == y),
        "MeanSquaredError": squared,
        "RootMeanSquaredError": squared**0.5,
        "Precision": true / (true + false),
        "TrueNegatives": negative,
        "FalsePositives": false,
        "BinaryIoU": (true / (true + false + missed) + negative / (negative + false + missed)) / 2,
        "AUC": np.mean((above > 0) + (above == 0) / 2),
    }


def named():
    return [type(metric).from_config({**metric.get_config(), "name": name}) for name, (metric, _) in kinds.items()]


model = network(metrics=named())
targets = labels[..., None].astype("float32")
model.fit(words, targets, epochs=15, verbose=0)
predicted = model.predict(words, verbose=0)[..., 0].astype(float)
seen = model.evaluate(words, targets, batch_size=samples, verbose=0, return_dict=True)
weighted = network(weighted_metrics=named())
weighted.set_weights(model.get_weights())
without = weighted.evaluate(words, targets, batch_size=samples, verbose=0, return_dict=True)
mask = (words > 0).astype("float32")
passed = weighted.evaluate(words, targets, sample_weight=mask, batch_size=samples, verbose=0, return_dict=True)
real, padded = formulas(words > 0), formulas(words >= 0)
print("                        Keras     real   padded")
for name, (_, masked) in kinds.items():
    print(f"{name:21} {seen[name]:8.3f} {real[name]:8.3f} {padded[name]:8.3f}")
    assert np.isclose(seen[name], (real if masked else padded)[name], atol=2e-3), name
    assert abs(real[name] - padded[name]) > 0.01, name
    assert np.isclose(without[name], seen[name], atol=1e-5) and np.isclose(passed[name], real[name], atol=2e-3), name
assert abs(seen["RootMeanSquaredError"] ** 2 - seen["MeanSquaredError"]) > 0.01
PYTHON
