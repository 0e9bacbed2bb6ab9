#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0, Python 3.11): AugMix in a tf.data pipeline or a model draws its operations once.
# It is documented as safe in tf.data. In each call, AugMix is to draw the operations of its chains anew (shear,
# rotation, equalization and so on, or none). It draws them with Python's random.choice, which runs when TensorFlow
# traces the layer, so only for the first batch. All later images, of all epochs, get the same operations
# in the same order; only their strengths and the weights of the chains still vary. So an experiment tests one chance
# pick, and two runs that differ in nothing but that pick train on differently augmented data. With one chain of one
# operation, a pipeline may never change an image at all.
# The argument seed does not reach these draws either: two layers with the same seed disagree.
# Without tracing, each call draws anew. RandAugment draws with TensorFlow, and is right in tf.data, too.
# No error, no warning. Ways out: map with tf.py_function, or RandAugment; keras.utils.set_random_seed for the seed.
#
# Seen (a dot on a grey image; share of images in which the dot was moved, that is, sheared, shifted or turned, for
# several new layers; expected by the number of such operations among all; layers that change no image; and how often
# two layers with the same seed return the same image):
#   AugMix, called         0.36 0.20 0.36 0.44 0.36 0.44 0.36 0.36   expected 0.375
#   AugMix, tf.data        0.00 0.99 0.99 0.00 0.00 1.00 0.00 0.99 0.00 1.00 0.00 0.00   expected 0.375
#   AugMix, fit            0.00 0.00 0.00 0.00 0.00 0.00   expected 0.375
#   RandAugment, tf.data   0.38 0.29   expected 0.273
#   layers that change no image   AugMix, called 0   AugMix, tf.data 1   AugMix, fit 2   RandAugment, tf.data 0
#   two layers with seed=1 agree in 0 of 25 calls
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

keras.utils.set_random_seed(1)
image = np.full((1, 16, 16, 3), 64, "float32")
image[:, 3:6, 4:7] = 200
ground = image[0, :, :, 0] == 64


def one_of_one(**kwargs):  # Of shear, translation, rotation, posterization, solarization, two contrasts, and none.
    return keras.layers.AugMix(num_chains=1, chain_depth=1, all_ops=False, **kwargs)


def called(layer, count=25):
    return np.concatenate([layer(image, training=True) for _ in range(count)])


def data(function, count=100):
    return tf.data.Dataset.from_tensors(image).repeat(count).map(function)


def mapped(layer):
    return np.concatenate(list(data(lambda x: layer(x, training=True)).as_numpy_iterator()))


class Kept(keras.layers.Layer):
    """Hands its input on, and keeps it after each batch."""

    def build(self, shape):
        self.seen, self.factor = self.add_weight(shape=image.shape, trainable=False), self.add_weight(shape=())

    def call(self, inputs):
        self.seen.assign(inputs)
        return self.factor * inputs


def fitted(layer):
    kept, outputs = Kept(), []
    model = keras.Sequential([keras.Input(image.shape[1:], batch_size=1), layer, kept])
    model.compile("sgd", "mse", jit_compile=False)
    keep = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: outputs.append(kept.seen.numpy()))
    model.fit(data(lambda x: (x, x)), shuffle=False, verbose=0, callbacks=[keep])
    return np.concatenate(outputs)


def moved(outputs):  # The other operations turn each pixel by its value, and leave the grey ground uniform.
    return np.mean(np.ptp(outputs[:, ground], axis=(1, 2)) > 0.5)


unchanged = {}
for name, layer, way, layers, expected in (
    ("AugMix, called", one_of_one, called, 8, 3 / 8),
    ("AugMix, tf.data", one_of_one, mapped, 12, 3 / 8),
    ("AugMix, fit", one_of_one, fitted, 6, 3 / 8),
    ("RandAugment, tf.data", lambda: keras.layers.RandAugment(num_ops=1), mapped, 2, 3 / 11),  # And four more.
):
    outputs = [way(layer()) for _ in range(layers)]
    shares = [moved(output) for output in outputs]
    print(f"{name:22}", *(f"{share:.2f}" for share in shares), f"  expected {expected:.3f}", flush=True)
    if layer is one_of_one and way is not called:
        assert all(share < 0.1 or share > 0.8 for share in shares)
    else:
        assert abs(np.mean(shares) - expected) < 0.12 and 0.1 < min(shares) and max(shares) < 0.7
    unchanged[name] = sum(np.abs(output - image).max() < 0.01 for output in outputs)
print("layers that change no image  ", "   ".join(f"{name} {number}" for name, number in unchanged.items()))
assert unchanged["AugMix, called"] == 0

twins = [called(one_of_one(seed=1)) for _ in range(2)]
same = np.isclose(*twins, atol=0.01).all(axis=(1, 2, 3)).sum()
print(f"two layers with seed=1 agree in {same} of 25 calls")
assert same < 20
PYTHON
