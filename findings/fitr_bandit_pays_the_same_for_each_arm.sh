#!/usr/bin/env bash
# fitr 0.0.1 (NumPy 1.26.4, SciPy 1.13.1, pandas 2.2.3, Matplotlib 3.7.5, Python 3.11): a bandit in which no arm is
# better, and models of choices that ignore their own parameters. No error, no warning.
# tasks.bandit lets the chances of a reward walk at random within rprob_bounds. But simulate() takes the lower bound
# as the maximum and the upper one as the minimum. So after the first trial, the chance of each arm is the upper bound.
# rlparams.ChoiceRandomness documents the shape and the scale of a gamma distribution. The scale is passed to SciPy as
# the location: it moves all values up and never changes their spread. By default, no value is below 1.
# twostep_ll.lr_cr_w_p and lr_cr_et_w_p have a parameter p for perseveration. It is added to the values of both
# choices, not to the last one alone. So it cancels out, and the likelihood is the same for each p. In lr2_cr3 the
# first choice is compared with itself alone: its log-likelihood is 0 for all data, and the parameters cr_mb and cr_mf
# have no effect. And the chance of a common transition, twostep_ll(ptrans=...), is always 0.7 in the other models.
# Ways out: rprob_bounds in the reverse order; scipy.stats.gamma(shape, scale=scale); none for the likelihoods.
# (fitr imports PyStan, which only its MCMC needs. Here it is an empty module.)
#
# Seen (rates of reward by thirds of 300 trials, and the mean difference of two arms in 100 games; of 100000 values;
# log-likelihoods of 200 trials):
#   bandit, bounds 0.2 0.8      arm 0  0.79 0.80 0.80    arm 1  0.80 0.80 0.80    difference in a game 0.04
#   bandit, bounds 0.8 0.2      arm 0  0.53 0.53 0.54    arm 1  0.51 0.52 0.54    difference in a game 0.15
#   scale 0.5    mean  5.51 deviation 2.23    formula  2.50 1.12
#   scale 1.0    mean  6.01 deviation 2.23    formula  5.00 2.24
#   scale 3.0    mean  8.01 deviation 2.23    formula 15.00 6.71
#   lr_cr_w_p    p 0.0                        seen  -281.091    formula  -281.091
#   lr_cr_w_p    p 0.5                        seen  -281.091    formula  -328.436
#   lr_cr_w_p    p 2.0                        seen  -281.091    formula  -718.783
#   lr_cr_et_w_p p 0.0                        seen  -279.972    formula  -279.972
#   lr_cr_et_w_p p 0.5                        seen  -279.972    formula  -327.545
#   lr_cr_et_w_p p 2.0                        seen  -279.972    formula  -718.754
#   lr_cr_w      ptrans 0.7                   seen  -281.091    formula  -281.091
#   lr_cr_w      ptrans 0.9                   seen  -281.091    formula  -282.921
#   lr2_cr3      cr_mb 0.0 cr_mf 0.0          seen  -156.492    formula  -295.122
#   lr2_cr3      cr_mb 3.0 cr_mf 0.0          seen  -156.492    formula  -296.374
#   lr2_cr3      cr_mb 0.0 cr_mf 3.0          seen  -156.492    formula  -296.735
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==1.26.4 scipy==1.13.1 matplotlib==3.7.5 \
    pandas==2.2.3
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps fitr==0.0.1
cd "$folder"
HOME=$folder MPLBACKEND=agg OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
import types

import numpy as np
from scipy.special import log_softmax
from scipy.stats import gamma

sys.modules["pystan"] = types.ModuleType("pystan")  # Only MCMC needs it.

from fitr import rlparams, tasks  # noqa: E402
from fitr.loglik_functions import twostep_ll  # noqa: E402

subjects = np.tile((0.1, 1.0), (100, 1))  # Learning rate and inverse temperature: they explore both arms.
for bounds, same in (((0.2, 0.8), True), ((0.8, 0.2), False)):
    np.random.seed(0)
    games = tasks.bandit(rprob_bounds=list(bounds)).simulate(300, subjects).data
    arms, rewards = (np.array([games[i][key][1:] for i in range(100)]) for key in "AR")  # The first trial differs.
    line = "bandit, bounds {} {}".format(*bounds).ljust(24)
    for arm in (0, 1):
        thirds = zip(np.array_split(rewards, 3, 1), np.array_split(arms == arm, 3, 1))
        rates = [third[played].mean() for third, played in thirds]
        line += "    arm {}  {:.2f} {:.2f} {:.2f}".format(arm, *rates)
        assert np.allclose(rates, 0.8 if same else 0.55, atol=0.03 if same else 0.08)
    rates = [[rewards[i][arms[i] == arm].mean() for arm in (0, 1)] for i in range(100)]
    spread = np.abs(np.diff(rates)).mean()
    print(f"{line}    difference in a game {spread:.2f}")
    assert (spread < 0.1) == same

