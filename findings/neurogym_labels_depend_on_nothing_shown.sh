#!/usr/bin/env bash
# NeuroGym 2.3.1 (Gymnasium 0.29.1, NumPy 2.2.6, PyTorch 2.13.0, Python 3.11): the labels and rewards of two tasks
# depend on something that is not shown, so that no network can learn them. HierarchicalReasoning asks if the
# delay between two flashes is long, but draws it twice: once for the label, once for the flashes. (And the
# threshold is not the median of the possible delays, but the second shortest.) In DelayMatchCategory, with
# the default dim_ring=2, the two inputs are the cosine of an angle and its negative, which are the same for
# both categories (angles below and above 180 degrees): if sample and test match, cannot be told.
# Ways out: a TrialWrapper that draws the delay once, and dim_ring=4 (or more).
#
# Seen (HierarchicalReasoning: the share of trials labelled "long" among those that show a short delay, and a
# long one; DelayMatchCategory without noise: how often the label is that of most of the 5 most similar
# trials among 2000 others, by all inputs):
#   HierarchicalReasoning               short 0.66  long 0.66
#   HierarchicalReasoning, one draw     short 0.0  long 1.0
#   DelayMatchCategory, dim_ring=2      0.48
#   DelayMatchCategory, dim_ring=4      0.97
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    neurogym==2.3.1 gymnasium==0.29.1 numpy==2.2.6 torch==2.13.0
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import neurogym
import numpy as np
from neurogym.core import TrialWrapper


class OneDraw(TrialWrapper):
    delays = (530, 610, 690, 770, 850, 930, 1010, 1090, 1170)  # As in the task.

    def new_trial(self, **conditions):
        self.task.timing["delay"] = int(self.task.rng.choice(self.delays))
        self.task.mid_delay = np.median(self.delays)
        return self.env.new_trial(**conditions)


for how, wrap, expected in (("", lambda task: task, (0.66, 0.66)), (", one draw", OneDraw, (0.0, 1.0))):
    task = neurogym.make("HierarchicalReasoning-v0").unwrapped
    task.seed(0)
    task.new_block()  # The first one began unseeded.
    trials, labels = wrap(task), {"short": [], "long": []}
    for _ in range(2000):
        label = trials.new_trial()["long_interval"]
        shown = task.start_t["flash2"] - task.end_t["flash1"]
        if shown != 800:  # The median, in steps of 100.
            labels["short" if shown < 800 else "long"].append(label)
    seen = {delay: round(np.mean(values).item(), 2) for delay, values in labels.items()}
    print(f"{'HierarchicalReasoning' + how:34}", *(f"{delay} {share}" for delay, share in seen.items()), sep="  ")
    assert tuple(seen.values()) == expected

for size, expected in ((2, 0.48), (4, 0.97)):
    task = neurogym.make("DelayMatchCategory-v0", dim_ring=size, sigma=0).unwrapped
    task.seed(0)
    inputs, labels = np.zeros((3000, 2 * size)), np.zeros(3000)
    for i in range(3000):
        task.new_trial()
        inputs[i] = np.ravel([task.view_ob(period)[0, 1:] for period in ("sample", "test")])
        labels[i] = task.view_groundtruth("test")[0]
    distances = np.square(inputs[2000:, None] - inputs[:2000]).sum(axis=-1)
    guesses = np.median(labels[np.argsort(distances, axis=1, kind="stable")[:, :5]], axis=1)
    seen = round(np.mean(guesses == labels[2000:]).item(), 2)
    print(f"{f'DelayMatchCategory, dim_ring={size}':34}  {seen}")
    assert seen == expected
PYTHON
