#!/usr/bin/env bash
# Keras 3.15.1 (JAX 0.7.2 as backend, Python 3.11): a .keras file holds the weights and the optimizer,
# but not the state of a layer's random numbers. A model that is saved in the middle of training and
# loaded draws the same dropout masks once more that it drew from its first step on, so training in
# pieces is not the training that it interrupts.
#
# Seen: the state is [1 10] when the model is saved, after ten steps, and [1 0] when it is loaded.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.7.2
cd "$folder"
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

x = np.random.default_rng(0).random((40, 5)).astype("float32")
layers = [keras.Input((5,)), keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(4, "softmax")]
model = keras.Sequential(layers)
model.compile("adam", loss="sparse_categorical_crossentropy")
model.fit(x, np.arange(40) % 4, batch_size=4, verbose=0)
model.save("model.keras")
loaded = keras.models.load_model("model.keras")


def state(model):
    return np.asarray(model.layers[0].seed_generator.state).tolist()


print(state(model), state(loaded))
assert int(np.asarray(loaded.optimizer.iterations)) == 10
assert (state(model), state(loaded)) == ([1, 10], [1, 0])
PYTHON
