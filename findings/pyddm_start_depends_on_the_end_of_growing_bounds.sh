#!/usr/bin/env bash
# pyddm 0.9.0 (NumPy 1.26.4, SciPy 1.13.1, Python 3.11): with bounds that grow, the starting position depends on how
# long the simulation lasts. No error, no warning.
# Bounds that increase are documented as supported. The starting position of gddm() and of ICPointRatio is documented as
# a share of the distance to the bounds, where 1 is the upper bound. But it is a share of the largest bound of the
# simulation, from time 0 to T_dur. A start halfway to a bound of 0.6 that grows by 0.1 a second is at 0.30. pyddm takes
# 0.40 with T_dur=2, and 0.50 with T_dur=4. So a longer simulation changes all choices and reaction times, of the first
# tenth of a second as well. A start beyond the first bound is lost: all trials are undecided.
# Way out: ICPoint(x0=share * bound(0)), where the bound is fixed.
#
# Seen (chances of both bounds, share without a decision and mean reaction time, with drift 0.5; steps in NumPy):
#   T_dur=1
#     halfway, NumPy              upper 0.825 lower 0.129   none 0.047   0.230 s
#     halfway, gddm()             upper 0.856 lower 0.110   none 0.034   0.195 s
#     from 0.5 T_dur's bound      upper 0.857 lower 0.106   none 0.036   0.201 s
#     halfway, ICPoint            upper 0.825 lower 0.135   none 0.040   0.225 s
#     0.9 of the way, gddm()      upper 0.000 lower 0.000   none 1.000   nan s
#   T_dur=2
#     halfway, NumPy              upper 0.853 lower 0.144   none 0.003   0.277 s
#     halfway, gddm()             upper 0.904 lower 0.093   none 0.003   0.191 s
#     from 0.5 T_dur's bound      upper 0.900 lower 0.097   none 0.003   0.192 s
#     halfway, ICPoint            upper 0.849 lower 0.147   none 0.004   0.264 s
#     0.9 of the way, gddm()      upper 0.000 lower 0.000   none 1.000   nan s
#   T_dur=4
#     halfway, NumPy              upper 0.856 lower 0.144   none 0.000   0.284 s
#     halfway, gddm()             upper 0.955 lower 0.045   none 0.000   0.107 s
#     from 0.5 T_dur's bound      upper 0.955 lower 0.045   none 0.000   0.117 s
#     halfway, ICPoint            upper 0.852 lower 0.148   none 0.000   0.273 s
#     0.9 of the way, gddm()      upper 0.000 lower 0.000   none 1.000   nan s
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
from pyddm import Model
from pyddm.functions import gddm
from pyddm.models import DriftConstant, ICPoint, NoiseConstant

logging.disable(logging.WARNING)
DRIFT, FIRST, GROWTH = 0.5, 0.6, 0.1


def bound(t):
    return FIRST + GROWTH * t


def steps(starts, duration, dt=0.0005):
    """Returns the chances and the mean time for single steps."""
    rng = np.random.default_rng(0)
    place, time = starts.copy(), np.full(len(starts), np.nan)
    for step in range(round(duration / dt)):
        walking = np.isnan(time)
        place[walking] += DRIFT * dt + np.sqrt(dt) * rng.standard_normal(walking.sum())
        time[walking & (np.abs(place) >= bound((step + 1) * dt))] = (step + 1) * dt
    decided = ~np.isnan(time)
    return (decided & (place > 0)).mean(), (decided & (place < 0)).mean(), 1 - decided.mean(), np.nanmean(time)


def solved(model):
    result = model.solve()
    return result.prob("upper"), result.prob("lower"), result.prob_undecided(), result.mean_rt()


def show(name, numbers):
    print("{:29} upper {:.3f} lower {:.3f}   none {:.3f}   {:.3f} s".format(name, *numbers))
    return np.array(numbers)


def close(one, other):
    return np.allclose(one, other, atol=0.025)


SETTINGS = {"dx": 0.01, "dt": 0.005}
for duration in (1, 2, 4):

    def growing(start):
        return gddm(drift=DRIFT, bound=bound, starting_position=start, mixture_coef=0, T_dur=duration, **SETTINGS)

    print(f"T_dur={duration}")
    wanted = show("  halfway, NumPy", steps(np.full(4000, 0.5 * FIRST), duration))
    seen = show("  halfway, gddm()", solved(growing(0.5)))
    assert not close(seen[[0, 1, 3]], wanted[[0, 1, 3]])
    assert close(seen, show("  from 0.5 T_dur's bound", steps(np.full(4000, 0.5 * bound(duration)), duration)))
    parts = {"drift": DriftConstant(drift=DRIFT), "noise": NoiseConstant(noise=1)}
    parts |= {"bound": growing(0.5).get_dependence("bound"), "T_dur": duration}
    assert close(show("  halfway, ICPoint", solved(Model(**parts, IC=ICPoint(x0=0.5 * FIRST), **SETTINGS))), wanted)
    far = show("  0.9 of the way, gddm()", solved(growing(0.9)))
    assert (far[2] > 0.999) == (0.9 * bound(duration) > FIRST)
PYTHON
