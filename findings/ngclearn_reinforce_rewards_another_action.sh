#!/usr/bin/env bash
# ngc-learn 3.1.1 (JAX 0.7.2, Python 3.11): REINFORCESynapse rewards another action than the one that it took.
# evolve() draws an action and, in the same call, learns with the reward that is set already. A reward that
# answers an action can only be set after the call that drew it, and the next call draws another action
# for it. So the mean update is zero, and the weights wander. Where the random state is set back before the
# second call, so that it draws the same action again, the mean update is REINFORCE's: 0.01 here, the
# factor by which the synapse scales its objective. 3.2.3 gives the same numbers.
#
# Seen (2,000 actions; reward: how far an action lies above the mean action):
#   mean update, next call:             0.0002 (standard error 0.0002)
#   mean update, random state set back: 0.0099 (standard error 0.0003)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    ngclearn==3.1.1 ngcsimlib==3.1.1 jax==0.7.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' 2> "$folder/log" || { cat "$folder/log" >&2; exit 1; }
import jax.numpy as jnp
import numpy as np
from ngclearn import Context, MethodProcess
from ngclearn.components.synapses.modulated.REINFORCESynapse import REINFORCESynapse

with Context("bandit"):
    synapse = REINFORCESynapse("synapse", (1, 1), eta=0.0, scalar_stddev=0.3, seed=1)
    evolve = MethodProcess("evolve") >> synapse.evolve
synapse.weights.set(jnp.array([[0.5, 0.0]]))  # The mean action is 0.5; the second weight has no use here.
synapse.inputs.set(jnp.ones((1, 1)))


def update(set_back):
    state = synapse.seed.get()
    synapse.learning_mask.set(jnp.zeros(()))
    evolve.run(t=0.0, dt=1.0)
    synapse.rewards.set(synapse.outputs.get()[0] - 0.5)
    if set_back:
        synapse.seed.set(state)
    synapse.learning_mask.set(jnp.ones(()))
    evolve.run(t=1.0, dt=1.0)
    return synapse.dWeights.get()[0, 0].item()


for how, set_back, expected in (("next call:            ", False, 0.0), ("random state set back:", True, 0.01)):
    updates = [update(set_back) for _ in range(2000)]
    error = np.std(updates) / len(updates) ** 0.5
    print(f"mean update, {how} {np.mean(updates):.4f} (standard error {error:.4f})")
    assert abs(np.mean(updates) - expected) < 5 * error < 0.003
PYTHON
