#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): RandomSaturation(0.5) makes half of all images grey. By its
# documentation a single float stands for values between 0.0 and this float. But the layer draws between -0.5 and 0.5,
# and each value below zero ends as no saturation at all. So with any single float, half of the images lose their
# color; RandomColorJitter does the same with its saturation_factor. RandomColorDegeneration, which "makes
# colors appear more dull", gives half of the images stronger colors with a single float. The same
# range given as a tuple is right. And RandomInvert takes the upper end of value_range alone as the mirror: of
# images in [-1, 1] it makes images in [0, 2]. No error, no warning.
# Ways out: RandomSaturation((0.0, 0.5)) and the like; inverting images of a range that starts at 0.
#
# Seen (the share of 1000 images with an HSV saturation of 0.75 that have none after the layer, and that have more; the
# range of images in [-1, 1] after RandomInvert((1.0, 1.0), value_range=(-1, 1))):
#   RandomSaturation          0.5: grey 0.523, more 0.000       (0.0, 0.5): grey 0.000, more 0.000
#   RandomColorJitter         0.5: grey 0.523, more 0.000       (0.0, 0.5): grey 0.000, more 0.000
#   RandomColorDegeneration   0.5: grey 0.000, more 0.520       (0.0, 0.5): grey 0.000, more 0.000
#   RandomInvert              from -1.0 1.0 to 0.0 2.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import colorsys

import keras
import numpy as np
from keras import layers

COLOR = (200.0, 100.0, 50.0)
images = np.tile(np.array(COLOR, "float32"), (1000, 2, 2, 1))
before = colorsys.rgb_to_hsv(*COLOR)[1]
assert before == 0.75


def shares(layer):
    """Returns the share of the images without a color, and of those with more color than before."""
    changed = np.asarray(layer(images))[:, 0, 0]
    after = np.array([colorsys.rgb_to_hsv(*map(float, color))[1] for color in changed])
    return np.mean(after < 1e-6), np.mean(after > before + 1e-3)


for name, make in (
    ("RandomSaturation", lambda factor: layers.RandomSaturation(factor, seed=1)),
    ("RandomColorJitter", lambda factor: layers.RandomColorJitter(saturation_factor=factor, seed=1)),
    ("RandomColorDegeneration", lambda factor: layers.RandomColorDegeneration(factor, seed=1)),
):
    single, pair = shares(make(0.5)), shares(make((0.0, 0.5)))
    print(
        f"{name:23}   0.5: grey {single[0]:.3f}, more {single[1]:.3f}"
        f"       (0.0, 0.5): grey {pair[0]:.3f}, more {pair[1]:.3f}"
    )
    assert 0.4 < max(single) < 0.6 and max(pair) == 0

signed = np.linspace(-1, 1, 12, dtype="float32").reshape(1, 2, 2, 3)
inverted = np.asarray(layers.RandomInvert((1.0, 1.0), value_range=(-1, 1))(signed))
print(f"RandomInvert              from {signed.min()} {signed.max()} to {inverted.min()} {inverted.max()}")
assert inverted.min() == 0 and inverted.max() == 2
PYTHON
