"""The command line: arguments become an experiment, which is trained or evaluated.

TensorFlow takes seconds to import, so that happens only once the arguments are checked and the
data is found.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brainprop.common.arguments import ArgumentParser, check_number, path_of
from brainprop.common.commands import FAILURE, SIGNAL_BASE, SUCCESS, handled_by, run_command
from brainprop.common.errors import BrainPropError, printable
from brainprop.common.files import check_figure, check_output, check_readable, make_directory
from brainprop.common.startup import start_tensorflow
from brainprop.datasets.pictures import read_pictures
from brainprop.datasets.table import DATASETS, Data
from brainprop.experiments import Experiment, data_for
from brainprop.options import add_data_dir, add_plugin, add_settings, experiment_of, parse
from brainprop.paper import ALGORITHMS, ARCHITECTURES, algorithm_of, combinations
from brainprop.training.run import Outcome, Run

TOP_K, MIN_CLASSES_FOR_TOP_K = 5, 100
MAX_PICTURES_IN_FIGURE = 60
# Those that say where a training leaves files, watch it or spread it, so that -l refuses them.
TRAINING_OPTIONS = (
    "output_dir", "checkpoint_dir", "resume", "log_csv", "tensorboard", "diagnostics", "gpus",
)  # fmt: skip
# An option, those of which it needs one, and what for.
NEEDS = (
    ("output_dir", ("save",), "which saves files there"),
    ("resume", ("checkpoint_dir",), "the folder to go on from"),
    ("diagnostics", ("save", "tensorboard", "log_csv"), "which keep what it finds"),
    ("predict", ("load",), "the weights of a trained network"),
    ("confusion_matrix", ("load",), "the weights of a trained network"),
    ("predict_figure", ("predict",), "the pictures to draw"),
)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit code: 0 success, 1 the loss diverged or nobody reads stdout (2 while training),
        2 bad input, a device that fails or a file that cannot be written, 128 + n ended by
        signal n.
    """
    debug = "--debug" in (sys.argv if argv is None else argv)
    return run_command(lambda: _run(parse(_parser, argv)), _parser(), debug)


def _run(arguments: argparse.Namespace) -> int:
    """Checks the arguments, and trains, evaluates or classifies pictures."""
    experiment = experiment_of(arguments)
    _check_combinations(arguments)
    _check_values(arguments)
    if arguments.predict:
        return _predict(experiment, arguments)
    if arguments.load:
        return _evaluate(experiment, arguments)
    return _train(experiment, data_for(experiment, arguments.data_dir), arguments)


def _train(experiment: Experiment, data: Data, arguments: argparse.Namespace) -> int:
    """Trains, saves if asked to, and reports the best epoch."""
    start_tensorflow()
    from brainprop.common import devices
    from brainprop.outputs.results import save_run
    from brainprop.training.callbacks import Interruption
    from brainprop.training.fit import train

    devices.announce(f"{experiment.name}, seed {experiment.seed}")
    with devices.failures_told(), devices.strategy(arguments.gpus).scope():
        interruption = Interruption()
        with handled_by(interruption.note):  # Signals wait until everything is saved.
            run = train(
                experiment,
                data,
                checkpoint_dir=arguments.checkpoint_dir,
                resume=arguments.resume,
                callbacks=_watchers(arguments, experiment, data),
                interruption=interruption,
            )
            saved: list[Path] = []
            problems = [run.failure] if run.failure else []
            if arguments.save and run.best_epoch:
                try:
                    saved = save_run(run, arguments.output_dir or Path())
                except BrainPropError as error:
                    problems.append(error)
    _tell(run, saved, resumable=bool(arguments.checkpoint_dir))
    if problems:
        raise BrainPropError("; ".join(map(str, problems))) from problems[0]
    if interruption.received is not None:
        return SIGNAL_BASE + interruption.received
    return FAILURE if run.outcome is Outcome.DIVERGED else SUCCESS


