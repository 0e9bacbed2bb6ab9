"""The command line: arguments become an experiment, which is trained or evaluated.

TensorFlow takes seconds to import, so that happens only after the arguments are checked and the
data is found.
"""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brainprop.common.arguments import check_number, path_of
from brainprop.common.commands import (
    FAILURE,
    SIGNAL_BASE,
    SUCCESS,
    ArgumentParser,
    handled_by,
    run_command,
)
from brainprop.common.errors import BrainPropError, printable
from brainprop.common.files import check_figure, check_output, make_directory
from brainprop.common.reading import check_readable
from brainprop.common.startup import start_tensorflow
from brainprop.datasets.pictures import read_pictures
from brainprop.datasets.splits import Data
from brainprop.datasets.table import DATASETS, Dataset
from brainprop.experiments import Experiment, data_for
from brainprop.options import add_data_dir, add_plugin, add_settings, experiment_of, parse
from brainprop.outputs.origin import Origin
from brainprop.paper import ALGORITHMS, ARCHITECTURES, algorithm_of, combinations, has_setting
from brainprop.training import checkpoints
from brainprop.training.run import Outcome, Run

TOP_K, MIN_CLASSES_FOR_TOP_K = 5, 100
MAX_PICTURES_IN_FIGURE = 60
# A Q-value is the reward that the network expects. On MNIST's test images the best one is above
# 0.66. On noise, and on dark digits on white, it is below 0.5.
LOW_Q_VALUE = 0.5
# Options of training, which -l refuses.
TRAINING_OPTIONS = (
    "output_dir", "checkpoint_dir", "resume", "log_csv", "tensorboard", "diagnostics", "gpus",
)  # fmt: skip
# An option, the options of which it needs one, and why.
NEEDS = (
    ("output_dir", ("save",), "which saves files there"),
    ("resume", ("checkpoint_dir",), "the folder to resume from"),
    ("diagnostics", ("save", "tensorboard", "log_csv"), "which keep the results"),
    ("predict", ("load",), "the weights of a trained network"),
    ("confusion_matrix", ("load",), "the weights of a trained network"),
    ("predict_figure", ("predict",), "the pictures to draw"),
    ("invert", ("predict",), "the pictures to invert"),
)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: The arguments. Defaults to those of the process.

    Returns:
        The exit code: 0 success, 1 the loss diverged or stdout was closed (2 while training), 2 bad
        input, a device that fails or a file that cannot be written, 128 + n ended by signal n.
    """
    debug = "--debug" in (sys.argv if argv is None else argv)
    return run_command(lambda: _run(parse(_parser, argv)), _parser(), debug)


def _run(arguments: argparse.Namespace) -> int:
    """Checks the arguments, then trains, evaluates or classifies pictures."""
    experiment, origin = experiment_of(arguments), Origin()
    if arguments.load:
        origin = Origin.of(arguments.load)
        origin.check_dataset(experiment, arguments.load)
        experiment = experiment_of(arguments, origin.settings)
    _check_combinations(arguments)
    _check_values(arguments)
    if arguments.load:
        origin.check(experiment, arguments.load, bool(arguments.predict))
    if arguments.predict:
        return _predict(experiment, origin.dataset_row(experiment), arguments)
    if arguments.load:
        return _evaluate(experiment, arguments)
    return _train(experiment, data_for(experiment, arguments.data_dir), arguments)


def _train(experiment: Experiment, data: Data, arguments: argparse.Namespace) -> int:
    """Trains, saves if asked to, and prints the best epoch."""
    start_tensorflow()
    from brainprop.common import devices
    from brainprop.training.callbacks import Interruption
    from brainprop.training.fit import train

    if arguments.save:  # If Matplotlib cannot be imported, this fails before training.
        from brainprop.outputs.results import save_run

    devices.announce(f"{experiment.name}, seed {experiment.seed}")
    for name in experiment.overrides():
        if not has_setting(experiment.algorithm, name):
            print(f"{name} changes nothing: {experiment.algorithm} has none", file=sys.stderr)
    with devices.reported_failures(), devices.strategy(arguments.gpus).scope():
        interruption = Interruption()
        with handled_by(interruption.note):  # Signals wait until everything is saved.
            run = train(
                experiment,
                data,
                checkpoint_dir=arguments.checkpoint_dir,
                resume=arguments.resume,
                callbacks=_watchers(arguments, experiment, data),
                interruption=interruption,
                class_names=experiment.dataset_row.class_names(arguments.data_dir),
            )
            saved: list[Path] = []
            problems = [run.failure] if run.failure else []
            if arguments.save and run.best_epoch:
                try:
                    saved = save_run(run, arguments.output_dir or Path())
                except BrainPropError as error:
                    problems.append(error)
    _report(run, saved, resumable=bool(arguments.checkpoint_dir))
    if problems:
        raise BrainPropError("; ".join(map(str, problems))) from problems[0]
    if interruption.received is not None:
        return SIGNAL_BASE + interruption.received
    return FAILURE if run.outcome is Outcome.DIVERGED else SUCCESS


def _report(run: Run, saved: Sequence[Path], resumable: bool) -> None:
    """Prints how training ended, the best epoch last."""
    for path in saved:
        print(f"saved {path}")
    if run.outcome is Outcome.DIVERGED:
        print("try a lower --learning-rate or another --seed", file=sys.stderr)
    if run.outcome is Outcome.INTERRUPTED and resumable:
        words = sys.orig_argv
        resume = words if "--resume" in words else [*words, "--resume"]
        print(f"resume with: {shlex.join(resume)}")
    if run.test_accuracy is not None:
        print(f"test accuracy {run.test_accuracy:.4f}, of the best epoch's weights")
    if run.best_epoch:
        best = f"{run.best_accuracy:.4f} at epoch {run.best_epoch} of {run.epochs}"
        print(f"best validation accuracy {best}")
    else:
        problem = "has a finite loss" if run.epochs else "was completed"
        print(f"no epoch {problem}, so there is nothing to save", file=sys.stderr)


def _watchers(arguments: argparse.Namespace, experiment: Experiment, data: Data) -> list:
    """Returns the Keras callbacks that record training."""
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
    """Loads weights and prints the accuracy on the test set."""
    dataset = experiment.dataset_row
    _, (images, labels) = data_for(experiment, arguments.data_dir, to_train=False)
    class_names = dataset.class_names(arguments.data_dir) if arguments.confusion_matrix else ()
    model = _loaded_model(experiment, dataset, arguments.load)
    from brainprop.training.evaluation import evaluate

    evaluation = evaluate(model, images, labels)
    _check_finite(evaluation.outputs, arguments.load)
    if arguments.confusion_matrix:
        from brainprop.outputs import plots

        counts = evaluation.confusion_matrix()
        figure = plots.confusion_figure(counts, class_names, experiment.title)
        plots.save_figure(figure, arguments.confusion_matrix)
        print(f"saved {arguments.confusion_matrix}")
    counted = int(evaluation.counts.sum())
    print(f"loss {evaluation.loss:.4f}")
    if dataset.classes >= MIN_CLASSES_FOR_TOP_K:
        print(f"top-{TOP_K} accuracy {_share(evaluation.correct(TOP_K), counted)}")
    print(f"accuracy {_share(evaluation.correct(), counted)}")
    return SUCCESS


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.4f} ({part}/{whole})"


def _predict(experiment: Experiment, dataset: Dataset, arguments: argparse.Namespace) -> int:
    """Loads weights and prints the best classes of pictures; the data set can be missing."""
    unit = ALGORITHMS[experiment.algorithm].activation_name
    pictures = read_pictures(arguments.predict, dataset.image_shape)
    if arguments.invert:
        pictures = 255 - pictures
    class_names = dataset.class_names(arguments.data_dir)
    model = _loaded_model(experiment, dataset, arguments.load)
    from brainprop.training.evaluation import predict, top_k

    outputs = predict(model, pictures)
    _check_finite(outputs, arguments.load)
    predictions = [
        [(class_names[label], values[label]) for label in best]
        for values, best in zip(outputs, top_k(outputs, TOP_K), strict=True)
    ]
    for path, prediction in zip(arguments.predict, predictions, strict=True):
        print(f"{printable(path)}: {unit}s")
        for name, value in prediction:
            print(f"{value:10.4f}  {name}")
    if arguments.predict_figure:
        from brainprop.outputs import plots

        captions = [printable(path.name) for path in arguments.predict]
        figure = plots.predictions_figure(pictures, captions, predictions, experiment.title, unit)
        plots.save_figure(figure, arguments.predict_figure)
        print(f"saved {arguments.predict_figure}")
    low = sum(prediction[0][1] < LOW_Q_VALUE for prediction in predictions)
    if low and unit == "Q-value":
        advice = " (dark digits on white: try --invert)" if dataset.image_shape[2] == 1 else ""
        print(
            f"hint: the best Q-value of {low} of {len(predictions)} pictures is below "
            f"{LOW_Q_VALUE}: they may look unlike the data set's images{advice}",
            file=sys.stderr,
        )
    return SUCCESS


def _loaded_model(experiment: Experiment, dataset: Dataset, weights: Path):
    """Returns the experiment's model with the weights of a file."""
    start_tensorflow()
    from brainprop.common import devices
    from brainprop.networks.models import model_for
    from brainprop.networks.weights import load_weights

    devices.announce(experiment.name)
    with devices.reported_failures():
        model = model_for(experiment, dataset)
        trained_by = algorithm_of(load_weights(model, weights))
    if trained_by != experiment.algorithm:
        print(f"{weights}: trained with {trained_by}; the weights fit {experiment.algorithm} too")
    return model


