"""Training steps: BrainProp against EBP, our layers against others, precisions."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import tensorflow as tf

from benchmarks.interleaved import compare
from benchmarks.references import stock_model, torch_step
from benchmarks.table import Row
from brainprop.common.errors import BrainPropError
from brainprop.datasets.table import DATASETS
from brainprop.experiments import Experiment
from brainprop.networks.models import model_for
from brainprop.rules.base import LearningRule

NETWORKS = (("CIFAR10", "deep"), ("MNIST", "conv"), ("CIFAR10", "loccon"), ("MNIST", "dense"))


def step_of(model: LearningRule, batch: tuple) -> Callable[[], float]:
    """What `fit` does for a batch that is in memory already."""
    model.make_train_function(force=True)
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    return lambda: float(model.train_function(batches)["loss"])


def random_batch(experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Images, float32 in [0, 1], and labels, int32, as the data set's: how long a step takes does
    not depend on what they show."""
    dataset = DATASETS[experiment.dataset]
    rng = np.random.default_rng(experiment.seed)
    images = rng.random((experiment.batch_size, *dataset.image_shape), dtype=np.float32)
    return images, rng.integers(0, dataset.classes, experiment.batch_size, dtype=np.int32)


def rules(rounds: int) -> list[Row]:
    """BrainProp's step against EBP's, for each architecture."""
    rows = []
    for names in NETWORKS:
        experiments = [Experiment(*names, algorithm) for algorithm in ("BrainProp", "EBP")]
        batch = random_batch(experiments[0])
        steps = {e.algorithm: step_of(model_for(e), batch) for e in experiments}
        timing = compare(steps, rounds)
        rows.append(Row(f"BrainProp step / EBP step, {names[1]} ({names[0]})", timing, 1.03))
    return rows


def feedback(rounds: int) -> list[Row]:
    """BrainProp's step with feedback connections of their own against the symmetric one."""
    limits = {"learned": 1.10, "random": 1.05, "sign": 1.05, "direct": 1.10}
    rows = []
    for names in (("CIFAR10", "deep"), ("MNIST", "conv")):
        usual = Experiment(*names, "BrainProp")
        batch = random_batch(usual)
        symmetric = step_of(model_for(usual), batch)
        for mode, limit in limits.items():
            own = step_of(model_for(replace(usual, feedback=mode)), batch)
            timing = compare({mode: own, "symmetric": symmetric}, rounds)
            what = f"{names[1]} step with {mode} feedback / symmetric ({names[0]})"
            rows.append(Row(what, timing, limit))
    return rows


def layers(rounds: int) -> list[Row]:
    """Our layers against Keras 3's own, and the looped locally connected one."""
    limits = {"deep": (0.75, ""), "conv": (0.80, ""), "loccon": (0.35, ", looped")}
    rows = []
    for dataset, architecture in (("CIFAR10", "deep"), ("CIFAR10", "conv"), ("MNIST", "conv"),
                                  ("CIFAR10", "loccon"), ("MNIST", "loccon")):  # fmt: skip
        experiment = Experiment(dataset, architecture, "BrainProp")
        batch = random_batch(experiment)
        steps = {
            "ours": step_of(model_for(experiment), batch),
            "stock": step_of(stock_model(experiment), batch),
        }
        limit, remark = limits[architecture]
        what = f"our {architecture} step / stock Keras 3{remark} ({dataset})"
        rows.append(Row(what, compare(steps, rounds), limit))
    return rows


def frameworks(rounds: int) -> list[Row]:
    """The deep step against PyTorch's, where PyTorch is installed."""
    experiment = Experiment("CIFAR10", "deep", "BrainProp")
    batch = random_batch(experiment)
    try:
        theirs = torch_step(experiment, *batch)
    except ModuleNotFoundError as error:
        raise BrainPropError("PyTorch is missing: pip install torch") from error
    timing = compare({"ours": step_of(model_for(experiment), batch), "PyTorch": theirs}, rounds)
    return [Row("our deep step / PyTorch (CIFAR10)", timing, 0.80)]


def switches(rounds: int) -> list[Row]:
    """What `--mixed-precision` and `--jit` do to the deep and the conv step."""
    limits = {("mixed_precision", "deep"): 0.70}
    rows = []
    for switch, architecture in product(("mixed_precision", "jit_compile"), ("deep", "conv")):
        usual = Experiment("CIFAR10", architecture, "BrainProp")
        switched = replace(usual, **{switch: True})  # type: ignore[arg-type]
        batch = random_batch(usual)
        steps = {
            "with": step_of(model_for(switched), batch),
            "without": step_of(model_for(usual), batch),
        }
        limit = limits.get((switch, architecture))
        what = f"{architecture} step with {switch} / without (CIFAR10)"
        rows.append(Row(what, compare(steps, rounds), limit))
    return rows
