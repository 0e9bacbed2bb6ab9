#!/usr/bin/env bash
# Rockpool 3.1.0 (PyTorch 2.13.0, Python 3.11): summed_exp_boundary_loss ignores a bound of zero. Its documentation says
# that None is no bound, but it tests for truth, and zero is false. So the bounds that keep weights
# excitatory or inhibitory, as Dale's law asks, cost nothing. The loss is 0.0, which looks as if no weight broke
# the law. ParameterBoundaryRegularizer, which calls it, does the same. The way out is a tiny bound instead of zero,
# or bounds_cost of the same module, which compares and so knows zero.
#
# Seen (loss of the weights -2, -1, 0.5 and 1; and two weights, 0.5 at first, trained for outputs that ask
# for 1 and -1, with three times the loss for a lower bound):
#   bound 0.0           lower  0.0000  upper  0.0000  trained   1.00 -1.00
#   bound 1e-09         lower 10.1073  upper  4.3670  trained   1.00  0.00
#   bounds_cost at 0.0  lower 10.1073  upper  4.3670  trained   1.00  0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rockpool==3.1.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import math

import torch
from rockpool.nn.modules import LinearTorch
from rockpool.training.torch_loss import ParameterBoundaryRegularizer, bounds_cost

WEIGHTS = torch.tensor([-2.0, -1.0, 0.5, 1.0])


def regularizer(weights, **bounds):
    return ParameterBoundaryRegularizer(**bounds)(weights)[0]


def comparing(weights, lower_bound=-math.inf, upper_bound=math.inf):
    return bounds_cost({"": weights}, {"": lower_bound}, {"": upper_bound})


def trained(loss, bound):
    layer = LinearTorch((2, 1), weight=torch.full((2, 1), 0.5), has_bias=False)
    optimizer = torch.optim.SGD(layer.parameters().astorch(), 0.001)
    for _ in range(4000):
        outputs = layer(torch.eye(2)[:, None])[0].flatten()
        error = (outputs - torch.tensor([1.0, -1.0])).square().sum()
        optimizer.zero_grad()
        (error + 3 * loss(layer.weight, lower_bound=bound)).backward()
        optimizer.step()
    return [round(weight, 2) + 0.0 for weight in layer.weight.flatten().tolist()]


for how, loss, bound, expected in (
    ("bound 0.0", regularizer, 0.0, (0.0, 0.0, [1.0, -1.0])),
    ("bound 1e-09", regularizer, 1e-9, (10.1073, 4.367, [1.0, 0.0])),
    ("bounds_cost at 0.0", comparing, 0.0, (10.1073, 4.367, [1.0, 0.0])),
):
    lower, upper = (
        round(float(loss(WEIGHTS, **{name: bound})), 4) for name in ("lower_bound", "upper_bound")
    )
    weights = trained(loss, bound)
    print(f"{how:18}  lower {lower:7.4f}  upper {upper:7.4f}  trained ", *(f"{weight:5.2f}" for weight in weights))
    assert (lower, upper, weights) == expected
PYTHON