def _tell(run: Run, saved: Sequence[Path], resumable: bool) -> None:
    """Tells how training ended, the best epoch last."""
    for path in saved:
        print(f"saved {path}")
    if run.outcome is Outcome.DIVERGED:
        print("try a lower --learning-rate or another --seed", file=sys.stderr)
    if run.outcome is Outcome.INTERRUPTED and resumable:
        print(f"go on with: {_resume_command()}")
    if run.test_accuracy is not None:
        print(f"test accuracy {run.test_accuracy:.4f}, of the best epoch's weights")
    if run.best_epoch:
        best = f"{run.best_accuracy:.4f} at epoch {run.best_epoch} of {run.epochs}"
        print(f"best validation accuracy {best}")
    else:
        problem = "has a finite loss" if run.epochs else "was completed"
        print(f"no epoch {problem}, so there is nothing to save", file=sys.stderr)


def _watchers(arguments: argparse.Namespace, experiment: Experiment, data: Data) -> list:
    """The Keras callbacks that write down how training goes."""
    import keras

    from brainprop.training.callbacks import CSVLog
    from brainprop.training.diagnostics import Diagnostics, probe_batches

    watchers = []
    if arguments.tensorboard:
        watchers.append(keras.callbacks.TensorBoard(arguments.tensorboard))
    if arguments.diagnostics:
        watchers.append(Diagnostics(probe_batches(data, experiment), arguments.tensorboard))
    if arguments.log_csv:
        watchers.append(CSVLog(arguments.log_csv))
    return watchers


def _evaluate(experiment: Experiment, arguments: argparse.Namespace) -> int:
    """Loads weights and reports how the network does on the test set."""
    dataset = DATASETS[experiment.dataset]
    _, (images, labels) = data_for(experiment, arguments.data_dir, to_train=False)
    class_names = dataset.class_names(arguments.data_dir) if arguments.confusion_matrix else ()
    model = _loaded_model(experiment, arguments.load)
    from brainprop.outputs import plots
    from brainprop.training.evaluation import evaluate

    evaluation = evaluate(model, images, labels)
    _check_finite(evaluation.outputs, experiment, arguments.load)
    if arguments.confusion_matrix:
        counts = evaluation.confusion_matrix()
        figure = plots.confusion_figure(counts, class_names, experiment.title)
        plots.save_figure(figure, arguments.confusion_matrix)
        print(f"saved {arguments.confusion_matrix}")
    print(f"loss {evaluation.loss:.4f}")
    if dataset.classes >= MIN_CLASSES_FOR_TOP_K:
        print(f"top-{TOP_K} accuracy {_share(evaluation.correct(TOP_K), len(labels))}")
    print(f"accuracy {_share(evaluation.correct(), len(labels))}")
    return SUCCESS


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.4f} ({part}/{whole})"


def _predict(experiment: Experiment, arguments: argparse.Namespace) -> int:
    """Loads weights and tells the best classes of pictures; the data set need not be there."""
    dataset, algorithm = DATASETS[experiment.dataset], ALGORITHMS[experiment.algorithm]
    pictures = read_pictures(arguments.predict, dataset.image_shape)
    class_names = dataset.class_names(arguments.data_dir)
    model = _loaded_model(experiment, arguments.load)
    from brainprop.outputs import plots
    from brainprop.training.evaluation import best_classes, predict

    outputs = predict(model, pictures)
    _check_finite(outputs, experiment, arguments.load)
    predictions = [
        [(class_names[label], values[label]) for label in best]
        for values, best in zip(outputs, best_classes(outputs, TOP_K), strict=True)
    ]
    for path, prediction in zip(arguments.predict, predictions, strict=True):
        print(f"{printable(path)}: {algorithm.activation_name}s")
        for name, value in prediction:
            print(f"{value:10.4f}  {name}")
    if arguments.predict_figure:
        captions = [printable(path.name) for path in arguments.predict]
        title = f"{experiment.title}: {algorithm.activation_name}s"
        figure = plots.predictions_figure(pictures, captions, predictions, title)
        plots.save_figure(figure, arguments.predict_figure)
        print(f"saved {arguments.predict_figure}")
    return SUCCESS


