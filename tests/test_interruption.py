"""Runs that are interrupted at random moments: no half-written file, and each can be resumed."""

import os

from programs import run

# A hundred take a quarter of an hour: BRAINPROP_INTERRUPTED_RUNS=100 make test
RUNS = os.environ.get("BRAINPROP_INTERRUPTED_RUNS", "6")


def test_runs_interrupted_at_random_moments_leave_whole_files_and_can_be_resumed(tmp_path):
    result = run("tests/interrupted_runs.py", RUNS, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{RUNS} runs")