for scale in (0.5, 1.0, 3.0):
    np.random.seed(0)
    values = rlparams.ChoiceRandomness(shape=5.0, scale=scale).sample(100000)
    formula = gamma(5, scale=scale)
    print(
        f"scale {scale}    mean {values.mean():5.2f} deviation {values.std():.2f}    "
        f"formula {formula.mean():5.2f} {formula.std():.2f}"
    )
    assert np.isclose(values.std(), 5**0.5, atol=0.03) and np.isclose(values.mean(), 5 + scale, atol=0.03)

np.random.seed(0)
data = tasks.twostep().simulate(200, np.array([(0.4, 3.0, 0.5)])).data[0]
trials = [data[key].astype(int) for key in "SAR"]
RATE, INVERSE, WEIGHT, TRACE = 0.4, 3.0, 0.5, 0.8


def formula(perseveration=0.0, trace=1.0, common=0.7):
    """Returns the log-likelihood of the choices, with a bonus for the last first choice."""
    learned, total, last = np.zeros((3, 2)), 0.0, None
    for (_, state), (first, second), reward in zip(*trials):
        best = learned[1:].max(1)
        model = np.array([common * best[0] + (1 - common) * best[1], common * best[1] + (1 - common) * best[0]])
        values = WEIGHT * model + (1 - WEIGHT) * learned[0]
        if last is not None:
            values[last] += perseveration
        total += log_softmax(INVERSE * values)[first]
        total += log_softmax(INVERSE * learned[state] * (1 - WEIGHT))[second]  # As in fitr.
        learned[0, first] += RATE * (learned[state, second] - learned[0, first])
        error = reward - learned[state, second]
        learned[state, second] += RATE * error
        learned[0, first] += RATE * error * trace
        last = first
    return total


def show(name, setting, seen, wanted):
    print(f"{name:12} {setting:28} seen {seen:9.3f}    formula {wanted:9.3f}")


models = twostep_ll()
for name, rest, keywords in (("lr_cr_w_p", (), {}), ("lr_cr_et_w_p", (TRACE,), {"trace": TRACE})):
    for bonus in (0.0, 0.5, 2.0):
        seen = getattr(models, name)((RATE, INVERSE, *rest, WEIGHT, bonus), *trials)
        show(name, f"p {bonus}", seen, formula(bonus, **keywords))
        assert np.isclose(seen, formula(0.0, **keywords))
        assert (bonus == 0) == np.isclose(seen, formula(bonus, **keywords))
for common in (0.7, 0.9):
    seen = twostep_ll(ptrans=common).lr_cr_w((RATE, INVERSE, WEIGHT), *trials)
    show("lr_cr_w", f"ptrans {common}", seen, formula(common=common))
    assert np.isclose(seen, formula()) and (common == 0.7) == np.isclose(seen, formula(common=common))


def formula_of_five(based, free):
    """Returns the log-likelihoods of the first and of the second choices."""
    learned, total = np.zeros((3, 2)), np.zeros(2)
    for (_, state), (first, second), reward in zip(*trials):
        best = learned[1:].max(1)
        model = np.array([0.7 * best[0] + 0.3 * best[1], 0.7 * best[1] + 0.3 * best[0]])
        total += log_softmax(based * model + free * learned[0])[first], log_softmax(INVERSE * learned[state])[second]
        learned[state, second] += RATE * (reward - learned[state, second])
        learned[0, first] += RATE * (learned[state, second] - learned[0, first])
    return total


for based, free in ((0.0, 0.0), (3.0, 0.0), (0.0, 3.0)):
    seen = models.lr2_cr3((RATE, RATE, based, free, INVERSE), *trials)
    wanted = formula_of_five(based, free)
    show("lr2_cr3", f"cr_mb {based} cr_mf {free}", seen, wanted.sum())
    assert np.isclose(seen, wanted[1]) and wanted[0] < -50
PYTHON
