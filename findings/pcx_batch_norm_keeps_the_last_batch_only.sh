#!/usr/bin/env bash
# PCX 0.6.3 (predictive coding; JAX 0.4.38, Equinox 0.11.12, Python 3.11): BatchNorm's default momentum is 0.1, as in
# PyTorch, where it is the share of the new batch. The layer hands it to Equinox's BatchNorm, where it is the
# share of the past (default 0.99). So the running statistics, by which the network is evaluated, are nine
# tenths those of the last batch. momentum=0.9 is PyTorch's 0.1.
#
# Seen (running mean after ten batches of mean 0 and one of mean 10):
#   PCX, default         8.97
#   PCX, momentum=0.9    1.01
#   PyTorch's formula, momentum 0.1: 1.01
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pcx==0.6.3 jax==0.4.38 equinox==0.11.12 optax==0.2.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import jax.numpy as jnp
import numpy as np
from pcx.functional import vmap
from pcx.nn import BatchNorm

noise = np.random.default_rng(0).standard_normal((11, 64, 1))
batches = noise + np.array([0.0] * 10 + [10.0])[:, None, None]


def running_mean(**options):
    layer = BatchNorm(1, axis_name="batch", **options)
    apply = vmap({"layer": None}, in_axes=0, out_axes=0, axis_name="batch")(lambda x, *, layer: layer(x))
    for batch in batches:
        apply(jnp.array(batch), layer=layer)
    mean, _ = layer.state.get().get(layer.nn.state_index)
    return round(mean.item(), 2)


expected = batches[0].mean()
for batch in batches[1:]:
    expected = 0.9 * expected + 0.1 * batch.mean()
print(f"PCX, default         {running_mean()}")
print(f"PCX, momentum=0.9    {running_mean(momentum=0.9)}")
print(f"PyTorch's formula, momentum 0.1: {expected:.2f}")
assert running_mean(momentum=0.9) == round(expected, 2) < 1.1
assert running_mean() > 8.9
PYTHON
