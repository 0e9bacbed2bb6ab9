#!/usr/bin/env bash
# Keras 3.15.1 (JAX 0.7.2 as backend, Python 3.11): in an .h5 file, a nested model's trainable weights
# come first and its frozen ones after them, without a note which is which. load_weights goes by order.
# So weights saved while a layer of the nested model was frozen land in other layers of the same network
# without frozen layers, silently where the shapes agree. Keras 2's files are the same.
#
# Seen:
#   same layers frozen: 0.0  no layer frozen: 0.4438749       (the largest difference of a prediction)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.7.2
KERAS_BACKEND=jax "$folder/venv/bin/python" - "$folder/model.h5" <<'PYTHON'
import sys

import keras
import numpy as np

x = np.random.default_rng(0).random((6, 5)).astype("float32")


def network(frozen):
    layers = [keras.layers.Dense(5, "relu", name=name) for name in "abc"]
    inner = keras.Sequential([keras.Input((5,)), *layers])
    inner.layers[0].trainable = not frozen
    inputs = keras.Input((5,))
    return keras.Model(inputs, keras.layers.Dense(3)(inner(inputs)))


keras.utils.set_random_seed(1)
saved = network(frozen=True)
saved.save(sys.argv[1])
differences = []
for frozen in (True, False):
    loaded = network(frozen)
    loaded.load_weights(sys.argv[1])
    differences.append(np.abs(loaded.predict(x, verbose=0) - saved.predict(x, verbose=0)).max())
print("same layers frozen:", differences[0], " no layer frozen:", differences[1])
assert differences[0] == 0 and differences[1] > 0.1
PYTHON
