#!/usr/bin/env bash
# Tonic 1.7.0 (NumPy 2.4.6, Python 3.11): three transforms of event data do other than their documentation says.
# CropTime without a maximum keeps the end of the first recording that it sees as the maximum of all others,
# and drops what they have after it. So a data set depends on which sample is read first, in each worker.
# DropEventByArea with a range of ratios, "randomly chosen in [min, max)", draws from max to 1: with (0.1, 0.8),
# the example of its documentation, an area of 80 to 99 % of each side of the sensor is lost every time.
# RandomFlipPolarity "flips polarity of individual events with p", but flips all events of a recording or none.
# The ways out are an infinite maximum, a ratio that the caller draws, and a mask.
#
# Seen (events left of 100, 1000 and 100; sides of 1000 dropped areas; events flipped of 10000, five times):
#   CropTime(min=0)                [100, 100, 100]
#   CropTime(min=0, max=np.inf)    [100, 1000, 100]
#   DropEventByArea, (0.1, 0.8)    0.80 to 0.99
#   DropEventByArea, drawn outside 0.10 to 0.79
#   RandomFlipPolarity(p=0.5)      [0, 0, 0, 0, 10000]
#   mask                           [5064, 5065, 4930, 5049, 4970]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tonic==1.7.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from tonic import io, transforms

y, x = np.indices((100, 100)).reshape(2, -1)
recording = io.make_structured_array(x, y, np.arange(10000), np.ones(10000))  # Each pixel once.


def lengths(crop):
    return [len(crop(recording[:length])) for length in (100, 1000, 100)]


def sides(draw):  # The root of the dropped area.
    np.random.seed(0)
    left = [len(transforms.DropEventByArea((100, 100, 2), draw())(recording)) for _ in range(1000)]
    return "{:.2f} to {:.2f}".format(*np.sqrt(1 - np.array([max(left), min(left)]) / 10000))


def flipped(flip):
    np.random.seed(0)
    return [int(np.sum(flip(recording)["p"] != recording["p"])) for _ in range(5)]


def mask(events):
    events = events.copy()
    events["p"] ^= np.random.random(len(events)) < 0.5
    return events


for how, seen, expected in (
    ("CropTime(min=0)", lengths(transforms.CropTime(0)), [100, 100, 100]),
    ("CropTime(min=0, max=np.inf)", lengths(transforms.CropTime(0, np.inf)), [100, 1000, 100]),
    ("DropEventByArea, (0.1, 0.8)", sides(lambda: (0.1, 0.8)), "0.80 to 0.99"),
    ("DropEventByArea, drawn outside", sides(lambda: np.random.uniform(0.1, 0.8)), "0.10 to 0.79"),
    ("RandomFlipPolarity(p=0.5)", flipped(transforms.RandomFlipPolarity(0.5)), [0] * 4 + [10000]),
    ("mask", flipped(mask), [5064, 5065, 4930, 5049, 4970]),
):
    print(f"{how:30} {seen}")
    assert seen == expected
PYTHON
