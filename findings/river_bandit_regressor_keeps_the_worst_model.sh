#!/usr/bin/env bash
# river 0.26.1 (NumPy 2.4.6, SciPy 1.17.1, Python 3.11): BanditRegressor and BanditClassifier choose among models by a
# bandit whose reward is a metric, and are documented to predict with the current best model. They take the model
# with the largest metric, and so do the policies EpsilonGreedy and UCB. Nothing asks metric.bigger_is_better. With
# an error as the metric, such as MAE, RMSE or CrossEntropy, they train and use the worst model. No error, no warning.
# The example in the documentation has MAE as its metric. It shows an error of 3.134, where each of its four models
# alone has less. policy.ranking, printed with the policy, is right: it compares metrics, which know their direction.
# So the model that is used is the last of the ranking.
# The way out is a subclass of the metric with the negative value in get().
#
# Seen (metrics of three models, of which the first is the best, trials of each, the model that is used, the ranking;
# the example, the same with the subclass, and its models alone):
#   MAE          EpsilonGreedy    0.22   0.84   1.81    trials   57   42  941    used 2    ranking 0 1 2
#   RMSE         EpsilonGreedy    0.29   0.88   1.84    trials   57   42  941    used 2    ranking 0 1 2
#   CrossEntropy EpsilonGreedy    0.54   0.69   1.32    trials   57   42  941    used 2    ranking 0 1 2
#   R2           EpsilonGreedy   -0.40 -10.43 -51.25    trials  936   42   62    used 0    ranking 0 1 2
#   NegativeMAE  EpsilonGreedy   -0.28  -0.84  -1.83    trials  936   42   62    used 0    ranking 2 1 0
#   MAE          UCB              0.23   0.85   1.81    trials   20   20 1000    used 2    ranking 0 1 2
#   RMSE         UCB              0.29   0.89   1.84    trials   20   20 1000    used 2    ranking 0 1 2
#   CrossEntropy UCB              0.64   0.69   1.32    trials   20   20 1000    used 2    ranking 0 1 2
#   R2           UCB             -0.40 -11.22 -52.81    trials 1000   20   20    used 0    ranking 0 1 2
#   NegativeMAE  UCB             -0.28  -0.85  -1.85    trials 1000   20   20    used 0    ranking 2 1 0
#   example      MAE 3.134    subclass 1.329    alone 2.465 2.322 2.440 1.315
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check river==0.26.1 numpy==2.4.6 scipy==1.17.1
cd "$folder"
HOME=$folder OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from river import bandit, base, datasets, evaluate, linear_model, metrics, model_selection, optim, preprocessing


class Constant(base.Regressor):
    def __init__(self, value=0.0):
        self.value = value

    def learn_one(self, x, y):
        pass

    def predict_one(self, x):
        return self.value


class Chance(base.Classifier):
    def __init__(self, value=0.5):
        self.value = value

    def learn_one(self, x, y):
        pass

    def predict_proba_one(self, x):
        return {True: self.value, False: 1 - self.value}


class NegativeMAE(metrics.MAE):
    def get(self):
        return -super().get()


def run(name, metric, policy, expected):
    rng = np.random.default_rng(0)
    if isinstance(metric, metrics.base.RegressionMetric):
        models = [Constant(value) for value in (0.0, 1.0, 2.0)]
        selection, targets = model_selection.BanditRegressor(models, metric, policy), rng.normal(0.2, 0.3, 1000)
    else:
        models = [Chance(value) for value in (0.8, 0.5, 0.2)]
        selection, targets = model_selection.BanditClassifier(models, metric, policy), rng.random(1000) < 0.8
    for target in targets:
        selection.learn_one({"x": 1.0}, target.item())
    policy = selection.policy
    values, trials = [float(policy._rewards[arm].get()) for arm in range(3)], [policy._counts[arm] for arm in range(3)]
    used = models.index(selection.best_model)
    line = "{:12} {:13}  {:6.2f} {:6.2f} {:6.2f}    trials {:4} {:4} {:4}    used {}    ranking {} {} {}"
    print(line.format(name, type(policy).__name__, *values, *trials, used, *policy.ranking))
    assert used == expected == np.argmax(trials) and trials[used] > 800
    right = [0, 1, 2] if name != "NegativeMAE" else [2, 1, 0]  # MAE ranks smaller values first.
    assert policy.ranking == right


for new in (lambda: bandit.EpsilonGreedy(0.1, burn_in=20, seed=0), lambda: bandit.UCB(0.1, burn_in=20, seed=0)):
    for name, metric, expected in (
        ("MAE", metrics.MAE(), 2),
        ("RMSE", metrics.RMSE(), 2),
        ("CrossEntropy", metrics.CrossEntropy(), 2),
        ("R2", metrics.R2(), 0),
        ("NegativeMAE", NegativeMAE(), 0),
    ):
        run(name, metric, new(), expected)


def score(model):
    return evaluate.progressive_val_score(
        datasets.TrumpApproval(), preprocessing.StandardScaler() | model, metrics.MAE()
    ).get()


def models():
    return [linear_model.LinearRegression(optimizer=optim.SGD(lr=rate)) for rate in (0.0001, 0.001, 1e-05, 0.01)]


seen = []
for metric in (metrics.MAE(), NegativeMAE()):
    policy = bandit.EpsilonGreedy(epsilon=0.1, decay=0.001, burn_in=100, seed=42)
    seen.append(score(model_selection.BanditRegressor(models(), metric=metric, policy=policy)))
alone = [score(model) for model in models()]
print("example      MAE {:.3f}    subclass {:.3f}    alone {:.3f} {:.3f} {:.3f} {:.3f}".format(*seen, *alone))
assert seen[0] > max(alone) + 0.5 and seen[1] < min(alone) + 0.1
PYTHON
