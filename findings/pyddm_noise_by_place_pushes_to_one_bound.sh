#!/usr/bin/env bash
# pyddm 0.9.0 (NumPy 1.26.4, SciPy 1.13.1, Python 3.11): noise that depends on the place of the particle moves it to
# where the noise is larger. No error, no warning.
# The noise of a model may depend on x, as in NoiseLinear(x=...) or gddm(noise=lambda x: ...). It is documented as the
# standard deviation at x. Without drift and from the middle, each step is as likely up as down, so both bounds are hit
# equally often. But the matrix of the solver takes the noise halfway to the next place, as if heat diffused. This adds
# a drift of noise times its slope: here, three of four trials end at the upper bound. A fit makes up for this by a
# drift in the other direction.
# Model.simulate_trial() of the same model agrees with neither in its default method, and is right with rk4=False.
# Way out: subtract noise times its slope from the drift (mended).
#
# Seen (share of decided trials at the upper bound, and mean reaction time; noise of 1 + slope x without drift, bounds
# of -1 and 1; the share is (1 + slope) / 2 for diffusion like heat, and 1 / 2 for steps):
#   slope  0.0   steps in NumPy         0.495   1.04 s
#                solve()                0.500   1.00 s
#                mended                 0.500   1.00 s
#   slope 0.25   steps in NumPy         0.495   1.05 s
#                solve()                0.623   1.03 s
#                mended                 0.498   1.05 s
#   slope  0.5   steps in NumPy         0.493   1.19 s
#                solve()                0.742   1.11 s
#                mended                 0.490   1.22 s
#                trials, rk4=True       0.655   1.16 s
#                trials, rk4=False      0.502   1.17 s
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyddm==0.9.0 numpy==1.26.4 scipy==1.13.1 \
    matplotlib==3.9.4 pandas==2.2.3 paranoid-scientist==0.2.3
cd "$folder"
HOME=$folder MPLBACKEND=agg OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import logging

import numpy as np
import paranoid
from pyddm import Model
from pyddm.models import BoundConstant, DriftLinear, NoiseLinear

logging.disable(logging.WARNING)  # simulated_solution() is meant for tests.
paranoid.settings.Settings.set(enabled=False)  # Its checks take long.


def steps(slope, dt=0.001, trials=4000):
    """Returns the share and the time for single steps."""
    rng = np.random.default_rng(0)
    place, time, walking = np.zeros(trials), np.zeros(trials), np.ones(trials, bool)
    while walking.any():
        place[walking] += (1 + slope * place[walking]) * np.sqrt(dt) * rng.standard_normal(walking.sum())
        time[walking] += dt
        walking &= np.abs(place) < 1
    return (place > 0).mean(), time.mean()


def summary(result):
    upper, lower = result.prob("upper"), result.prob("lower")
    return upper / (upper + lower), result.mean_rt()


def show(name, share, time, right):
    print(f"{name:35} {share:.3f}   {time:.2f} s")
    assert (abs(share - 0.5) < 0.06) == right


for slope in (0.0, 0.25, 0.5):

    def model(drift=0.0, x=0.0, duration=10):
        return Model(
            drift=DriftLinear(drift=drift, x=x, t=0),
            noise=NoiseLinear(noise=1, x=slope, t=0),
            bound=BoundConstant(B=1),
            dx=0.01,
            dt=0.005,
            T_dur=duration,
        )

    show(f"slope {slope:4}   steps in NumPy", *steps(slope), True)
    share, time = summary(model().solve())
    show("             solve()", share, time, slope == 0)
    assert abs(share - (1 + slope) / 2) < 0.01
    show("             mended", *summary(model(drift=-slope, x=-(slope**2)).solve()), True)
for rk4 in (True, False):
    result = model(duration=5).simulated_solution(size=500, rk4=rk4)
    show(f"             trials, rk4={rk4}", *summary(result), not rk4)
PYTHON
