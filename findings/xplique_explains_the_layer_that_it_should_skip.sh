#!/usr/bin/env bash
# xplique 2.0.2 (TensorFlow 2.20.0, Keras 3.15.1, NumPy 2.4.6, scikit-learn 1.7.2, Python 3.11): five parts of this
# library for explaining Keras models do not do what they document. No error, no warning.
# output_layer is documented as the layer to explain, and the documentation recommends the one before the softmax. No
# method based on gradients uses it: all explain the last layer. So an input that raises a logit can get less than
# one that has no effect on it at all. GradCAM and GradCAMPP ignore operator, the function to explain, too.
# GradCAMPP divides by the mean of a feature map, where Grad-CAM++ (equation 19) has the sum. So strong channels count
# for too much, and the more so, the larger the map.
# ModelRandomizationMetric compares a method's maps before and after the weights are drawn anew. GradCAM keeps on
# explaining the weights from before, gets 1 and fails the check. And the default, the top 25 % of the layers, is
# rounded down: in models of up to three layers with weights, nothing changes, and all methods get 1.
# KernelShap is documented to obtain Shapley values. It never runs the input itself and the reference, so the values
# need not add up to the difference between the two. Those of two features always add up to 0, and an effect that
# needs all features is not seen.
# amplitude, for the Sobol and HSIC methods, is documented as X + (M - 0.5) * sigma. It is X * (M - 0.5) * sigma.
# Ways out: keras.Model(model.inputs, layer.output) in the place of output_layer; a new GradCAM for the changed model,
# and stop_layer=1; shap's KernelExplainer; a function of one's own as perturbation_function.
#
# Seen (attributions of the three inputs of a linear model; maps of two halves of an image, each with a channel of its
# own, where the operator is the difference of two classes; correlations of maps from before and after; values of
# features that are 1, with 0 as reference; pixels, all 2, at masks of 0.5 and 0.75):
#   Saliency                seen 0.393 0.393 0.590    formula 1.000 2.000 0.000    of softmax 0.393 0.393 0.590
#   IntegratedGradients     seen 0.462 0.462 -0.693    formula 1.000 2.000 0.000    of softmax 0.462 0.462 -0.693
#   GradCAM, output_layer   seen 0.026 0.000    formula 0.125 0.250    of softmax 0.026 0.000
#   GradCAM, operator       seen 0.125 0.250    formula 0.250 0.000
#   GradCAMPP, ratio        seen 2.500    formula 1.111
#   Randomized, GradCAM     seen 1.000    by hand -0.109
#   Randomized, 25 %        seen 1.000    one layer 0.349
#   KernelShap, a + 2b      seen -0.500 0.500    formula 1.000 2.000
#   KernelShap, abc         seen 0.000 0.000 0.000    formula 0.333 0.333 0.333
#   amplitude               seen 0.000 0.500    formula 2.000 2.250
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
install() { "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
install tensorflow==2.20.0 keras==3.15.1 tf-keras==2.20.1 tensorflow-probability==0.25.0 numpy==2.4.6 scipy==1.15.3 \
    scikit-learn==1.7.2 scikit-image==0.25.2 opencv-python-headless==5.0.0.93 matplotlib==3.11.2 einops==0.8.2 \
    Deprecated==1.3.1
install --no-deps xplique==2.0.2  # Without CUDA and a linter, which it names as requirements.
cd "$folder"
HOME=$folder MPLBACKEND=agg OMP_NUM_THREADS=1 CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" \
    -W ignore - 2> errors <<'PYTHON' || { cat errors; exit 1; }
import itertools
import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from scipy.stats import spearmanr
from xplique.attributions import GradCAM, GradCAMPP, IntegratedGradients, KernelShap, Saliency
from xplique.attributions.global_sensitivity_analysis import amplitude
from xplique.metrics import ModelRandomizationMetric
from xplique.metrics.randomization import ProgressiveLayerRandomization


def show(name, **columns):
    columns = {key: " ".join(f"{x:.3f}" for x in np.ravel(values) + 0.0) for key, values in columns.items()}
    print(f"{name:24}" + "    ".join(f"{key.replace('_', ' ')} {text}" for key, text in columns.items()))


def constant(values):
    return keras.initializers.Constant(np.array(values, np.float32))


def logits(weights):
    return layers.Dense(np.shape(weights)[1], use_bias=False, kernel_initializer=constant(weights), name="logits")


def up_to_logits(model):
    return keras.Model(model.inputs, model.get_layer("logits").output)


weights = np.array([[1, -1], [2, 0], [0, 3]])
model = keras.Sequential([layers.Input((3,)), logits(weights), layers.Softmax()])
inputs, target = np.ones((1, 3), np.float32), np.eye(2, dtype=np.float32)[:1]
steps = np.linspace(0, 1, 1000)  # The logits are 3 and 2 times these.
slopes = 1 / (1 + np.exp(-steps)) / (1 + np.exp(steps))
for method, slope, rectify in ((Saliency, slopes[-1], np.abs), (IntegratedGradients, slopes.mean(), np.array)):
    formula, softmax = rectify(weights[:, 0]), rectify(slope * (weights[:, 0] - weights[:, 1]))
    seen = method(model, output_layer="logits")(inputs, target)
    show(method.__name__, seen=seen, formula=formula, of_softmax=softmax)
    assert np.allclose(seen, softmax, atol=1e-3) and np.allclose(method(model)(inputs, target), seen)
    assert np.allclose(method(up_to_logits(model))(inputs, target), formula, atol=1e-4)

image = np.zeros((1, 4, 4, 2), np.float32)
image[0, :, :2, 0] = image[0, :, 2:, 1] = 2


def network(weights, *more):  # Whose feature maps are the channels of the image.
    identity = layers.Conv2D(2, 1, use_bias=False, kernel_initializer=constant(np.eye(2)[None, None]))
    return keras.Sequential([layers.Input((4, 4, 2)), identity, layers.Flatten(), logits(weights), *more])


def halves(explanation):
    return np.array(explanation)[0, 0, [0, -1], 0]


effects = np.array([[1, -1], [2, 6]]) / 16
model = network(np.tile(effects, (16, 1)), layers.Softmax())
formula, difference = 2 * effects[:, 0], effects[:, 0] - effects[:, 1]
chance = 1 / (1 + math.exp(2))  # The logits are 3 and 5.
softmax = 2 * np.maximum(chance * (1 - chance) * difference, 0)
seen = halves(GradCAM(model, output_layer="logits")(image, target))
show("GradCAM, output_layer", seen=seen, formula=formula, of_softmax=softmax)
assert np.allclose(seen, softmax, atol=1e-5)
model = up_to_logits(model)
assert np.allclose(halves(GradCAM(model)(image, target)), formula)


def operator(model, inputs, targets):
    return tf.reduce_sum(model(inputs) * (2 * targets - 1), axis=-1)


seen = halves(GradCAM(model, operator=operator)(image, target))
show("GradCAM, operator", seen=seen, formula=np.maximum(2 * difference, 0))
assert np.allclose(seen, formula)

gradients, sums = np.array([1, 10]), 16  # Of each pixel; of each channel.
first, second = halves(GradCAMPP(network(np.tile(gradients[:, None] * [1, 0], (16, 1))))(image, target))
channels = 16 * gradients / (2 + sums * gradients)
show("GradCAMPP, ratio", seen=second / first, formula=channels[1] / channels[0])
assert np.isclose(second / first, 2.5) and np.isclose(channels[1] / channels[0], 10 / 9)

keras.utils.set_random_seed(0)
model = [layers.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.ReLU(), layers.Conv2D(4, 3), layers.Flatten()]
model = keras.Sequential([*model, layers.Dense(3)])
images = np.random.default_rng(0).normal(size=(8, 8, 8, 1)).astype(np.float32)
targets = np.eye(3, dtype=np.float32)[np.arange(8) % 3]
some = np.ptp(GradCAM(model)(images, targets), axis=(1, 2, 3)) > 0  # The maps of others are empty.
images, targets = images[some], targets[some]
everything = ProgressiveLayerRandomization(1.0)
seen = ModelRandomizationMetric(model, images, targets, everything)(GradCAM(model))
random = keras.models.clone_model(model)
maps = [np.array(GradCAM(kind)(images, targets)) for kind in (model, everything.randomize(random))]
by_hand = np.nanmean([spearmanr(before.ravel(), after.ravel())[0] for before, after in zip(*maps)])
show("Randomized, GradCAM", seen=seen, by_hand=by_hand)
assert np.isclose(seen, 1) and by_hand < 0.7
seen = ModelRandomizationMetric(model, images, targets)(Saliency(model))
one = ModelRandomizationMetric(model, images, targets, ProgressiveLayerRandomization(1))(Saliency(model))
show("Randomized, 25 %", seen=seen, one_layer=one)
assert np.isclose(seen, 1) and one < 0.7


def shapley(function, count):  # Of ones, with zeros as the reference.
    values = np.zeros(count)
    for order in itertools.permutations(range(count)):
        point = np.zeros(count)
        for feature in order:
            before = function(point)
            point[feature] = 1
            values[feature] += function(point) - before
    return values / math.factorial(count)


for name, function, count, expected in (
    ("a + 2b", lambda x: x[..., 0] + 2 * x[..., 1], 2, [-0.5, 0.5]),
    ("abc", lambda x: x[..., 0] * x[..., 1] * x[..., 2], 3, [0, 0, 0]),
):
    explainer = KernelShap(lambda x: np.array(function(x))[:, None])
    seen = explainer(np.ones((1, count), np.float32), np.ones((1, 1), np.float32))
    show(f"KernelShap, {name}", seen=seen, formula=shapley(function, count))
    assert np.allclose(seen, expected, atol=1e-5)

masks = np.array([0.5, 0.75], np.float32)
seen = amplitude(tf.fill((4, 4, 1), 2.0))(tf.tile(masks[:, None, None, None], (1, 4, 4, 1)))[:, 0, 0, 0]
show("amplitude", seen=seen, formula=2 + masks - 0.5)
assert np.allclose(seen, 2 * (masks - 0.5))
PYTHON
