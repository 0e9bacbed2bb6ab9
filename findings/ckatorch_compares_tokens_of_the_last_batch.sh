#!/usr/bin/env bash
# ckatorch 1.0.3 (PyTorch 2.13.0, NumPy 2.4.6, Python 3.11): its class CKA is documented to average the similarity of
# two layers (HSIC) over mini-batches of examples. It keeps that of the last batch only, each batch overwriting
# the one before, and then averages over the `epochs`. The last batch is often smaller, and without shuffling it is
# the same in all epochs. drop_last=True is refused, with the reason that values would depend on the batch size.
# Within the batch, it takes each example for a mini-batch and its tokens (or positions) for the examples. So what
# differs from example to example is subtracted, and two networks that tell examples apart in unrelated
# ways get a similarity of 1. (Layers without tokens are an error.) The way out is its function
# cka_batch, on the features of all examples, flattened, as one batch.
#
# Seen (36 examples of 6 tokens in batches of 16; then two networks that add the same to each token, but
# unrelated vectors to each example):
#   two networks        CKA 0.167    last batch 0.167    all batches 0.548    cka_batch 0.548
#   other examples      CKA 1.000    examples   -0.012                         cka_batch -0.012
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ckatorch==1.0.3 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - 2> errors <<'PYTHON' || { cat errors; exit 1; }
import numpy as np
import torch
from ckatorch import CKA, cka_batch
from torch.utils.data import DataLoader, TensorDataset


class Network(torch.nn.Module):  # One layer, whose output is the sum of two arrays, looked up by example.
    def __init__(self, tokens, examples):
        super().__init__()
        self.features, self.layer = tokens + examples[:, None], torch.nn.Identity()

    def forward(self, numbers):
        return self.layer(self.features[numbers])


def hsic(x, y):  # The unbiased estimate for the rows of two matrices.
    n = len(x)
    k, m = ((1 - np.eye(n)) * (a @ a.T) for a in (x, y))
    return ((k * m).sum() + k.sum() * m.sum() / (n - 1) / (n - 2) - 2 * k.sum(0) @ m.sum(0) / (n - 2)) / n / (n - 3)


def similarity(batches):  # HSIC is averaged over the batches, then normalized.
    xy, xx, yy = (np.mean([hsic(pair[i], pair[j]) for pair in batches]) for i, j in ((0, 1), (0, 0), (1, 1)))
    return xy / np.sqrt(xx * yy)


def reported(networks):
    loader = DataLoader(TensorDataset(torch.arange(36)), 16)
    return CKA(*networks, ["layer"], first_name="a", second_name="b")(loader, epochs=3).item()


torch.manual_seed(0)
tokens, noise, nothing = torch.randn(36, 6, 8), torch.randn(36, 6, 8), torch.zeros(36, 8)
networks = Network(tokens, nothing), Network(tokens + noise, nothing)
x, y = (network.features.double() for network in networks)
each = [(a.numpy(), b.numpy()) for a, b in zip(x, y)]  # As the library does: a batch for each example.
seen = reported(networks), similarity(each[32:]), similarity(each), cka_batch(x, y).item()
print("two networks        CKA {:.3f}    last batch {:.3f}    all batches {:.3f}    cka_batch {:.3f}".format(*seen))
assert np.isclose(*seen[:2], atol=1e-4) and np.isclose(*seen[2:], atol=1e-4) and abs(seen[0] - seen[2]) > 0.02

networks = [Network(tokens[:1].expand(36, 6, 8), 5 * torch.randn(36, 8)) for _ in range(2)]
x, y = (network.features.double().flatten(1) for network in networks)
seen = reported(networks), similarity([(x.numpy(), y.numpy())]), cka_batch(x[None], y[None]).item()
print("other examples      CKA {:.3f}    examples   {:.3f}                         cka_batch {:.3f}".format(*seen))
assert seen[0] > 0.999 and np.isclose(*seen[1:], atol=1e-4) and abs(seen[1]) < 0.2
PYTHON
