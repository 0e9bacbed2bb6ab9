"""Reproduces the paper's tables: all their runs in one folder, in one process or in many.

    python -m brainprop.reproduce --datasets MNIST --seeds 1-10
    python -m brainprop.reproduce --report

The same command resumes what was interrupted, and can run several times at once.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from brainprop.common.arguments import ArgumentParser, check_number, known_name, path_of
from brainprop.common.commands import BAD_INPUT, FAILURE, SIGNAL_BASE, SUCCESS, run_command
from brainprop.common.durations import duration
from brainprop.common.errors import BrainPropError
from brainprop.common.files import make_directory, writing
from brainprop.datasets.sources import no_downloads
from brainprop.datasets.table import DATASETS, MAX_INTEGER, dataset_name, load_data
from brainprop.experiments import Experiment, data_for
from brainprop.options import add_data_dir, add_plugin, add_settings, parse, settings_given
from brainprop.paper import ALGORITHMS, ARCHITECTURES, architectures_of, combinations, has_setting
from brainprop.reproduce.run_folder import Attempt, RunFiles, Status, complete, start_for_many_runs
from brainprop.reproduce.sweep import grid, swept_values

PAPER_SEEDS = range(1, 11)
MAX_SEEDS = 1000
CLUSTERS = ("ray",)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: The arguments. Defaults to the process's.

    Returns:
        The exit code: 0 success; 1 a run diverged, or stdout was closed; 2 bad input, a run that
        failed, a file that cannot be written, or stdout was closed while training; 128 + n ended
        by signal n.
    """

    def work() -> int:
        arguments = parse(_parser, argv)
        experiments = _experiments(arguments)
        _check_cluster(arguments)
        command = _report if arguments.report else _dry_run if arguments.dry_run else _train
        return command(experiments, arguments)

    return run_command(work, _parser(), farewell="interrupted: the same command resumes")


def _train(experiments: Sequence[Experiment], arguments: argparse.Namespace) -> int:
    """Trains what is not finished and prints what became of each; continues after failures."""
    make_directory(arguments.results, "--results")
    runs = {experiment: RunFiles(arguments.results, experiment) for experiment in experiments}
    finished = {run: _status(files) for run, files in runs.items() if files.is_finished}
    to_do = [run for run in runs if run not in finished]
    counts = Counter(finished.values())
    diverged = counts[Status.DIVERGED]
    line = f"{_runs(len(runs))} in {arguments.results}, "
    line += f"{counts.total() - counts[Status.FAILED]} finished"
    print(line + (f", {diverged} of them diverged" if diverged else ""), flush=True)
    for dataset, size in dict.fromkeys((run.dataset, run.image_size) for run in to_do):
        # Missing data shows before hours are spent.
        load_data(dataset, arguments.data_dir, image_size=size)
    attempts = _on_cluster(to_do, arguments) if arguments.cluster else _here(to_do, arguments)
    last: dict[Experiment, Status] = {}
    for experiment, attempt in attempts:
        if attempt.status is not last.get(experiment):  # Still busy is no news.
            stream = sys.stderr if attempt.status is Status.FAILED else sys.stdout
            print(f"{runs[experiment].name}: {attempt.message}", file=stream, flush=True)
        last[experiment] = attempt.status
        if attempt.interrupted_by is not None:
            print("the same command resumes")
            return SIGNAL_BASE + attempt.interrupted_by
    counts.update(last.values())
    became = [f"{counts[status]} {status.value}" for status in Status if counts[status]]
    print(f"{_runs(len(runs))}: {', '.join(became)}")
    if counts[Status.FAILED]:
        return BAD_INPUT
    return FAILURE if counts[Status.DIVERGED] else SUCCESS


def _status(files: RunFiles) -> Status:
    """Returns what became of a finished run: it failed if its result cannot be read."""
    try:
        return files.status
    except BrainPropError as error:
        print(f"{files.name}: {error}", file=sys.stderr)
        return Status.FAILED


