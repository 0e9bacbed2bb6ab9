#!/usr/bin/env bash
# questplus 2023.1 (xarray 2024.9.0, NumPy 1.26.4, SciPy 1.13.1, Python 3.11): a prior for all parameters is assigned by
# its order, not by its names. No error, no warning.
# QuestPlus takes the prior as a dictionary from names of parameters to chances. If all parameters have an entry, only
# the names are checked. The values are then used in the order of the dictionary for the parameters in the order of the
# parameter domain. So the same prior in another order, or of a domain in another order, goes to other parameters,
# where they have as many values. With QuestPlusWeibull, the order is threshold, slope, lower asymptote, lapse rate. If
# one parameter has no entry, the prior is assigned by name, and the order does not matter.
# The estimates and the stimuli that are chosen next follow the wrong prior, and are biased where data are few.
# Way out: {name: prior[name] for name in param_domain}, a prior in the order of the parameter domain.
#
# Seen (prior of the lower asymptote, with values of 0.1 0.3 0.5, and of the lapse rate, with 0.01 0.05 0.10, as used;
# estimates of both after five answers "No" at the lowest and five "Yes" at the highest intensity):
#   formula                          lower 0.90 0.08 0.02   lapse 0.02 0.08 0.90   estimates 0.105 0.092
#   in the order of the domain       lower 0.90 0.08 0.02   lapse 0.02 0.08 0.90   estimates 0.105 0.092
#   lapse rate before asymptote      lower 0.02 0.08 0.90   lapse 0.90 0.08 0.02   estimates 0.363 0.014
#   the same, without the slope      lower 0.90 0.08 0.02   lapse 0.02 0.08 0.90   estimates 0.105 0.092
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check questplus==2023.1 xarray==2024.9.0 numpy==1.26.4 \
    scipy==1.13.1 pandas==2.2.3 json-tricks==3.17.3
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from questplus import QuestPlusWeibull

INTENSITIES = np.arange(-40.0, 1.0, 2.0)
LOWER, LAPSE = np.array([0.1, 0.3, 0.5]), np.array([0.01, 0.05, 0.10])
PRIOR = {
    "threshold": np.full(21, 1 / 21),
    "slope": np.ones(1),
    "lower_asymptote": np.array([0.90, 0.08, 0.02]),  # Most likely 0.1.
    "lapse_rate": np.array([0.02, 0.08, 0.90]),  # Most likely 0.10.
}
NAMES = list(PRIOR)
DATA = [(INTENSITIES[0], "No")] * 5 + [(INTENSITIES[-1], "Yes")] * 5


def formula(prior):  # The posterior, written out; returns the means of lower asymptote and lapse rate.
    x, threshold = INTENSITIES[:, None, None, None], INTENSITIES[None, :, None, None]
    lower, lapse = LOWER[:, None], LAPSE[None, :]
    yes = 1 - lapse - (1 - lower - lapse) * np.exp(-(10 ** (3.5 * (x - threshold) / 20)))
    posterior = np.broadcast_to(np.outer(prior["lower_asymptote"], prior["lapse_rate"]), (21, 3, 3)).copy()
    for intensity, answer in DATA:
        chance = yes[np.searchsorted(INTENSITIES, intensity)]
        posterior *= chance if answer == "Yes" else 1 - chance
    posterior /= posterior.sum()
    return (posterior.sum((0, 2)) * LOWER).sum(), (posterior.sum((0, 1)) * LAPSE).sum()


def show(name, priors, estimates):
    text = [" ".join(f"{chance:.2f}" for chance in prior) for prior in priors]
    print("{:32} lower {}   lapse {}   estimates {:.3f} {:.3f}".format(name, *text, *estimates))


wanted = formula(PRIOR)
show("formula", (PRIOR["lower_asymptote"], PRIOR["lapse_rate"]), wanted)
for name, order, right in (
    ("in the order of the domain", NAMES, True),
    ("lapse rate before asymptote", [*NAMES[:2], "lapse_rate", "lower_asymptote"], False),
    ("the same, without the slope", ["threshold", "lapse_rate", "lower_asymptote"], True),
):
    staircase = QuestPlusWeibull(
        intensities=INTENSITIES,
        thresholds=INTENSITIES,
        slopes=[3.5],
        lower_asymptotes=LOWER,
        lapse_rates=LAPSE,
        stim_scale="dB",
        prior={key: PRIOR[key] for key in order},
    )
    priors = [staircase.marginal_posterior[key] for key in NAMES[2:]]
    for intensity, answer in DATA:
        staircase.update(intensity=intensity, response=answer)
    estimates = [staircase.param_estimate[key] for key in NAMES[2:]]
    show(name, priors, estimates)
    swapped = {**PRIOR, "lower_asymptote": PRIOR["lapse_rate"], "lapse_rate": PRIOR["lower_asymptote"]}
    assert np.allclose(estimates, wanted if right else formula(swapped))
    assert np.allclose(estimates, wanted, atol=0.05) == right
PYTHON
