#!/usr/bin/env bash
# PyBandits 8.4.1 of Playtika (NumPy 2.4.6, SciPy 1.17.1, pydantic 2.12.5, Python 3.11): offline_policy_estimator
# estimates the value of a policy from the logs of another one. Some of its estimators do not follow the papers that
# they cite. No error, no warning. OfflinePolicyEvaluator runs them all by default.
# DoublyRobust should be right if the propensities are right, or if the model of the rewards is. It corrects the model
# by the weighted reward - estimate, where the estimate must be the one for the action that was taken. PyBandits
# takes the mean estimate under the evaluated policy. So an exact model does not help against wrong propensities. All
# its variants inherit this.
# SwitchDoublyRobust should drop the correction where the weight is above the threshold. It keeps it there only, and
# drops it where the weight is small. At infinity, the default, it should be DoublyRobust, but is the model alone.
# SubGaussianInverseProbabilityWeighting never applies its shrinkage_factor: it equals InverseProbabilityWeighting.
# SubGaussianDoublyRobust has no such setting, and equals DoublyRobust.
# Ways out: the formulas below, in NumPy; for the third, shrinkage_method=estimator._shrink_weights in the call.
#
# Seen (mean and deviation of 20000 estimates with right propensities, or 1/3, and an exact model, or 0.5):
#   value of the policy 0.720
#   DoublyRobust          right, exact     0.715 +- 0.67    formula 0.715 +- 0.63
#   DoublyRobust          right, 0.5       0.716 +- 0.83    formula 0.716 +- 0.83
#   DoublyRobust          1/3, exact       0.654 +- 0.43    formula 0.717 +- 0.39
#   DoublyRobust          1/3, 0.5         0.593 +- 0.52    formula 0.593 +- 0.52
#   SwitchDoublyRobust    threshold 0.5    0.750 +- 0.82    formula 0.466 +- 0.09
#   SwitchDoublyRobust    threshold 3.7    0.659 +- 0.62    formula 0.557 +- 0.58
#   SwitchDoublyRobust    threshold inf    0.500 +- 0.00    formula 0.716 +- 0.83
#   SubGaussian, weights  factor 0.0       0.717 +- 1.39    formula 0.717 +- 1.39    way out 0.717 +- 1.39
#   SubGaussian, weights  factor 0.5       0.717 +- 1.39    formula 0.373 +- 0.59    way out 0.373 +- 0.59
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 pydantic==2.12.5 \
    loguru==0.6.0
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps pybandits==8.4.1
cd "$folder"
HOME=$folder OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from pybandits import offline_policy_estimator as ope

rng = np.random.default_rng(0)
count = 20000
chances = np.array([[0.2, 0.5, 0.9], [0.8, 0.4, 0.1]])  # Of a reward, for two contexts and three actions.
logging = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
policy = np.array([[0.1, 0.1, 0.8], [0.7, 0.2, 0.1]])
context = rng.integers(0, 2, count)
action = (rng.random(count)[:, None] > logging[context].cumsum(1)).sum(1)
reward = (rng.random(count) < chances[context, action]).astype(int)
value = (policy * chances).sum(1)[context].mean()
right, wrong = logging[context, action], np.full(count, 1 / 3)
exact, flat = chances[context], np.full((count, 3), 0.5)
weights = policy[context, action] / right


def estimates(name, propensity=right, model=flat, method=False, **settings):
    estimator = getattr(ope, name)(**settings)
    return estimator.estimate_sample_rewards(
        action=action,
        reward=reward,
        propensity_score=propensity,
        estimated_policy=policy[context],
        expected_reward=model,
        **({"shrinkage_method": estimator._shrink_weights} if method else {}),
    )


def formula(propensity=right, model=flat, limit=np.inf):  # Dudik et al.; with a limit, Wang et al.
    weight = policy[context, action] / propensity
    correction = np.where(weight <= limit, weight, 0) * (reward - model[np.arange(count), action])
    return (policy[context] * model).sum(1) + correction


def show(values):
    return f"{values.mean():.3f} +- {values.std():.2f}"


print(f"value of the policy {value:.3f}")
for text, propensity, model in (
    ("right, exact", right, exact),
    ("right, 0.5", right, flat),
    ("1/3, exact", wrong, exact),
    ("1/3, 0.5", wrong, flat),
):
    seen, correct = estimates("DoublyRobust", propensity, model), formula(propensity, model)
    print("DoublyRobust          {:16} {}    formula {}".format(text, show(seen), show(correct)))
    assert (abs(correct.mean() - value) < 0.01) == (text != "1/3, 0.5")
    assert (abs(seen.mean() - value) < 0.01) == (propensity is right)

for limit in (0.5, 3.7, np.inf):
    seen, correct = estimates("SwitchDoublyRobust", switch_threshold=limit), formula(limit=limit)
    print("SwitchDoublyRobust    threshold {:<6} {}    formula {}".format(limit, show(seen), show(correct)))
    assert np.allclose(seen + correct, 0.5 + formula())  # Each has what the other should have.
    assert not np.isclose(seen.mean(), correct.mean(), atol=0.05)

for factor in (0.0, 0.5):
    name = "SubGaussianInverseProbabilityWeighting"
    seen, mended = (estimates(name, method=method, shrinkage_factor=factor) for method in (False, True))
    correct = reward * weights / (1 - factor + factor * weights)  # Metelli et al.
    line = "SubGaussian, weights  factor {:<9} {}    formula {}    way out {}"
    print(line.format(factor, show(seen), show(correct), show(mended)))
    assert np.array_equal(seen, estimates("InverseProbabilityWeighting")) and np.allclose(mended, correct)
    assert np.allclose(seen, correct) == (factor == 0)
assert np.array_equal(estimates("SubGaussianDoublyRobust"), estimates("DoublyRobust"))
PYTHON
