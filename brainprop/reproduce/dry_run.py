"""What is left of the runs in a folder, and how long it takes at most: `--dry-run`."""

import dataclasses
import math
import statistics
import sys
import timeit
from collections.abc import Callable, Sequence
from pathlib import Path

from brainprop.common.durations import duration
from brainprop.common.errors import BrainPropError
from brainprop.datasets.sources import no_downloads
from brainprop.datasets.splits import Data
from brainprop.experiments import Experiment, data_for
from brainprop.reproduce.attempts import Status, finished, start_for_many_runs
from brainprop.reproduce.run_folder import RunFiles

WARM_UP, MEASURED = 2, 3  # Steps. The first one compiles.


def print_what_is_left(runs: Sequence[Experiment], folder: Path, data_dir: Path | None) -> None:
    """Prints how far each run is, and how long the rest takes at most; downloads nothing."""
    done, total = 0, 0.0
    seconds: dict[Experiment, float | None] = {}  # An epoch takes as long with any seed.
    for experiment in runs:
        files = RunFiles(folder, experiment)
        if files.is_finished:
            attempt = finished(files)
            attempt.print(files.name)
            done += attempt.status is not Status.FAILED
            continue
        kind = dataclasses.replace(experiment, seed=1)
        if kind not in seconds:
            seconds[kind] = _seconds_per_epoch(experiment, data_dir)
        epoch, left = seconds[kind], max(0, experiment.epochs - files.epochs)
        total += left * (epoch or 0)
        parts = [f"{files.epochs} of at most {experiment.epochs} epochs" if files.epochs else "new"]
        parts += ["time unknown" if epoch is None else f"at most {duration(left * epoch)}"]
        parts += [f"busy in {other}"] if (other := files.locked_by) else []
        print(f"{files.name}: {', '.join(parts)}", flush=True)
    unknown = ", and the time that is unknown" if None in seconds.values() else ""
    print(f"{done} of {len(runs)} runs finished; the rest takes at most {duration(total)}{unknown}")
    if any(seconds.values()):
        from brainprop.common import devices

        print(
            "This holds for one run at a time, all epochs (most runs stop sooner), and the median "
            f"of three steps on {devices.description()}. Starting, reading the data and writing "
            "checkpoints are not included."
        )


def _seconds_per_epoch(experiment: Experiment, data_dir: Path | None) -> float | None:
    """Measures the seconds of an epoch; `None`, with a line on stderr, if data is missing."""
    try:
        with no_downloads():
            data = data_for(experiment, data_dir)
    except BrainPropError as error:
        print(f"{experiment.name}: {error}", file=sys.stderr)
        return None
    start_for_many_runs()
    from brainprop.common import devices

    with devices.reported_failures():
        return _estimate(experiment, data)


def _estimate(experiment: Experiment, data: Data) -> float:
    """Estimates the seconds of an epoch, with its evaluation, from the median of three steps."""
    from brainprop.networks.models import model_for
    from brainprop.training.batches import evaluation_batches, training_batches
    from brainprop.training.evaluation import EVALUATION_BATCH_SIZE
    from brainprop.training.prepare import splits

    model, (training, validation, _) = model_for(experiment), splits(data, experiment)
    batch_size, test_size = experiment.batch_size, EVALUATION_BATCH_SIZE
    batch = next(iter(training_batches(*training, batch_size, experiment.seed)))
    test_batch = next(iter(evaluation_batches(*validation, test_size)))
    seconds = _median_seconds(lambda: model.train_on_batch(*batch))
    test_seconds = _median_seconds(lambda: model.test_on_batch(*test_batch))
    steps = math.ceil(len(training[1]) / batch_size)
    return steps * seconds + math.ceil(len(validation[1]) / test_size) * test_seconds


def _median_seconds(step: Callable[[], object]) -> float:
    seconds = timeit.repeat(step, number=1, repeat=WARM_UP + MEASURED)
    return statistics.median(seconds[WARM_UP:])
