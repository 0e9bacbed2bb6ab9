#!/usr/bin/env bash
# SMPyBandits 0.9.7 (NumPy 1.26.4, SciPy 1.13.1, Matplotlib 3.9.4, seaborn 0.13.2, Python 3.11): some policies do not
# choose by the rule that they document. No error, no warning.
# An index policy documents its index in computeIndex(). But choice() calls computeAllIndex(), for which the class UCB
# has a formula of its own. CPUCB, OCUCB, OCUCBH and AOCUCBH inherit from UCB and replace computeIndex() only. So each
# of them is plain UCB: it makes the same choices, whatever its own parameters. UCBplus and UCBmin have a
# computeAllIndex() with another bonus than their computeIndex(): with sqrt(2 log10(t) / N), both.
# EpsilonGreedy documents a uniform exploration. It draws from randint(0, K - 1), and NumPy leaves the upper limit out:
# the last arm is never explored. Of two arms, exploration always takes the first. Its four variants inherit this.
# EpsilonFirst explores at first only, and never finds a last arm that is the best.
# Ways out: for index policies, a subclass with computeAllIndex = IndexPolicy.computeAllIndex, which asks for the index
# of each arm; for EpsilonGreedy, one that draws the explored arms itself.
#
# Seen (indices of three arms with 36, 18 and 6 pulls and 12, 9 and 4 rewards of 1, as used by choice(), as computed by
# computeIndex(), by the documented formula, and by the subclass; how many of 500 choices are those of UCB; pulls of
# 30000 with epsilon 1; pulls of 3000, of which 301 explore):
#   CPUCB    used 0.81 1.17 1.83   own 0.55 0.78 0.98   formula 0.55 0.78 0.98   subclass 0.55 0.78 0.98   as UCB 500
#   OCUCB    used 0.81 1.17 1.83   own 0.73 1.13 1.99   formula 0.73 1.13 1.99   subclass 0.73 1.13 1.99   as UCB 500
#   OCUCBH   used 0.81 1.17 1.83   own 0.89 1.29 2.04   formula 0.89 1.29 2.04   subclass 0.89 1.29 2.04   as UCB 500
#   AOCUCBH  used 0.81 1.17 1.83   own 0.72 1.11 1.88   formula 0.72 1.11 1.88   subclass 0.72 1.11 1.88   as UCB 500
#   UCBplus  used 0.65 0.94 1.44   own 0.42 0.68 1.10   formula 0.42 0.68 1.10   subclass 0.42 0.68 1.10
#   UCBmin   used 0.65 0.94 1.44   own 0.57 0.84 1.25   formula 0.57 0.84 1.25   subclass 0.57 0.84 1.25
#   EpsilonGreedy   pulls of three arms 14993 15007     0    of two arms 30000     0
#   EpsilonFirst    pulls of arms of mean 0.1, 0.1 and 0.9    155  2845     0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==1.26.4 scipy==1.13.1 matplotlib==3.9.4 \
    seaborn==0.13.2 pandas==2.2.3
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps SMPyBandits==0.9.7
cd "$folder"
HOME=$folder MPLBACKEND=agg OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import contextlib
import io
from math import e, log

import numpy as np
from scipy.stats import beta

with contextlib.redirect_stdout(io.StringIO()):  # Notes on optional packages.
    from SMPyBandits import Policies
    from SMPyBandits.Policies.IndexPolicy import IndexPolicy

N, X, t, T = np.array([36, 18, 6]), np.array([12, 9, 4]), 60, 500
means = X / N


def clopper_pearson():
    return np.array([beta.ppf(1 - t**-1.01 / 2, X[k] + 1, N[k] - X[k]) for k in range(3)])


def optimally_confident(eta=2, rho=1):
    C = [sum(min(N[k], N[j] ** rho * N[k] ** (1 - rho)) for j in range(3)) for k in range(3)]
    B = [max(e, log(t), t * log(t) / C[k]) for k in range(3)]
    return means + np.sqrt(2 * eta * np.log(B) / N)


def play(policy, steps):
    np.random.seed(0)
    policy.startGame()
    rewards = np.random.default_rng(1).random((steps, 3)) < (0.3, 0.5, 0.6)
    choices = []
    for step in range(steps):
        choices.append(policy.choice())
        policy.getReward(choices[-1], float(rewards[step, choices[-1]]))
    return np.array(choices)


def indices(kind, settings):  # As used by choice(), and as computed for each arm.
    policy = kind(3, **settings)
    policy.startGame()
    for arm in range(3):
        for trial in range(N[arm]):
            policy.getReward(arm, float(trial < X[arm]))
    policy.choice()
    return policy.index.copy(), np.array([policy.computeIndex(arm) for arm in range(3)])


plain = means + np.sqrt(2 * log(t) / N)
wrong = np.sqrt(2 * np.log10(t) / N)
psi, alpha = 2, 4
for name, settings, formula, instead in (
    ("CPUCB", {}, clopper_pearson(), plain),
    ("OCUCB", {}, optimally_confident(), plain),
    ("OCUCBH", {"horizon": T, "psi": psi, "alpha": alpha}, means + np.sqrt(alpha / N * log(psi * T / t)), plain),
    ("AOCUCBH", {"horizon": T}, means + np.sqrt(2 / N * np.log(T / N)), plain),
    ("UCBplus", {}, means + np.sqrt(np.maximum(0, np.log(t / N) / (2 * N))), means + wrong),
    ("UCBmin", {}, means + np.minimum(1, np.sqrt(log(t) / (2 * N))), means + np.minimum(1, wrong)),
):
    kind = getattr(Policies, name)
    used, own = indices(kind, settings)
    mended, _ = indices(type(name, (kind,), {"computeAllIndex": IndexPolicy.computeAllIndex}), settings)
    text = [" ".join(f"{number:.2f}" for number in numbers) for numbers in (used, own, formula, mended)]
    line = "{:8} used {}   own {}   formula {}   subclass {}".format(name, *text)
    assert np.allclose(own, formula) and np.allclose(used, instead) and not np.allclose(used, formula, rtol=0.02)
    assert np.allclose(mended, formula)
    if instead is plain:
        same = (play(kind(3, **settings), T) == play(Policies.UCB(3), T)).sum()
        line += f"   as UCB {same}"
        assert same == T
    print(line)

pulls = []
for arms in (3, 2):
    np.random.seed(0)
    policy = Policies.EpsilonGreedy(arms, epsilon=1)
    policy.startGame()
    pulls.append(np.bincount([policy.choice() for _ in range(30000)], minlength=arms))
    assert pulls[-1][-1] == 0 and pulls[-1][0] > 14000
print("EpsilonGreedy   pulls of three arms {:5} {:5} {:5}    of two arms {:5} {:5}".format(*pulls[0], *pulls[1]))
np.random.seed(0)
policy = Policies.EpsilonFirst(3, 3000, epsilon=0.1)
policy.startGame()
for _ in range(3000):
    arm = policy.choice()
    policy.getReward(arm, float(np.random.random() < (0.1, 0.1, 0.9)[arm]))
print("EpsilonFirst    pulls of arms of mean 0.1, 0.1 and 0.9 {:6} {:5} {:5}".format(*policy.pulls))
assert policy.pulls[2] == 0
PYTHON
