"""The command line: arguments become an experiment, which is trained or evaluated.

TensorFlow takes seconds to import, so that happens only once the arguments are checked and the
data is found.
"""

import argparse
import csv
import dataclasses
import importlib.util
import os
import shlex
import signal
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from brainprop import checkpoints
from brainprop.arguments import ArgumentParser, check_number, path_of
from brainprop.datasets import DATASETS, Data
from brainprop.datasets.untrusted import one_line, read_bytes
from brainprop.errors import BrainPropError
from brainprop.experiments import ALGORITHMS, ARCHITECTURES, Experiment, algorithm_of, data_for
from brainprop.files import check_figure, check_output, check_readable, make_directory
from brainprop.pictures import read_pictures
from brainprop.signals import handled_by
from brainprop.startup import prepare_environment, start_tensorflow
from brainprop.streams import end_stdout, prepare_stdout

SUCCESS, FAILURE, SIGNAL_BASE = 0, 1, 128
TOP_K, MIN_CLASSES_FOR_TOP_K = 5, 100
MAX_PICTURES_IN_FIGURE = 60
MAX_LOG_BYTES = 2**26
# Those that watch a training or spread it, so that -l refuses them.
TRAINING_OPTIONS = ("checkpoint_dir", "resume", "log_csv", "tensorboard", "diagnostics", "gpus")


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit code: 0 success, 1 the loss diverged or nobody reads stdout (2 while training),
        2 bad input, a device that fails or a file that cannot be written, 128 + n ended by
        signal n.
    """
    prepare_environment()
    prepare_stdout()
    parser = _parser()
    arguments = parser.parse_args(argv)
    return run_command(lambda: _run(arguments), parser, arguments.debug)


def run_command(
    work: Callable[[], int], parser: ArgumentParser, debug: bool = False, farewell="interrupted"
) -> int:
    """Does what a command line asks for, and tells in one line on stderr what ends it early.

    Args:
        work: Returns the exit code.
        parser: Tells errors.
        debug: Errors are raised instead.
        farewell: What to say when a signal ends it.

    Returns:
        The exit code.
    """
    try:
        with handled_by(_interrupt):  # By KeyboardInterrupt, so that it tidies up.
            code = work()
        sys.stdout.flush()
        return code
    except BrainPropError as error:
        if debug:
            raise
        return parser.report(error)
    except KeyboardInterrupt as interrupt:
        print(farewell, file=sys.stderr)
        return SIGNAL_BASE + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    except BrokenPipeError:
        return FAILURE
    except OSError as error:  # Nothing else has met it: as a rule, stdout's disk is full.
        if debug:
            raise
        what, why = one_line(error.filename or "what this prints"), error.strerror
        return parser.report(f"{what} cannot be written ({why}): make room, or write elsewhere")
    finally:
        end_stdout()


def _interrupt(number, frame):
    raise KeyboardInterrupt(number)


def _run(arguments: argparse.Namespace) -> int:
    """Checks the arguments, and trains, evaluates or classifies pictures."""
    experiment = Experiment(**settings_given(arguments))
    _check_paths(arguments)
    if arguments.predict:
        return _predict(experiment, arguments)
    data = data_for(experiment, arguments.data_dir)
    if arguments.load:
        return _evaluate(experiment, data, arguments)
    return _train(experiment, data, arguments)


def _train(experiment: Experiment, data: Data, arguments: argparse.Namespace) -> int:
    """Trains, saves if asked to, and reports the best epoch."""
    start_tensorflow(experiment)
    from brainprop import devices
    from brainprop.callbacks import Interruption
    from brainprop.models import model_for
    from brainprop.results import save_run
    from brainprop.training import Outcome, train

    with devices.failures_told(), devices.strategy(arguments.gpus).scope():
        model = model_for(experiment)
        with Interruption() as interruption:  # Signals wait until everything is saved.
            run = train(
                model,
                experiment,
                data,
                arguments.checkpoint_dir,
                arguments.resume,
                _watchers(arguments, experiment, data),
                interruption,
            )
            saved, problems = [], [run.failure] if run.failure else []
            if arguments.save and run.best_epoch:
                try:
                    saved = save_run(run, model, arguments.output_dir)
                except BrainPropError as error:
                    problems.append(error)
    if run.outcome is not Outcome.COMPLETED:
        print(f"ended after epoch {run.epochs}: {run.outcome.value}")
    for path in saved:
        print(f"saved {path}")
    if run.outcome is Outcome.DIVERGED:
        print("try a lower --learning-rate or another --seed", file=sys.stderr)
    if run.outcome is Outcome.INTERRUPTED and arguments.checkpoint_dir:
        print(f"go on with: {_resume_command()}")
    if run.test_accuracy is not None:
        print(f"test accuracy {run.test_accuracy:.4f}, of the best epoch's weights")
    if run.best_epoch:
        best = f"{run.best_accuracy:.4f} at epoch {run.best_epoch} of {run.epochs}"
        print(f"best validation accuracy {best}")
    else:
        problem = "has a finite loss" if run.epochs else "was completed"
        print(f"no epoch {problem}, so there is nothing to save", file=sys.stderr)
    if problems:
        raise BrainPropError("; ".join(map(str, problems))) from problems[0]
    if interruption.received is not None:
        return SIGNAL_BASE + interruption.received
    return FAILURE if run.outcome is Outcome.DIVERGED else SUCCESS


def _watchers(arguments: argparse.Namespace, experiment: Experiment, data: Data) -> list:
    """The Keras callbacks that write down how training goes."""
    import keras

    from brainprop.callbacks import CSVLog, TrialStatistics
    from brainprop.diagnostics import Diagnostics, probe_batches

    watchers = []
    if arguments.tensorboard:
        if experiment.algorithm == "BrainProp":
            watchers.append(TrialStatistics())
        watchers.append(keras.callbacks.TensorBoard(arguments.tensorboard))
    if arguments.diagnostics:
        watchers.append(Diagnostics(probe_batches(data, experiment), arguments.tensorboard))
    if arguments.log_csv:
        watchers.append(CSVLog(arguments.log_csv))
    return watchers


def _evaluate(experiment: Experiment, data: Data, arguments: argparse.Namespace) -> int:
    """Loads weights and reports how the network does on the test set."""
    dataset = DATASETS[experiment.dataset]
    class_names = dataset.class_names(arguments.data_dir) if arguments.confusion_matrix else ()
    model = _loaded_model(experiment, arguments.load)
    from brainprop import plots
    from brainprop.evaluation import evaluate

    _, (images, labels) = data
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
    from brainprop import plots
    from brainprop.evaluation import best_classes, predict

    outputs = predict(model, pictures)
    _check_finite(outputs, experiment, arguments.load)
    predictions = [
        [(class_names[label], values[label]) for label in best]
        for values, best in zip(outputs, best_classes(outputs, TOP_K), strict=True)
    ]
    for path, prediction in zip(arguments.predict, predictions, strict=True):
        print(f"{one_line(path)}: {algorithm.activation_name}s")
        for name, value in prediction:
            print(f"{value:10.4f}  {name}")
    if arguments.predict_figure:
        captions = [one_line(path.name) for path in arguments.predict]
        title = f"{experiment.title}: {algorithm.activation_name}s"
        figure = plots.predictions_figure(pictures, captions, predictions, title)
        plots.save_figure(figure, arguments.predict_figure)
        print(f"saved {arguments.predict_figure}")
    return SUCCESS


def _loaded_model(experiment: Experiment, weights_file: Path):
    """The experiment's model with the weights of a file."""
    start_tensorflow(experiment)
    from brainprop import devices
    from brainprop.models import model_for
    from brainprop.weights import load_weights

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


