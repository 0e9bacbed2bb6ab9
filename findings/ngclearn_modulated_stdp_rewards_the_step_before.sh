#!/usr/bin/env bash
# ngc-learn 3.1.1 (JAX 0.7.2, Python 3.11): MSTDPETSynapse applies a reward to the step before. evolve() multiplies
# the reward by the eligibility of its last call, and only then computes that of the spikes at hand. So
# reward and spikes that are set together, as its compartments suggest, change nothing, and the reward of
# one trial goes to the spikes of another. The eligibility trace (tau_elg > 0) comes late by the same step.
# And a new synapse learns nothing at all, until the first reset(): until then a mask over its outputs,
# which no argument sets, is zero. 3.2.3 gives the same numbers.
#
# Seen (a weight of 0.5 after three steps with spikes in the first one only; the reward in step 1, 2 or 3):
#   tau_elg 0.0  after reset()     0.5000 0.6000 0.5000
#   tau_elg 0.0  new               0.5000 0.5000 0.5000
#   tau_elg 2.0  after reset()     0.5000 0.5500 0.5303
#   tau_elg 2.0  new               0.5000 0.5000 0.5000
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
from ngclearn.components.synapses.modulated.MSTDPETSynapse import MSTDPETSynapse


def weight(tau, start, rewarded):
    with Context(f"{tau} {start} {rewarded}"):
        synapse = MSTDPETSynapse("synapse", (1, 1), A_plus=1.0, A_minus=1.0, eta=0.1, tau_elg=tau)
        evolve = MethodProcess("evolve") >> synapse.evolve
        reset = MethodProcess("reset") >> synapse.reset
    if start != "new":
        reset.run()
    synapse.weights.set(jnp.full((1, 1), 0.5))
    for step in (1, 2, 3):
        spike = jnp.full((1, 1), float(step == 1))
        synapse.preTrace.set(spike)
        synapse.postSpike.set(spike)
        synapse.modulator.set(jnp.full((1, 1), float(step == rewarded)))
        evolve.run(t=float(step), dt=1.0)
    return round(synapse.weights.get().item(), 4)


for tau, second, third in ((0.0, 0.6, 0.5), (2.0, 0.55, 0.5303)):
    for start, expected in (("after reset()", [0.5, second, third]), ("new", [0.5, 0.5, 0.5])):
        seen = [weight(tau, start, rewarded) for rewarded in (1, 2, 3)]
        print(f"tau_elg {tau}  {start:13}    ", *(f"{value:.4f}" for value in seen))
        assert seen == expected
PYTHON
