#!/usr/bin/env bash
# Keras 3.15.1 (JAX 0.7.2 as backend, Python 3.11): compiling a model again without metrics does not
# remove the metrics of the earlier compile. train_on_batch goes on to return two numbers, and fit's
# history has "accuracy", which nobody asked for any more.
#
# Seen:
#   after compile(metrics=["accuracy"]):  ['accuracy', 'loss']
#   after compile() without metrics:      ['accuracy', 'loss']
#   a new model, compiled without them:   ['loss']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.7.2
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

x = np.random.default_rng(0).random((40, 5)).astype("float32")
y = np.arange(40) % 4


def model():
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, "softmax")])


def reported(model, **options):
    model.compile("sgd", loss="sparse_categorical_crossentropy", **options)
    return sorted(model.fit(x, y, verbose=0).history)


first = model()
seen = [reported(first, metrics=["accuracy"]), reported(first), reported(model())]
print(*seen, sep="\n")
assert seen == [["accuracy", "loss"], ["accuracy", "loss"], ["loss"]]
PYTHON
