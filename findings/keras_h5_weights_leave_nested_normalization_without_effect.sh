#!/usr/bin/env bash
# Keras 3.15.1 (JAX 0.7.2 as backend, Python 3.11): load_weights of an .h5 file gives a Normalization
# layer within a nested model its mean and variance, but the layer goes on to normalize with those that it
# had before: only layers of the outer model are told to finalize their state. No error, no warning.
#
# Seen:
#   in the model itself: 0.0  in a nested model: 118.624985   (the largest difference of a prediction)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.7.2
KERAS_BACKEND=jax "$folder/venv/bin/python" - "$folder/model.h5" <<'PYTHON'
import sys

import keras
import numpy as np

x = np.random.default_rng(0).normal(50, 20, (200, 5)).astype("float32")


def network(nested, adapted):
    normalization = keras.layers.Normalization()
    if adapted:
        normalization.adapt(x)
    inputs = keras.Input((5,))
    first = keras.Sequential([keras.Input((5,)), normalization]) if nested else normalization
    return keras.Model(inputs, keras.layers.Dense(4)(first(inputs)))


differences = []
for nested in (False, True):
    saved, loaded = network(nested, adapted=True), network(nested, adapted=False)
    saved.save(sys.argv[1])
    loaded.load_weights(sys.argv[1])
    for a, b in zip(saved.get_weights(), loaded.get_weights()):
        np.testing.assert_array_equal(a, b)
    differences.append(np.abs(loaded.predict(x, verbose=0) - saved.predict(x, verbose=0)).max())
print("in the model itself:", differences[0], " in a nested model:", differences[1])
assert differences[0] == 0 and differences[1] > 10
PYTHON
