#!/usr/bin/env bash
# Spyx 1.0.0 (JAX 0.10.2, Flax 0.12.8, Python 3.11): mse_spikerate compares a rate with a count. Its documentation
# calls "sparsity" the percentage of the time that the neurons should spike. The loss takes the mean of
# the spikes over time, which is at most 1, but sets it against sparsity times the number of steps, which is 25
# for the default of 0.25 in 100 steps. So the neuron of the right class can never spike enough, and
# training ends with a spike in each step. A sparsity divided by the number of steps gives the documented
# loss.
#
# Seen (100 steps; the loss of the right class's neuron, by the share of steps in which it spikes; and that share
# after training a LIF neuron on a constant input, whose first step never has a spike):
#   sparsity=0.25        0 %: 625.0000    25 %: 612.5625    50 %: 600.2500    100 %: 576.0000    trained: 99 %
#   sparsity=0.25 / 100  0 %: 0.0625    25 %: 0.0000    50 %: 0.0625    100 %: 0.5625    trained: 25 %
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    spyx==1.0.0 jax==0.10.2 flax==0.12.8 optax==0.2.8 grain==0.2.18
cd "$folder"
JAX_PLATFORMS=cpu OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import jax.numpy as jnp
import optax
from flax import nnx
from spyx import fn, nn

STEPS = 100
right = jnp.array([0])


def trained(loss):
    rngs = nnx.Rngs(0)
    linear, neuron = nnx.Linear(1, 1, use_bias=False, rngs=rngs), nn.LIF((1,), beta=0.5, rngs=rngs)
    linear.kernel[...] = jnp.full((1, 1), 0.7)
    network = nn.Sequential(linear, neuron)
    optimizer = nnx.Optimizer(network, optax.adam(0.02), wrt=nnx.Param)

    def spikes(network):
        return nn.run(network, jnp.ones((1, STEPS, 1)), batch_major=True)[0]

    @nnx.jit
    def update(network, optimizer):
        optimizer.update(network, nnx.grad(lambda network: loss(spikes(network), right))(network))

    for _ in range(100):
        update(network, optimizer)
    return round(100 * spikes(network).mean().item())


for how, sparsity, losses, share in (
    ("0.25      ", 0.25, [625.0, 612.5625, 600.25, 576.0], 99),
    ("0.25 / 100", 0.25 / STEPS, [0.0625, 0.0, 0.0625, 0.5625], 25),
):
    loss = fn.mse_spikerate(sparsity)
    seen = {}
    for percent in (0, 25, 50, 100):
        spikes = (jnp.arange(STEPS) < percent).astype(jnp.float32)
        seen[percent] = round(loss(spikes[None, :, None], right).item(), 4)
    shown = "    ".join(f"{percent} %: {value:.4f}" for percent, value in seen.items())
    result = trained(loss)
    print(f"sparsity={how}  {shown}    trained: {result} %")
    assert list(seen.values()) == losses and result == share
PYTHON
