#!/usr/bin/env bash
# cpm-toolbox 0.26.0 (NumPy 2.4.6, SciPy 1.17.1, Python 3.11): four building blocks of models of reward learning go
# wrong at values of zero or below, as after losses or punishments, or simply at the start. Nothing warns.
# QLearningRule is documented as Q-learning, but multiplies the change by 1 for a positive value and by the value itself
# for any other. So a value of 0 never learns, and a negative value moves away from the reward, and faster and faster.
# GreedyRule is documented to prefer the action of largest value. But values of at most 0 get no chance at all, not
# even epsilon, and if all are at most 0, the choice is random.
# ChoiceKernel is documented as a softmax of weighted values plus weighted past choices. It multiplies them. With all
# values 0, which the documentation advises for the effect of past choices alone, past choices have no effect.
# With negative values, the effect is reversed. (None, its other advice, is an AttributeError.)
# ProspectUtility documents that delta, for losses, defaults to gamma. It defaults to 1: losses go unweighted.
# Notes in the module cpm.models.kernels mention the first and the third, those of the classes do not.
# Ways out: DeltaRule or SeparableRule for one action; values shifted above 0; a Softmax of the sum; delta=None.
#
# Seen (value after each reward, with half the error learned; chances of actions with epsilon = 0.1; chances with
# weights of 2 and 3, for past choices 0.9 and 0.1; utility of -100 with a chance of 0.1, at gamma = 0.61):
#   rewards -1 1 1 1 1    cpm  0.50 -0.25 -0.41 -0.69 -1.28 -2.73    formula  0.50 -0.25  0.38  0.69  0.84  0.92
#   rewards 1 1 1 1 1     cpm  0.00  0.00  0.00  0.00  0.00  0.00    formula  0.00  0.50  0.75  0.88  0.94  0.97
#   greedy  0.2  0.8    cpm 0.10 0.90
#   greedy  0.0  0.8    cpm 0.00 1.00
#   greedy -0.8 -0.2    cpm 0.50 0.50
#   kernel  1.0  1.0    cpm 0.992 0.008    formula 0.917 0.083
#   kernel  0.0  0.0    cpm 0.500 0.500    formula 0.917 0.083
#   kernel -1.0 -1.0    cpm 0.008 0.992    formula 0.917 0.083
#   loss    default -10.0    delta=None -18.6    formula -18.6
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cpm-toolbox==0.26.0 numpy==2.4.6 scipy==1.17.1 \
    pandas==3.1.1
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from cpm.models.activation import ProspectUtility
from cpm.models.decision import ChoiceKernel, GreedyRule
from cpm.models.learning import QLearningRule


def text(numbers, digits=2, width=5):
    return " ".join(f"{number:{width}.{digits}f}" for number in numbers)


def learned(start, rewards):  # Of one action without later states, so that the target is the reward.
    seen, formula = [start], [start]
    for reward in rewards:
        rule = QLearningRule(alpha=0.5, gamma=0, values=np.array(seen[-1:]), reward=reward, maximum=0)
        seen.append(rule.compute()[0])
        formula.append(formula[-1] + 0.5 * (reward - formula[-1]))
    return np.array(seen), np.array(formula)


for start, rewards in ((0.5, [-1, 1, 1, 1, 1]), (0.0, [1] * 5)):
    seen, formula = learned(start, rewards)
    name = f"rewards {' '.join(map(str, rewards))}"
    print(f"{name:20}  cpm {text(seen)}    formula {text(formula)}")
    assert formula[-1] > 0.9 and (seen[-1] < -2 if start else not seen.any())
assert np.allclose(*learned(0.5, [1, 0, 1, 1]))  # Positive values are right.

for values, expected in (((0.2, 0.8), (0.1, 0.9)), ((0.0, 0.8), (0, 1)), ((-0.8, -0.2), (0.5, 0.5))):
    chances = GreedyRule(activations=np.array(values)[:, None], epsilon=0.1).compute()
    print(f"greedy {values[0]:4.1f} {values[1]:4.1f}    cpm {text(chances)[1:].replace('  ', ' ')}")
    assert np.allclose(chances, expected)

past = np.array([0.9, 0.1])
for value, expected in ((1.0, 0.992), (0.0, 0.5), (-1.0, 0.008)):
    values = np.full(2, value)
    chances = ChoiceKernel(2, 3, activations=values[:, None], kernel=past).compute()
    formula = np.exp(2 * values + 3 * past) / np.exp(2 * values + 3 * past).sum()
    print(f"kernel {value:4.1f} {value:4.1f}    cpm {text(chances, 3)}    formula {text(formula, 3)}")
    assert np.isclose(chances[0], expected, atol=0.001) and np.isclose(formula[0], 0.917, atol=0.001)

weight = 0.1**0.61 / (0.1**0.61 + 0.9**0.61) ** (1 / 0.61)
ways = {}, {"delta": None}
default, none = (float(ProspectUtility([[-100]], [[0.1]], gamma=0.61, **how).compute()[0]) for how in ways)
print(f"loss    default {default:.1f}    delta=None {none:.1f}    formula {-100 * weight:.1f}")
assert np.isclose(default, -10) and np.isclose(none, -100 * weight)
PYTHON
