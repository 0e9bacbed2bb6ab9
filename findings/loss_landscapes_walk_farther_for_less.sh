#!/usr/bin/env bash
# loss-landscapes 3.0.6 (PyTorch 2.13.0, NumPy 2.4.6, Python 3.11): its plots show other places than they say.
# The argument distance of random_line and random_plane is documented as the largest distance from the start. The code
# divides by it. So a walk with distance=0.1, the default of random_line, ends ten times as far away as the weights
# are long, where nothing of the network is left, and distance=10 stays so near that the landscape looks flat.
# The direction of a line, and the first one of a plane, has all its numbers between 0 and 1. So it raises every weight,
# and two lines with other seeds are nearly the same, where the method of Li et al. draws normal numbers,
# which give unrelated directions. Normalization keeps the signs. (Issue 4 of its repository asks about this.)
# random_plane and planar_interpolation walk to and fro. A row that goes forth starts after one step, and a row that
# comes back ends at zero. So each second row is shifted by a step, and a straight valley gets teeth like a comb.
# normalization="model" scales one layer after the other by a norm that each of them has changed by then.
# LossPerturbations ignores alpha, the length of its steps. No error, no warning.
# Ways out: 1 / distance; none for the others.
#
# Seen (distance from the start in lengths of the weights; share of weights that a line raises, and the cosine of two
# lines, with filter normalization; place along the second direction, in steps, in the first and the last column of
# each row; the lengths of a direction's layers with normalization="model", divided by those without, which should be
# equal; and perturbations of the loss with each alpha):
#   distance 0.1    line ends at 10.00
#   distance 1      line ends at 1.00
#   distance 10     line ends at 0.10
#   raised 1.00  cosine 0.75    of normal numbers 0.48 0.01
#   first column of rows 0 to 5  1.0 0.0 1.0 0.0 1.0 0.0   last column 6.0 5.0 6.0 5.0 6.0 5.0
#   lengths of layers  0.71 0.94 0.96 1.86 1.93 2.41
#   alpha 1e-06   100.618 107.527 96.889
#   alpha 1       100.618 107.527 96.889
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check loss-landscapes==3.0.6 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
from copy import deepcopy

import numpy as np
import torch
from loss_landscapes import planar_interpolation, point, random_line
from loss_landscapes.metrics import LossPerturbations, Metric
from torch.nn import Linear, Sequential, Tanh


class Place(Metric):
    """Returns the weights themselves in place of a loss."""

    def __call__(self, wrapper):
        return np.concatenate([p.numpy().ravel() for p in wrapper.get_module_parameters().parameters])


def network(seed):
    torch.manual_seed(seed)
    return Sequential(Linear(20, 30), Tanh(), Linear(30, 20), Tanh(), Linear(20, 5))


def line(seed, **kwargs):  # The places as seen from the start.
    model = network(0)
    torch.manual_seed(seed)
    return random_line(model, Place(), deepcopy_model=True, **kwargs) - vector(model)


def vector(model):
    return torch.nn.utils.parameters_to_vector(model.parameters()).detach().numpy()


length = np.linalg.norm(vector(network(0)))
distances = 0.1, 1, 10
ends = [np.linalg.norm(line(1, distance=d)[-1]) / length for d in distances]
for distance, end in zip(distances, ends):
    print(f"distance {distance:<6} line ends at {end:.2f}")
assert np.allclose(ends, 1 / np.array(distances), rtol=1e-2)

first, second = (line(seed)[-1] for seed in (1, 2))
raised, cosine = np.mean(first > 0), first @ second / np.linalg.norm(first) / np.linalg.norm(second)
normal = np.random.default_rng(0).normal(size=(2, len(first)))
expected = normal[0] @ normal[1] / np.linalg.norm(normal[0]) / np.linalg.norm(normal[1])
print(f"raised {raised:.2f}  cosine {cosine:.2f}    of normal numbers {np.mean(normal[0] > 0):.2f} {expected:.2f}")
assert raised == 1 and cosine > 0.6 and abs(expected) < 0.2

steps, corners = 6, [network(seed) for seed in range(3)]
start, *others = (vector(model) for model in corners)
places = planar_interpolation(*corners, Place(), steps=steps, deepcopy_model=True) - start
directions = (np.array(others) - start) / steps
grid = np.linalg.lstsq(directions.T, places.reshape(steps**2, -1).T, rcond=None)[0].reshape(2, steps, steps)
along = np.round(grid, 3) + 0.0
print("first column of rows 0 to 5 ", *along[1, :, 0], "  last column", *along[1, :, -1])
assert np.allclose(grid[0], np.arange(steps)[:, None], atol=1e-3)
assert np.allclose(grid[1], np.arange(steps) + (np.arange(steps)[:, None] % 2 == 0), atol=1e-3)

sizes = [p.numel() for p in network(0).parameters()]
layers = [np.split(line(1, normalization=kind)[-1], np.cumsum(sizes)[:-1]) for kind in ("model", None)]
ratios = [np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(*layers)]
print("lengths of layers ", *(f"{ratio:.2f}" for ratio in ratios))
assert max(ratios) > 1.2 * min(ratios)

model, inputs = network(0), torch.randn(50, 20, generator=torch.Generator().manual_seed(0))
perturbed = []
for alpha in (1e-6, 1):
    torch.manual_seed(1)
    metric = LossPerturbations(torch.nn.MSELoss(), inputs, torch.zeros(50, 5), n_directions=3, alpha=alpha)
    perturbed.append(point(deepcopy(model), metric))
    print(f"alpha {alpha:<6} ", *np.round(perturbed[-1], 3))
assert np.allclose(*perturbed) and np.abs(perturbed[0]).max() > 0.1
PYTHON
