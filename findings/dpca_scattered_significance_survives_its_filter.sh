#!/usr/bin/env bash
# dPCA 1.0.5 (NumPy 1.26.4, SciPy 1.13.1, scikit-learn 1.4.2, Numba 0.60.0, Python 3.11): the filter for significant
# time points that stand alone stops working after the first few of them. No error, no warning.
# significance_analysis(n_consecutive=n) documents that at least n time points in a row have to be significant, as
# single ones are significant by chance. denoise_mask() counts the significant points of a run, and clears runs of fewer
# than n. But the count is not set back to 0 at the end of a run. So it counts all significant points so far. Once these
# are n, no later run is cleared, however short. And a run at the end of the mask is never cleared, as no point follows.
# So after the response to a stimulus, each point that is significant by chance stays. A larger n_consecutive only
# delays this.
# Way out: significance_analysis(full=True) with n_consecutive=1, and a filter of one's own, as below.
#
# Seen (masks of 60 time points, before the filter, after it, and as documented; stimulus components of 10 neurons
# that respond to the stimulus in time points 20 to 39 only):
#   every third point           #..#..#..#..#..#..#..#..#..#..#..#..#..#..#..#..#..#..#..#..
#     10 in a row, seen         ...........................#..#..#..#..#..#..#..#..#..#..#..
#     10 in a row, documented   ............................................................
#   response, then chance       ....................####################...#...##...#...#...
#     10 in a row, seen         ....................####################...#...##...#...#...
#     10 in a row, documented   ....................####################....................
#   at the end                  ..........................................................##
#     10 in a row, seen         ..........................................................##
#     10 in a row, documented   ............................................................
#   component 1                 ..............#.....########.####.######...............#....
#     10 in a row, seen         .............................####.######...............#....
#     10 in a row, documented   ............................................................
#   component 2                 .................#..#..###.###......##.#....................
#     10 in a row, seen         ....................................##.#....................
#     10 in a row, documented   ............................................................
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dPCA==1.0.5 numpy==1.26.4 scipy==1.13.1 \
    scikit-learn==1.4.2 numba==0.60.0 numexpr==2.10.0
cd "$folder"
HOME=$folder OMP_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import contextlib
import io

import numba
import numpy as np
from dPCA.dPCA import dPCA
from dPCA.utils import denoise_mask

TIMES, STIMULI, NEURONS, TRIALS = 60, 3, 10, 8


def formula(mask, count):
    """Clears all runs of fewer points."""
    edges = np.flatnonzero(np.diff(np.r_[0, mask, 0]))
    result = np.zeros_like(mask)
    for start, end in zip(edges[::2], edges[1::2]):
        result[start:end] = end - start >= count
    return result


def show(name, mask):
    print(name.ljust(27), "".join(".#"[point] for point in mask))


for name, mask in (
    ("every third point", np.arange(TIMES) % 3 == 0),
    ("response, then chance", np.isin(np.arange(TIMES), [*range(20, 40), 43, 47, 48, 52, 56])),
    ("at the end", np.arange(TIMES) > 57),
):
    mask = mask.astype(np.int32)
    show(name, mask)
    seen, wanted = denoise_mask(mask.copy(), 10), formula(mask, 10)
    show("  10 in a row, seen", seen)
    show("  10 in a row, documented", wanted)
    assert not np.array_equal(seen, wanted)

rng = np.random.default_rng(0)
trials = rng.standard_normal((TRIALS, NEURONS, STIMULI, TIMES))
trials[:, :, :, 20:40] += rng.standard_normal((NEURONS, STIMULI, 1))
mean = trials.mean(0)
mean -= mean.reshape(NEURONS, -1).mean(1)[:, None, None]
np.random.seed(0)
numba.njit(lambda: np.random.seed(0))()  # Numba has random numbers of its own.
model = dPCA(labels="st", join={"st": ["s", "st"]}, n_components=2, regularizer=1e-4)
model.protect = ["t"]
with contextlib.redirect_stdout(io.StringIO()):  # Its progress.
    masks, scores, shuffled = model.significance_analysis(
        mean, trials, axis=True, n_shuffles=20, n_splits=5, n_consecutive=10, full=True
    )
kept = 0
for component in (0, 1):
    mask = (scores["st"] > np.max(shuffled["st"], axis=0))[component].astype(np.int32)
    seen, wanted = masks["st"][component].astype(np.int32), formula(mask, 10)
    show(f"component {component + 1}", mask)
    show("  10 in a row, seen", seen)
    show("  10 in a row, documented", wanted)
    kept += seen[40:].sum()
    assert np.all(seen <= mask) and np.all(wanted <= seen) and not wanted[40:].any()
assert kept > 0  # Significant time points after the response.
PYTHON
