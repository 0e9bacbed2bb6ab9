"""Runs on the machines of a Ray cluster, all of which see the same folder."""

import re
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from brainprop.common.errors import BrainPropError
from brainprop.common.startup import prepare_environment
from brainprop.experiments import Experiment
from brainprop.reproduce.run_folder import Attempt, Status, complete

MAX_RETRIES = 100  # Of a run: a preempted machine is no fault of its own.
# A machine that is gone may hold a run's lock for a while; NFS frees it after 90 seconds.
LOCK_PATIENCE = 120
CONNECT_SECONDS = 10


class Preempted(Exception):
    """The worker was asked to end, so the run goes on elsewhere."""


def complete_all(
    experiments: Sequence[Experiment],
    folder: Path,
    data_dir: Path | None,
    address: str,
    cpus: int,
    gpus: float | None,
) -> Iterator[tuple[Experiment, Attempt]]:
    """Completes runs on a Ray cluster, each in a process of its own.

    A run whose worker dies is resumed from its checkpoints by another one. The lock in the folder
    keeps two workers from the same run.

    Args:
        experiments: The runs.
        folder: The folder of all runs, under the same path on every machine.
        data_dir: See `datasets.load_data`; likewise.
        address: Of the cluster's head, "host:port", or "auto" on a machine of the cluster.
        cpus: Of each run: Ray sets them aside, and TensorFlow uses so many threads.
        gpus: Of each run: a part of one or several; `None` takes one if the cluster has any.

    Yields:
        Each run and what became of it, in the order in which they end.

    Raises:
        BrainPropError: Ray is not installed, there is no cluster, or no machine in it is
            large enough.
    """
    ray = _connect(address)
    try:
        if gpus is None:
            gpus = 1 if ray.cluster_resources().get("GPU") else 0
        _check_resources(ray, cpus, gpus)
        task = ray.remote(
            num_cpus=cpus,
            num_gpus=gpus,
            max_retries=MAX_RETRIES,
            retry_exceptions=[Preempted],
            max_calls=1,  # TensorFlow gives a GPU's memory back only at the end of its process.
        )(_complete)
        under_way = {
            task.remote(experiment, folder, data_dir, cpus, gpus): experiment
            for experiment in experiments
        }
        while under_way:
            (ended,), _ = ray.wait(list(under_way))
            try:
                attempt = ray.get(ended)
            except ray.exceptions.RayError as error:
                attempt = Attempt(Status.FAILED, str(error).strip().splitlines()[-1])
            yield under_way.pop(ended), attempt
    finally:
        ray.shutdown()


def _complete(
    experiment: Experiment, folder: Path, data_dir: Path | None, cpus: int, gpus: float
) -> Attempt:
    """What a worker does."""
    prepare_environment()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(cpus)
    several = int(gpus) if gpus > 1 else None
    attempt = complete(experiment, folder, data_dir, several, LOCK_PATIENCE)
    if attempt.status is Status.INTERRUPTED:
        raise Preempted
    return attempt


def _connect(address: str):
    """Joins a cluster, and returns Ray."""
    try:
        import ray
    except ModuleNotFoundError as error:
        raise BrainPropError(
            "--cluster ray needs a package: pip install -r requirements-ray.txt"
        ) from error
    try:
        if address != "auto":
            _check_address(address)  # Ray takes minutes to find out.
        ray.init(address, log_to_driver=False, logging_level="error")
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BrainPropError(
            f"--cluster-address {address}: no Ray cluster there ({reason}): "
            "start one with `ray start --head`, or give the host:port that it tells"
        ) from error
    # Ray lets SIGTERM exit with code 15; without a handler the code is the usual 143.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return ray


def _check_address(address: str) -> None:
    """Finds out whether anything answers at "host:port".

    Raises:
        ValueError: The address has another form.
        OSError: Nothing does.
    """
    match = re.fullmatch(r"([\w.-]+):(\d{1,5})", address)
    if not match:
        raise ValueError("it is not of the form host:port")
    socket.create_connection((match[1], int(match[2])), CONNECT_SECONDS).close()


def _check_resources(ray, cpus: int, gpus: float) -> None:
    """Refuses what Ray would wait for without end."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(m.get("CPU", 0) >= cpus and m.get("GPU", 0) >= gpus for m in machines):
        raise BrainPropError(
            f"no machine of the Ray cluster has {cpus} CPUs and {gpus:g} GPUs: "
            "give a smaller --cpus-per-run or --gpus-per-run"
        )
