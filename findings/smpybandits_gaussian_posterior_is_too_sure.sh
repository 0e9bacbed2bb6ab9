#!/usr/bin/env bash
# SMPyBandits 0.9.7 (NumPy 1.26.4, SciPy 1.13.1, Matplotlib 3.9.4, seaborn 0.13.2, Python 3.11): Thompson sampling with
# a Gaussian posterior takes bad arms for good ones far too early. No error, no warning.
# Posterior.Gauss documents a variance of 1/N after N rewards of variance 1. It hands 1/N over as the standard
# deviation. After 100 rewards, samples vary by 0.01 instead of 0.1: 100 times too little variance. So an arm that was
# unlucky at first is never tried again, and the regret of such a game grows for ever.
# Besides, reset(), which starts a new game, keeps the number and the sum of all rewards. The first reward of the next
# game brings the posterior of the last one back.
# Way out: a subclass with sample() and reset() as below.
#
# Seen (after 100 rewards; after reset() and one reward of 0; 100 games of 2000 steps with arms of mean 0, 0.25 and 0.5
# and rewards of variance 1: games in which the best arm has most pulls, mean regret and the worst 10 %):
#   Gauss     mean 0.58 deviation 0.010   next game 0.58
#   Subclass  mean 0.58 deviation 0.099   next game 0.00
#   formula   mean 0.58 deviation 0.100   next game 0.00
#   Gauss     best arm in  92 games   regret  56.1, worst 435.9
#   Subclass  best arm in 100 games   regret  40.1, worst  80.5
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
    from SMPyBandits.Policies import Thompson
    from SMPyBandits.Policies.Posterior import Gauss

MEANS = np.array([0.0, 0.25, 0.5])


class Subclass(Gauss):
    def reset(self, mu=None):
        super().reset(mu)
        self._nb_data, self._sum_data = 0, 0.0

    def sample(self):
        return np.random.normal(self.mu, 1 / np.sqrt(max(1, self._nb_data)))


rewards = np.random.default_rng(0).normal(0.5, 1, 100)
for kind in (Gauss, Subclass):
    np.random.seed(0)
    posterior = kind()
    for reward in rewards:
        posterior.update(reward)
    samples = [posterior.sample() for _ in range(20000)]
    seen = np.mean(samples), np.std(samples)
    posterior.reset()
    posterior.update(0.0)
    print("{:8}  mean {:.2f} deviation {:.3f}   next game {:.2f}".format(kind.__name__, *seen, posterior.mean()))
    assert np.isclose(seen[0], rewards.mean(), atol=0.01) and np.isclose(posterior.mean(), 0) == (kind is Subclass)
    assert np.isclose(seen[1], 0.1 if kind is Subclass else 0.01, rtol=0.05)
print(f"formula   mean {rewards.mean():.2f} deviation {1 / np.sqrt(100):.3f}   next game 0.00")

for kind in (Gauss, Subclass):
    pulls = np.zeros((100, 3))
    for game in range(100):
        np.random.seed(game)
        noise = np.random.default_rng(game).normal(size=(2000, 3))
        policy = Thompson(3, posterior=kind)
        policy.startGame()
        for step in range(2000):
            arm = policy.choice()
            policy.getReward(arm, MEANS[arm] + noise[step, arm])
            pulls[game, arm] += 1
    best, regret = np.sum(pulls.argmax(1) == 2), np.sort(pulls @ (0.5 - MEANS))
    worst = regret[-10:].mean()
    print(f"{kind.__name__:8}  best arm in {best:3} games   regret {regret.mean():5.1f}, worst {worst:5.1f}")
    assert (worst > 200) == (kind is Gauss)
PYTHON
