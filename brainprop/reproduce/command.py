"""Reproduces the paper's tables: all their runs in one folder, in one process or in many.

    python -m brainprop.reproduce --datasets MNIST --seeds 1-10
    python -m brainprop.reproduce --report

The same command resumes what was interrupted, and can run several times at once.
"""

import argparse
import itertools
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from brainprop.common.arguments import known_name, path_of
from brainprop.common.commands import (
    BAD_INPUT,
    FAILURE,
    SIGNAL_BASE,
    SUCCESS,
    ArgumentParser,
    run_command,
)
from brainprop.common.errors import BrainPropError
from brainprop.common.files import make_directory, writing
from brainprop.datasets.table import DATASETS, MAX_INTEGER, dataset_name, load_data
from brainprop.experiments import Experiment
from brainprop.options import add_data_dir, add_plugin, add_settings, parse, settings_given
from brainprop.paper import ALGORITHMS, ARCHITECTURES, architectures_of, combinations, has_setting
from brainprop.reproduce import cluster
from brainprop.reproduce.attempts import Attempt, Status, complete, finished
from brainprop.reproduce.dry_run import print_what_is_left
from brainprop.reproduce.run_folder import RunFiles
from brainprop.reproduce.sweep import swept_values

PAPER_SEEDS = range(1, 11)
MAX_SEEDS = 1000
Attempts = Iterator[tuple[Experiment, Attempt]]


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
        cluster.check_options(arguments)
        if arguments.report:
            return _report(experiments, arguments)
        if arguments.dry_run:
            print_what_is_left(experiments, arguments.results, arguments.data_dir)
            return SUCCESS
        return _train(experiments, arguments)

    return run_command(work, _parser(), farewell="interrupted: the same command resumes")


def _train(experiments: Sequence[Experiment], arguments: argparse.Namespace) -> int:
    """Trains what is not finished and prints what became of each; continues after failures."""
    make_directory(arguments.results, "--results")
    runs = {experiment: RunFiles(arguments.results, experiment) for experiment in experiments}
    became: dict[Experiment, Status] = {}
    for run, files in runs.items():
        if files.is_finished:
            attempt = finished(files)
            became[run] = attempt.status
            if attempt.status is Status.FAILED:
                attempt.print(files.name)
    to_do = [run for run in runs if run not in became]
    print(f"{_tally(runs, became)}, in {arguments.results}", flush=True)
    for dataset, size in dict.fromkeys((run.dataset, run.image_size) for run in to_do):
        # Missing data shows before hours are spent.
        load_data(dataset, arguments.data_dir, image_size=size)
    for run, attempt in (cluster.complete_all if arguments.cluster else _here)(to_do, arguments):
        if attempt.status is not became.get(run):  # Still busy is no news.
            attempt.print(runs[run].name)
        became[run] = attempt.status
        if attempt.interrupted_by is not None:
            print("the same command resumes")
            return SIGNAL_BASE + attempt.interrupted_by
    print(_tally(runs, became))
    if Status.FAILED in became.values():
        return BAD_INPUT
    return FAILURE if Status.DIVERGED in became.values() else SUCCESS


def _tally(runs: Collection[Experiment], became: dict[Experiment, Status]) -> str:
    """Returns what became of how many runs: "3 runs: 2 finished, 1 busy"."""
    counts = Counter(became.values())
    parts = [f"{counts[status]} {status.value}" for status in Status if counts[status]]
    noun = "run" if len(runs) == 1 else "runs"
    return f"{len(runs)} {noun}: {', '.join(parts) or 'none finished'}"


def _here(runs: Sequence[Experiment], arguments: argparse.Namespace) -> Attempts:
    """Trains one run after the other in this process.

    Runs that are busy elsewhere come again at the end, since the other process may have died.
    """
    while runs:
        busy = []
        for run in runs:
            attempt = complete(run, arguments.results, arguments.data_dir)
            yield run, attempt
            if attempt.status is Status.BUSY:
                busy.append(run)
        if len(busy) == len(runs):
            return  # No process has died.
        runs = busy


