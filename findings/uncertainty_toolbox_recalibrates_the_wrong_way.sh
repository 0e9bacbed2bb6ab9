#!/usr/bin/env bash
# uncertainty-toolbox 0.1.1 (NumPy 1.26.4, SciPy 1.13.1, scikit-learn 1.5.2, Matplotlib 3.7.5, Python 3.11): measures
# and recalibrations of quantiles take the mirror image of the data. No error, no warning.
# get_proportion_under_quantile, and the proportions with prop_type="quantile", should be the shares of the data below
# the predicted quantiles. They are computed from prediction minus data, where data minus prediction is needed. So they
# are the shares above the quantiles on the other side: of data that lie above the prediction, most count as below.
# Calibration errors hide this, as the mirror image has the same error. But get_quantile_recalibrator learns from the
# proportions. If the predictions are too low, it moves the quantiles down, by as much as they should go up. The
# recalibrated quantiles are worse than the original ones, by twice as much. Only symmetric errors are corrected well.
# Way out: get_quantile_recalibrator(-y_pred, y_std, -y_true), which mirrors the data once more; its result is then
# used with the predictions as they are.
#
# Seen (2000 predictions of mean 0 and deviation 1, of data of mean 1: share of the data below the predicted quantile,
# as reported and as counted; recalibrated quantile, and share of new data below it; with the way out):
#   level 0.1   below: reported 0.39 counted 0.01   recalibrated -2.25,   0% of new below   way out -0.28,   9% below
#   level 0.5   below: reported 0.83 counted 0.17   recalibrated -0.97,   2% of new below   way out  0.97,  50% below
#   level 0.9   below: reported 0.99 counted 0.61   recalibrated  0.28,  24% of new below   way out  2.25,  89% below
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uncertainty-toolbox==0.1.1 numpy==1.26.4 \
    scipy==1.13.1 scikit-learn==1.5.2 matplotlib==3.7.5
cd "$folder"
HOME=$folder MPLBACKEND=agg OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from scipy.stats import norm
from uncertainty_toolbox.metrics_calibration import get_proportion_lists_vectorized, get_proportion_under_quantile
from uncertainty_toolbox.recalibration import get_quantile_recalibrator

data, new = np.random.default_rng(0).normal(1, 1, size=(2, 2000))
mean, deviation = np.zeros(2000), np.ones(2000)
one = np.zeros(1), np.ones(1)  # A single prediction.
recalibrate = get_quantile_recalibrator(mean, deviation, data)
mirrored = get_quantile_recalibrator(-mean, deviation, -data)
expected, observed = get_proportion_lists_vectorized(mean, deviation, data, prop_type="quantile")

for level in (0.1, 0.5, 0.9):
    reported = get_proportion_under_quantile(mean, deviation, data, level)
    counted = np.mean(data <= norm.ppf(level))
    seen, mended = (float(f(*one, level)[0]) for f in (recalibrate, mirrored))
    print(
        f"level {level}   below: reported {reported:.2f} counted {counted:.2f}   recalibrated {seen:5.2f}, "
        f"{np.mean(new <= seen):4.0%} of new below   way out {mended:5.2f}, {np.mean(new <= mended):4.0%} below"
    )
    assert np.isclose(reported, np.mean(-data <= norm.ppf(level))) and reported - counted > 0.2
    assert np.isclose(reported, np.interp(level, expected, observed), atol=0.01)
    assert abs(np.mean(new <= mended) - level) < 0.05 < 0.09 < level - np.mean(new <= seen)
PYTHON
