#!/usr/bin/env bash
# torch_cka 0.21 (PyTorch 2.13.0, NumPy 2.4.6, Python 3.11): its similarities (CKA) can be those of something else.
# export() gives the layers in the order of named_modules(), where a block comes before its layers and the
# whole network is first. The rows and columns of the matrix are in the order in which layers finish, where the
# whole network is last. Without a list of layers, or with a block in it, rows carry the names of other layers.
# One loader, which is the default for both networks, is iterated twice. With shuffle=True, each network sees
# other images, so that a network and its copy are as different as two unrelated ones. A seeded generator,
# as the documentation advises, does not help.
# One network on two data sets, an application that the documentation names, compares the second data set
# with itself, since both sets of hooks are on the same layers, and the later pass overwrites the features.
# Ways out: list(cka.model1_features) has the names in the order of the rows; shuffle=False; a deep copy.
#
# Seen (similarities of two networks by the names of their layers; of the first layers of a network and its
# copy; of the first layer on two unrelated data sets):
#   whole networks      exported names 0.585    features' names 0.538    true 0.538
#   right               exported names 4 of 25    features' names 25 of 25
#   copy                shuffle=True 0.000    shuffle=False 1.000
#   two data sets       same network 1.000    deep copy 0.003    true 0.003
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch_cka==0.21 torch==2.13.0 numpy==2.4.6 \
    matplotlib==3.11.2 tqdm==4.70.1  # It does not name the last two as requirements.
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - 2> errors <<'PYTHON' || { cat errors; exit 1; }
from copy import deepcopy

import numpy as np
import torch
from torch.nn import Linear, Sequential, Tanh
from torch.utils.data import DataLoader, TensorDataset
from torch_cka import CKA


def network():
    return Sequential(Sequential(Linear(5, 9), Tanh()), Linear(9, 3))


def features(model, inputs):  # By the names of named_modules().
    block = model[0](inputs)
    return {"": model(inputs), "0": block, "0.0": model[0][0](inputs), "0.1": block, "1": model[1](block)}


def hsic(x, y):  # The unbiased estimate, with the Gram matrices centred.
    n = len(x)
    k, m = ((1 - np.eye(n)) * (a @ a.T) for a in (x, y))
    return (k * m).sum() + k.sum() * m.sum() / (n - 1) / (n - 2) - 2 * k.sum(0) @ m.sum(0) / (n - 2)


def true(x, y):
    x, y = x.detach().double().numpy(), y.detach().double().numpy()
    return round(hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y)), 3)


def compared(first, second, *loaders):
    cka = CKA(first, second, "first", "second")
    cka.compare(*loaders)
    return cka, np.round(cka.export()["CKA"].double().numpy(), 3)


torch.manual_seed(0)
a, b = network(), network()
x, y = TensorDataset(torch.randn(500, 5) * torch.arange(5)), TensorDataset(torch.randn(500, 5))
in_order, shuffled = DataLoader(x, 500), DataLoader(x, 500, shuffle=True, generator=torch.Generator().manual_seed(0))
inputs, others = x.tensors[0], y.tensors[0]

cka, matrix = compared(deepcopy(a), deepcopy(b), in_order)
orders = cka.export()["model1_layers"], list(cka.model1_features)
expected = {(m, n): true(v, w) for m, v in features(a, inputs).items() for n, w in features(b, inputs).items()}
seen = [{(m, n): matrix[i, j] for i, m in enumerate(names) for j, n in enumerate(names)} for names in orders]
right = [sum(abs(values[pair] - expected[pair]) < 0.002 for pair in expected) for values in seen]
whole = [values["", ""] for values in (*seen, expected)]
print("whole networks      exported names {:.3f}    features' names {:.3f}    true {:.3f}".format(*whole))
print("right               exported names {} of 25    features' names {} of 25".format(*right))
assert right[0] < 12 and right[1] == 25 and abs(whole[0] - whole[2]) > 0.04

copies = [compared(deepcopy(a), deepcopy(a), loader)[1][0, 0] + 0.0 for loader in (shuffled, in_order)]
print("copy                shuffle=True {:.3f}    shuffle=False {:.3f}".format(*copies))
assert abs(copies[0]) < 0.05 and copies[1] == 1

c, expected = deepcopy(a), true(a[0][0](inputs), a[0][0](others))
sets = [compared(c, d, in_order, DataLoader(y, 500))[1][0, 0] for c, d in ((c, c), (deepcopy(a), deepcopy(a)))]
print("two data sets       same network {:.3f}    deep copy {:.3f}    true {:.3f}".format(*sets, expected))
assert sets[0] == 1 and abs(sets[1] - expected) < 0.002 and abs(expected) < 0.05
PYTHON
