#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): MixUp and CutMix give each image the labels of all images.
# Both mix each image of a batch with another one, and their labels in the same proportion. They reshape the
# proportions to a column. With one number as the label of each image, as in regression or for two classes, labels
# have the shape (batch,), and column times row makes a square: (batch, batch). Row i has the proportion of image i,
# but the labels of all the images. Losses such as the mean squared error accept the square, since a prediction of
# shape (batch, 1) spreads over it. So each prediction is drawn to the mean of the batch, and a model learns
# little but that mean. No error, no warning.
# MixUp also mixes segmentation masks with single numbers. It looks for the other images' masks without an axis, and so
# takes the first few numbers of the first mask. That shows by an error unless masks have as many channels as
# the batch has images, or one (they get as many channels as images).
# Ways out: labels of shape (batch, 1); for masks, CutMix, or to hand them over as more channels of the images.
#
# Seen (a target that is the mean of an image, hence also of a mixed image: its shape and the largest error of mixed
# labels, the loss and R2 on images that are not mixed after training of a linear model; and the shape and largest error
# of mixed masks. CutMix mixes labels in proportion to the areas, so it is right on average only):
#   MixUp   labels (8,)       become (8, 8)  error 2.015   loss 0.961   R2  0.118
#   MixUp   labels (8, 1)     become (8, 1)  error 0.000   loss 0.000   R2  1.000
#   CutMix  labels (8,)       become (8, 8)  error 1.898   loss 0.861   R2  0.235
#   CutMix  labels (8, 1)     become (8, 1)  error 0.435   loss 0.063   R2  0.981
#   MixUp masks (8, 4, 4, 1) become (8, 4, 4, 8) error 0.949
#   MixUp masks (8, 4, 4, 8) become (8, 4, 4, 8) error 0.949
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
keras.utils.set_random_seed(0)
count, batch = 512, 8
images = (rng.normal(size=(count, 1, 1, 1)) + rng.normal(size=(count, 4, 4, 1))).astype("float32")
targets = images.mean(axis=(1, 2, 3))


def mixed(layer, labels):
    data = tf.data.Dataset.from_tensor_slices({"images": images, "labels": labels}).batch(batch)
    return data.map(lambda both: layer(both, training=True))


def learned(layer, labels):
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    pairs = mixed(layer, labels).map(lambda both: (both["images"], both["labels"]))
    loss = model.fit(pairs, shuffle=False, epochs=10, verbose=0).history["loss"][-1]
    predicted = model.predict(images, verbose=0)[:, 0]
    return loss, 1 - np.mean((predicted - targets) ** 2) / targets.var()


for kind in (keras.layers.MixUp, keras.layers.CutMix):
    for labels in (targets, targets[:, None]):
        first = next(mixed(kind(seed=0), labels).as_numpy_iterator())
        truth = first["images"].mean(axis=(1, 2, 3))
        shape, error = first["labels"].shape, np.abs(first["labels"] - truth[:, None]).max()
        loss, score = learned(kind(seed=0), labels)
        line = "{:7} labels {:10} become {:7} error {:.3f}   loss {:.3f}   R2 {:6.3f}"
        print(line.format(kind.__name__, str((batch, *labels.shape[1:])), str(shape), error, loss, score), flush=True)
        if labels is targets:
            assert shape == (batch, batch) and error > 1 and score < 0.4
        else:
            assert shape == (batch, 1) and score > 0.95 and (kind is keras.layers.CutMix or error < 1e-5)

for channels in (1, batch):
    masks = (rng.random((batch, 4, 4, channels)) > 0.5).astype("float32")
    layer = keras.layers.MixUp(alpha=1.0, seed=0)
    out = layer({"images": masks, "segmentation_masks": masks}, training=True)
    true, seen = (out[name].numpy() for name in ("images", "segmentation_masks"))
    print("MixUp masks", masks.shape, "become", seen.shape, f"error {np.abs(seen - true).max():.3f}")
    assert seen.shape == (batch, 4, 4, batch) and np.abs(seen - true).max() > 0.5
PYTHON
