#!/usr/bin/env bash
# RatInABox 1.15.3 (PettingZoo 1.27.0, NumPy 2.4.6, Python 3.11): TaskEnvironment.reset() leaves the rewards of
# the last episode in place. With the default reward, which decays for one second, the step that reaches the
# goal and ends the episode pays 1, and the first steps of the next one, wherever the agent is, pay 62.
# A Reward counts time by a dt of its own, 0.01, not by the environment's: with dt=0.1, its second takes ten.
# The documentation of expire_clock=None promises that it never expires, but it lasts for one step.
# decay="exponential" does not end at zero, but takes 2 exp(reward) per second: a reward becomes a punishment.
# Ways out: Reward(dt=dt, expire_clock=dt, decay="none") for the goals, or emptying the caches after reset().
#
# Seen (the reward of the step that ends the episode, and after reset() the sum and the number of seconds):
#   default reward, dt 0.01      1.0 then 62.4 in 0.99 s
#   default reward, dt 0.1       1.0 then 62.4 in 9.9 s
#   expire_clock=None            1.0 then 0.0 in 0.0 s
#   decay="exponential"          1.0 then -21.4 in 0.99 s
#   expire_clock=dt              1.0 then 0.0 in 0.0 s
#   default, caches emptied      1.0 then 0.0 in 0.0 s
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    ratinabox==1.15.3 pettingzoo==1.27.0 gymnasium==1.4.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 MPLCONFIGDIR="$folder" "$folder/venv/bin/python" - <<'PYTHON'
from ratinabox.Agent import Agent
from ratinabox.contribs.TaskEnvironment import Reward, SpatialGoalEnvironment


def episode(dt, reward, emptied=False):
    goal = {} if reward is None else {"reward": Reward(1, **reward)}
    world = SpatialGoalEnvironment(
        dt=dt, render_mode="none", possible_goal_positions=[[0.9, 0.9]], goalkws=goal
    )
    agent = Agent(world, params={"dt": dt})
    world.add_agents(agent)

    def step(place):
        agent.pos[:] = place
        _, reward, ended, _, _ = world.step1([0.0, 0.0])
        return float(reward), ended

    last, ended = step(0.9)
    assert ended
    world.reset()
    if emptied:
        for cache in world.reward_caches.values():
            cache.cache.clear()
    later = [step(0.1)[0] for _ in range(150)]
    paid = sum(reward != 0 for reward in later)
    return last, round(sum(later), 1), round(paid * dt, 2)


for how, dt, reward, emptied, expected in (
    ("default reward, dt 0.01", 0.01, None, False, (1.0, 62.4, 0.99)),
    ("default reward, dt 0.1", 0.1, None, False, (1.0, 62.4, 9.9)),
    ("expire_clock=None", 0.01, {"expire_clock": None, "decay": "linear"}, False, (1.0, 0.0, 0.0)),
    ('decay="exponential"', 0.01, {"expire_clock": 1, "decay": "exponential"}, False, (1.0, -21.4, 0.99)),
    ("expire_clock=dt", 0.1, {"dt": 0.1, "expire_clock": 0.1, "decay": "none"}, False, (1.0, 0.0, 0.0)),
    ("default, caches emptied", 0.01, None, True, (1.0, 0.0, 0.0)),
):
    seen = episode(dt, reward, emptied)
    print(f"{how:28} {seen[0]} then {seen[1]} in {seen[2]} s")
    assert seen == expected
PYTHON
