"""This checkout against an earlier one, and against the 2020 code's network under Keras 2.

Each side is a process of its own, and the processes take turns: `benchmarks.interleaved`.
"""

import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.interleaved import Timing, take_turns
from benchmarks.table import Row
from brainprop.common.errors import BrainPropError

HERE = Path(__file__).resolve().parent.parent
WORKER = Path(__file__).with_name("worker.py")
STEPS, MOST_STEPS = {"deep": 2}, 10  # In a turn.
# What the ratio to commit 89d5c4c may be at most.
STEP_LIMITS = {
    ("MNIST", "conv"): 0.80,
    ("CIFAR10", "conv"): 0.80,
    ("MNIST", "loccon"): 0.60,
    ("CIFAR10", "loccon"): 0.60,
    ("MNIST", "dense"): 0.90,
    ("CIFAR10", "deep"): 0.97,
}
KERAS2_LIMITS = {
    ("MNIST", "conv"): 0.76,
    ("CIFAR10", "conv"): 0.76,
    ("MNIST", "loccon"): 0.15,
    ("CIFAR10", "loccon"): 0.15,
    ("MNIST", "dense"): 0.90,
    ("CIFAR10", "deep"): 0.97,
}
MIXED_LIMIT, START_LIMIT = 0.54, 0.70
TRAINING = ("MNIST", "conv", "BrainProp", "--epochs", "1", "--max-train-samples", "128",
            "--max-eval-samples", "1")  # fmt: skip
LOADING = ("MNIST", "conv", "BrainProp", "-l", str(HERE / "weights/MNIST_BrainProp_weights.h5"))


def before(other: Path, rounds: int) -> list[Row]:
    """Steps and start-up of this checkout against those of another one."""
    if not (other / "brainprop").is_dir():
        raise BrainPropError(f"{other} is no checkout of BrainProp: give the path of one")
    rows = []
    for (dataset, architecture), limit in STEP_LIMITS.items():
        sides = {
            "now": (HERE, "brainprop", dataset, architecture, "full"),
            "before": (other, "brainprop", dataset, architecture, "full"),
        }
        timing = _steps(sides, rounds)
        rows.append(Row(f"{architecture} step, now / before ({dataset})", timing, limit))
    for name, checkout, mixed in (("now", HERE, MIXED_LIMIT), ("before", other, None)):
        sides = {
            "mixed": (checkout, "brainprop", "CIFAR10", "deep", "mixed"),
            "full": (checkout, "brainprop", "CIFAR10", "deep", "full"),
        }
        timing = _steps(sides, rounds)
        rows.append(Row(f"deep step, mixed precision / float32, {name} (CIFAR10)", timing, mixed))
    for what, options in (
        ("start of main.py to the first step", TRAINING),
        ("-l on the shipped weights, to the last line", LOADING),
    ):
        wall, processor = _programs({"now": HERE, "before": other}, options, rounds)
        rows.append(Row(f"{what}, now / before (MNIST conv)", wall, START_LIMIT))
        rows.append(Row("the same in seconds of the processor, now / before", processor))
    return rows


def keras2(rounds: int) -> list[Row]:
    """Steps against those of the 2020 code's network under Keras 2."""
    rows = []
    for (dataset, architecture), limit in KERAS2_LIMITS.items():
        sides = {
            "ours": (HERE, "brainprop", dataset, architecture, "full"),
            "Keras 2": (HERE, "keras2", dataset, architecture, "full"),
        }
        what = f"our {architecture} step / the 2020 code's under Keras 2 ({dataset})"
        rows.append(Row(what, _steps(sides, rounds), limit))
    return rows


def _steps(sides: Mapping[str, tuple], rounds: int) -> Timing:
    """Compares the seconds of a step of two sides, each a process that waits for its turns."""
    with ExitStack() as stack:
        turns = {name: stack.enter_context(_worker(*side)) for name, side in sides.items()}
        return take_turns(turns, rounds)


@contextmanager
def _worker(checkout: Path, side: str, dataset: str, architecture: str, precision: str):
    """Starts a worker; it yields a function that takes a turn and returns the seconds of a step."""
    steps = STEPS.get(architecture, MOST_STEPS)
    command = [sys.executable, "-c", WORKER.read_text(), side, dataset, architecture, precision]
    with subprocess.Popen(
        command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        requests, answers = process.stdin, process.stdout
        assert requests and answers

        def turn() -> float:
            print(steps, file=requests, flush=True)
            line = answers.readline()
            if not line:
                raise BrainPropError(f"the {side} worker in {checkout} ended: its error is above")
            return float(line) / steps

        try:
            yield turn
        finally:
            process.terminate()


def _programs(
    checkouts: Mapping[str, Path], options: Sequence[str], rounds: int
) -> tuple[Timing, Timing]:
    """Compares the seconds of main.py in two checkouts until it prints an accuracy.

    Training prints the first one after one step and the evaluation of one image.

    Args:
        checkouts: The two sides.
        options: The arguments of main.py.
        rounds: How many times each program starts.

    Returns:
        The seconds until then, and the processor's seconds of the whole program.
    """
    processor: dict[str, list[float]] = {name: [] for name in checkouts}

    def turn(name: str) -> float:
        command = [sys.executable, str(checkouts[name] / "main.py"), *options]
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            lines = iter(process.stdout or ())
            if not any(re.search(r"accuracy:? \d", line) for line in lines):
                raise BrainPropError(f"{shlex.join(command)} printed no accuracy")
            seconds = time.perf_counter() - start
            for _ in lines:
                pass
            before = _processor_seconds()
            process.wait()
            processor[name].append(_processor_seconds() - before)
        return seconds

    wall = take_turns({name: partial(turn, name) for name in checkouts}, rounds)
    counted = {name: times[-rounds:] for name, times in processor.items()}  # No warm-up.
    return wall, Timing.of(counted)


def _processor_seconds() -> float:
    """Returns what the processes have used that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
