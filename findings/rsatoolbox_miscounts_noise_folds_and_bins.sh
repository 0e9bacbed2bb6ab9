#!/usr/bin/env bash
# rsatoolbox 0.3.2 (NumPy 2.4.6, SciPy 1.17.1, Python 3.11): three functions for comparing representations (RSA) compute
# something else. cov_from_measurements, and so prec_from_measurements, subtract the mean of each condition from
# its repeats, then divide by (conditions - 1) * repeats. The degrees of freedom are conditions * (repeats - 1);
# the documentation names measurements - 1, which is a third number. With many conditions and two repeats,
# the noise comes out at half its size, with two conditions at twice its size, and Mahalanobis and crossnobis
# distances are off by the inverse. cov_from_unbalanced, which also takes balanced data, divides rightly.
# calc_rdm's "poisson_cv" is documented as cross-validated, but overwrites each fold's result by that of the next,
# so that only the last fold is ever the test data. The mean over orders of the folds is the way out.
# calc_rdm_movie takes a list of data sets, but then ignores bins, cv_descriptor, time_descriptor, unbalanced
# and the prior. A call for each data set is the way out.
#
# Seen (variance of the noise over the unbiased estimate; dissimilarities of three conditions measured in three
# folds, and the same from NumPy; time points of a movie of eight steps in two bins):
#   50 conditions, 2 repeats    cov_from_measurements 0.51    cov_from_unbalanced 1.00
#   2 conditions, 50 repeats    cov_from_measurements 1.96    cov_from_unbalanced 1.00
#   poisson_cv           -0.208 -0.022 -0.538    last fold -0.208 -0.022 -0.538    mean  0.327 -0.050 -0.013
#   poisson_cv, averaged  0.327 -0.050 -0.013
#   movie                one data set 2    list of one 8
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rsatoolbox==0.3.2 numpy==2.4.6 scipy==1.17.1
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from rsatoolbox.data import Dataset, TemporalDataset
from rsatoolbox.data.noise import cov_from_measurements, cov_from_unbalanced
from rsatoolbox.rdm import calc_rdm, calc_rdm_movie

rng = np.random.default_rng(0)


def dataset(values, kind=Dataset, order=None):  # Conditions, repeats, channels and, perhaps, time points.
    conditions, repeats = values.shape[:2]
    names = {"condition": np.repeat(np.arange(conditions), repeats)}
    names["fold"] = np.tile(np.arange(repeats) if order is None else order, conditions)
    return kind(values.reshape(-1, *values.shape[2:]), obs_descriptors=names)


for shape in ((50, 2, 8), (2, 50, 8)):
    values = rng.normal(size=shape)
    true = values.var(1, ddof=1).mean()
    measured, unbalanced = (
        np.diag(f(dataset(values), "condition", method="full")).mean() / true
        for f in (cov_from_measurements, cov_from_unbalanced)
    )
    print(f"{shape[0]} conditions, {shape[1]} repeats".ljust(27), end=" ")
    print(f"cov_from_measurements {measured:.2f}    cov_from_unbalanced {unbalanced:.2f}")
    assert np.isclose(measured, shape[0] * (shape[1] - 1) / (shape[0] - 1) / shape[1]) and np.isclose(unbalanced, 1)


def fold(values, left_out):  # The symmetric divergence of training and test rates; the prior is 1, weighted 0.1.
    test, training = (r / 1.1 + 0.1 / 1.1 for r in (values[:, left_out], np.delete(values, left_out, 1).mean(1)))
    pairs = ((0, 1), (0, 2), (1, 2))
    return np.array([(training[i] - training[j]) @ np.log(test[i] / test[j]) for i, j in pairs]) / values.shape[2]


def reported(values, order=(0, 1, 2)):
    data = dataset(values, order=order)
    return calc_rdm(data, "poisson_cv", "condition", cv_descriptor="fold").dissimilarities[0]


values = rng.poisson(5, size=(3, 3, 6)).astype(float)
folds = [fold(values, left_out) for left_out in range(3)]
averaged = np.mean([reported(values, order) for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1))], 0)
seen = reported(values), folds[2], np.mean(folds, 0), averaged
text = [" ".join(f"{number:6.3f}" for number in numbers) for numbers in seen]
print("poisson_cv           {}    last fold {}    mean {}\npoisson_cv, averaged {}".format(*text))
assert np.allclose(seen[0], seen[1]) and np.allclose(seen[2], seen[3]) and not np.allclose(seen[0], seen[2], 0.1)

data = dataset(rng.normal(size=(3, 2, 4, 8)), TemporalDataset)
bins = {"bins": [np.arange(4), np.arange(4, 8)]}
one, many = (calc_rdm_movie(d, "crossnobis", "condition", cv_descriptor="fold", **bins).n_rdm for d in (data, [data]))
print(f"movie                one data set {one}    list of one {many}")
assert (one, many) == (2, 8)
PYTHON
