#!/usr/bin/env bash
# Tonic 1.7.0 (NumPy 2.4.6, Python 3.11): its event type, and so most readers of tonic.io and the data sets DVSGesture,
# DSEC, DVSLip and NERDD, keeps the polarity as bool. ToVoxelGrid sets the polarity of OFF events to -1, which
# as a bool is True. So OFF events add where they should subtract, and the grid has no polarity at all.
# UniformNoise draws polarities between 0 and 2, and as a bool each of them is True. So its noise, documented
# as uniform in polarity, is all ON. No error, no warning. With events whose polarity is an int, as other
# data sets of Tonic have, both do what is documented, so the way out is to convert the events first.
#
# Seen (a pixel with three ON events, one with two OFF events; two time bins):
#   ToVoxelGrid   p bool:  ON pixel [1.0, 1.0]  OFF pixel [0.5, 1.0]
#   ToVoxelGrid   p int:   ON pixel [1.0, 1.0]  OFF pixel [-0.5, -1.0]
#   UniformNoise  p bool:  1000 of 1000 noise events are ON
#   UniformNoise  p int:   467 of 1000 noise events are ON
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tonic==1.7.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from tonic import io, transforms

on = np.array([1, 0, 1, 0, 1])
events = io.make_structured_array(1 - on, np.zeros(5), np.arange(0, 50, 10), on)
assert events.dtype["p"] == bool
converted = events.astype([(name, int) for name in events.dtype.names])

size = (2, 1, 2)
seen = {}
for name, recording in (("bool", events), ("int", converted)):
    grid = transforms.ToVoxelGrid(size, n_time_bins=2)(recording)[:, 0, 0].T.tolist()
    np.random.seed(0)
    noisy = transforms.UniformNoise(size, n=1000)(recording)
    assert len(noisy) == 1005
    seen[name] = *grid, np.count_nonzero(noisy["p"]) - 3
for name, (first, second, _) in seen.items():
    print(f"ToVoxelGrid   p {name + ':':6} ON pixel {first}  OFF pixel {second}")
for name, (_, _, number) in seen.items():
    print(f"UniformNoise  p {name + ':':6} {number} of 1000 noise events are ON")
assert seen["bool"] == ([1.0, 1.0], [0.5, 1.0], 1000)
assert seen["int"] == ([1.0, 1.0], [-0.5, -1.0], 467)
PYTHON
