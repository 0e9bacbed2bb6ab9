#!/usr/bin/env bash
# river 0.26.1 (NumPy 2.4.6, SciPy 1.17.1, Python 3.11): three policies of river.bandit do not explore as documented.
# No error, no warning.
# UCB takes a statistic or a distribution as its reward_obj. With a distribution, the bound is its mode alone: in the
# expression that computes it, the bonus belongs to the else branch only. So after one trial of each arm it is greedy,
# whatever delta, and a best arm that begins with a reward of 0 is not tried again.
# ThompsonSampling names a Gaussian as the distribution for continuous rewards. proba.Gaussian is one of the rewards,
# not of what is known about their mean. So its draws never narrow, and the choices never settle. An arm without
# trials always draws 0: with rewards above 0 and without burn_in, the default, the first arm is played for ever.
# Exp3 says that a gamma of 0 "leads to what is called the EXP3 policy". Then it never learns. It also takes a
# reward_scaler to bring rewards to (0, 1), but learns from the rewards as they are: the scaler changes no choice.
# Ways out: UCB with statistics; for continuous rewards, a posterior of the mean as below; Exp3 with a gamma above 0,
# and with rewards that the caller has scaled.
#
# Seen (share of the better of two arms in the first and in the second 1000 steps, as a mean of 20 games, and games
# that play it at most once in the second; rewards of 0 or 1 with chances 0.4 and 0.7, or normal with means 5 and 6):
#   UCB, Mean               92%  98%    stuck  0
#   UCB, Beta               60%  60%    stuck  8
#   UCB, Beta, delta 100    60%  60%    stuck  8
#   Thompson, Beta          98% 100%    stuck  0
#   Thompson, Gaussian       4%   4%    stuck 19
#   the same, burn_in 20    75%  76%    stuck  0
#   Thompson, posterior     98% 100%    stuck  0
#   Exp3, gamma 0           49%  50%    stuck  0
#   Exp3, gamma 0.1         89%  95%    stuck  0
#   Exp3, with a scaler    same choices 2000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check river==0.26.1 numpy==2.4.6 scipy==1.17.1
cd "$folder"
HOME=$folder OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math
import random

import numpy as np
from river import bandit, proba, stats
from river.preprocessing import TargetMinMaxScaler


class Mean:  # Posterior of the mean of normal rewards of variance 1, with a flat prior.
    def __init__(self):
        self.count, self.sum = 0, 0.0

    def update(self, reward):
        self.count += 1
        self.sum += reward

    def sample(self, rng):
        return rng.gauss(self.sum / self.count, 1 / math.sqrt(self.count)) if self.count else math.inf


class Posterior:
    def __init__(self, seed):
        self.rng, self.arms = random.Random(seed), [Mean(), Mean()]

    def pull(self, arms):
        return max(arms, key=lambda arm: self.arms[arm].sample(self.rng))

    def update(self, arm, reward):
        self.arms[arm].update(reward)


def play(policy, draw, seed):
    rng, arms = np.random.default_rng(seed), []
    for _ in range(2000):
        arms.append(policy.pull([0, 1]))
        policy.update(arms[-1], draw(rng, arms[-1]))
    return np.reshape(arms, (2, 1000))


def binary(rng, arm):
    return int(rng.random() < (0.4, 0.7)[arm])


def normal(rng, arm):
    return float(rng.normal((5, 6)[arm], 1))


UCB, Thompson, Exp3 = bandit.UCB, bandit.ThompsonSampling, bandit.Exp3
for name, new, draw, expected in (
    ("UCB, Mean", lambda seed: UCB(1, stats.Mean(), seed=seed), binary, (0.92, 0.98, 0)),
    ("UCB, Beta", lambda seed: UCB(1, proba.Beta(), seed=seed), binary, (0.60, 0.60, 8)),
    ("UCB, Beta, delta 100", lambda seed: UCB(100, proba.Beta(), seed=seed), binary, (0.60, 0.60, 8)),
    ("Thompson, Beta", lambda seed: Thompson(proba.Beta(), seed=seed), binary, (0.98, 1.00, 0)),
    ("Thompson, Gaussian", lambda seed: Thompson(proba.Gaussian(), seed=seed), normal, (0.04, 0.04, 19)),
    ("the same, burn_in 20", lambda seed: Thompson(proba.Gaussian(), 20, seed), normal, (0.75, 0.76, 0)),
    ("Thompson, posterior", Posterior, normal, (0.98, 1.00, 0)),
    ("Exp3, gamma 0", lambda seed: Exp3(0, seed=seed), binary, (0.49, 0.50, 0)),
    ("Exp3, gamma 0.1", lambda seed: Exp3(0.1, seed=seed), binary, (0.89, 0.95, 0)),
):
    games = np.array([play(new(seed), draw, seed) for seed in range(20)])
    shares, stuck = games.mean((0, 2)), (games[:, 1].sum(1) <= 1).sum()
    print("{:22} {:4.0%} {:4.0%}    stuck {:2}".format(name, *shares, stuck))
    assert np.allclose([*shares, stuck], expected, atol=0.02)

scalers = None, TargetMinMaxScaler(None)
plain, scaled = (play(Exp3(0.1, reward_scaler=scaler, seed=0), lambda *x: 2 * binary(*x), 0) for scaler in scalers)
print("Exp3, with a scaler    same choices {}".format((plain == scaled).sum()))
assert (plain == scaled).all()
PYTHON
