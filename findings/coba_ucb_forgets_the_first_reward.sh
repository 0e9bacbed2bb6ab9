#!/usr/bin/env bash
# coba 8.1.0 (Python 3.11, without optional packages): two parts of this library for contextual bandits lose data that
# they are given. No error, no warning.
# BanditUCBLearner is documented as UCB1-Tuned, which rates an action by the mean of its rewards. The first reward of
# each action is dropped: the second takes its place with all its weight, and the mean goes on from there. So an
# action that gave 1 and then 0 counts as one that always gave 0, and the count of trials includes the lost one.
# Impute is documented to replace missing values, which it calls nan. It replaces None only, never NaN. And a column
# whose very first value is missing is taken for one that is not a number: all its missing values are left, and it
# gets no indicator. So the result depends on the order of the rows.
# Ways out: each action's first reward passed twice, which makes the mean right and the count one too large; None for
# NaN, and a first row that is complete.
#
# Seen (the action with the higher bound after two rewards each, where equal counts make for equal bonuses; contexts of
# one value in three rows, of which one is missing, imputed by the mean, with an indicator):
#   rewards of a 1.0 0.0    of b 0.4 0.4    means 0.5 0.4    UCB1-Tuned a    coba b    passed twice a
#   rewards of a 0.0 1.0    of b 0.9 0.9    means 0.5 0.9    UCB1-Tuned b    coba a    passed twice b
#   rewards of a 1.0 1.0    of b 0.9 0.9    means 1.0 0.9    UCB1-Tuned a    coba a    passed twice a
#   None in row 2    [[4.0, 0], [5.0, 1], [6.0, 0]]
#   None in row 1    [[None], [4.0], [6.0]]
#   NaN in row 2     [[4.0], [nan], [6.0]]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check coba==8.1.0
cd "$folder"
HOME=$folder "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math

from coba.environments import Impute
from coba.learners import BanditUCBLearner
from coba.primitives import SimulatedInteraction


def tuned(rewards, total):  # UCB1-Tuned of Auer et al. (2002).
    count, mean = len(rewards), sum(rewards) / len(rewards)
    variance = sum(reward**2 for reward in rewards) / count - mean**2 + math.sqrt(2 * math.log(total) / count)
    return mean + math.sqrt(math.log(total) / count * min(1 / 4, variance))


def chosen(rewards, first=1):
    learner = BanditUCBLearner()
    for action, values in rewards.items():
        for value in values[:1] * first + values[1:]:
            learner.learn(None, action, value, 1)
    return max(rewards, key=lambda action: learner.score(None, list(rewards), action))


for a, b, expected in (([1, 0], [0.4, 0.4], "aba"), ([0, 1], [0.9, 0.9], "bab"), ([1, 1], [0.9, 0.9], "aaa")):
    rewards = {"a": a, "b": b}
    seen = max(rewards, key=lambda action: tuned(rewards[action], 4)), chosen(rewards), chosen(rewards, 2)
    line = "rewards of a {:.1f} {:.1f}    of b {:.1f} {:.1f}    means {:.1f} {:.1f}    "
    print(line.format(*a, *b, sum(a) / 2, sum(b) / 2) + "UCB1-Tuned {}    coba {}    passed twice {}".format(*seen))
    assert "".join(seen) == expected


def imputed(values):
    rows = [SimulatedInteraction([value], ["a", "b"], [0, 1]) for value in values]
    return [row["context"] for row in Impute("mean").filter(rows)]


for name, values, expected in (
    ("None in row 2", [4.0, None, 6.0], "[[4.0, 0], [5.0, 1], [6.0, 0]]"),
    ("None in row 1", [None, 4.0, 6.0], "[[None], [4.0], [6.0]]"),
    ("NaN in row 2", [4.0, math.nan, 6.0], "[[4.0], [nan], [6.0]]"),
):
    seen = str(imputed(values))
    print(f"{name:16} {seen}")
    assert seen == expected
PYTHON
