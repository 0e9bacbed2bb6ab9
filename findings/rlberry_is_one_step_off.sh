#!/usr/bin/env bash
# rlberry 0.7.3 (NumPy 1.26.4, SciPy 1.13.1, pandas 2.2.3, Matplotlib 3.7.5, gymnasium 0.29.1, Python 3.11): replay with
# priorities and episodes of finite models are one step off. No error, no warning.
# ReplayBuffer.sample(..., sampling_mode="prioritized") draws a transition by its priority. It then takes this index as
# the end of a slice, which Python leaves out. So it returns the transition before: a chunk of 1 never holds the drawn
# one, and longer chunks end before it. update_priorities(batch.info["indices"], ...), as documented, gives a priority
# to the transition that was returned. So an important transition is hardly ever replayed, but its predecessor all
# the time, with the small importance weight that belongs to the other one. And the newest transition but one is never
# drawn, as the sum of the priorities leaves out the last one.
# FiniteMDP.step() reports termination by the state that it leaves, not by the one that it reaches. So the episode goes
# on in the terminal state for one more step, whose reward counts, too.
# Ways out: give the priorities to (indices + 1) % len(buffer); a subclass with a sample() that asks is_terminal() of
# the next state.
#
# Seen (ten transitions, numbered, of which number 4 has a priority of 1000 and the others 1, alpha and beta 1: share
# of 20000 samples and mean weight by transition; what step() returns in a chain that ends in state 2, and the sum):
#   expected             0.001 0.001 0.001 0.001 0.991 0.001 0.001 0.001 0.001 0.001
#   sampled              0.001 0.001 0.001 0.992 0.001 0.001 0.001 0.001 0.000 0.001
#       weight of the important one 1.000, of the one before 0.001
#   way out              0.001 0.001 0.001 0.001 0.992 0.001 0.001 0.001 0.000 0.001
#       weight of the important one 0.001, of the one before 1.000
#   chunks of 3 that hold the important one 0.003
#   Chain    state 1 reward 0.0 terminated False
#   Chain    state 2 reward 1.0 terminated False
#   Chain    state 2 reward 5.0 terminated True
#   Chain    sum 6.0
#   Mended   state 1 reward 0.0 terminated False
#   Mended   state 2 reward 1.0 terminated True
#   Mended   sum 1.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==1.26.4 scipy==1.13.1 matplotlib==3.7.5 \
    pandas==2.2.3 gymnasium==0.29.1 dill==0.3.8 docopt==0.6.2 pyyaml==6.0.2 tqdm==4.66.5 adastop==0.1.3
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps rlberry==0.7.3
cd "$folder"
HOME=$folder MPLBACKEND=agg OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from rlberry.agents.utils.replay import ReplayBuffer
from rlberry.envs.finite_mdp import FiniteMDP

priorities = np.where(np.arange(10) == 4, 1000.0, 1.0)


def sampled(shift, chunk=1):
    buffer = ReplayBuffer(16, np.random.default_rng(0), enable_prioritized=True, alpha=1.0, beta=1.0)
    buffer.setup_entry("number", np.int32)
    for number in range(10):
        buffer.append({"number": number})
    buffer.update_priorities((np.arange(10)[None] + shift) % len(buffer), priorities[None])
    batch = buffer.sample(20000, chunk, sampling_mode="prioritized")
    return batch.data["number"], batch.info["weights"]


def show(name, shares):
    print(name.ljust(20), " ".join(f"{share:5.3f}" for share in shares))


wanted = priorities / priorities.sum()
show("expected", wanted)
for name, shift in (("sampled", 0), ("way out", 1)):
    numbers, weights = sampled(shift)
    shares = np.bincount(numbers[:, 0], minlength=10) / 20000
    show(name, shares)
    means = {number: np.mean(weights[numbers[:, 0] == number]) for number in (3, 4)}
    print(f"    weight of the important one {means[4]:.3f}, of the one before {means[3]:.3f}")
    if shift:
        assert shares[4] > 0.98 and np.isclose(means[4], 0.001)
    else:
        assert shares[3] > 0.98 and shares[4] < 0.01 and np.isclose(means[3], 0.001) and shares[8] == 0
numbers, _ = sampled(0, chunk=3)
share = np.mean((numbers == 4).any(1))
print(f"chunks of 3 that hold the important one {share:.3f}")
assert share < 0.01


class Chain(FiniteMDP):
    def is_terminal(self, state):
        return state == 2


class Mended(Chain):
    def sample(self, state, action):
        following, reward, _, *rest = super().sample(state, action)
        return following, reward, self.is_terminal(following), *rest


for kind, steps in ((Chain, 3), (Mended, 2)):
    moves = np.zeros((3, 1, 3))
    moves[[0, 1, 2], 0, [1, 2, 2]] = 1
    model = kind(R=np.array([[0.0], [1.0], [5.0]]), P=moves)
    model.reset()
    rewards, done = [], False
    while not done:
        state, reward, done, *_ = model.step(0)
        rewards.append(float(reward))
        print(f"{kind.__name__:8} state {state} reward {reward} terminated {done}")
    print(f"{kind.__name__:8} sum {sum(rewards)}")
    assert len(rewards) == steps and sum(rewards) == (6 if kind is Chain else 1)
PYTHON
