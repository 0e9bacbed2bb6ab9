#!/usr/bin/env bash
# SMPyBandits 0.9.7 (NumPy 1.26.4, SciPy 1.13.1, Matplotlib 3.9.4, seaborn 0.13.2, Python 3.11): policies for rewards
# that change are documented to discount the old trials of all arms by gamma at each step. No error, no warning.
# DiscountedUCB keeps its discounted counts in an array of integers, where NumPy cuts off the fraction: gamma + 1
# becomes 1. So each count is 1 for ever, while the discounted sum of rewards next to it grows up to 1 / (1 - gamma),
# and the "mean" of an arm is this sum. One that gave a few rewards looks far better than any other, and is played
# till the end. Besides, arms that are not played are not discounted (pull request 208 of SMPyBandits, merged after
# the release). DiscountedklUCB and both Plus variants inherit all this.
# DiscountedThompson discounts the played arm once more for each other arm, instead of the other arms. So the played
# arm is forgotten the faster, the more arms there are, and an arm that is not played is never forgotten.
# The way out is a subclass with a getReward() that discounts all arms, in arrays of floats.
#
# Seen (gamma 0.95, four arms; discounted counts and discounted sums of rewards after 200 trials of each arm, one arm
# after the other, with rewards of 1; share of the best arm in 500 steps before and in 500 after the means change from
# 0.6 0.2 0.2 0.2 to 0.3 0.2 0.2 0.9, in 20 games):
#   formula             counts  0.0  0.0  0.0 20.0    sums  0.0  0.0  0.0 20.0    best arm 54% 71%
#   DiscountedUCB       counts  1.0  1.0  1.0  1.0    sums 20.0 20.0 20.0 20.0    best arm 70% 10%
#   DiscountedklUCB     counts  1.0  1.0  1.0  1.0    sums 20.0 20.0 20.0 20.0    best arm 70% 10%
#   subclass            counts  0.0  0.0  0.0 20.0    sums  0.0  0.0  0.0 20.0    best arm 53% 70%
#   DiscountedThompson  counts  4.6  4.6  4.6  4.6    sums  4.6  4.6  4.6  4.6
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

import numpy as np

with contextlib.redirect_stdout(io.StringIO()):  # Notes on optional packages.
    from SMPyBandits import Policies

GAMMA = 0.95
MEANS = np.array([[0.6, 0.2, 0.2, 0.2], [0.3, 0.2, 0.2, 0.9]])  # Before and after the change.


class Formula:  # At each step, the counts and the sums of all arms are discounted.
    def startGame(self):
        self.counts, self.sums = np.zeros(4), np.zeros(4)

    def getReward(self, arm, reward):
        self.counts, self.sums = GAMMA * self.counts, GAMMA * self.sums
        self.counts[arm] += 1
        self.sums[arm] += reward

    def choice(self):
        if min(self.counts) < 1e-9:
            return int(np.argmin(self.counts))
        bonus = np.sqrt(max(0, np.log(self.counts.sum())) / (2 * self.counts))
        return int(np.argmax(self.sums / self.counts + bonus))


class Subclass(Policies.DiscountedUCB):
    def getReward(self, arm, reward):
        super(Policies.DiscountedUCB, self).getReward(arm, reward)
        played = np.arange(4) == arm
        self.discounted_pulls = GAMMA * self.discounted_pulls + played
        self.discounted_rewards = GAMMA * self.discounted_rewards + reward * played


def kept(policy):
    if hasattr(policy, "posterior"):
        failures, successes = np.array([posterior.N for posterior in policy.posterior], float).T
        return failures + successes, successes
    if isinstance(policy, Formula):
        return policy.counts, policy.sums
    return policy.discounted_pulls, policy.discounted_rewards


def best(policy, seed):
    np.random.seed(seed)
    policy.startGame()
    drawn = np.random.default_rng(seed).random((1000, 4))
    arms = []
    for step in range(1000):
        arms.append(policy.choice())
        policy.getReward(arms[-1], float(drawn[step, arms[-1]] < MEANS[step // 500, arms[-1]]))
    return np.mean(np.reshape(arms, (2, 500)) == [[0], [3]], 1)


for name, new, counts, shares in (
    ("formula", Formula, (0, 0, 0, 20), (0.54, 0.71)),
    ("DiscountedUCB", lambda: Policies.DiscountedUCB(4, gamma=GAMMA), (1, 1, 1, 1), (0.70, 0.10)),
    ("DiscountedklUCB", lambda: Policies.DiscountedklUCB(4, gamma=GAMMA), (1, 1, 1, 1), (0.70, 0.10)),
    ("subclass", lambda: Subclass(4, gamma=GAMMA), (0, 0, 0, 20), (0.55, 0.68)),
    ("DiscountedThompson", lambda: Policies.DiscountedThompson(4, gamma=GAMMA), (4.62,) * 4, None),
):
    policy = new()
    policy.startGame()
    for arm in range(4):
        for _ in range(200):
            policy.getReward(arm, 1.0)
    seen = kept(policy)
    line = "{:18}  counts {}    sums {}".format(name, *(" ".join(f"{x:4.1f}" for x in values) for values in seen))
    assert np.allclose(seen[0], counts, atol=0.01)
    if shares:
        share = np.mean([best(new(), seed) for seed in range(20)], 0)
        line += "    best arm {:3.0%} {:3.0%}".format(*share)
        assert np.allclose(share, shares, atol=0.03)
    print(line)
PYTHON
