#!/usr/bin/env bash
# pymdp (inferactively-pymdp 1.0.4, JAX 0.10.2, Equinox 0.13.8, Python 3.11): an observation that is masked once is
# ignored for good. infer_states() has a mask, to leave out observations that are missing. For a mask of 0, it
# replaces the likelihood (A) of this modality by a flat one. It does so in the agent's own list, although an agent
# is an immutable Equinox module, so all later calls, without a mask, too, ignore the modality, and planning sees no
# information to gain from it. A mask between 0 and 1 flattens the likelihood further with each call. With
# categorical_obs=True, the caller's own list of observations is overwritten, too. No error, no warning.
# (An open pull request of August 2026 has a fix.)
# Ways out: call infer_states() of a copy, such as jax.tree.map(lambda leaf: leaf, agent), or under jit.
#
# Seen (the probability of the first of two states, by two modalities that both observe 0, with Bayes' rule):
#   agent   before 0.964   masked 0.750   after 0.750   likelihood 0.500
#   copy    before 0.964   masked 0.750   after 0.964   likelihood 0.900
#   jit     before 0.964   masked 0.750   after 0.964   likelihood 0.900
#   true    before 0.964   masked 0.750   after 0.964   likelihood 0.900
#   observation of 0, after a masked call   [[0.5, 0.5]]
#   ten calls with a mask of 0.9   likelihood 0.639
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
from pymdp.agent import Agent

likelihoods = [np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[0.6, 0.2], [0.4, 0.8]])]  # Observations by states.
first_masked = [jnp.array(0.0), jnp.array(1.0)]
observations = [jnp.array([0]), jnp.array([0])]


def new_agent(**settings):
    return Agent(
        A=[jnp.array(likelihood) for likelihood in likelihoods],
        B=[jnp.eye(2)[:, :, None]],
        D=[jnp.array([0.5, 0.5])],
        A_dependencies=[[0], [0]],
        **settings,
    )


def infer(agent, mask=None):
    return agent.infer_states(observations, agent.D, mask=mask)[0].ravel()[0]


def bayes(*modalities):
    product = np.prod([likelihoods[m][0] for m in modalities], axis=0)
    return product[0] / product.sum()


def show(name, *seen):
    print("{:7} before {:.3f}   masked {:.3f}   after {:.3f}   likelihood {:.3f}".format(name, *seen))
    return np.round(np.array(seen, dtype=float), 3)


expected = bayes(0, 1), bayes(1), bayes(0, 1), likelihoods[0][0, 0]
masked_inference = jax.jit(lambda agent: infer(agent, first_masked))
seen = {}
for name, masked in (
    ("agent", lambda agent: infer(agent, first_masked)),
    ("copy", lambda agent: infer(jax.tree.map(lambda leaf: leaf, agent), first_masked)),
    ("jit", masked_inference),
):
    agent = new_agent()
    seen[name] = show(name, infer(agent), masked(agent), infer(agent), agent.A[0][0, 0, 0])
true = show("true", *expected)
assert (seen["copy"] == true).all() and (seen["jit"] == true).all()
assert (seen["agent"][:2] == true[:2]).all() and seen["agent"][2] == true[1] and seen["agent"][3] == 0.5

agent, one_hot = new_agent(categorical_obs=True), [jnp.array([[1.0, 0.0]]), jnp.array([[1.0, 0.0]])]
agent.infer_states(one_hot, agent.D, mask=first_masked)
print("observation of 0, after a masked call  ", one_hot[0].tolist())
assert one_hot[0].tolist() == [[0.5, 0.5]]

agent = new_agent()
for _ in range(10):
    infer(agent, [jnp.array(0.9), jnp.array(1.0)])
print(f"ten calls with a mask of 0.9   likelihood {agent.A[0][0, 0, 0]:.3f}")
assert abs(agent.A[0][0, 0, 0] - (0.5 + 0.4 * 0.9**10)) < 1e-5
PYTHON
