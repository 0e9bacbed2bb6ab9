"""Trains runs on the machines of a Ray cluster, which share the results folder."""

import argparse
import os
import re
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from brainprop.common.arguments import check_number
from brainprop.common.errors import BrainPropError, one_line
from brainprop.common.plugins import LOADED, load_plugin
from brainprop.common.startup import prepare_environment, quiet_stderr
from brainprop.experiments import Experiment
from brainprop.reproduce.attempts import Attempt, Status, complete

MAX_RETRIES = 100  # Of a run, since its machine can be preempted.
# A machine that is gone may hold a run's lock for a while; NFS frees it after 90 seconds.
LOCK_PATIENCE = 120
CONNECT_SECONDS = 10


class Preempted(Exception):
    """A signal ended the worker: another one resumes the run."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for many machines."""
    group = parser.add_argument_group("many machines")
    group.add_argument(
        "--cluster", choices=["ray"], type=str.lower,
        help="hand the runs to a cluster (default: run here)",
    )  # fmt: skip
    group.add_argument(
        "--cluster-address", metavar="ADDRESS",
        help="host:port of the cluster's head (default: the cluster of this machine)",
    )  # fmt: skip
    group.add_argument(
        "--cpus-per-run", metavar="N", type=int, help="CPUs for each run (default: 1)"
    )
    group.add_argument(
        "--gpus-per-run", metavar="N", type=float,
        help="GPUs for each run; 0.5 lets two runs share one (default: 1 if the cluster has any)",
    )  # fmt: skip


def check_options(arguments: argparse.Namespace) -> None:
    """Checks the options for many machines."""
    cpus, gpus = arguments.cpus_per_run, arguments.gpus_per_run
    if not arguments.cluster and (arguments.cluster_address, cpus, gpus) != (None, None, None):
        raise BrainPropError(
            "--cluster-address, --cpus-per-run and --gpus-per-run need --cluster ray"
        )
    if cpus is not None:
        check_number("--cpus-per-run", cpus, int, 1, 4096)
    if gpus is not None:
        check_number("--gpus-per-run", gpus, float, 0, 1024)
        if gpus > 1 and gpus % 1:
            raise BrainPropError("--gpus-per-run must be a part of one GPU, or whole")


def complete_all(
    runs: Sequence[Experiment], arguments: argparse.Namespace
) -> Iterator[tuple[Experiment, Attempt]]:
    """Completes runs on a Ray cluster, each in a process of its own.

    A run whose worker dies is resumed from its checkpoints by another one. The lock in the folder
    keeps two workers from the same run. Folders have the same path on every machine.

    Yields:
        Each run and what became of it, in the order in which the runs end.

    Raises:
        BrainPropError: If Ray is not installed, the cluster cannot be joined, or no machine is
            large enough.
    """
    # Not resolved: a link may lead elsewhere on each machine.
    folder = arguments.results.absolute()
    data_dir = arguments.data_dir and arguments.data_dir.expanduser().absolute()
    cpus, gpus = arguments.cpus_per_run or 1, arguments.gpus_per_run
    ray = _connect(arguments.cluster_address or "auto")
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
            task.remote(run, folder, data_dir, cpus, gpus, list(LOADED)): run for run in runs
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
    experiment: Experiment,
    folder: Path,
    data_dir: Path | None,
    cpus: int,
    gpus: float,
    plugins: Sequence[Path],
) -> Attempt:
    """Completes a run in a worker."""
    if not gpus:  # Ray leaves all GPUs of the machine visible to a task that asked for none.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    prepare_environment()
    for path in plugins:
        load_plugin(path)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(cpus)
    several = int(gpus) if gpus > 1 else None
    attempt = complete(experiment, folder, data_dir, several, LOCK_PATIENCE)
    if attempt.status is Status.INTERRUPTED:
        raise Preempted
    return attempt


def _connect(address: str):
    """Joins a cluster, and returns the package `ray`."""
    try:
        import ray
    except ModuleNotFoundError as error:
        raise BrainPropError(
            "--cluster ray needs a package: pip install -r requirements-ray.txt"
        ) from error
    problem = None
    with quiet_stderr():  # Ray tries a refused token for 20 seconds, and prints each failure.
        try:
            if address != "auto":
                _check_address(address)  # Ray needs two minutes, and then ends the process.
            ray.init(address, log_to_driver=False, logging_level="error")
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            problem = error
    if problem is not None:
        raise BrainPropError(f"--cluster-address {address}: {_reason(problem)}") from problem
    # Ray lets SIGTERM exit with code 15; without a handler the code is the usual 143.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return ray


def _reason(problem: Exception) -> str:
    """Returns why a cluster could not be joined, and the way out."""
    # A token that the cluster refuses is named in the cause only.
    if "authentication" in f"{problem} {problem.__cause__}".casefold():
        return (
            "the cluster asks for its token, and got none or another one: give this machine the "
            "head's ~/.ray/auth_token, and set RAY_AUTH_MODE=token (see docs/long-runs.md)"
        )
    return (
        f"no Ray cluster there ({one_line(problem)}): start one with `ray start --head`, or give "
        "the host:port that it prints"
    )


def _check_address(address: str) -> None:
    """Raises a ValueError or an OSError if no program answers at "host:port"."""
    match = re.fullmatch(r"([\w.-]+):(\d{1,5})", address)
    if not match:
        raise ValueError("it is not of the form host:port")
    socket.create_connection((match[1], int(match[2])), CONNECT_SECONDS).close()


def _check_resources(ray, cpus: int, gpus: float) -> None:
    """Checks that some machine is large enough: Ray would wait forever."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(m.get("CPU", 0) >= cpus and m.get("GPU", 0) >= gpus for m in machines):
        raise BrainPropError(
            f"no machine of the Ray cluster has {cpus} CPUs and {gpus:g} GPUs: "
            "give a smaller --cpus-per-run or --gpus-per-run"
        )
