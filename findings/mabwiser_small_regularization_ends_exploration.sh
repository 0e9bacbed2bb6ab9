#!/usr/bin/env bash
# MABWiser 2.7.4 (scikit-learn 1.9.1, NumPy 2.4.6, SciPy 1.17.1, Python 3.11): four policies for choosing by reward do
# not use the formulas that they document. No error, no warning.
# LinUCB and LinTS explore an arm by the inverse of (X'X + lambda I). For an arm that was never tried, that is
# I / lambda. MABWiser starts with lambda I, so the uncertainty of a new arm is off by a factor of lambda. Less
# regularization should mean more of it, but means less: at 0.1, a new arm is taken for better known than one
# with ten trials, and a better arm is never tried. It is right at 1, the default, and from the first trial
# on.
# Softmax and Popularity document the chance of each arm. But they choose the largest of values drawn from a
# Dirichlet distribution with these chances as its parameters, and the likely arm has the largest more often.
# Ways out: an l2_lambda of 1, with contexts divided by the root of the wanted one; chances that the caller computes
# from the mean rewards and draws from (predict_expectations returns the drawn values, not the chances).
#
# Seen (bonus of the LinUCB and spread of 20000 draws of the LinTS of a new arm, in the context 1, 0, 0; rounds of 300
# with the new arm, of reward 1, next to one of reward 0.5 with 10 trials in each of three contexts; chances of
# three arms of mean rewards 1, 0.1 and 0.1 in 20000 draws):
#   lambda  0.1    LinUCB 0.32    LinTS 0.32    formula 3.16    rounds   0    by the formula 300    way out 300
#   lambda  1.0    LinUCB 1.00    LinTS 1.00    formula 1.00    rounds 300    by the formula 300    way out 300
#   lambda 10.0    LinUCB 3.16    LinTS 3.17    formula 0.32    rounds   1    by the formula   0    way out   0
#   Softmax        0.576 0.208 0.216    formula 0.552 0.224 0.224
#   Popularity     0.869 0.066 0.065    formula 0.833 0.083 0.083
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mabwiser==2.7.4 scikit-learn==1.9.1 numpy==2.4.6 \
    scipy==1.17.1
cd "$folder"
HOME=$folder MPLBACKEND=agg OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from mabwiser.mab import MAB, LearningPolicy

contexts = np.tile(np.eye(3), (10, 1))


def scores(policy, count):  # Of the known and the new arm.
    bandit = MAB(["known", "new"], policy, seed=0)
    bandit.fit(["known"] * 30, [0] * 30, contexts)
    drawn = bandit.predict_expectations(np.tile(np.eye(3)[:1], (count, 1)))
    return np.array([[row["known"], row["new"]] for row in drawn])


def rounds(strength, divisor=1):  # With the new arm.
    bandit = MAB(["known", "new"], LearningPolicy.LinUCB(1, strength))
    bandit.fit(["known"] * 30, [0.5] * 30, contexts / divisor)
    tried = 0
    for step in range(300):
        context = np.eye(3)[[step % 3]] / divisor
        arm = bandit.predict(context)
        bandit.partial_fit([arm], [1 if arm == "new" else 0.5], context)
        tried += arm == "new"
    return tried


def formula(strength):
    A = [strength * np.eye(3) + contexts.T @ contexts, strength * np.eye(3)]
    b = [contexts.T @ np.full(30, 0.5), np.zeros(3)]
    tried = 0
    for step in range(300):
        x = np.eye(3)[step % 3]
        bounds = [x @ np.linalg.solve(A[i], b[i]) + np.sqrt(x @ np.linalg.solve(A[i], x)) for i in (0, 1)]
        arm = int(np.argmax(bounds))
        A[arm] += np.outer(x, x)
        b[arm] += x * (0.5, 1)[arm]
        tried += arm
    return tried


for strength, expected in ((0.1, (0, 300, 300)), (1.0, (300, 300, 300)), (10.0, (1, 0, 0))):
    upper = scores(LearningPolicy.LinUCB(1, strength), 2)[0]
    spread = scores(LearningPolicy.LinTS(1, strength), 20000).std(0)
    correct = 1 / np.sqrt([10 + strength, strength])
    count = rounds(strength), formula(strength), rounds(1, strength**0.5)
    line = "lambda {:4.1f}    LinUCB {:.2f}    LinTS {:.2f}    formula {:.2f}    "
    line += "rounds {:3}    by the formula {:3}    way out {:3}"
    print(line.format(strength, upper[1], spread[1], correct[1], *count))
    assert np.allclose([upper[0], spread[0]], correct[0], rtol=0.03)
    assert np.allclose([upper[1], spread[1]], correct[1] * strength, rtol=0.03)
    assert count == expected

means = np.array([1, 0.1, 0.1])
softmax = np.exp(means) / np.exp(means).sum()
for policy, chances, expected in (
    (LearningPolicy.Softmax(1), softmax, [0.576, 0.212, 0.212]),
    (LearningPolicy.Popularity(), means / means.sum(), [0.869, 0.066, 0.066]),
):
    bandit = MAB([0, 1, 2], policy, seed=0)
    bandit.fit([0, 1, 2], means)
    seen = np.bincount([bandit.predict() for _ in range(20000)], minlength=3) / 20000
    text = [" ".join(f"{number:.3f}" for number in numbers) for numbers in (seen, chances)]
    print("{:14} {}    formula {}".format(type(policy).__name__.strip("_"), *text))
    assert np.allclose(seen, expected, atol=0.01) and seen[0] - chances[0] > 0.02
PYTHON
