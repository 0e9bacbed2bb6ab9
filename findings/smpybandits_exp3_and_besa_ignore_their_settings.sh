#!/usr/bin/env bash
# SMPyBandits 0.9.7 (NumPy 1.26.4, SciPy 1.13.1, Matplotlib 3.9.4, seaborn 0.13.2, Python 3.11): settings of Exp3,
# Exp3++ and BESA that have no effect or ruin the policy. No error, no warning.
# Each policy takes the bounds of the rewards, lower and amplitude, and maps them to 0 to 1. Exp3 and its variants with
# a horizon or a decreasing gamma do so for the sums that they never use. The weights are updated with the rewards as
# they are. So the same game with rewards of 0 to 100 leads to other choices, and more often to a bad arm.
# Exp3PlusPlus documents an exploration of each arm that depends on alpha and beta, and computes it in epsilon. But the
# chances of the arms use eta, which depends on neither, and count it once instead of once per arm. So alpha and beta
# have no effect.
# BESA(horizon=..., random_subsample=False) compares the first N rewards of two arms, for the smaller number of pulls N.
# It sums N + 1 of them. The last one of the arm with fewer pulls is a filler of -100000, so this arm never wins: after
# one pull of each arm and one more, the arm is fixed. With random_subsample=True, the default, BESA is right.
# Ways out: rewards of 0 to 1 for Exp3; none for alpha and beta; the subclass below for BESA.
#
# Seen (16 games of 500 steps with arms of mean 0.2, 0.5 and 0.8: share of the pulls of each arm, and games in which it
# has most pulls; chances of the arms after the last game, as used and by epsilon, and if all choices are the same):
#   Exp3WithHorizon, rewards of 0 to 1   pulls 14 24 62 %   games 0 0 16
#   Exp3WithHorizon, rewards of 0 to 100 pulls  3 42 55 %   games 0 8 8
#   Exp3Decreasing, rewards of 0 to 1    pulls  7 23 71 %   games 0 1 15
#   Exp3Decreasing, rewards of 0 to 100  pulls  3 25 73 %   games 0 4 12
#   UCB, rewards of 0 to 1               pulls  4 10 86 %   games 0 0 16
#   UCB, rewards of 0 to 100             pulls  4 10 86 %   games 0 0 16
#   Exp3++, alpha 3 beta 256             used 0.021 0.276 0.703   documented 0.021 0.276 0.702  same True
#   Exp3++, alpha 0.1 beta 0.001         used 0.021 0.276 0.703   documented 0.021 0.276 0.702  same True
#   BESA, first N rewards                pulls 13 31 56 %   games 2 5 9
#                                        last change of arm at step 2, pulls of the least played arm 1
#   BESA, subclass, first N rewards      pulls  0 19 81 %   games 0 3 13
#                                        last change of arm at step 11, pulls of the least played arm 3
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

STEPS, MEANS = 500, (0.2, 0.5, 0.8)


def play(new, lower=0.0, amplitude=1.0, games=16):  # Returns the arms by game and step.
    arms = np.zeros((games, STEPS), int)
    for game in range(games):
        np.random.seed(game)
        policy = new(lower=lower, amplitude=amplitude)
        policy.startGame()
        paid = np.random.default_rng(game).random((STEPS, 3)) < MEANS
        for step in range(STEPS):
            arms[game, step] = policy.choice()
            policy.getReward(arms[game, step], lower + amplitude * paid[step, arms[game, step]])
    return arms


def show(name, arms):
    pulls = np.array([np.bincount(game, minlength=3) for game in arms])
    won = np.bincount(pulls.argmax(1), minlength=3)
    print(name.ljust(36), "pulls {:2.0f} {:2.0f} {:2.0f} %".format(*100 * pulls.mean(0) / STEPS), "  games", *won)
    return pulls


for name, settings in (("Exp3WithHorizon", {"horizon": STEPS}), ("Exp3Decreasing", {}), ("UCB", {})):
    seen = []
    for amplitude in (1.0, 100.0):
        seen.append(play(lambda **bounds: getattr(Policies, name)(3, **settings, **bounds), 0.0, amplitude))
        show(f"{name}, rewards of 0 to {amplitude:.0f}", seen[-1])
    assert (seen[0] == seen[1]).all() == (name == "UCB")

chosen = []
for alpha, beta in ((3, 256), (0.1, 0.001)):
    policies = []

    def new(**bounds):
        policies.append(Policies.Exp3PlusPlus(3, alpha=alpha, beta=beta, **bounds))
        return policies[-1]

    chosen.append(play(new, games=2))
    last = policies[-1]
    with np.errstate(divide="ignore"):
        explored = np.minimum(last.epsilon, 1 / 6)
    documented = (1 - explored.sum()) * last.weights + explored
    text = [" ".join(f"{chance:.3f}" for chance in chances) for chances in (last.trusts, documented)]
    same = bool((chosen[0] == chosen[-1]).all())
    print(f"Exp3++, alpha {alpha} beta {beta}".ljust(36), "used {}   documented {}  same {}".format(*text, same))
    assert same and np.allclose(last.trusts, ((1 - last.eta) * last.weights + last.eta) / (1 + 2 * last.eta))


class Subclass(Policies.BESA):  # In the same order of arms, with the first N rewards.
    def choice(self):
        if np.any(self.pulls < 1):
            return int(np.argmin(self.pulls))
        best = 0
        for arm in (1, 2):
            count = min(self.pulls[arm], self.pulls[best])
            means = [np.mean(self.all_rewards[k, :count]) for k in (best, arm)]
            if means[1] > means[0] or means[0] == means[1] and self.pulls[arm] < self.pulls[best]:
                best = arm
        return best


for name, kind in (("BESA", Policies.BESA), ("BESA, subclass", Subclass)):
    arms = play(lambda **bounds: kind(3, horizon=STEPS, random_subsample=False, **bounds))
    pulls = show(name + ", first N rewards", arms)
    changes = [np.flatnonzero(np.diff(game)).max() for game in arms]
    print(" " * 36, f"last change of arm at step {max(changes)}, pulls of the least played arm {pulls.min(1).max()}")
    assert (max(changes) <= 2 and pulls.min(1).max() == 1) == (kind is Policies.BESA)
PYTHON
