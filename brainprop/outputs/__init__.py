"""The files of a run: weights, history, figures."""
