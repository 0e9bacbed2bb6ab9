#!/usr/bin/env bash
# contextualbandits 0.3.30 (costsensitive 0.1.2.13.post15, scikit-learn 1.9.1, NumPy 2.4.6, Python 3.11; both are built
# from source, with a C compiler): DoublyRobustEstimator learns a policy from the rewards of the chosen actions and
# from estimated rewards of all actions. Of an estimator, it makes costs by a minus sign, and only then
# replaces estimates of exactly 0 or 1, which it calls invalid, by random numbers: all that are at most 0, or at
# least 1. All costs are at most 0. So with handle_invalid=True, the default, no estimate is left, and an action that
# was never chosen gets random costs, however sure the estimator is. Estimates given as an array, the other
# documented form, are not negated: good actions are taken for costly ones (and the array is overwritten).
# The way out is handle_invalid=False, and for arrays, the negative of the estimates.
# evaluateDoublyRobust overwrites its array, too: a second call with the same array gives another value.
#
# Seen (three actions of estimated reward 0.1, 0.3 and 0.9, of which the last was never chosen: mean and standard
# deviation of its cost, which should be -0.9, and the action that the policy chooses; two evaluations):
#   estimator, default                 cost  0.25 +- 0.19    chooses 1
#   estimator, handle_invalid=False    cost -0.90 +- 0.00    chooses 2
#   array, default                     cost  0.90 +- 0.00    chooses 1
#   negative array, False              cost -0.90 +- 0.00    chooses 2
#   evaluateDoublyRobust               0.274 then 0.249    by the formula 0.274
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check contextualbandits==0.3.30 \
    costsensitive==0.1.2.13.post15 scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from contextualbandits.evaluation import evaluateDoublyRobust
from contextualbandits.offpolicy import DoublyRobustEstimator

ESTIMATES = np.array([0.1, 0.3, 0.9])
rng = np.random.default_rng(0)
X = rng.normal(size=(2000, 2))
actions = rng.integers(0, 2, 2000)  # Of three, the last is never chosen.
rewards = (rng.random(2000) < ESTIMATES[actions]).astype(float)
chances = np.full(2000, 0.5)


class Estimator:
    def predict_proba_separate(self, X):
        return np.tile(ESTIMATES, (len(X), 1))


class Mean:  # Predicts the mean of the costs that it is given.
    def fit(self, X, costs):
        self.costs = costs.copy()

    def predict(self, X):
        return np.full(len(X), self.costs.mean())


def correct():  # Costs by the formula of Dudik et al., with the estimates for what was not chosen.
    costs = np.tile(-ESTIMATES, (2000, 1))
    costs[np.arange(2000), actions] += (-rewards + ESTIMATES[actions]) / chances
    return costs


table = np.tile(ESTIMATES, (2000, 1))
for how, estimates, handle, expected in (
    ("estimator, default", Estimator(), True, (0.25, 0.19, 1)),
    ("estimator, handle_invalid=False", Estimator(), False, (-0.9, 0.0, 2)),
    ("array, default", table.copy(), True, (0.9, 0.0, 1)),
    ("negative array, False", -table, False, (-0.9, 0.0, 2)),
):
    learner = DoublyRobustEstimator(Mean(), estimates, 3, handle_invalid=handle, njobs=1)
    learner.fit(X, actions, rewards, chances)
    costs = np.array([regressor.costs for regressor in learner.oracle.regressors]).T
    chosen = int(learner.predict(X[:2])[0])
    print(f"{how:34} cost {costs[:, 2].mean():5.2f} +- {costs[:, 2].std():.2f}    chooses {chosen}")
    assert np.allclose((costs[:, 2].mean(), costs[:, 2].std(), chosen), expected, atol=0.02)
    assert np.allclose(costs, correct()) == (not handle) and correct().mean(0).argmin() == 2

pairs = np.stack([ESTIMATES[np.full(2000, 1)], ESTIMATES[actions]], 1)  # A policy that always chooses action 1.
match = actions == 1
formula = np.mean(pairs[:, 0] + match * (rewards - pairs[:, 1]) / chances)
first, second = (evaluateDoublyRobust(np.ones(2000, int), X, actions, rewards, chances, pairs) for _ in range(2))
print(f"evaluateDoublyRobust               {first:.3f} then {second:.3f}    by the formula {formula:.3f}")
assert np.isclose(first, formula) and abs(second - first) > 0.001
PYTHON
