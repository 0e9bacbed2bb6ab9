#!/usr/bin/env bash
# saliency 0.2.1 (PAIR; scikit-image 0.26.0, NumPy 2.4.6, SciPy 1.17.1, Python 3.11): three parts of this library for
# explaining networks by maps of pixels return other maps than documented. No error, no warning.
# BlurIG documents batch_size as the number of steps per call of the model. With sqrt=True, where steps grow smaller,
# each batch counts all of its steps at the size of its last one. So the larger the batches, the less of the
# change of the output is attributed. Also, max_sigma is documented as the largest blur; with sqrt=True, it is its
# root. With sqrt=False, all is right.
# IntegratedGradients and XRAI subtract the baseline in the type of the image. In an image of bytes, pixels darker than
# the baseline wrap around, and the path runs away from the image. XRAI always uses such a baseline, the
# brightest value, unless told otherwise. So segments get the other sign and rank.
# VisualizeImageDiverging is documented to map to -1 to 1 and to leave 0 at 0. It maps to 0 to 1, and 0 to 0.5.
# Ways out: sqrt=False, or a batch_size of 1 and the square of the wanted max_sigma; images of floats; 2 * map - 1 for
# what the percentile does not clip.
#
# Seen (sums of BlurIG for a linear model, whose output changes by -8.69 up to a blur of 4 and by -7.48 up to 2, with
# max_sigma=4 and batches of 1, 10, 100 and 1000; XRAI for the dark half of a photo, which raises the output,
# and for the bright half, and the same by the formula; maps of values):
#   BlurIG, sqrt=False   -8.69  -8.69  -8.69  -8.69
#   BlurIG, sqrt=True    -7.46  -7.30  -6.30  -3.14
#   XRAI, bytes          -60.5  100.2    ranks [2 1]
#   XRAI, floats          67.5   36.2    ranks [1 2]
#   XRAI, formula         67.5   36.2
#   values                -2.0   -1.0    0.0    1.0    2.0
#   diverging             0.00   0.25   0.50   0.75   1.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check saliency==0.2.1 scikit-image==0.26.0 numpy==2.4.6 \
    scipy==1.17.1
cd "$folder"
HOME=$folder OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import saliency.core as saliency
from scipy.ndimage import gaussian_filter

rng = np.random.default_rng(0)


def model(weights):  # Linear, so that attributions have a formula.
    def call(batch, call_model_args=None, expected_keys=None):
        return {saliency.INPUT_OUTPUT_GRADIENTS: np.broadcast_to(weights, np.shape(batch))}

    return call


def text(numbers, digits):
    return " ".join(f"{number:6.{digits}f}" for number in numbers)


image, weights = rng.random((12, 12, 1)), rng.normal(size=(12, 12, 1))
blurred = {sigma: gaussian_filter(image, (sigma, sigma, 0), mode="constant") for sigma in (2, 4)}
change = {sigma: np.sum(weights * (image - blurred[sigma])) for sigma in blurred}
for root, steps in ((False, [change[4]] * 4), (True, [change[2], -7.30, -6.30, -3.14])):
    settings = {"max_sigma": 4, "steps": 1000, "sqrt": root}
    sizes = 1, 10, 100, 1000
    sums = [saliency.BlurIG().GetMask(image, model(weights), batch_size=size, **settings).sum() for size in sizes]
    print(f"BlurIG, sqrt={root}".ljust(20) + text(sums, 2))
    assert np.allclose(sums, steps, atol=0.03)
squared = saliency.BlurIG().GetMask(image, model(weights), max_sigma=16, steps=1000, sqrt=True).sum()
assert np.isclose(squared, change[4], atol=0.1)

photo = np.full((8, 8, 3), 60, np.uint8)
photo[:, 4:] = 200
photo[0, 0], photo[-1, -1] = 0, 255
weights = np.where(photo == 200, 0.5, -1)
dark = np.tile(np.arange(8) < 4, (8, 1))
parameters = saliency.XRAIParameters(return_xrai_segments=True)
parameters.experimental_params["min_pixel_diff"] = 1
halves = [dark & (photo[..., 0] == 60), ~dark & (photo[..., 0] == 200), (photo[..., 0] % 255) == 0]
formula = [np.mean([weight * (value - baseline) for baseline in (0, 255)]) for weight, value in ((-1, 60), (0.5, 200))]
for name, kind, expected, ranks in (
    ("bytes", photo, [-60.5, 100.25], [2, 1]),
    ("floats", photo.astype(float), formula, [1, 2]),
):
    seen = saliency.XRAI().GetMaskWithDetails(kind, model(weights), segments=halves, extra_parameters=parameters)
    values, order = seen.attribution_mask[1, [1, 6]], seen.segments[1, [1, 6]]
    print(f"XRAI, {name}".ljust(20) + f"{text(values, 1)}    ranks {order}")
    assert np.allclose(values, expected) and order.tolist() == ranks
print("XRAI, formula".ljust(20) + text(formula, 1))

values = np.arange(-2.0, 3)
seen = saliency.VisualizeImageDiverging(values[None, :, None], percentile=100)[0]
print("values".ljust(20) + text(values, 1) + "\n" + "diverging".ljust(20) + text(seen, 2))
assert np.allclose(seen, [0, 0.25, 0.5, 0.75, 1])
PYTHON