def _check_finite(outputs: np.ndarray, weights: Path) -> None:
    """Checks that the outputs are finite. Finite weights can be so large that they are not."""
    if not np.isfinite(outputs).all():
        raise BrainPropError(f"{weights} gives outputs that are not finite: give other weights")


def _check_combinations(arguments: argparse.Namespace) -> None:
    """Checks which options go together, where argparse does not."""
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
            "--confusion-matrix needs the test set, and --predict leaves it out: give one of them"
        )


def _flag(name: str) -> str:
    """Returns an argument's name on the command line."""
    return {"save": "-s", "load": "-l"}.get(name) or f"--{name.replace('_', '-')}"


def _check_values(arguments: argparse.Namespace) -> None:
    """Checks paths and numbers before anything is read or trained."""
    if arguments.load:
        check_readable(arguments.load)
    if arguments.gpus is not None:
        check_number("--gpus", arguments.gpus, int, 1, 1024)
    if arguments.tensorboard and not importlib.util.find_spec("tensorboard"):
        raise BrainPropError("--tensorboard needs a package: pip install tensorboard")
    if arguments.save:
        make_directory(arguments.output_dir or Path(), "--output-dir")
    for name in ("checkpoint_dir", "tensorboard"):
        if getattr(arguments, name):
            make_directory(getattr(arguments, name), _flag(name))
    if arguments.log_csv:
        check_output(arguments.log_csv, "--log-csv")
        resumes = arguments.resume and checkpoints.epochs(arguments.checkpoint_dir)
        if arguments.log_csv.exists() and not resumes:
            raise BrainPropError(f"--log-csv {arguments.log_csv} exists: name a new file")
    for name in ("confusion_matrix", "predict_figure"):
        if getattr(arguments, name):
            check_figure(getattr(arguments, name), _flag(name))
    if arguments.predict_figure:
        _check_predict_figure(arguments.predict_figure, arguments.predict)


