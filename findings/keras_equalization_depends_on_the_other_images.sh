#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): keras.layers.Equalization equalizes the histogram of a whole batch, not
# of each image. By its documentation it adjusts the channels of an image, for a batch as for a single image. But
# it counts the values of all images of a batch together, and changes all with one table. So what becomes of an
# image depends on which others are in its batch: a dark image beside a bright one stays dark, and its histogram is
# not flat. Shuffling, the size of the batches and a smaller last one all change a data set that is equalized.
# RandAugment and AugMix use the layer, too. And with training=False it does nothing, although by its
# documentation it is applied at inference, too. Single images, and batches of one, are right. No error, no
# warning. Way out: dataset.map(Equalization()) before batch(), without training=False.
#
# Seen (range of a dark image of 0 to 63 after the layer; the share of its pixels that are as by the layer's own formula
# for this image; and the largest difference to the image alone in a larger batch):
#   alone, or in a batch of one   0 to 255   as written out 1.000
#   in a batch with a bright one  0 to 127   as written out 0.020
#   in a batch of 32              largest difference to the image alone 187.0
#   with training=False           0 to 63   as written out 0.020
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

rng = np.random.default_rng(0)
dark, bright = rng.integers(0, 64, (32, 32, 3)), rng.integers(192, 256, (32, 32, 3))
layer = keras.layers.Equalization()


def equalized(*images, batch=True, **kwargs):
    images = np.stack(images).astype("float32")
    return np.asarray(layer(images, **kwargs))[0] if batch else np.asarray(layer(images[0]))


def written_out(image):
    """Equalizes each channel of one image by the layer's formula."""
    result = np.empty(image.shape)
    for channel in range(3):
        sums = np.cumsum(np.bincount(image[..., channel].ravel(), minlength=256))
        least = sums[sums > 0][0]
        result[..., channel] = np.round((sums - least) * 255 / (sums[-1] - least))[image[..., channel]]
    return result


def shown(name, images):
    same = np.mean(np.abs(images - written_out(dark)) <= 1)
    print(f"{name:28}  {images.min():.0f} to {images.max():.0f}   as written out {same:.3f}")
    return images.max(), same


single, alone = equalized(dark, batch=False), equalized(dark)
assert np.array_equal(single, alone)
assert shown("alone, or in a batch of one", alone) == (255, 1)
highest, same = shown("in a batch with a bright one", equalized(dark, bright))
assert highest < 130 and same < 0.1

others = [rng.integers(0, 256, (32, 32, 3)) for _ in range(31)]
difference = np.abs(equalized(dark, *others) - alone).max()
print(f"in a batch of 32              largest difference to the image alone {difference:.1f}")
assert difference > 100

inference = equalized(dark, training=False)
shown("with training=False", inference)
assert np.array_equal(inference, dark)
PYTHON
