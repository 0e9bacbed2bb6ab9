#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): RandAugment, AugMix and RandomContrast change images one way only.
# A single number f as the factor of RandomContrast is documented as both bounds, "lower = upper", for a contrast
# between 1 - f and 1 + f. Keras makes it the pair (0, f), as a factor below zero is not allowed there, and then draws
# from 1 - 0 to 1 + f. So the contrast is only ever raised. The same in RandomColorJitter(contrast_factor=f).
# RandAugment and AugMix turn their factor into (0, f), too, and hand this pair to all their parts, some of which take
# it for a range with a sign. So they shift images only to the right and down, turn them only counterclockwise,
# make them only brighter, only raise their contrast, and shear both axes by the same sign; the published methods draw
# a sign for shifts, turns and shears. The same parts alone, with a single number, go both ways.
# So a network trains on images that are off to one side and too bright. No error, no warning.
# Ways out: RandomContrast((f, f)); layer.random_translation = RandomTranslation(f, f), and so on.
#
# Seen (share of 1000 images that change that way, by the parts of RandAugment and of AugMix and by a layer alone):
#   contrast raised           f 1.00   jitter 1.00   (f, f) 0.46
#   shifted right             RandAugment 1.00   AugMix 1.00   alone 0.50
#   shifted down              RandAugment 1.00   AugMix 1.00   alone 0.48
#   turned counterclockwise   RandAugment 1.00   AugMix 1.00   alone 0.50
#   made brighter             RandAugment 1.00   AugMix 1.00   alone 0.50
#   contrast raised           RandAugment 1.00   AugMix 1.00   alone 0.51
#   sheared by the same sign  RandAugment 1.00   AugMix 1.00   alone 0.49
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(0)
count, size, f = 1000, 25, 0.3
rows, columns = np.mgrid[:size, :size] - size // 2


def blank(*places):
    images = np.zeros((count, size, size, 3), "float32")
    for row, column in places:
        images[:, size // 2 + row, size // 2 + column] = 255
    return images


grey = np.random.default_rng(0).uniform(100, 140, (count, size, size, 3)).astype("float32")
dot, bar = blank((0, 0)), blank((0, 6), (0, 7), (0, 8))


def centre(images, axis):
    return (images[..., 0] * axis).sum(axis=(1, 2)) / images[..., 0].sum(axis=(1, 2))


def share(layer, images, measure):
    return np.mean(measure(np.asarray(layer(images, training=True))) > measure(images))


def right(layer):
    return share(layer, dot, lambda images: centre(images, columns))


def down(layer):
    return share(layer, dot, lambda images: centre(images, rows))


def counterclockwise(layer):  # The bar is on the right, so it goes up.
    return share(layer, bar, lambda images: -centre(images, rows))


def brighter(layer):
    return share(layer, grey, lambda images: images.mean(axis=(1, 2, 3)))


def contrast(layer):
    return share(layer, grey, lambda images: images.std(axis=(1, 2, 3)))


def same_sign(layer):
    sheared = np.asarray(layer.get_random_transformation(grey, training=True)["shear_factor"])
    return np.mean(sheared[:, 0] * sheared[:, 1] > 0)


def show(name, shares, *expected):
    print(f"{name:25}", "   ".join(f"{way} {number:.2f}" for way, number in shares.items()), flush=True)
    for number, wanted in zip(shares.values(), expected, strict=True):
        assert abs(number - wanted) < (0.01 if wanted == 1 else 0.06), name


alone = {"f": layers.RandomContrast(f), "jitter": layers.RandomColorJitter(contrast_factor=f)}
alone["(f, f)"] = layers.RandomContrast((f, f))
show("contrast raised", {name: contrast(layer) for name, layer in alone.items()}, 1, 1, 0.5)

whole = {"RandAugment": layers.RandAugment(factor=f), "AugMix": layers.AugMix(factor=f)}
for name, measure, part, layer in (
    ("shifted right", right, "random_translation", layers.RandomTranslation(f, f)),
    ("shifted down", down, "random_translation", layers.RandomTranslation(f, f)),
    ("turned counterclockwise", counterclockwise, "random_rotation", layers.RandomRotation(f)),
    ("made brighter", brighter, "random_brightness", layers.RandomBrightness(f)),
    ("contrast raised", contrast, "random_contrast", layers.RandomContrast((f, f))),
    ("sheared by the same sign", same_sign, "random_shear", layers.RandomShear(f, f)),
):
    shares = {kind: measure(getattr(both, part)) for kind, both in whole.items()}
    show(name, {**shares, "alone": measure(layer)}, 1, 1, 0.5)
PYTHON