def _report(experiments: Sequence[Experiment], arguments: argparse.Namespace) -> int:
    """Writes the report of the finished runs, regardless of their settings."""
    from brainprop.reproduce.report import Report
    from brainprop.reproduce.rows import read_results, table_rows

    datasets, architectures, algorithms = (
        {*names} for names in zip(*(experiment.row for experiment in experiments), strict=True)
    )

    def is_chosen(run: Experiment) -> bool:
        return (
            (not arguments.datasets or run.dataset in datasets)  # Else also folders of images.
            and run.architecture in architectures
            and run.algorithm in algorithms
            and (arguments.seeds is None or run.seed in arguments.seeds)
        )

    rows = table_rows(
        result for result in read_results(arguments.results) if is_chosen(result.experiment)
    )
    if not rows:
        raise BrainPropError(f"--results {arguments.results} holds no finished run to report")
    report = Report(rows, list(swept_values(arguments.sweep)))
    print(report.markdown(), end="")
    remedy = "make room there, or copy the results to another folder"
    with writing(f"--results {arguments.results}", remedy):
        paths = report.write(arguments.results)
    for path in paths:
        print(f"saved {path}", file=sys.stderr)
    return SUCCESS


def _experiments(arguments: argparse.Namespace) -> list[Experiment]:
    """Returns the runs that the arguments name, seed by seed, so that a table fills evenly."""
    datasets = [dataset_name(name) for name in arguments.datasets or DATASETS]
    architectures, algorithms = (
        [known_name(kind, name, known) for name in given or known]
        for kind, given, known in (
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
    named = (datasets if arguments.datasets else []) + (
        architectures if arguments.architectures else []
    )
    for name in named:
        if not any(name in network for network in networks):
            raise BrainPropError(
                f"{name} goes with none of the others given: choose from {combinations(DATASETS)}"
            )
    sweeps, given = swept_values(arguments.sweep), vars(arguments)
    for name in sweeps:
        if given[name] is not None:
            raise BrainPropError(f"{name} is swept: leave out its own option")
    # A report takes runs with any settings.
    grid = [()] if arguments.report else itertools.product(*sweeps.values())
    points = [dict(zip(sweeps, values, strict=False)) for values in grid]
    experiments = [
        Experiment(*network, algorithm, seed, **_settings(algorithm, given | point))
        for seed in arguments.seeds or PAPER_SEEDS
        for network in networks
        for algorithm in ALGORITHMS
        if algorithm in algorithms
        for point in points
    ]
    return list(dict.fromkeys(experiments))  # A swept setting that EBP does not have changes none.


def _settings(algorithm: str, given: dict) -> dict:
    """Returns the settings that are given and that the algorithm has."""
    own = {name: value for name, value in given.items() if has_setting(algorithm, name)}
    return settings_given(argparse.Namespace(**own))


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


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "python -m brainprop.reproduce",
        description="Run the paper's experiments, or your own, into one folder, and report on "
        "them. The same command resumes what was interrupted, and can run several times at once.",
    )
    runs = parser.add_argument_group("runs (default: all of the paper's)")
    for option, known in (
        ("--datasets", [*DATASETS, "or folders of images"]),
        ("--architectures", ARCHITECTURES),
        ("--algorithms", ALGORITHMS),
    ):
        choices = f"one or more of {', '.join(known)}"
        runs.add_argument(option, metavar="NAME", nargs="+", help=choices)
    runs.add_argument(
        "--seeds", metavar="SEEDS", type=_seeds,
        help="such as 1,3,5-7 (default: 1-10, as in the paper)",
    )  # fmt: skip
    runs.add_argument(
        "--sweep", metavar="NAME=VALUE,VALUE", action="append", default=[],
        help="train with each of these values of a setting, such as exploration_rate=0,0.02,0.1; "
        "several --sweep options train all combinations",
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

    cluster.add_options(parser)
    add_plugin(parser)
    add_settings(parser, leave_out=("seed",))
    return parser
