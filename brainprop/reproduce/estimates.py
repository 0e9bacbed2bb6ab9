"""Estimates how long training takes, from a few steps."""

import math
import statistics
import timeit
from collections.abc import Callable

from brainprop.datasets.table import Data
from brainprop.experiments import Experiment
from brainprop.networks.models import model_for
from brainprop.training.batches import evaluation_batches, training_batches
from brainprop.training.evaluation import EVALUATION_BATCH_SIZE
from brainprop.training.prepare import splits

WARM_UP, MEASURED = 2, 3  # The first step compiles.


def seconds_per_epoch(experiment: Experiment, data: Data) -> float:
    """Estimates how long an epoch takes, with its evaluation, from the median of three steps.

    Preparing the batches, which happens in parallel, and writing checkpoints are not included.

    Args:
        experiment: The run.
        data: As `load_data` returns it.
    """
    model = model_for(experiment)
    train_set, validation_set, _ = splits(data, experiment)
    batches = training_batches(*train_set, experiment.batch_size, experiment.seed)
    training = next(iter(batches))
    validation = next(iter(evaluation_batches(*validation_set, EVALUATION_BATCH_SIZE)))
    return sum(
        math.ceil(len(images) / batch_size) * _median_seconds(step)
        for images, batch_size, step in (
            (train_set[0], experiment.batch_size, lambda: model.train_on_batch(*training)),
            (validation_set[0], EVALUATION_BATCH_SIZE, lambda: model.test_on_batch(*validation)),
        )
    )


def _median_seconds(step: Callable[[], object]) -> float:
    seconds = timeit.repeat(step, number=1, repeat=WARM_UP + MEASURED)
    return statistics.median(seconds[WARM_UP:])
