#!/usr/bin/env bash
# mne-rsa 1.0 (MNE 1.13.2, NumPy 2.4.6, SciPy 1.17.1, Python 3.11; viewers that it asks for are left out): three parts
# of an analysis of representations (RSA) compute something else than documented. No error, no warning.
# compute_rdm_cv, and all functions with n_folds, should measure distances from the mean of all folds but one to the
# one left out. A wrong sign adds the left-out fold to the mean of all instead of removing it. With two folds,
# "training" and test are the same data: nothing is cross-validated. With more, the test fold still counts
# double. So noise that trials of one fold share, for which one cross-validates, counts as similarity.
# rsa with ignore_nan=True should ignore missing values of each data RDM. It also ignores, in all that follow, what was
# missing in the RDMs before, unless n_jobs is above 1.
# searchlight without samples_to has "no upper bound". With samples_from, and without a radius in time, it drops the
# last sample. So do functions of sensors at tmax, which they document to include.
# Ways out: create_folds and cdist; a call per RDM; samples_to given as the number of samples.
#
# Seen (rank correlation with a model of the order of the trials, where each trial of a fold drifts on from the
# one before and no item differs from another, mean of 50 data sets; that of a second RDM whose true value is 0.08,
# after a first with missing values; samples of eight; times):
#   2 folds    mne-rsa  0.85    cross-validated -0.11    within folds  0.85
#   3 folds    mne-rsa  0.85    cross-validated  0.02    within folds  0.84
#   5 folds    mne-rsa  0.86    cross-validated  0.03    within folds  0.86
#   second RDM    after the first 0.00    n_jobs=2 0.08    alone 0.08
#   samples_from=4                 [4 5 6]
#   samples_from=4, samples_to=8   [4 5 6 7]
#   tmin=0.1, tmax=0.3             [0.1 0.2]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mne==1.13.2 nibabel==5.4.2 scikit-learn==1.9.1 \
    numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps mne-rsa==1.0
cd "$folder"
HOME=$folder MPLBACKEND=agg MNE_LOGGING_LEVEL=ERROR OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import mne
import numpy as np
from mne_rsa import compute_rdm_cv, rsa, rsa_array, rsa_evokeds, searchlight
from scipy.spatial.distance import cdist, pdist
from scipy.stats import spearmanr

rng = np.random.default_rng(0)
upper = np.triu_indices(6, 1)
model = pdist(np.arange(6.0)[:, None])  # How far two items are from each other in the order of the trials.


def formula(folds):  # From the mean of all folds but one to the one, averaged over the folds.
    means = [np.delete(folds, left_out, 0).mean(0) for left_out in range(len(folds))]
    return np.mean([cdist(mean, fold, "correlation")[upper] for mean, fold in zip(means, folds)], 0)


def within(folds):
    return np.mean([pdist(fold, "correlation") for fold in folds], 0)


for count in (2, 3, 5):
    rows = []
    for _ in range(50):
        folds = rng.normal(size=(count, 6, 300)).cumsum(1)
        kinds = compute_rdm_cv(folds), formula(folds), within(folds)
        rows.append([spearmanr(kind, model)[0] for kind in kinds])
        assert np.allclose(kinds[0], kinds[2]) == (count == 2)
        labels = np.tile(np.arange(6), count)
        assert np.isclose(rsa_array(folds.reshape(-1, 300), model, labels_X=labels, n_folds=count), rows[-1][0])
    seen = np.mean(rows, 0)
    print("{} folds    mne-rsa {:5.2f}    cross-validated {:5.2f}    within folds {:5.2f}".format(count, *seen))
    assert seen[0] > 0.8 and abs(seen[1]) < 0.2

first, second = rng.random((2, 15))
first[:10] = np.nan
after, jobs = (rsa([first, second], model, ignore_nan=True, n_jobs=n)[1] for n in (1, 2))
alone = rsa(second, model, ignore_nan=True)
print(f"second RDM    after the first {after:.2f}    n_jobs=2 {jobs:.2f}    alone {alone:.2f}")
assert np.allclose([alone, jobs], spearmanr(second, model)[0])
assert np.isclose(after, spearmanr(second[10:], model[10:])[0]) and abs(after - alone) > 0.05

for bounds, expected in (({"samples_from": 4}, [4, 5, 6]), ({"samples_from": 4, "samples_to": 8}, [4, 5, 6, 7])):
    samples = np.arange(8)[next(searchlight((6, 3, 8), **bounds))[2]]
    print(f"{', '.join(f'{key}={value}' for key, value in bounds.items()):30} {samples}")
    assert samples.tolist() == expected

information = mne.create_info(3, sfreq=10, ch_types="eeg")
evokeds = [mne.EvokedArray(rng.normal(size=(3, 8)), information) for _ in range(6)]
times = rsa_evokeds(evokeds, model, temporal_radius=0, tmin=0.1, tmax=0.3).times
print(f"tmin=0.1, tmax=0.3             {times}")
assert np.allclose(times, [0.1, 0.2])
PYTHON