def settings_given(arguments: argparse.Namespace) -> dict:
    """The fields of `Experiment` that are given; the others keep the paper's defaults."""
    fields = [field.name for field in dataclasses.fields(Experiment)]
    given = {name: value for name, value in vars(arguments).items() if name in fields}
    return {name: value for name, value in given.items() if value is not None}


def _check_paths(arguments: argparse.Namespace) -> None:
    """Finds what is wrong with the paths before hours are spent."""
    if arguments.load and arguments.save:
        raise BrainPropError("-l evaluates and -s saves a training: give one of them")
    if arguments.load:
        check_readable(arguments.load)
        for option in TRAINING_OPTIONS:
            if getattr(arguments, option):
                raise BrainPropError(
                    f"-l evaluates, and --{option.replace('_', '-')} goes with training: "
                    "leave one of them out"
                )
    elif arguments.output_dir and not arguments.save:
        raise BrainPropError("--output-dir needs -s, which saves files there")
    if arguments.resume and not arguments.checkpoint_dir:
        raise BrainPropError("--resume needs --checkpoint-dir, the folder to go on from")
    if arguments.diagnostics and not (arguments.save or arguments.tensorboard or arguments.log_csv):
        raise BrainPropError(
            "--diagnostics needs -s, --tensorboard or --log-csv, which keep what it finds"
        )
    if arguments.gpus is not None:
        check_number("--gpus", arguments.gpus, int, 1, 1024)
    if arguments.tensorboard and not importlib.util.find_spec("tensorboard"):
        raise BrainPropError("--tensorboard needs a package: pip install tensorboard")
    if arguments.log_csv and os.path.exists(arguments.log_csv):
        if not arguments.resume:
            raise BrainPropError(
                f"--log-csv {arguments.log_csv} exists: give the name of a new file"
            )
        _check_log(arguments.log_csv, arguments.checkpoint_dir)
    if arguments.save:
        arguments.output_dir = arguments.output_dir or Path()
        make_directory(arguments.output_dir, "--output-dir")
    if arguments.checkpoint_dir:
        make_directory(arguments.checkpoint_dir, "--checkpoint-dir")
    if arguments.tensorboard:
        make_directory(arguments.tensorboard, "--tensorboard")
    if arguments.log_csv:
        check_output(arguments.log_csv, "--log-csv")
    _check_evaluation(arguments)


