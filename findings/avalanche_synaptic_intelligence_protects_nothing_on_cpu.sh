#!/usr/bin/env bash
# Avalanche 0.6.0 (avalanche-lib on PyPI; PyTorch 2.13.0, Python 3.11): on a CPU, SynapticIntelligence does nothing.
# The plugin notes the weights before and after each step by detach().cpu().flatten(). From a GPU (not run) this is a
# copy, on a CPU a view of the weights themselves, which the optimizer changes in place. So "before" equals "after",
# each importance is zero, and the old weights to stay close to are always the current ones. No error, no warning,
# for any si_lambda. The strategy of this name uses the same plugin. The way out is an extract_weights that copies.
# With it, the importances are those of the formula, but cut off at 0.001, a limit that no argument sets. In plain SGD,
# the formula gives 1 / (learning rate * steps) or more for any weight that moves noticeably. So, with fewer than
# ten thousand steps at a rate of 0.1, all of them count the same. A second change lifts the limit.
#
# Seen (a linear network, two experiences of 20 steps, learning rate 0.1, si_lambda 1; the smallest and the largest
# importance after the first one, and how far the weights move in the second one):
#   plain training                           moved 1.1649
#   the plugin             0.0000 to 0.0000  moved 1.1649
#   with copies            0.0010 to 0.0010  moved 1.1639
#   with copies, no limit  0.5000 to 0.8117  moved 0.7691
#   the formula            0.5000 to 0.8117  moved 0.7691
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check avalanche-lib==0.6.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch

try:
    import torchvision  # Avalanche imports it.
except RuntimeError:  # Its own operators may fit another build of PyTorch. Nothing here uses them.
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor a, Tensor b, float c) -> Tensor")
from avalanche.benchmarks import benchmark_from_datasets
from avalanche.benchmarks.utils import as_classification_dataset
from avalanche.training import Naive
from avalanche.training.plugins import SynapticIntelligencePlugin
from torch.nn import Linear
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset

torch.manual_seed(0)
start, inputs = torch.randn(3, 4), torch.randn(2, 50, 4)
labels = (inputs @ torch.randn(2, 4, 3)).argmax(2)


def trained(plugin):
    network, data = Linear(4, 3, bias=False), [TensorDataset(*pair) for pair in zip(inputs, labels)]
    network.weight.data = start.clone()
    for part in data:
        part.targets = part.tensors[1].tolist()
    stream = benchmark_from_datasets(train=[as_classification_dataset(part) for part in data]).train_stream
    settings = {"train_mb_size": 50, "train_epochs": 20, "evaluator": None, "plugins": [plugin] if plugin else []}
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    strategy = Naive(model=network, optimizer=optimizer, criterion=cross_entropy, **settings)
    strategy.train(stream[0])
    before, importance = network.weight.detach().clone(), plugin and plugin.ewc_data[1]["weight"].data.clone()
    strategy.train(stream[1])
    return importance, (network.weight.detach() - before).norm().item()


def by_hand():
    weight, importance = start.clone().requires_grad_(), torch.zeros(3, 4)
    for x, y in zip(inputs, labels):
        old, path = weight.detach().clone(), 0
        for _ in range(20):
            loss = cross_entropy(x @ weight.T, y) + (importance * (weight - old) ** 2).sum() / 2
            (gradient,) = torch.autograd.grad(loss, weight)
            path = path + gradient * 0.1 * gradient
            weight.data -= 0.1 * gradient
        moved = weight.detach() - old
        used, importance = importance, importance + path / (moved**2 + 1e-7)
    return used, moved.norm().item()


class Unlimited(SynapticIntelligencePlugin):
    def after_training_exp(self, strategy, **_):
        data, excluded = (self.ewc_data, self.syn_data), self.excluded_parameters
        self.update_ewc_data(strategy.model, *data, float("inf"), excluded, 1, eps=self.eps)


def copies(model, target, excluded):
    for name, weights in SynapticIntelligencePlugin.allowed_parameters(model, excluded):
        target[name].data = weights.detach().cpu().flatten().clone()


seen = {"plain training": trained(None), "the plugin": trained(SynapticIntelligencePlugin(1.0))}
SynapticIntelligencePlugin.extract_weights = staticmethod(copies)
seen["with copies"] = trained(SynapticIntelligencePlugin(1.0))
seen["with copies, no limit"], seen["the formula"] = trained(Unlimited(1.0)), by_hand()
for how, (importance, moved) in seen.items():
    shown = "" if importance is None else f"{importance.min().abs():.4f} to {importance.max().abs():.4f}"
    print(f"{how:22} {shown:17} moved {moved:.4f}")
importances, moves = zip(*seen.values())
assert not importances[1].any() and abs(moves[1] - moves[0]) < 1e-5
assert torch.allclose(importances[2], torch.tensor(0.001)) and importances[4].min() > 0.4
assert torch.allclose(importances[3], importances[4].flatten(), rtol=1e-3) and abs(moves[3] - moves[4]) < 1e-4
assert moves[4] < 0.9 * moves[0]
PYTHON
