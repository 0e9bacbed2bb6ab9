"""Reproduces the paper's tables: all their runs, in one folder, by one or by many processes.

    python -m brainprop.reproduce --datasets MNIST --seeds 1-10
    python -m brainprop.reproduce --report

The same command goes on after an end of any kind, and may run several times at once.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from brainprop.common.arguments import ArgumentParser, check_number, known_name, path_of
from brainprop.common.commands import BAD_INPUT, FAILURE, SIGNAL_BASE, SUCCESS, run_command
from brainprop.common.errors import BrainPropError
from brainprop.common.files import make_directory, writing
from brainprop.datasets.sources import no_downloads
from brainprop.datasets.table import DATASETS, MAX_INTEGER, load_data
from brainprop.experiments import Experiment, data_for
from brainprop.options import add_data_dir, add_plugin, add_settings, parse, settings_given
from brainprop.paper import ALGORITHMS, ARCHITECTURES, architectures_of, combinations
from brainprop.reproduce.run_folder import Attempt, RunFiles, Status, complete, start_for_many_runs

PAPER_SEEDS = range(1, 11)
MAX_SEEDS = 1000
CLUSTERS = ("ray",)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit code: 0 success, 1 a run diverged or nobody reads stdout (2 while training, which
        then ends), 2 bad input, a run that failed or a file that cannot be written, 128 + n ended
        by signal n.
    """

    def work() -> int:
        arguments = parse(_parser, argv)
        experiments = _experiments(arguments)
        _check_cluster(arguments)
        command = _report if arguments.report else _dry_run if arguments.dry_run else _work_off
        return command(experiments, arguments)

    return run_command(work, _parser(), farewell="interrupted: the same command goes on")


def _work_off(experiments: Sequence[Experiment], arguments: argparse.Namespace) -> int:
    """Runs what is not finished, tells what becomes of each, and goes on after those that fail."""
    make_directory(arguments.results, "--results")
    runs = {experiment: RunFiles(arguments.results, experiment) for experiment in experiments}
    done = {experiment: files for experiment, files in runs.items() if files.is_finished}
    to_do = [experiment for experiment in runs if experiment not in done]
    counts = Counter(_status(files) for files in done.values())
    finished = counts.total() - counts[Status.FAILED]
    told = f"{_runs(len(runs))} in {arguments.results}, {finished} finished"
    diverged = counts[Status.DIVERGED]
    print(told + (f", {diverged} of them diverged" if diverged else ""), flush=True)
    _check_data(to_do, arguments.data_dir)
    attempts = _on_cluster(to_do, arguments) if arguments.cluster else _here(to_do, arguments)
    last: dict[Experiment, Status] = {}
    for experiment, attempt in attempts:
        if attempt.status is not last.get(experiment):  # Still busy is no news.
            line = f"{runs[experiment].name}: {attempt.message}"
            failed = attempt.status is Status.FAILED
            print(line, file=sys.stderr if failed else sys.stdout, flush=True)
        last[experiment] = attempt.status
        if attempt.interrupted_by is not None:
            print("go on with the same command")
            return SIGNAL_BASE + attempt.interrupted_by
    counts.update(last.values())
    became = [f"{counts[status]} {status.value}" for status in Status if counts[status]]
    print(f"{_runs(len(runs))}: {', '.join(became)}")
    if counts[Status.FAILED]:
        return BAD_INPUT
    return FAILURE if counts[Status.DIVERGED] else SUCCESS


def _status(files: RunFiles) -> Status:
    """What became of a run that is finished; it counts as failed if its result is damaged."""
    try:
        return files.status
    except BrainPropError as error:
        print(f"{files.name}: {error}", file=sys.stderr)
        return Status.FAILED


def _here(
    experiments: Sequence[Experiment], arguments: argparse.Namespace
) -> Iterator[tuple[Experiment, Attempt]]:
    """Runs one after the other in this process.

    Those that another process has come again at the end, since it may have died meanwhile.
    """
    while experiments:
        busy = []
        for experiment in experiments:
            attempt = complete(experiment, arguments.results, arguments.data_dir)
            yield experiment, attempt
            if attempt.status is Status.BUSY:
                busy.append(experiment)
        if len(busy) == len(experiments):
            return  # No process has died.
        experiments = busy