def _here(
    experiments: Sequence[Experiment], arguments: argparse.Namespace
) -> Iterator[tuple[Experiment, Attempt]]:
    """Trains one run after the other in this process.

    Runs that are busy elsewhere come again at the end, since the other process may have died.
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


def _dry_run(experiments: Sequence[Experiment], arguments: argparse.Namespace) -> int:
    """Prints what would run, how far it is, and how long the rest takes at most."""
    seconds: dict[tuple, float | None] = {}  # An epoch takes as long with any seed.
    total, finished = 0.0, 0
    for experiment in experiments:
        files = RunFiles(arguments.results, experiment)
        if files.is_finished:
            status = _status(files)
            if status is not Status.FAILED:
                finished += 1
                print(f"{files.name}: {status.value}")
            continue
        kind = (experiment.row, str(experiment.overrides()))
        if kind not in seconds:
            seconds[kind] = _seconds_per_epoch(experiment, arguments.data_dir)
        epoch, left = seconds[kind], max(0, experiment.epochs - files.epochs)
        total += left * (epoch or 0)
        parts = [f"{files.epochs} of at most {experiment.epochs} epochs" if files.epochs else "new"]
        parts += ["time unknown" if epoch is None else f"at most {duration(left * epoch)}"]
        parts += [f"busy in {files.locked_by}"] if files.locked_by else []
        print(f"{files.name}: {', '.join(parts)}", flush=True)
    unknown = ", and the time that is unknown" if None in seconds.values() else ""
    counts = f"{_runs(len(experiments))}, {finished} finished"
    print(f"{counts}; the rest takes at most {duration(total)}{unknown}")
    if any(seconds.values()):
        from brainprop.common import devices

        print(
            "This holds for one run at a time, all epochs (most runs stop sooner), and the median "
            f"of three steps on {devices.description()}. Starting, reading the data and writing "
            "checkpoints are not included."
        )
    return SUCCESS


def _seconds_per_epoch(experiment: Experiment, data_dir: Path | None) -> float | None:
    """Measures the seconds of an epoch; `None`, with a line on stderr, if data is missing."""
    try:
        with no_downloads("--dry-run downloads nothing"):
            data = data_for(experiment, data_dir)
    except BrainPropError as error:
        print(f"{experiment.name}: {error}", file=sys.stderr)
        return None
    start_for_many_runs()
    from brainprop.common import devices
    from brainprop.reproduce.estimates import seconds_per_epoch

    with devices.failures_told():
        return seconds_per_epoch(experiment, data)


def _report(experiments: Sequence[Experiment], arguments: argparse.Namespace) -> int:
    """Writes the report of the finished runs, regardless of their settings."""
    from brainprop.reproduce.report import as_markdown, write_report
    from brainprop.reproduce.rows import read_results, table_rows

    chosen = {experiment.row for experiment in experiments}
    rows = table_rows(
        result
        for result in read_results(arguments.results)
        if result.experiment.row in chosen
        and (arguments.seeds is None or result.experiment.seed in arguments.seeds)
    )
    if not rows:
        raise BrainPropError(f"--results {arguments.results} holds no finished run to report")
    swept = list(swept_values(arguments.sweep))
    print(as_markdown(rows, swept), end="")
    remedy = "make room there, or copy the results to another folder"
    with writing(f"--results {arguments.results}", remedy):
        saved = write_report(rows, arguments.results, swept)
    for path in saved:
        print(f"saved {path}", file=sys.stderr)
    return SUCCESS


def _experiments(arguments: argparse.Namespace) -> list[Experiment]:
    """Returns the runs that the arguments name, seed by seed, so that a table fills evenly."""
    datasets = [dataset_name(name) for name in arguments.datasets or DATASETS]
    architectures, algorithms = (
        [known_name(kind, name, known) for name in names or known]
        for kind, names, known in (
            ("architecture", arguments.architectures, ARCHITECTURES),
            ("algorithm", arguments.algorithms, ALGORITHMS),
        )
    )
    networks = [
        (dataset, architecture)
        for dataset in dict.fromkeys([*DATASETS, *datasets])
        for architecture in architectures_of(dataset)
        if dataset in datasets and architecture in architectures
    ]
    chosen = (datasets if arguments.datasets else []) + (
        architectures if arguments.architectures else []
    )
    for name in chosen:
        if not any(name in network for network in networks):
            raise BrainPropError(
                f"{name} goes with none of the others given: choose from {combinations(DATASETS)}"
            )
    sweeps, given = swept_values(arguments.sweep), vars(arguments)
    for name in sweeps:
        if given[name] is not None:
            raise BrainPropError(f"{name} is swept: leave out its own option")
    experiments = [
        Experiment(
            *network,
            algorithm,
            seed=seed,
            **_settings_of(algorithm, given | {"seed": None} | point),
        )
        for seed in arguments.seeds or PAPER_SEEDS
        for network in networks
        for algorithm in ALGORITHMS
        if algorithm in algorithms
        for point in grid(sweeps, algorithm)
    ]
    return list(dict.fromkeys(experiments))


def _settings_of(algorithm: str, given: dict) -> dict:
    """Returns the settings that are given and that the algorithm has."""
    settings = settings_given(argparse.Namespace(**given))
    return {name: value for name, value in settings.items() if has_setting(algorithm, name)}


def _check_cluster(arguments: argparse.Namespace) -> None:
    """Checks the arguments for many machines."""
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
    """Reads seeds such as "1-10" or "1,3,5-7": each once, in the order given."""
    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= MAX_INTEGER or last - first + len(seeds) >= MAX_SEEDS:
            raise argparse.ArgumentTypeError(
                f"{text!r}: give seeds, at most {MAX_SEEDS}, such as 1-10 or 1,3,5-7"
            )
        seeds |= dict.fromkeys(range(first, last + 1))
    return list(seeds)


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "python -m brainprop.reproduce",
        description="Run the paper's experiments, or your own, into one folder, and report on "
        "them. The same command resumes what was interrupted, and can run several "
        "times at once.",
    )
    runs = parser.add_argument_group("runs (default: all of the paper's)")
    for option, known in (
        ("--datasets", DATASETS), ("--architectures", ARCHITECTURES), ("--algorithms", ALGORITHMS),
    ):  # fmt: skip
        choices = f"one or more of {', '.join(known)}"
        if known is DATASETS:
            choices += ", or folders of images"
        runs.add_argument(option, metavar="NAME", nargs="+", help=choices)
    runs.add_argument(
        "--seeds", metavar="SEEDS", type=_seeds,
        help="such as 1,3,5-7 (default: 1-10, as in the paper)",
    )  # fmt: skip
    runs.add_argument(
        "--sweep", metavar="NAME=VALUE,VALUE", action="append", default=[],
        help="train with each of these values of a setting, such as exploration_rate=0,0.02,0.1; "
        "given several times, with all combinations",
    )  # fmt: skip

    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--dry-run", action="store_true",
        help="train nothing: print what is finished, and estimate from a few training steps how "
        "long the rest takes at most",
    )  # fmt: skip
    action.add_argument(
        "--report", action="store_true",
        help="train nothing: write tables and figures of the finished runs, regardless of their "
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
        help="host:port of the cluster's head (default: the cluster of this machine)",
    )  # fmt: skip
    cluster.add_argument("--cpus-per-run", metavar="N", type=int, help="for each run (default: 1)")
    cluster.add_argument(
        "--gpus-per-run", metavar="N", type=float,
        help="for each run; 0.5 lets two share one (default: 1 if the cluster has any)",
    )  # fmt: skip
    add_plugin(parser)
    add_settings(parser, leave_out=("seed",))
    return parser
