#!/usr/bin/env bash
# metricspace 1.2.0 (NumPy 1.26.4, Numba 0.60.0, pandas 2.2.3, Python 3.11): distclust, the classification of spike
# trains by their distances, is right with an exponent and iftrump=1 (the default) alone, and not even there in a tie.
# No error, no warning.
# A spike train goes to the class with the smallest average distance. By the docstring, the sum of a row of the table
# is the number of trains of this class. In a tie of two classes, the first one gets its half, and the other half is
# lost. Without cost for time, where distances are differences of counts, ties are common.
# With expo="median", each class average is NaN, as the distance of a train to itself is left in. The table is 0.
# With iftrump=0, which bootstrapping needs, each class loses its first train, as the ranges count from 1. And with an
# exponent, the distances to all trains are added up to a single number, which is larger than any average. Only the own
# class has an average, so nearly all trains go there: spike trains that tell nothing are classified without errors.
# Way out: the formula, written out below.
#
# Seen (rows of the confusion table of 40 spike trains each with Poisson numbers of spikes of mean 4 and 6 at random
# times, cost 5; of four trains each with three spikes, cost 0):
#   default                  seen 37.0  3.0   40.0  0.0      formula 37.0  3.0   40.0  0.0
#   expo 1, iftrump 1        seen 37.0  3.0   39.0  1.0      formula 37.0  3.0   39.0  1.0
#   expo 1, iftrump 0        seen 40.0  0.0    1.0 39.0      formula 37.0  3.0   39.0  1.0
#   expo 2, iftrump 0        seen 40.0  0.0    1.0 39.0      formula 37.0  3.0   38.0  2.0
#   expo median, iftrump 0   seen 36.0  3.0   40.0  0.0      formula 36.5  3.5   40.0  0.0
#   expo median, iftrump 1   seen  0.0  0.0    0.0  0.0      formula 36.5  3.5   40.0  0.0
#   ties, default            seen  2.0  0.0    2.0  0.0      formula  2.0  2.0    2.0  2.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check metricspace==1.2.0 numpy==1.26.4 numba==0.60.0 \
    pandas==2.2.3
cd "$folder"
HOME=$folder OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import metricspace
import numpy as np

rng = np.random.default_rng(1)


def formula(distances, sizes, expo, trump):
    """Returns the confusion table, with equal shares in a tie."""
    classes = np.repeat(np.arange(len(sizes)), sizes)
    table = np.zeros((len(sizes), len(sizes)))
    for train, true in enumerate(classes):
        averages = []
        for other in range(len(sizes)):
            own = (classes == other) & (np.arange(len(classes)) != train)
            values = distances[own, train]
            if trump and np.any(values == 0):
                averages.append(-np.mean(values == 0))
            elif expo == "median":
                averages.append(np.median(values))
            else:
                averages.append(np.mean(values**expo) ** (1 / expo))
        best = np.isclose(averages, np.min(averages))
        table[true] += best / best.sum()
    return table


def compare(name, distances, sizes, expo, trump, right=False):
    seen = metricspace.distclust(distances.copy(), sizes, expo=expo, iftrump=trump)  # It changes the distances.
    wanted = formula(distances, sizes, expo, trump)
    text = ["   ".join(" ".join(f"{number:4.1f}" for number in row) for row in table) for table in (seen, wanted)]
    print("{:24} seen {}      formula {}".format(name, *text))
    assert np.allclose(seen, wanted) == right and np.allclose(wanted.sum(1), sizes)
    return seen


trains = [np.sort(rng.random(count)) for mean in (4, 6) for count in rng.poisson(mean, 40)]
distances = metricspace.spkd(trains, [5.0])[:, :, 0]
sizes = np.array([40, 40])
compare("default", distances, sizes, -2, 1, right=True)
compare("expo 1, iftrump 1", distances, sizes, 1, 1, right=True)
for expo in (1, 2):
    seen = compare(f"expo {expo}, iftrump 0", distances, sizes, expo, 0)
    assert np.trace(seen) >= 78
compare("expo median, iftrump 0", distances, sizes, "median", 0)
assert not compare("expo median, iftrump 1", distances, sizes, "median", 1).any()
same = [np.sort(rng.random(3)) for _ in range(8)]
assert compare("ties, default", metricspace.spkd(same, [0.0])[:, :, 0], np.array([4, 4]), -2, 1).sum() == 4
PYTHON
