"""What a run leaves: weights, history, figures."""