def _loaded_model(experiment: Experiment, weights_file: Path):
    """The experiment's model with the weights of a file."""
    start_tensorflow()
    from brainprop.common import devices
    from brainprop.networks.models import model_for
    from brainprop.networks.weights import load_weights

    devices.announce(experiment.name)
    with devices.failures_told():
        model = model_for(experiment)
        origin = algorithm_of(load_weights(model, weights_file))
    if origin != experiment.algorithm:
        print(f"{weights_file} comes from {origin}, whose kernels are the same")
    return model


def _check_finite(outputs: np.ndarray, experiment: Experiment, weights_file: Path) -> None:
    """Refuses weights that are finite numbers, but give outputs that are none."""
    if not np.isfinite(outputs).all():
        raise BrainPropError(
            f"{weights_file} gives {ALGORITHMS[experiment.algorithm].activation_name}s that are "
            "not finite numbers: give other weights"
        )


def _check_combinations(arguments: argparse.Namespace) -> None:
    """Refuses options that do not go together, beside those that argparse knows."""
    given = {name for name, value in vars(arguments).items() if value}
    for name in TRAINING_OPTIONS:
        if {"load", name} <= given:
            raise BrainPropError(
                f"-l evaluates, and {_flag(name)} goes with training: leave one of them out"
            )
    for name, needed, why in NEEDS:
        if name in given and not given & set(needed):
            raise BrainPropError(f"{_flag(name)} needs {' or '.join(map(_flag, needed))}, {why}")
    if {"predict", "confusion_matrix"} <= given:
        raise BrainPropError(
            "--confusion-matrix is of the test set, which --predict does without: give one of them"
        )


def _flag(name: str) -> str:
    """What an argument is called on the command line."""
    return {"save": "-s", "load": "-l"}.get(name) or f"--{name.replace('_', '-')}"


def _check_values(arguments: argparse.Namespace) -> None:
    """Finds what is wrong with the paths and numbers before hours are spent."""
    if arguments.load:
        check_readable(arguments.load)
    if arguments.gpus is not None:
        check_number("--gpus", arguments.gpus, int, 1, 1024)
    if arguments.tensorboard and not importlib.util.find_spec("tensorboard"):
        raise BrainPropError("--tensorboard needs a package: pip install tensorboard")
    if arguments.log_csv and os.path.exists(arguments.log_csv) and not arguments.resume:
        raise BrainPropError(f"--log-csv {arguments.log_csv} exists: give the name of a new file")
    if arguments.save:
        make_directory(arguments.output_dir or Path(), "--output-dir")
    if arguments.checkpoint_dir:
        make_directory(arguments.checkpoint_dir, "--checkpoint-dir")
    if arguments.tensorboard:
        make_directory(arguments.tensorboard, "--tensorboard")
    if arguments.log_csv:
        check_output(arguments.log_csv, "--log-csv")
    if arguments.predict_figure:
        _check_predict_figure(arguments.predict_figure, arguments.predict)
    if arguments.confusion_matrix:
        check_figure(arguments.confusion_matrix, "--confusion-matrix")


def _check_predict_figure(path: Path, pictures: Sequence[Path]) -> None:
    """Refuses a figure that cannot be drawn, or would replace one of its pictures."""
    if path.resolve() in {picture.resolve() for picture in pictures}:
        raise BrainPropError(
            f"--predict-figure {path} would overwrite a picture of --predict: give another name"
        )
    if len(pictures) > MAX_PICTURES_IN_FIGURE:
        raise BrainPropError(
            f"--predict-figure has room for {MAX_PICTURES_IN_FIGURE} pictures, not "
            f"{len(pictures)}: give fewer at a time"
        )
    check_figure(path, "--predict-figure")