def _on_cluster(
    experiments: Sequence[Experiment], arguments: argparse.Namespace
) -> Iterator[tuple[Experiment, Attempt]]:
    from brainprop.reproduce.cluster import complete_all

    return complete_all(
        experiments,
        arguments.results.absolute(),  # Not resolved: a link may lead elsewhere on each machine.
        arguments.data_dir and arguments.data_dir.expanduser().absolute(),
        arguments.cluster_address or "auto",
        arguments.cpus_per_run or 1,
        arguments.gpus_per_run,
    )


def _check_data(experiments: Iterable[Experiment], data_dir: Path | None) -> None:
    """Finds out which data is missing before hours are spent."""
    for dataset in dict.fromkeys(experiment.dataset for experiment in experiments):
        load_data(dataset, data_dir)


def _dry_run(experiments: Sequence[Experiment], arguments: argparse.Namespace) -> int:
    """Tells what would run, how far it is, and how long the rest takes at most."""
    _check_results(arguments.results)
    seconds = {}  # An epoch takes as long with any seed.
    total, finished = 0.0, 0
    for experiment in experiments:
        files = RunFiles(arguments.results, experiment)
        if files.is_finished:
            status = _status(files)
            if status is not Status.FAILED:
                finished += 1
                print(f"{files.name}: {status.value}")
            continue
        row = experiment.row
        if row not in seconds:
            seconds[row] = _measure(experiment, arguments.data_dir)
        left = seconds[row] * max(0, experiment.epochs - files.epochs)
        total += left
        done = f"{files.epochs} of at most {experiment.epochs} epochs" if files.epochs else "new"
        holder = files.holder
        busy = f", busy in {holder}" if holder else ""
        print(f"{files.name}: {done}, at most {_duration(left)}{busy}", flush=True)
    counts = f"{_runs(len(experiments))}, {finished} finished"
    print(f"{counts}; the rest takes at most {_duration(total)}")
    if seconds:
        from brainprop.common import devices

        print(
            "That holds for one run at a time, all epochs (most runs stop sooner), and steps as "
            f"long as the median of three here, on {devices.description()}. Starting, reading the "
            "data and writing checkpoints come on top."
        )
    return SUCCESS


def _check_results(folder: Path) -> None:
    """Refuses what is no folder of runs, or may not be looked into; it need not be there yet."""
    try:
        list(folder.iterdir())
    except FileNotFoundError:
        pass
    except OSError as error:
        raise BrainPropError(
            f"--results {folder} cannot be read ({error.strerror}): choose another folder"
        ) from error


def _measure(experiment: Experiment, data_dir: Path | None) -> float:
    """The seconds of an epoch."""
    with no_downloads("--dry-run downloads nothing"):
        data = data_for(experiment, data_dir)
    start_for_many_runs()
    from brainprop.common import devices
    from brainprop.reproduce.estimates import seconds_per_epoch

    with devices.failures_told():
        return seconds_per_epoch(experiment, data)


def _report(experiments: Sequence[Experiment], arguments: argparse.Namespace) -> int:
    """Writes the report of the finished runs, whatever their settings."""
    _check_results(arguments.results)
    from brainprop.reproduce import finished_runs
    from brainprop.reproduce import report as reports

    chosen = {experiment.row for experiment in experiments}
    results = [
        result
        for result in finished_runs.read_results(arguments.results)
        if result.experiment.row in chosen
        and (arguments.seeds is None or result.experiment.seed in arguments.seeds)
    ]
    if not results:
        raise BrainPropError(f"--results {arguments.results} holds no finished run to report")
    rows = reports.table_rows(results)
    print(reports.as_markdown(rows), end="")
    remedy = "make room there, or copy the results to another folder"
    with writing(f"--results {arguments.results}", remedy):
        saved = reports.write_report(rows, arguments.results)
    for path in saved:
        print(f"saved {path}", file=sys.stderr)
    return SUCCESS