def _check_predict_figure(path: Path, pictures: Sequence[Path]) -> None:
    """Checks that a figure has room for its pictures and replaces none of them."""
    if path.resolve() in {picture.resolve() for picture in pictures}:
        raise BrainPropError(
            f"--predict-figure {path} would overwrite a picture of --predict: give another name"
        )
    if len(pictures) > MAX_PICTURES_IN_FIGURE:
        raise BrainPropError(
            f"--predict-figure has room for {MAX_PICTURES_IN_FIGURE} pictures, not "
            f"{len(pictures)}: give fewer at a time"
        )


def _parser() -> ArgumentParser:
    """Makes the parser. Arguments that are fields of `Experiment` have the field's name."""
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
    parser.add_argument(
        "--config", metavar="FILE.json", type=path_of,
        help="take settings from this file. The ..._history.json of an earlier run repeats that "
        "run. The command line wins",
    )  # fmt: skip
    add_plugin(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")

    files = parser.add_argument_group("files")
    save_or_load = files.add_mutually_exclusive_group()
    save_or_load.add_argument(
        "-s", "--save", action="store_true",
        help="save the history, its plot and the weights of the best epoch. Without -s, nothing is "
        "saved",
    )  # fmt: skip
    save_or_load.add_argument(
        "-l", "--load", metavar="FILE.h5", type=path_of,
        help="load these weights and evaluate them on the test set, instead of training",
    )  # fmt: skip
    add_data_dir(files)
    files.add_argument(
        "--output-dir", metavar="DIR", type=path_of,
        help="folder for the files of -s (default: the current folder)",
    )  # fmt: skip

    training = parser.add_argument_group("training")
    training.add_argument(
        "--checkpoint-dir", metavar="DIR", type=path_of,
        help="write a checkpoint into this folder after every epoch",
    )  # fmt: skip
    training.add_argument(
        "--resume", action="store_true",
        help="resume from the newest checkpoint in --checkpoint-dir, if there is one",
    )  # fmt: skip
    training.add_argument(
        "--log-csv", metavar="FILE", type=path_of,
        help="write the figures of each epoch, counted from 0, to a new CSV file",
    )  # fmt: skip
    training.add_argument(
        "--tensorboard", metavar="DIR", type=path_of,
        help="write the figures of each epoch for TensorBoard",
    )  # fmt: skip
    training.add_argument(
        "--diagnostics", action="store_true",
        help="measure each layer after each epoch: the angle between BrainProp's update and EBP's, "
        "norms, dead ReLUs, Q-values, reward-prediction errors. The results go into the history "
        "and a plot (-s), --tensorboard and --log-csv",
    )  # fmt: skip
    training.add_argument(
        "--gpus", metavar="N", type=int, help="divide each batch between N GPUs (default: 1)"
    )

    loaded = parser.add_argument_group("with -l")
    loaded.add_argument(
        "--confusion-matrix", metavar="OUT.png", type=path_of,
        help="draw the confusion matrix of the test set (.png or .pdf; overwrites)",
    )  # fmt: skip
    loaded.add_argument(
        "--predict", metavar="PICTURE", type=path_of, nargs="+",
        help="print the five best classes of these pictures; the test set is not needed. Pictures "
        "are cropped around the center and resized. They should look like the data set's images "
        "(MNIST: a white digit on black)",
    )  # fmt: skip
    loaded.add_argument(
        "--invert", action="store_true",
        help="exchange light and dark in the pictures of --predict, such as dark digits on white",
    )  # fmt: skip
    loaded.add_argument(
        "--predict-figure", metavar="OUT.png", type=path_of,
        help="draw the pictures of --predict with their best classes (.png or .pdf; overwrites)",
    )  # fmt: skip
    add_settings(parser)
    return parser
