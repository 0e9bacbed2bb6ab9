#!/usr/bin/env bash
# fitr 0.0.1 (NumPy 1.26.4, SciPy 1.13.1, pandas 2.2.3, Matplotlib 3.7.5, Python 3.11): its comparison of models by
# Bayesian model selection depends on the random numbers far more than on the data. No error, no warning.
# BMS implements Rigoux et al. (2014): the counts of the models are the sums over the subjects of the chances that
# they used each model. fitr draws one model for each subject from these chances, and counts the draws. It stops when
# two draws in a row happen to give the same counts. So the same data favour one model in one run and the other in the
# next.
# "Protected" exceedance probabilities allow for the risk that the models do not differ at all. The part that they get
# from this risk stands on a line of its own and is lost, as are two terms of the free energy from which the risk is
# computed. So they protect from nothing: they equal the exceedance probabilities, whatever the data.
# And fitrmodel.fit(method="MLE") fits nothing: its loop runs while 1 < 1. It returns a learning rate of 0.5 and an
# inverse temperature of 1 for all subjects, and a log-likelihood of 0. "MAP0" does a single step with a prior.
# Ways out: the formula, written out below; for the fit, method="EM".
# (fitr imports PyStan, which only its MCMC needs. Here it is an empty module.)
#
# Seen (exceedance probability and protected one of the second of two models that do not differ, for 12 subjects, by
# random seed; estimates for two subjects, and by SciPy):
#   formula    0.66 0.54
#   seed 0     0.95 0.95
#   seed 1     0.87 0.87
#   seed 2     0.29 0.29
#   seed 3     0.99 0.99
#   subject 0  rate 0.50 inverse temperature 1.00 loss   0.00    SciPy  rate 0.09 inverse temperature 9.25 loss 198.57
#   subject 1  rate 0.50 inverse temperature 1.00 loss   0.00    SciPy  rate 0.74 inverse temperature 3.05 loss 215.43
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==1.26.4 scipy==1.13.1 matplotlib==3.7.5 \
    pandas==2.2.3
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps fitr==0.0.1
cd "$folder"
HOME=$folder MPLBACKEND=agg OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import contextlib
import io
import sys
import types

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, gammaln, log_softmax, softmax

sys.modules["pystan"] = types.ModuleType("pystan")  # Only MCMC needs it.

from fitr import rlparams  # noqa: E402
from fitr.fitr import fitrmodel  # noqa: E402
from fitr.loglik_functions import bandit_ll  # noqa: E402
from fitr.model_selection import BMS  # noqa: E402

evidence = np.random.default_rng(3).normal(-100, 1, size=(2, 12)).T  # Log model evidence, by subject and model.


def formula():
    """Returns the exceedance probabilities, and the protected ones."""
    subjects, models = evidence.shape
    counts = np.ones(models)
    for _ in range(1000):
        chances = softmax(evidence + digamma(counts) - digamma(counts.sum()), 1)
        counts = 1 + chances.sum(0)
    draws = np.random.default_rng(0).dirichlet(counts, 1000000).argmax(1)
    exceedance = np.bincount(draws, minlength=models) / len(draws)
    logs = digamma(counts) - digamma(counts.sum())
    free_energy = gammaln(models) + (chances * (evidence + logs - np.log(chances))).sum()
    free_energy += gammaln(counts).sum() - gammaln(counts.sum()) - ((counts - 1) * logs).sum()
    same = softmax(evidence, 1)
    null = (same * (evidence - np.log(models) - np.log(same))).sum()
    risk = 1 / (1 + np.exp(free_energy - null))
    return exceedance, exceedance * (1 - risk) + risk / models


class Fitted:  # What BMS reads.
    def __init__(self, model):
        self.name, self.LME, self.nsubjects = str(model), evidence[:, model], len(evidence)


exceedance, protected = formula()
print(f"formula    {exceedance[1]:.2f} {protected[1]:.2f}")
assert abs(protected[1] - 0.5) < 0.05
seen = []
for seed in range(4):
    np.random.seed(seed)
    with contextlib.redirect_stdout(io.StringIO()):
        result = BMS([Fitted(0), Fitted(1)]).run()
    seen.append(result.xp[1])
    print(f"seed {seed}     {result.xp[1]:.2f} {result.pxp[1]:.2f}")
    assert np.allclose(result.xp, result.pxp, atol=1e-4)
assert np.ptp(seen) > 0.4

rng = np.random.default_rng(0)
data = {}
for subject, (rate, inverse) in enumerate(((0.1, 8.0), (0.8, 3.0))):
    values, arms, rewards = np.zeros(2), np.zeros(500), np.zeros(500)
    for trial in range(500):
        arm = rng.choice(2, p=softmax(inverse * values))
        arms[trial], rewards[trial] = arm, rng.random() < (0.3, 0.7)[(arm + trial // 50) % 2]
        values[arm] += rate * (rewards[trial] - values[arm])
    data[subject] = {"S": np.zeros(500), "A": arms, "R": rewards}


def loss(parameters, arms, rewards):
    values, total = np.zeros(2), 0.0
    for arm, reward in zip(arms.astype(int), rewards):
        total -= log_softmax(parameters[1] * values)[arm]
        values[arm] += parameters[0] * (reward - values[arm])
    return total


model = fitrmodel("bandit", bandit_ll().lr_cr, [rlparams.LearningRate(), rlparams.ChoiceRandomness()])
with contextlib.redirect_stdout(io.StringIO()):
    fit = model.fit(data, method="MLE", verbose=False)
for subject, game in data.items():
    best = minimize(loss, (0.3, 4.0), (game["A"], game["R"]), bounds=((0, 1), (0, 30)))
    print(
        "subject {}  rate {:.2f} inverse temperature {:.2f} loss {:6.2f}    "
        "SciPy  rate {:.2f} inverse temperature {:.2f} loss {:6.2f}".format(
            subject, *fit.params[subject], fit.nloglik[subject], *best.x, best.fun
        )
    )
    assert np.allclose(fit.params[subject], (0.5, 1)) and fit.nloglik[subject] == 0 and best.fun > 100
PYTHON
