#!/usr/bin/env bash
# pymdp (inferactively-pymdp 1.0.4, JAX 0.10.2, Equinox 0.13.8, Python 3.11): with action_selection="stochastic" and
# sampling_mode="marginal", the actions of all control factors are drawn with the same random key. They should be
# independent draws from the marginals. Instead, factors with the same marginals always take the same action, and
# the actions of others are correlated, too. An agent that is undecided on two factors never tries half of the
# combinations, so it never finds a reward that is there. Each factor alone has the right chances. No error, no
# warning, and multiaction_probabilities() gives the independent chances. (Issue 430 of pymdp, open.)
# Ways out: sampling_mode="full", the default, or one call of control.sample_action() per factor, with its own key.
#
# Seen (fractions of 2000 draws with the actions 00, 01, 10 and 11 of two factors, expected for independent draws
# and of an agent in either mode, and with a key per factor):
#   chances of 1: 0.5, 0.5
#       expected   00 0.250   01 0.250   10 0.250   11 0.250
#       marginal   00 0.504   01 0.000   10 0.000   11 0.496
#       full       00 0.258   01 0.246   10 0.257   11 0.239
#       own keys   00 0.253   01 0.244   10 0.256   11 0.246
#   chances of 1: 0.2, 0.7
#       expected   00 0.240   01 0.560   10 0.060   11 0.140
#       marginal   00 0.299   01 0.505   10 0.000   11 0.196
#       full       00 0.242   01 0.552   10 0.062   11 0.142
#       own keys   00 0.256   01 0.546   10 0.057   11 0.141
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check inferactively-pymdp==1.0.4 jax==0.10.2 \
    jaxlib==0.10.2 equinox==0.13.8 numpy==2.4.6
cd "$folder"
JAX_PLATFORMS=cpu OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import jax
import jax.numpy as jnp
import numpy as np
from pymdp import control
from pymdp.agent import Agent

combinations = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
keys = jax.random.split(jax.random.PRNGKey(0), 2000)[:, None]  # Each for a batch of one.


def new_agent(mode):
    move = jnp.stack([jnp.eye(2), jnp.eye(2)[::-1]], -1)  # Stay or switch.
    return Agent(
        A=[jnp.full((2, 2, 2), 0.5)],
        B=[move, move],
        A_dependencies=[[0, 1]],
        action_selection="stochastic",
        sampling_mode=mode,
    )


def fractions(draw, draws):
    actions = np.asarray(jax.vmap(draw)(draws))
    return np.array([(actions == pair).all(1).mean() for pair in combinations])


agents = {mode: new_agent(mode) for mode in ("marginal", "full")}
policies, controls = agents["full"].policies.policy_arr, agents["full"].num_controls
assert (policies[:, 0] == combinations).all()


def own_keys(key, posterior):
    return jnp.stack(
        [
            control.sample_action(policies, controls, posterior, "stochastic", 1.0, factor_key)[factor]
            for factor, factor_key in enumerate(jax.random.split(key))
        ]
    )


for first, second in ((0.5, 0.5), (0.2, 0.7)):
    chances = np.outer((1 - first, first), (1 - second, second)).ravel()
    posterior = jnp.array(chances)  # Over the four policies.
    told = agents["marginal"].multiaction_probabilities(posterior)
    assert np.allclose(told, chances, atol=1e-5)
    seen = {
        mode: fractions(lambda key: agent.sample_action(posterior[None], rng_key=key)[0], keys)
        for mode, agent in agents.items()
    }
    seen["own keys"] = fractions(lambda key: own_keys(key, posterior), keys[:, 0])
    print(f"chances of 1: {first}, {second}")
    for name, values in {"expected": chances, **seen}.items():
        print("    {:9}  00 {:.3f}   01 {:.3f}   10 {:.3f}   11 {:.3f}".format(name, *values))
    assert max(abs(seen[name] - chances).max() for name in ("full", "own keys")) < 0.03
    assert seen["marginal"][2] == 0 and abs(seen["marginal"] - chances).max() > 0.05
    assert seen["marginal"][1] == 0 or first != second
PYTHON
