"""Whole tables of runs, in one folder: `python -m brainprop.reproduce`."""
