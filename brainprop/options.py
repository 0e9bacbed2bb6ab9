"""The options that the commands share: where the data lies, and the fields of `Experiment`."""

import argparse
import dataclasses
import statistics

from brainprop.arguments import path_of
from brainprop.experiments import ARCHITECTURES, Experiment


def add_data_dir(group: argparse._ActionsContainer) -> None:
    """Adds the option that names the data sets' folder."""
    group.add_argument(
        "--data-dir", metavar="DIR", type=path_of,
        help="folder of the data set (default: the environment variable BRAINPROP_DATA, else "
        "the current folder; then the program's own). What is not there is taken from Keras's "
        "cache, or downloaded",
    )  # fmt: skip


def add_settings(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds the options that are fields of `Experiment`; one not given keeps the paper's value."""
    batch_sizes = {name: row.batch_size for name, row in ARCHITECTURES.items()}
    settings = parser.add_argument_group("settings (default: the paper's)")
    settings.add_argument(
        "--epochs", metavar="N", type=int,
        help=f"at most so many epochs (paper: {Experiment.epochs})",
    )  # fmt: skip
    settings.add_argument(
        "--batch-size", metavar="N", type=int,
        help=f"images a step (paper: {_by_architecture(batch_sizes)})",
    )  # fmt: skip
    settings.add_argument(
        "--learning-rate", metavar="RATE", type=float,
        help=f"at the start (paper: {Experiment.learning_rate}); it halves after every "
        f"{Experiment.halving_epochs} epochs",
    )  # fmt: skip
    settings.add_argument(
        "--patience", metavar="N", type=int,
        help="stop after N epochs in which the validation accuracy has not risen by more than "
        f"{Experiment.min_delta} (paper: {Experiment.patience})",
    )  # fmt: skip
    settings.add_argument(
        "--max-train-samples", metavar="N", type=int,
        help="train on a random subset of N images (paper: all)",
    )  # fmt: skip
    settings.add_argument(
        "--max-eval-samples", metavar="N", type=int,
        help="evaluate on a random subset of N images (paper: all)",
    )  # fmt: skip
    settings.add_argument(
        "--validation-split", metavar="PART", type=float,
        help="hold out this part of the training images, choose the best epoch on them, and test "
        "its weights once on the test set (paper: 0, the best epoch is that on the test set)",
    )  # fmt: skip
    settings.add_argument(
        "--mixed-precision", action="store_true", default=None,
        help="compute in 16-bit floating point: bfloat16 on a CPU or a recent GPU, else float16; "
        "many times slower on a CPU without AVX-512 BF16 or AMX (paper: no)",
    )  # fmt: skip
    settings.add_argument(
        "--jit", dest="jit_compile", action="store_true", default=None,
        help="compile the training step with XLA; slower on a CPU (paper: no)",
    )  # fmt: skip
    settings.add_argument(
        "--deterministic", action="store_true", default=None,
        help="the same bits in every run on the same machine, which may be slower (paper: no)",
    )  # fmt: skip
    return settings


def _by_architecture(values: dict[str, int]) -> str:
    """The most common value, then the exceptions: "128; loccon 32"."""
    usual = statistics.mode(values.values())
    exceptions = [f"{name} {value}" for name, value in values.items() if value != usual]
    return "; ".join([str(usual), *exceptions])


def settings_given(arguments: argparse.Namespace) -> dict:
    """The fields of `Experiment` that are given; the others keep the paper's defaults."""
    given = vars(arguments)
    names = (field.name for field in dataclasses.fields(Experiment))
    return {name: given[name] for name in names if given.get(name) is not None}
