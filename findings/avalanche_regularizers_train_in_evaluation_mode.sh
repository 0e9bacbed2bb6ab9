#!/usr/bin/env bash
# Avalanche 0.6.0 (avalanche-lib on PyPI; PyTorch 2.13.0, Python 3.11): RWalk and LFL train the network in evaluation
# mode. RWalkPlugin calls model.eval() before each step, for gradients of its own, and LFLPlugin in each step after the
# first experience, for its penalty. Neither calls model.train() afterwards, and the strategy does so only once, at
# the start of train(). So dropout drops nothing, and batch normalization does not normalize by the batch, but by
# running statistics that are updated too rarely: with RWalk never, with LFL in the first experience and one
# step of the second. No error, no warning. So a comparison with other strategies compares training modes, too. The
# LFL strategy uses the same plugin. The way out is a further plugin that calls model.train() in before_forward.
#
# Seen (two experiences of five steps, inputs of mean 3: the steps in training mode, the share of features that a
# dropout of 0.5 sets to zero, and the running mean, 3 (1 - 0.9 ** steps) by PyTorch's formula):
#   the formula          10 of 10   dropped 0.50   running mean 1.95
#   no plugin            10 of 10   dropped 0.50   running mean 1.95
#   RWalk                 0 of 10   dropped 0.00   running mean 0.00
#   LFL                   6 of 10   dropped 0.30   running mean 1.40
#   RWalk, corrected     10 of 10   dropped 0.50   running mean 1.95
#   LFL, corrected       10 of 10   dropped 0.50   running mean 1.95
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
from avalanche.models.base_model import BaseModel
from avalanche.training import Naive
from avalanche.training.plugins import LFLPlugin, RWalkPlugin, SupervisedPlugin
from torch import nn
from torch.utils.data import TensorDataset


class Network(BaseModel, nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.dropout, self.output = nn.BatchNorm1d(100), nn.Dropout(0.5), nn.Linear(100, 2)

    def get_features(self, x):
        features = self.dropout(self.norm(x))
        self.seen = self.training, (features == 0).float().mean().item()
        return features

    def forward(self, x):
        return self.output(self.get_features(x))


class Watch(SupervisedPlugin):
    def after_forward(self, strategy, **_):
        self.seen = [*getattr(self, "seen", []), strategy.model.seen]


class TrainingMode(SupervisedPlugin):
    def before_forward(self, strategy, **_):
        strategy.model.train()


def trained(*plugins):
    torch.manual_seed(0)
    network, watch, data = Network(), Watch(), [TensorDataset(3 + torch.randn(100, 100)) for _ in range(2)]
    for part in data:
        part.tensors += ((part.tensors[0][:, 0] > 3).long(),)
        part.targets = part.tensors[1].tolist()
    stream = benchmark_from_datasets(train=[as_classification_dataset(part) for part in data]).train_stream
    settings = {"train_mb_size": 20, "plugins": [*plugins, watch], "evaluator": None}
    Naive(model=network, optimizer=torch.optim.SGD(network.parameters(), 0.1), **settings).train(stream)
    modes, dropped = zip(*watch.seen)
    return sum(modes), sum(dropped) / 10, network.norm.running_mean.mean().item()


formula = 3 * (1 - 0.9**10)
print(f"the formula          10 of 10   dropped 0.50   running mean {formula:.2f}")
for how, plugins, expected in (
    ("no plugin", [], 10),
    ("RWalk", [RWalkPlugin(delta_t=1)], 0),
    ("LFL", [LFLPlugin(1.0)], 6),
    ("RWalk, corrected", [RWalkPlugin(delta_t=1), TrainingMode()], 10),
    ("LFL, corrected", [LFLPlugin(1.0), TrainingMode()], 10),
):
    steps, dropped, mean = trained(*plugins)
    print(f"{how:20} {steps:2} of 10   dropped {dropped:.2f}   running mean {mean:.2f}")
    assert steps == expected and abs(dropped - 0.05 * steps) < 0.02
    assert abs(mean - 3 * (1 - 0.9**steps)) < 0.05
PYTHON
