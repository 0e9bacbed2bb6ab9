#!/usr/bin/env bash
# ssm-simulators 0.12.5 (NumPy 2.2.6, SciPy 1.15.3, Python 3.11): conflict models in which the end of a stimulus has no
# effect, or the stimulus never appears. No error, no warning.
# conflict_stimflexrel1_leak and conflict_stimflexrel1_leak2 have a target and a distractor with an onset and an offset
# each. The first of them appears at time 0, and the other one later by the difference of their onsets.
# The first model lists toffset and doffset among its parameters, with bounds and defaults. But its drift function is
# registered without them: both stimuli stay until the end of each trial, whatever the offsets. A network that is
# trained on such simulations learns that they do not matter, and a fit returns their prior.
# The second model uses them. The drift function documents them as durations and takes them for times of day, though the
# onsets have been moved by the first onset, and they have not. So they are durations for the stimulus that comes first
# alone, and times for both only if the first onset is 0. A target of 0.3 seconds that appears 0.5 seconds after the
# distractor never appears.
# Ways out: for the first model, add both names to the parameters of the drift function, as below (mended); for the
# second one, pass as offsets the time of the end after the first onset.
#
# Seen (share of choices of the target and mean reaction time of 4000 trials, as simulated and by a NumPy simulation for
# offsets that are durations and for offsets that are times):
#                             onsets    offsets       seen          durations     times
#   conflict_stimflexrel1_leak  0.0 0.0   9.0 9.0       0.990 1.28 s  0.990 1.30 s  0.990 1.30 s
#   conflict_stimflexrel1_leak  0.0 0.0   0.1 0.8       0.990 1.28 s  0.238 2.18 s  0.238 2.18 s
#   conflict_stimflexrel1_leak  0.0 0.0   0.8 0.1       0.990 1.28 s  0.967 1.01 s  0.967 1.01 s
#   conflict_stimflexrel1_leak2 0.0 0.0   0.1 0.8       0.252 2.17 s  0.238 2.18 s  0.238 2.18 s
#   conflict_stimflexrel1_leak2 0.0 0.0   0.8 0.1       0.969 1.02 s  0.967 1.01 s  0.967 1.01 s
#   conflict_stimflexrel1_leak2 0.6 0.6   0.8 0.8       0.839 1.81 s  0.829 1.82 s  0.590 2.48 s
#   conflict_stimflexrel1_leak2 0.5 0.0   0.8 0.3       0.597 2.31 s  0.810 1.53 s  0.586 2.34 s
#   conflict_stimflexrel1_leak2 0.5 0.0   0.3 0.3       0.358 2.44 s  0.586 2.34 s  -
#   conflict_stimflexrel1_leak2 0.6 0.3   0.8 0.5       0.693 2.18 s  0.828 1.67 s  0.580 2.48 s
#   mended                      0.0 0.0   0.1 0.8       0.252 2.17 s  0.238 2.18 s  0.238 2.18 s
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.2.6 scipy==1.15.3 pandas==2.2.3 \
    cloudpickle==3.1.1 psutil==7.0.0 pyyaml==6.0.2 tqdm==4.67.1 scikit-learn==1.6.1 pathos==0.3.4
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps ssm-simulators==0.12.5
cd "$folder"
HOME=$folder OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from ssms.basic_simulators.simulator import simulator
from ssms.config import get_drift_registry, model_config

BOUND, BEFORE, STEP, TRIALS = 1.5, 0.3, 0.001, 4000
TARGET, DISTRACTOR = 3.0, -1.5  # Drift while each is shown: velocity times coherence.
CONSTANT = {"v": 0.0, "a": BOUND, "z": 0.5, "t": BEFORE, "vt": 3.0, "vd": 3.0, "tcoh": 1.0, "dcoh": -0.5}


def summary(target, times):
    return target.mean(), times.mean()


def library(model, onsets, offsets):
    theta = dict(CONSTANT, tonset=onsets[0], donset=onsets[1], toffset=offsets[0], doffset=offsets[1])
    theta |= {name: 0.0 for name in ("g", "gt", "gd") if name in model_config[model]["params"]}  # No leak.
    assert set(theta) == set(model_config[model]["params"])
    out = simulator(theta=theta, model=model, n_samples=TRIALS, random_state=1, delta_t=STEP)
    return summary(out["choices"].ravel() > 0, out["rts"].ravel())


def formula(onsets, ends):
    """Returns the same for a walk with the drift of the stimuli that are shown."""
    rng = np.random.default_rng(0)
    place, time, walking = np.zeros(TRIALS), np.zeros(TRIALS), np.ones(TRIALS, bool)
    for step in range(20000):
        shown = [onset <= step * STEP + 1e-9 <= end for onset, end in zip(onsets, ends)]
        drift = TARGET * shown[0] + DISTRACTOR * shown[1]
        place[walking] += drift * STEP + np.sqrt(STEP) * rng.standard_normal(walking.sum())
        time[walking] += STEP
        walking &= np.abs(place) < BOUND
        if not walking.any():
            break
    return summary(place > 0, time + BEFORE)


def close(one, other):
    return abs(one[0] - other[0]) < 0.04 and abs(one[1] - other[1]) < 0.12


LEAK, LEAK2 = "conflict_stimflexrel1_leak", "conflict_stimflexrel1_leak2"
cases = [
    (LEAK, (0.0, 0.0), (9.0, 9.0), (True, True)),
    (LEAK, (0.0, 0.0), (0.1, 0.8), (False, False)),
    (LEAK, (0.0, 0.0), (0.8, 0.1), (False, False)),
    (LEAK2, (0.0, 0.0), (0.1, 0.8), (True, True)),
    (LEAK2, (0.0, 0.0), (0.8, 0.1), (True, True)),
    (LEAK2, (0.6, 0.6), (0.8, 0.8), (True, False)),
    (LEAK2, (0.5, 0.0), (0.8, 0.3), (False, True)),
    (LEAK2, (0.5, 0.0), (0.3, 0.3), (False, None)),
    (LEAK2, (0.6, 0.3), (0.8, 0.5), (False, False)),
    (LEAK, (0.0, 0.0), (0.1, 0.8), (True, True)),
]
for number, (model, onsets, offsets, right) in enumerate(cases):
    mended = number == len(cases) - 1
    if mended:
        get_drift_registry().get("conflict_stimflexrel1_drift")["params"] += ["toffset", "doffset"]
    first = min(onsets)
    starts = [onset - first for onset in onsets]
    seen = library(model, onsets, offsets)
    durations = formula(starts, [start + offset for start, offset in zip(starts, offsets)])
    times = formula(starts, [offset - first for offset in offsets])
    text = ["{:.3f} {:.2f} s".format(*numbers) for numbers in (seen, durations, times)]
    if right[1] is None:  # Such times mean an end before the onset.
        text[2] = "-"
    name = "mended" if mended else model
    print("{:27} {} {}   {} {}       {}  {}  {}".format(name, *onsets, *offsets, *text))
    assert close(seen, durations) == right[0] and right[1] in (None, close(seen, times))
    if model == LEAK and not mended:
        assert close(seen, formula((0, 0), (20, 20)))
PYTHON
