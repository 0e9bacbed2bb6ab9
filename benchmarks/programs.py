"""The whole program: where an epoch's seconds go, how fast it starts, what memory it takes."""

import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from csv import DictReader
from pathlib import Path

import tensorflow as tf

from benchmarks.checkouts import TRAINING
from benchmarks.interleaved import Timing
from benchmarks.steps import random_batch, step_of
from benchmarks.table import Amount, Row
from brainprop.common.errors import BrainPropError
from brainprop.datasets.table import load_data
from brainprop.experiments import Experiment
from brainprop.networks.models import model_for
from brainprop.training.evaluation import EVALUATION_BATCH_SIZE

MAIN = Path(__file__).resolve().parent.parent / "main.py"


def epoch(rounds: int) -> list[Row]:
    """An epoch through the command line against its bare steps and evaluation.

    The second epoch of a run is taken, as the first one traces the graphs.
    """
    rows = []
    for architecture in ("conv", "dense"):
        experiment = Experiment("MNIST", architecture, "BrainProp")
        train_set, test_set = load_data("MNIST")
        steps = math.ceil(len(train_set[0]) / experiment.batch_size)
        evaluation_steps = math.ceil(len(test_set[0]) / EVALUATION_BATCH_SIZE)
        model = model_for(experiment)
        batch = random_batch(experiment)
        step, evaluate = step_of(model, batch), _evaluation_step_of(model, batch)
        step(), evaluate()
        names = ("epoch", "steps and evaluation", "steps", "evaluation")
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            seconds["steps"].append(_seconds(step, steps))
            seconds["evaluation"].append(_seconds(evaluate, evaluation_steps))
            bare = seconds["steps"][-1] + seconds["evaluation"][-1]
            seconds["steps and evaluation"].append(bare)
            seconds["epoch"].append(_second_epoch(architecture))
        what = f"a whole epoch / its bare steps and evaluation, {architecture} (MNIST)"
        rows.append(Row(what, Timing.of(seconds), 1.05))
    return rows


def _evaluation_step_of(model, batch):
    model.make_test_function(force=True)
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    return lambda: float(model.test_function(batches)["loss"])


def _seconds(call, times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return time.perf_counter() - start


def onednn(rounds: int) -> list[Row]:
    """An epoch of `main.py` on part of MNIST, with the library oneDNN against without it."""
    rows = []
    for architecture, images in (("conv", 12_800), ("loccon", 3_200), ("dense", 25_600)):
        few = ("--max-train-samples", str(images), "--max-eval-samples", "1000")
        seconds: dict[str, list[float]] = {"with": [], "without": []}
        for _ in range(rounds):
            for name, switch in (("with", "1"), ("without", "0")):
                epoch_seconds = _second_epoch(architecture, *few, TF_ENABLE_ONEDNN_OPTS=switch)
                seconds[name].append(epoch_seconds)
        what = f"{architecture} epoch with oneDNN / without (part of MNIST)"
        rows.append(Row(what, Timing.of(seconds)))
    return rows


def _second_epoch(architecture: str, *options: str, **environment: str) -> float:
    """The seconds of the second epoch of `main.py MNIST ARCHITECTURE BrainProp OPTIONS`."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.csv"
        command = [sys.executable, str(MAIN), "MNIST", architecture, "BrainProp", "--epochs", "2",
                   "--log-csv", str(log), *options]  # fmt: skip
        subprocess.run(command, env=os.environ | environment, stdout=subprocess.DEVNULL, check=True)
        with log.open() as file:
            return float(list(DictReader(file))[1]["seconds"])


def start_up(rounds: int) -> list[Amount]:
    """From launching main.py to the end of the first step, on MNIST; the median.

    The first line of an epoch comes after one step and the evaluation of one image.
    """
    command = [sys.executable, str(MAIN), *TRAINING]
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            next(line for line in process.stdout or () if "accuracy:" in line)
            seconds.append(time.perf_counter() - start)
            process.communicate()
    return [Amount("start of main.py to the first step, MNIST", statistics.median(seconds),
                   "s", 8)]  # fmt: skip


def memory(data_dir: Path | None, seconds: int = 90) -> list[Amount]:
    """Peak memory in the first so many seconds of training on Tiny ImageNet, on Linux.

    Every step takes the same memory, and evaluation takes less. The images in their mapped file do
    not count: the system takes their memory back whenever it needs it.
    """
    data = load_data("TinyImageNet", data_dir)  # Decodes the images now, if ever.
    images = len(data[0][0])
    del data
    command = [sys.executable, str(MAIN), "TinyImageNet", "deep", "BrainProp"]
    if data_dir:
        command += ["--data-dir", str(data_dir)]
    peak, end = 0.0, time.monotonic() + seconds
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while time.monotonic() < end:
                if process.poll() is not None:
                    raise BrainPropError("training ended by itself, perhaps out of memory")
                peak = max(peak, _private_memory(process.pid))
                time.sleep(0.1)
        finally:
            process.terminate()
    what = f"peak memory, Tiny ImageNet deep ({images:,} training images)"
    return [Amount(what, peak / 1e9, "GB", 2.6)]


def _private_memory(process: int) -> float:
    """Returns the bytes of memory that only a process has, without mapped files."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError as error:
        raise BrainPropError("only Linux tells a process's memory") from error
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return 1024 * float(found[1]) if found else 0.0  # A process that has ended has none.
