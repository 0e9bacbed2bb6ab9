#!/usr/bin/env bash
# river 0.26.1 (NumPy 2.4.6, SciPy 1.17.1, pandas 2.3.3, Python 3.11): BayesianLinearRegression has a prior with the
# precision alpha, as in the book that it cites (Bishop, 3.50 to 3.54). That is what learn_one() uses. But the model
# also keeps the precision, which starts as I / alpha: the code fills precision and covariance with the same matrix.
# learn_many() goes on from there, and so does all learning with smoothing. So they take 1 / alpha for alpha: a strong
# prior becomes a weak one, and a weak one a strong one, and the same rows give another model by learn_many() than by
# learn_one(). It is right for an alpha of 1, the default. bandit.LinUCBDisjoint hands its alpha and smoothing on to
# this class. No error, no warning.
# The way out is 1 / alpha for a model with smoothing, or one that learns by learn_many() from the start.
#
# Seen (prediction after 20 rows of two features, at 1, 1, where the data give about 3; the same by the closed formula,
# and by the formula with 1 / alpha):
#   smoothing None  alpha  0.1    learn_one 2.957    learn_many 1.852    formula 2.957    inverse 1.852
#   smoothing None  alpha    1    learn_one 2.796    learn_many 2.796    formula 2.796    inverse 2.796
#   smoothing None  alpha   10    learn_one 1.852    learn_many 2.957    formula 1.852    inverse 2.957
#   smoothing 0.9   alpha  0.1    learn_one 1.142    learn_many 1.142    formula 2.925    inverse 1.142
#   smoothing 0.9   alpha    1    learn_one 2.559    learn_many 2.559    formula 2.559    inverse 2.559
#   smoothing 0.9   alpha   10    learn_one 2.925    learn_many 2.925    formula 1.142    inverse 2.925
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check river==0.26.1 numpy==2.4.6 scipy==1.17.1 \
    pandas==2.3.3
cd "$folder"
HOME=$folder OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pandas as pd
from river.linear_model import BayesianLinearRegression

rng = np.random.default_rng(0)
X = rng.normal(size=(20, 2))
y = X @ [1, 2] + rng.normal(size=20) * 0.1


def formula(alpha, smoothing=None):
    precision, target = alpha * np.eye(2), np.zeros(2)
    old, new = (1, 1) if smoothing is None else (smoothing, 1 - smoothing)
    for row, value in zip(X, y):
        precision = old * precision + new * np.outer(row, row)
        target = old * target + new * row * value
    return np.linalg.solve(precision, target).sum()


def learned(alpha, many, smoothing=None):
    model = BayesianLinearRegression(alpha=alpha, beta=1, smoothing=smoothing)
    if many:
        model.learn_many(pd.DataFrame(X), pd.Series(y))
    else:
        for row, value in zip(X, y):
            model.learn_one(dict(enumerate(row)), value)
    return model.predict_one({0: 1.0, 1: 1.0})


for smoothing in (None, 0.9):
    for alpha in (0.1, 1, 10):
        one, many = (learned(alpha, many, smoothing) for many in (False, True))
        right, inverse = formula(alpha, smoothing), formula(1 / alpha, smoothing)
        line = "smoothing {!s:4}  alpha {:4}    learn_one {:.3f}    learn_many {:.3f}"
        line += "    formula {:.3f}    inverse {:.3f}"
        print(line.format(smoothing, alpha, one, many, right, inverse))
        assert np.isclose(many, inverse) and np.isclose(one, inverse if smoothing else right)
        assert np.isclose(right, inverse) == (alpha == 1)
PYTHON
