#!/usr/bin/env bash
# quantus 0.6.0 (PyTorch 2.13.0, NumPy 2.3.5, SciPy 1.17.1, Python 3.11): seven parts of this library for rating
# explanations give numbers that do not depend on what they rate, or not on all of it. No error, no warning.
# Monotonicity is documented to add one feature after the other to a baseline, and to test whether the output never
# falls. It sets each feature to the baseline again. So the model sees nothing but the baseline, and every
# explanation of every model passes.
# SensitivityN correlates how far the output falls, once n features are removed, with the sum of their attributions.
# It removes the features of all steps, but sums the attributions of the last step only. So exact attributions, which
# have to give 1 for each n, fall far short of it.
# SensitivityN, and ROAD, the accuracy on a test set while pixels are removed, use the first batch only (of 64 samples).
# AttributionLocalisation with weighted=True multiplies by the share of the image that is on target. To get the size of
# an image, it drops the first two samples, where it means the first two dimensions. So the score of a sample
# depends on how many others come with it.
# PointingGame means to give NaN where nothing is on target. It gives True, a hit.
# MPRT with return_average_correlation=True is documented as the average over the layers. It includes the comparison of
# the explanation with itself, before any layer is drawn anew, which is 1.
# The rules for the number of bins of EfficientMPRT take the number of dimensions for the number of values.
# Ways out: for ROAD, a batch_size as large as the test set; the score without weights times the share; a mask on the
# result; the average of the dictionary without "original"; n_bins; none for the first two.
#
# Seen (share of random explanations that pass, where each feature raises the output, and where each lowers it; mean
# correlation for a linear model and its exact attributions; the same with the last 36 of 100 samples reversed;
# accuracy of a model that is right for the first 64 of 100 samples; score of one sample with 2, 5 and 9 more; score
# without a target; mean over three layers; bins for 28 * 28 values):
#   Monotonicity, raised     seen 1.000    formula 1.000
#   Monotonicity, lowered    seen 1.000    formula 0.000
#   SensitivityN             seen 0.476    formula 1.000
#   SensitivityN, reversed   seen 0.476    formula 0.164
#   ROAD                     seen 1.000    formula 0.640
#   AttributionLocalisation  seen 0.027 0.007 0.003    formula 0.027 0.027 0.027
#   PointingGame             seen 1.000    formula nan
#   MPRT                     seen 0.392    formula 0.189
#   square_root_choice       seen 1.000    formula 28.000
#   sturges_formula          seen 2.000    formula 10.000
#   rice_rule                seen 2.000    formula 18.000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check quantus==0.6.0 torch==2.13.0 numpy==2.3.5 \
    scipy==1.17.1 scikit-image==0.26.0 scikit-learn==1.9.1 pandas==3.1.1 opencv-python==5.0.0.93
cd "$folder"
HOME=$folder MPLBACKEND=agg OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import quantus
import torch
from quantus.functions import n_bins_func

rng = np.random.default_rng(0)
torch.manual_seed(0)
quiet = {"disable_warnings": True}  # Of hints that all uses of a metric give.
plain = {"abs": False, "normalise": False, **quiet}


def show(name, seen, formula, *expected, tolerance=1e-3):
    columns = [" ".join(f"{number:.3f}" for number in np.ravel(numbers)) for numbers in (seen, formula)]
    print("{:24} seen {}    formula {}".format(name, *columns))
    for numbers, values in zip((seen, formula), expected):
        assert np.allclose(np.ravel(numbers), values, atol=tolerance, equal_nan=True), values


def linear(weights, bias=0.0):
    layer = torch.nn.Linear(*np.shape(weights)[::-1])
    layer.weight.data, layer.bias.data = torch.tensor(weights).float(), torch.zeros(len(weights)) + torch.tensor(bias)
    return torch.nn.Sequential(torch.nn.Flatten(), layer).eval()


def rate(metric, model, images, labels, attributions, **more):
    data = {"x_batch": images, "y_batch": labels, "a_batch": attributions, "softmax": False}
    return metric(model=model, **data, **more)


count = 100
images = rng.random((count, 1, 4, 4)).astype(np.float32)
flat = images.reshape(count, 16)
flat[np.arange(count), rng.integers(0, 16, count)] = 0  # The baseline, "black", is the least value of an image.
labels = np.zeros(count, int)