def _experiments(arguments: argparse.Namespace) -> list[Experiment]:
    """The runs that the arguments name, seed by seed, so that a table fills evenly."""
    datasets, architectures, algorithms = (
        [known_name(kind, name, known) for name in names] if names else list(known)
        for kind, names, known in (
            ("data set", arguments.datasets, DATASETS),
            ("architecture", arguments.architectures, ARCHITECTURES),
            ("algorithm", arguments.algorithms, ALGORITHMS),
        )
    )
    networks = [
        (dataset, architecture)
        for dataset in DATASETS
        for architecture in architectures_of(dataset)
        if dataset in datasets and architecture in architectures
    ]
    used = {name for network in networks for name in network}
    chosen = (datasets if arguments.datasets else []) + (
        architectures if arguments.architectures else []
    )
    for name in chosen:
        if name not in used:
            raise BrainPropError(
                f"{name} goes with none of the others given: choose from {combinations(DATASETS)}"
            )
    settings = settings_given(arguments)
    return [
        Experiment(*network, algorithm, seed=seed, **settings)
        for seed in arguments.seeds or PAPER_SEEDS
        for network in networks
        for algorithm in ALGORITHMS
        if algorithm in algorithms
    ]


def _check_cluster(arguments: argparse.Namespace) -> None:
    """Finds what is wrong with the arguments for many machines."""
    if arguments.cluster is not None:
        arguments.cluster = known_name("cluster", arguments.cluster, CLUSTERS)
    for option in ("cluster_address", "cpus_per_run", "gpus_per_run"):
        if getattr(arguments, option) is not None and arguments.cluster is None:
            raise BrainPropError(f"--{option.replace('_', '-')} needs --cluster ray")
    if arguments.cpus_per_run is not None:
        check_number("--cpus-per-run", arguments.cpus_per_run, int, 1, 4096)
    if arguments.gpus_per_run is not None:
        check_number("--gpus-per-run", arguments.gpus_per_run, float, 0, 1024)
        if arguments.gpus_per_run > 1 and arguments.gpus_per_run % 1:
            raise BrainPropError("--gpus-per-run must be a part of one GPU, or whole")


def _seeds(text: str) -> list[int]:
    """Seeds as "1-10" or "1,3,5-7", each once, in the order given."""
    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= MAX_INTEGER or last - first + len(seeds) >= MAX_SEEDS:
            raise argparse.ArgumentTypeError(
                f"{text!r}: give at most {MAX_SEEDS} seeds, such as 1-10 or 1,3,5-7"
            )
        seeds |= dict.fromkeys(range(first, last + 1))
    return list(seeds)


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"


def _duration(seconds: float) -> str:
    """Rounded to what one wants to know: "40 s", "12 min", "3 h 05 min"."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "python -m brainprop.reproduce",
        description="Run the paper's experiments into one folder, and report on it. The same "
        "command goes on where it was interrupted, and may run several times at once.",
    )
    runs = parser.add_argument_group("runs (default: all of the paper's)")
    for option, known in (
        ("--datasets", DATASETS), ("--architectures", ARCHITECTURES), ("--algorithms", ALGORITHMS),
    ):  # fmt: skip
        choices = f"one or more of {', '.join(known)}"
        runs.add_argument(option, metavar="NAME", nargs="+", help=choices)
    runs.add_argument(
        "--seeds", metavar="SEEDS", type=_seeds,
        help="such as 1,3,5-7 (default: 1-10; the paper has ten)",
    )  # fmt: skip

    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--dry-run", action="store_true",
        help="train nothing: tell what is finished, and estimate from a few training steps how "
        "long the rest takes at most (needs the data sets)",
    )  # fmt: skip
    action.add_argument(
        "--report", action="store_true",
        help="run nothing: write the table and the figure of what is finished, whatever its "
        "settings, into --results",
    )  # fmt: skip

    files = parser.add_argument_group("files")
    files.add_argument(
        "--results", metavar="DIR", type=path_of, default=Path("runs"),
        help="folder of the results, the weights and the checkpoints (default: runs)",
    )  # fmt: skip
    add_data_dir(files)

    cluster = parser.add_argument_group("many machines")
    cluster.add_argument(
        "--cluster", metavar="NAME", help="hand the runs to a cluster: ray (default: run here)"
    )
    cluster.add_argument(
        "--cluster-address", metavar="ADDRESS",
        help="host:port of the cluster's head (default: that of the cluster which this machine "
        "belongs to)",
    )  # fmt: skip
    cluster.add_argument("--cpus-per-run", metavar="N", type=int, help="for each run (default: 1)")
    cluster.add_argument(
        "--gpus-per-run", metavar="N", type=float,
        help="for each run; 0.5 lets two share one (default: 1 if the cluster has any)",
    )  # fmt: skip
    add_plugin(parser)
    add_settings(parser, leave_out=("seed",))
    return parser


if __name__ == "__main__":
    sys.exit(main())