def _resume_command() -> str:
    """The command line that goes on where this one was interrupted."""
    words = sys.orig_argv
    return shlex.join(words if "--resume" in words else [*words, "--resume"])


def _parser() -> ArgumentParser:
    """The arguments; those that are fields of `Experiment` bear the field's name."""
    parser = ArgumentParser(
        usage="%(prog)s DATASET ARCHITECTURE ALGORITHM [-s | -l FILE.h5] [options]",
        description="Train deep networks with BrainProp, or with error-backpropagation (EBP).",
        epilog="Data sets and their architectures: " + combinations(DATASETS),
    )
    for name, known in (
        ("dataset", [*DATASETS, "or a folder of images"]),
        ("architecture", ARCHITECTURES),
        ("algorithm", ALGORITHMS),
    ):
        parser.add_argument(name, metavar=name.upper(), nargs="?", help=", ".join(known))

    files = parser.add_argument_group("files")
    training_or_not = files.add_mutually_exclusive_group()
    training_or_not.add_argument(
        "-s", "--save", action="store_true",
        help="save the accuracy's plot, the history and the weights of the best epoch; without it, "
        "nothing is kept",
    )  # fmt: skip
    training_or_not.add_argument(
        "-l", "--load", metavar="FILE.h5", type=path_of,
        help="load these weights and evaluate them on the test set, instead of training",
    )  # fmt: skip
    files.add_argument(
        "--confusion-matrix", metavar="OUT.png", type=path_of,
        help="with -l, draw the test set's confusion matrix (.png or .pdf; overwrites)",
    )  # fmt: skip
    files.add_argument(
        "--predict", metavar="PICTURE", type=path_of, nargs="+",
        help="with -l, tell the five best classes of these pictures instead, without the test "
        "set; they are cropped around the center and resized as the data set's images are, and "
        "should look like them (MNIST: a white digit on black)",
    )  # fmt: skip
    files.add_argument(
        "--predict-figure", metavar="OUT.png", type=path_of,
        help="draw the pictures of --predict with their classes (.png or .pdf; overwrites)",
    )  # fmt: skip
    add_data_dir(files)
    files.add_argument(
        "--output-dir", metavar="DIR", type=path_of,
        help="folder for what -s saves (default: the current folder)",
    )  # fmt: skip
    files.add_argument(
        "--checkpoint-dir", metavar="DIR", type=path_of,
        help="write a checkpoint into this folder after every epoch",
    )  # fmt: skip
    files.add_argument(
        "--resume", action="store_true",
        help="go on from the newest checkpoint in --checkpoint-dir, if there is one",
    )  # fmt: skip
    files.add_argument(
        "--log-csv", metavar="FILE", type=path_of,
        help="write the figures of each epoch, counted from 0, to a new CSV file",
    )  # fmt: skip
    files.add_argument(
        "--tensorboard", metavar="DIR", type=path_of,
        help="write the figures of each epoch for TensorBoard; for BrainProp also the mean reward, "
        "the mean absolute reward-prediction error and the share of explored choices",
    )  # fmt: skip
    files.add_argument(
        "--diagnostics", action="store_true",
        help="measure each layer after each epoch (the angle between BrainProp's update and "
        "EBP's, norms, dead ReLUs, Q-values, reward-prediction errors) for the history, a plot "
        "that -s saves, TensorBoard and --log-csv",
    )  # fmt: skip

    files.add_argument(
        "--gpus", metavar="N", type=int, help="spread each batch over N GPUs (default: 1)"
    )
    parser.add_argument(
        "--config", metavar="FILE.json", type=path_of,
        help="take the settings from this file, or from the ..._history.json of an earlier run, "
        "which repeats it; what the command line gives comes first",
    )  # fmt: skip
    add_plugin(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    add_settings(parser)
    return parser
