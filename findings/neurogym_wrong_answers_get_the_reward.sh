#!/usr/bin/env bash
# NeuroGym 2.3.1 (Gymnasium 0.29.1, NumPy 2.2.6, PyTorch 2.13.0, Python 3.11): two tasks reward other answers than
# the right ones. PostDecisionWager compares the action (1 or 2) with the index of the right choice (0 or 1),
# not with its own label: right answers never pay, answer 1 pays if 2 is right, and of the rewards only that of
# the sure bet is as described. Reaching1D (and Reaching1DWithSelfDistraction) shows a target angle, but keeps
# it in an array of integers, the type of its actions, so that it rewards the angle rounded down to whole
# radians, up to 57 degrees beside the target. The way out is a TrialWrapper that corrects each new trial.
#
# Seen (PostDecisionWager: the rewards of answer 1, answer 2 and the sure bet, if 1 or 2 is right; Reaching1D:
# the rewards of the hand at the target, and at the angle rounded down, for a target of 1.5 or 5.9 radians):
#   PostDecisionWager             1: [0.0, 0.0, 0.7]  2: [1.0, 0.0, 0.7]
#   PostDecisionWager, corrected  1: [1.0, 0.0, 0.7]  2: [0.0, 1.0, 0.7]
#   Reaching1D                    1.5: [0.5, 1.0]  5.9: [0.1, 1.0]
#   Reaching1D, corrected         1.5: [1.0, 0.5]  5.9: [1.0, 0.1]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    neurogym==2.3.1 gymnasium==0.29.1 numpy==2.2.6 torch==2.13.0
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import neurogym
from neurogym.core import TrialWrapper


class Corrected(TrialWrapper):
    def new_trial(self, **conditions):
        trial = self.env.new_trial(**conditions)
        if "wager" in trial:
            trial["ground_truth"] += 1
        else:
            self.task.gt = self.task.gt.astype(float)
            self.task.set_groundtruth(trial["ground_truth"], "reach")
        return trial


def rewards(name, corrected, right):
    for action in (1, 2, 3) if name == "PostDecisionWager" else (right, float(int(right))):
        task = neurogym.make(f"{name}-v0").unwrapped
        trials = Corrected(task) if corrected else task
        if name == "PostDecisionWager":
            trials.new_trial(ground_truth=right - 1, wager=True)
            while not task.in_period("decision"):
                task.step(0)
            assert task.gt_now == right  # The label, which is right in any case.
        else:
            trials.new_trial(ground_truth=right)
            while not task.in_period("reach"):
                task.step(0)
            task.state, action = action, 0  # The hand is there, and stays.
        yield round(float(task.step(action)[1]), 1)


for name, corrected, expected in (
    ("PostDecisionWager", False, {1: [0.0, 0.0, 0.7], 2: [1.0, 0.0, 0.7]}),
    ("PostDecisionWager", True, {1: [1.0, 0.0, 0.7], 2: [0.0, 1.0, 0.7]}),
    ("Reaching1D", False, {1.5: [0.5, 1.0], 5.9: [0.1, 1.0]}),
    ("Reaching1D", True, {1.5: [1.0, 0.5], 5.9: [1.0, 0.1]}),
):
    seen = {right: list(rewards(name, corrected, right)) for right in expected}
    how = f"{name}{', corrected' if corrected else ''}"
    print(f"{how:28}", *(f"{right}: {paid}" for right, paid in seen.items()), sep="  ")
    assert seen == expected
PYTHON
