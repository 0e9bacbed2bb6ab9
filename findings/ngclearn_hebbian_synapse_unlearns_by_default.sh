#!/usr/bin/env bash
# ngc-learn 3.1.1 (JAX 0.7.2, Python 3.11): HebbianSynapse is anti-Hebbian by default. Its optimizers subtract
# an update that has the sign of ascent. So with the default, sign_value=1, units that are active together
# lose their connection, and weight decay (prior "l2" or "l1") makes weights grow. The documentation
# states dW = eta * (z_j * z_i) - decay, and calls 1 the form that ascends. With sign_value=-1, the rule is
# the one that is documented. 3.2.3 gives the same numbers.
#
# Seen (a weight of 0.5 after three steps):
#   sign_value  1.0: active 0.2000    l2 alone 0.6655    l1 alone 0.8000
#   sign_value -1.0: active 0.8000    l2 alone 0.3645    l1 alone 0.2000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    ngclearn==3.1.1 ngcsimlib==3.1.1 jax==0.7.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' 2> "$folder/log" || { cat "$folder/log" >&2; exit 1; }
import jax.numpy as jnp
from ngclearn import Context, MethodProcess
from ngclearn.components.synapses import HebbianSynapse


def weight(sign, activity, prior):
    with Context(f"{sign} {activity} {prior}"):
        synapse = HebbianSynapse(
            "synapse", (1, 1), eta=0.1, sign_value=sign, prior=(prior, 1.0), w_bound=0.0
        )
        evolve = MethodProcess("evolve") >> synapse.evolve
    synapse.weights.set(jnp.full((1, 1), 0.5))
    synapse.pre.set(jnp.full((1, 1), activity))
    synapse.post.set(jnp.full((1, 1), activity))
    for step in range(3):
        evolve.run(t=float(step), dt=1.0)
    return round(synapse.weights.get().item(), 4)


for sign, expected in ((1.0, (0.2, 0.6655, 0.8)), (-1.0, (0.8, 0.3645, 0.2))):
    active = weight(sign, 1.0, "constant")
    l2, l1 = weight(sign, 0.0, "l2"), weight(sign, 0.0, "l1")
    print(f"sign_value {sign:4}: active {active:.4f}    l2 alone {l2:.4f}    l1 alone {l1:.4f}")
    assert (active, l2, l1) == expected
PYTHON
