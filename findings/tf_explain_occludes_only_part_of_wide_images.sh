#!/usr/bin/env bash
# tf-explain 0.3.1 (TensorFlow 2.20.0, tf-keras 2.20.1, NumPy 2.4.6, OpenCV 5.0.0, Python 3.11): four parts of this
# library for explaining Keras models by pictures show something else than they document. No error, no warning.
# OcclusionSensitivity takes the height for the width in two places. In an image that is wider than high, it never
# covers the right end, and draws what it finds further left in other places. In one that is higher than wide, the
# same goes for the lower end. The map itself has its sides swapped.
# IntegratedGradients returns the mean gradient along the path. It does not multiply by the input less the baseline, as
# in the paper that it names. For a model that adds up its inputs, the picture is black.
# SmoothGrad is documented as the mean gradient of a class. It is that of the cross-entropy, which is 0 for a model of
# one output, such as a sigmoid. So the picture is black, too.
# Pictures are documented to be "[0, 255], [0, 1], [-1, 1]". Floats of up to 255 are multiplied by 255 once more, and
# wrap around, below the maps of GradCAM and OcclusionSensitivity.
# Ways out: square images; get_integrated_gradients times the input; VanillaGradients of noisy images; bytes.
#
# Seen (a 4 * 8 image of ones and models that return one pixel of it, occluded by patches of 2 * 2: by how much the map
# varies, its shape and the patch of its peak; maps of six pixels for their sum; mean gradients of four inputs):
#   pixel 1, 6               varies   0.0    shape 8 4    patch -      formula varies 126.5    shape 4 8    patch 0 3
#   pixel 1, 2               varies 126.5    shape 8 4    patch 0 2    formula varies 126.5    shape 4 8    patch 0 1
#   pixel 1, 0               varies 126.5    shape 8 4    patch 0 0    formula varies 126.5    shape 4 8    patch 0 0
#   IntegratedGradients      seen 0.00 0.00 0.00 0.00 0.00 0.00    formula 0.00 0.20 0.40 0.60 0.80 1.00
#   SmoothGrad               seen 0.00 0.00 0.00 0.00    formula 0.25 0.50 -0.25 0.00
#   picture                  seen 0.00 156.00 56.00    formula 0.00 100.00 200.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tf-explain==0.3.1 tensorflow==2.20.0 \
    tf-keras==2.20.1 numpy==2.4.6 opencv-python-headless==5.0.0.93
cd "$folder"
HOME=$folder TF_USE_LEGACY_KERAS=1 OMP_NUM_THREADS=1 CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 \
    "$folder/venv/bin/python" -W ignore - 2> errors <<'PYTHON' || { cat errors; exit 1; }
import numpy as np
import tensorflow as tf
from tf_explain.core import IntegratedGradients, OcclusionSensitivity, SmoothGrad
from tf_explain.utils.display import image_to_uint_255

tf.keras.utils.disable_interactive_logging()


def dense(weights, activation=None):
    layers = [tf.keras.layers.Flatten(input_shape=weights.shape)]
    model = tf.keras.Sequential([*layers, tf.keras.layers.Dense(1, activation, use_bias=False)])
    model.set_weights([weights.reshape(-1, 1)])
    return model


def show(name, seen, formula):
    columns = [" ".join(f"{number:.2f}" for number in np.ravel(numbers)) for numbers in (seen, formula)]
    print("{:24} seen {}    formula {}".format(name, *columns))


def peak(patches):  # The patch with the largest effect.
    if np.ptp(patches) == 0:
        return "-  "
    return "{} {}".format(*np.unravel_index(np.abs(patches).argmax(), patches.shape))


image = np.ones((4, 8, 1), np.float32)
for place, expected in (((1, 6), "-  "), ((1, 2), "0 2"), ((1, 0), "0 0")):
    weights = np.zeros_like(image)
    weights[place] = 1
    seen = OcclusionSensitivity().get_sensitivity_map(dense(weights), image, 0, 2)
    formula = np.zeros((2, 4))
    for row, column in np.ndindex(2, 4):
        patched = image.copy()
        patched[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = 127.5
        formula[row, column] = 1 - np.sum(weights * patched)
    rows, columns = np.linspace(0, seen.shape[0] - 1, 2).astype(int), np.linspace(0, seen.shape[1] - 1, 4).astype(int)
    drawn = seen[np.ix_(rows, columns)]  # As the picture stretches it over the image.
    line = "varies {:5.1f}    shape {} {}    patch {}"
    texts = [line.format(np.ptp(a), *shape, peak(a)) for a, shape in ((drawn, seen.shape), (formula, (4, 8)))]
    print("pixel {}, {}".format(*place).ljust(25) + "    formula ".join(texts))
    assert seen.shape == (8, 4) and peak(drawn) == expected
    assert peak(formula) == f"0 {place[1] // 2}" and np.isclose(np.ptp(formula), 126.5)

image = np.linspace(0, 1, 6, dtype=np.float32).reshape(1, 6, 1)
seen = IntegratedGradients().explain(([image], None), dense(np.ones_like(image)), 0)
show("IntegratedGradients", seen, image)
assert not np.any(seen)

weights = np.array([[[1], [2], [-1], [0]]], np.float32)
zeros = np.zeros((5, *weights.shape), np.float32)  # Five samples of noise of 0.
model = dense(weights, "sigmoid")
seen = SmoothGrad.get_averaged_gradients(zeros, model, 0, 5)
formula = 0.25 * weights  # The slope of the sigmoid at 0.
show("SmoothGrad", seen, formula)
assert not np.any(seen) and not np.any(SmoothGrad().explain((zeros, None), model, 0))

picture = np.array([[[0.0, 100.0, 200.0]]])
seen = image_to_uint_255(picture)
show("picture", seen, picture)
assert seen.ravel().tolist() == [0, 156, 56]
PYTHON
