"""Training: batches, the paper's schedule, checkpoints, evaluation, diagnostics."""