def monotonic(weights, attributions):
    for image, order in zip(flat, np.argsort(attributions.reshape(count, 16))):
        point, outputs = np.zeros(16), [0.0]
        for feature in order:
            point[feature] = image[feature]
            outputs.append(point @ weights)
        yield np.all(np.diff(outputs) >= 0)


random = rng.normal(size=images.shape)
for name, sign in (("raised", 1), ("lowered", -1)):
    weights = np.full((8, 16), sign)
    seen = rate(quantus.Monotonicity(**plain), linear(weights), images, labels, random)
    show(f"Monotonicity, {name}", np.mean(seen), np.mean(list(monotonic(weights[0], random))), 1, sign > 0)

weights = rng.normal(size=(8, 16)).astype(np.float32)
model = linear(weights)
exact = weights[0] * flat


def sensitivity(attributions):  # The correlations over the samples for each n up to 80 % of the features.
    order = np.argsort(-attributions)
    sums, falls = (np.cumsum(np.take_along_axis(a, order, 1), 1) for a in (attributions, exact))
    return np.mean([np.corrcoef(sums[:, n], falls[:, n])[0, 1] for n in range(12)])


reversed_last = exact * np.where(np.arange(count) < 64, 1, -1)[:, None]
metric = quantus.SensitivityN(**plain)
for name, attributions in (("", exact), (", reversed", reversed_last)):
    seen = rate(metric, model, images, labels, attributions.reshape(images.shape))
    first = rate(metric, model, images[:64], labels[:64], attributions[:64].reshape(images[:64].shape))
    show(f"SensitivityN{name}", seen, sensitivity(attributions))
    assert np.isclose(seen, first) and seen[0] < 0.7
assert np.isclose(sensitivity(exact), 1) and sensitivity(reversed_last) < seen[0] - 0.1

right = np.arange(count) < 64
model = linear(np.zeros((2, 16)), [0.0, 1.0])  # Its answer is always 1.
metric = quantus.ROAD(percentages=[50], **quiet)
seen, whole = (rate(metric, model, images, right.astype(int), random, batch_size=size)[50] for size in (64, count))
show("ROAD", seen, right.mean(), 1, 0.64)
assert np.isclose(whole, 0.64)

target = np.zeros(images.shape, int)
target[:, :, :2, :2] = 1
positive = np.abs(exact).reshape(images.shape)
metric = quantus.AttributionLocalisation(weighted=True, **quiet)
batches = [slice(count - size, count) for size in (3, 6, 10)]
seen = [rate(metric, model, images[b], labels[b], positive[b], s_batch=target[b])[-1] for b in batches]
score = (positive[-1] * target[-1]).sum() / positive[-1].sum() * target[-1].mean()
show("AttributionLocalisation", seen, [score] * 3, [score, score / 4, score / 8], score, tolerance=1e-6)

seen = rate(quantus.PointingGame(**quiet), model, images[:1], labels[:1], positive[:1], s_batch=0 * target[:1])
show("PointingGame", seen, np.nan, 1, np.nan)

deep = [layer for size in (16, 8, 8) for layer in (torch.nn.Linear(size, 8), torch.nn.ReLU())]
deep = torch.nn.Sequential(torch.nn.Flatten(), *deep[:-1]).eval()


def gradients(model, inputs, targets, **_):
    inputs = torch.tensor(inputs, requires_grad=True)
    model(inputs)[np.arange(len(inputs)), targets].sum().backward()
    return inputs.grad.numpy()


few = images[:8], labels[:8], None
layers, seen = (
    rate(quantus.MPRT(return_average_correlation=average, **plain), deep, *few, explain_func=gradients)
    for average in (False, True)
)
assert np.allclose(layers.pop("original"), 1) and len(layers) == 3
formula = np.mean(list(layers.values()))
show("MPRT", np.mean(seen), formula, (1 + 3 * formula) / 4)

maps = rng.normal(size=(1, 1, 28, 28))
for name, formula, expected in (
    ("square_root_choice", 784**0.5, 1),
    ("sturges_formula", np.log2(784) + 1, 2),
    ("rice_rule", 2 * 784 ** (1 / 3), 2),
):
    show(name, getattr(n_bins_func, name)(maps), np.floor(formula), expected)
PYTHON