def _check_evaluation(arguments: argparse.Namespace) -> None:
    """Finds what is wrong with the arguments that go with -l, before the network runs."""
    for option, value in (
        ("--predict", arguments.predict),
        ("--confusion-matrix", arguments.confusion_matrix),
    ):
        if value and not arguments.load:
            raise BrainPropError(f"{option} needs -l, the weights of a trained network")
    if arguments.predict and arguments.confusion_matrix:
        raise BrainPropError(
            "--confusion-matrix is of the test set, which --predict does without: give one of them"
        )
    if arguments.predict_figure:
        pictures = {path.resolve() for path in arguments.predict or ()}
        if not pictures:
            raise BrainPropError("--predict-figure needs --predict, the pictures to draw")
        if arguments.predict_figure.resolve() in pictures:
            raise BrainPropError(
                f"--predict-figure {arguments.predict_figure} would overwrite a picture of "
                "--predict: give another name"
            )
        if len(arguments.predict) > MAX_PICTURES_IN_FIGURE:
            raise BrainPropError(
                f"--predict-figure has room for {MAX_PICTURES_IN_FIGURE} pictures, not "
                f"{len(arguments.predict)}: give fewer at a time"
            )
    for option, path in (
        ("--predict-figure", arguments.predict_figure),
        ("--confusion-matrix", arguments.confusion_matrix),
    ):
        if path:
            check_figure(path, option)


def _check_log(path: Path, checkpoint_dir: Path) -> None:
    """Refuses to replace a file that cannot be the log of an earlier piece of the run."""
    check_readable(path)
    try:
        header, *rows = csv.reader(read_bytes(path, MAX_LOG_BYTES).decode().splitlines())
    except (ValueError, csv.Error):
        header, rows = [], []
    # Two epochs may be in the log only: one whose last step broke the weights, and the next.
    most = checkpoints.epochs(checkpoint_dir) + 2
    if not {"epoch", *checkpoints.FIGURES} <= set(header) or len(rows) > most:
        raise BrainPropError(f"--log-csv {path} is no log of this run: give the name of a new file")


def _resume_command() -> str:
    """The command line that goes on where this one was interrupted."""
    words = sys.orig_argv
    return shlex.join(words if "--resume" in words else [*words, "--resume"])


def _parser() -> ArgumentParser:
    """The arguments; those that are fields of `Experiment` bear the field's name."""
    parser = ArgumentParser(
        usage="%(prog)s DATASET ARCHITECTURE ALGORITHM [-s | -l FILE.h5] [options]",
        description="Train deep networks with BrainProp, or with error-backpropagation (EBP).",
        epilog="Data sets and their architectures: "
        + "; ".join(f"{name}: {', '.join(row.architectures)}" for name, row in DATASETS.items()),
    )
    parser.add_argument("dataset", metavar="DATASET", help=", ".join(DATASETS))
    parser.add_argument("architecture", metavar="ARCHITECTURE", help=", ".join(ARCHITECTURES))
    parser.add_argument("algorithm", metavar="ALGORITHM", help=", ".join(ALGORITHMS))

    files = parser.add_argument_group("files")
    files.add_argument(
        "-s", "--save", action="store_true",
        help="save the accuracy's plot, the history and the weights of the best epoch",
    )  # fmt: skip
    files.add_argument(
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
        "--log-csv",
        metavar="FILE",
        type=path_of,
        help="write the figures of each epoch, counted from 0, to a new CSV file",
    )
    files.add_argument(
        "--tensorboard", metavar="DIR", type=path_of,
        help="write them for TensorBoard; for BrainProp also the mean reward, the mean absolute "
        "reward-prediction error and the share of explored choices",
    )  # fmt: skip
    files.add_argument(
        "--diagnostics", action="store_true",
        help="measure each layer after each epoch (the angle between BrainProp's update and "
        "EBP's, norms, dead ReLUs, Q-values, reward-prediction errors) for the history, a plot "
        "that -s saves, TensorBoard and --log-csv",
    )  # fmt: skip

    settings = add_settings(parser)
    settings.add_argument(
        "--seed", metavar="N", type=int,
        help="of initial weights, shuffling, dropout and exploration "
        f"(paper: {Experiment.seed}, tables 10 seeds)",
    )  # fmt: skip
    settings.add_argument(
        "--gpus", metavar="N", type=int, help="spread each batch over N GPUs (paper: 1)"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def add_data_dir(group: argparse._ActionsContainer) -> None:
    """Adds the option that names the data sets' folder."""
    group.add_argument(
        "--data-dir", metavar="DIR", type=path_of,
        help="folder of the data set (default: the environment variable BRAINPROP_DATA, else "
        "the current folder; then the program's own). What is not there is taken from Keras's "
        "cache, or downloaded",
    )  # fmt: skip


def add_settings(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds the options that are fields of `Experiment` and not given keep the paper's value."""
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
        "slower on a CPU without AVX-512 BF16 or AMX (paper: no)",
    )  # fmt: skip
    settings.add_argument(
        "--jit", dest="jit_compile", action="store_true", default=None,
        help="compile the training step with XLA (paper: no)",
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
