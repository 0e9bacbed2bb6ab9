"""The command line, as a subprocess: what a user types, and what comes back."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from brainprop import checkpoints, cli

PROJECT = Path(__file__).parents[1]
MNIST = ("MNIST", "conv", "BrainProp")
SHORT = ("--max-train-samples", "1280", "--max-eval-samples", "500")


def command(*arguments, **kwargs):
    """Runs main.py on the bundled MNIST."""
    return subprocess.run(
        [sys.executable, PROJECT / "main.py", *map(str, arguments)],
        capture_output=True, text=True, timeout=300, cwd=PROJECT, **kwargs,
    )  # fmt: skip


def refused(*arguments, **kwargs) -> str:
    """The one line on stderr with which arguments are refused."""
    result = command(*arguments, **kwargs)
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("main.py: error: ")
    assert result.stderr.count("\n") == 1 and result.stderr.endswith("\n")
    return result.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short training on MNIST with -s: its output and its folder."""
    folder = tmp_path_factory.mktemp("trained")
    result = command(*MNIST, "-s", "--epochs", 2, "--output-dir", folder, *SHORT)
    assert result.returncode == 0, result.stderr
    return result.stdout, folder


def test_training_tells_each_epoch_and_ends_with_the_best(trained):
    out, folder = trained
    lines = re.findall(r"^10/10 .*$", out, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        for name in ("accuracy", "val_accuracy", "loss", "learning_rate", "seconds"):
            assert f" {name}: " in line
    last = out.strip().splitlines()[-1]
    told = json.loads((folder / "MNIST_conv_BrainProp_history.json").read_text())
    assert last == (
        f"best validation accuracy {told['best_val_accuracy']:.4f} "
        f"at epoch {told['best_epoch']} of 2"
    )


def test_saving_leaves_the_four_files(trained):
    _, folder = trained
    assert {path.name for path in folder.iterdir()} == {
        f"MNIST_conv_BrainProp_{part}"
        for part in ("accuracy.pdf", "history.pkl", "history.json", "weights.h5")
    }


def test_loading_gives_the_best_accuracy_again(trained):
    _, folder = trained
    result = command(*MNIST, "-l", folder / "MNIST_conv_BrainProp_weights.h5", *SHORT)
    assert result.returncode == 0 and result.stderr == ""
    told = json.loads((folder / "MNIST_conv_BrainProp_history.json").read_text())
    best = told["best_val_accuracy"]
    *_, loss, accuracy = result.stdout.strip().splitlines()
    assert re.fullmatch(r"loss \d+\.\d{4}", loss)
    assert accuracy == f"accuracy {best:.4f} ({round(500 * best)}/500)"


def test_a_run_can_be_watched(tmp_path):
    log, board = tmp_path / "log.csv", tmp_path / "board"
    watched = (*MNIST, "--epochs", 2, *SHORT, "--log-csv", log, "--tensorboard", board)
    result = command(*watched, "--validation-split", "0.1")
    assert result.returncode == 0, result.stderr
    header, *rows = log.read_text().splitlines()
    assert {"epoch", "accuracy", "val_accuracy", "learning_rate", "seconds"} <= set(
        header.split(",")
    )
    assert len(rows) == 2
    written = b"".join(path.read_bytes() for path in board.rglob("events*"))
    for name in (b"epoch_reward", b"epoch_abs_reward_prediction_error", b"epoch_explored"):
        assert name in written
    assert re.search(r"^test accuracy 0\.\d{4}", result.stdout, re.MULTILINE)
    assert "log.csv" in refused(*watched)


def test_ebps_weights_load_into_brainprop(tmp_path):
    result = command("MNIST", "dense", "EBP", "-s", "--epochs", 1, "--output-dir", tmp_path, *SHORT)
    assert result.returncode == 0, result.stderr
    file = tmp_path / "MNIST_dense_EBP_weights.h5"
    assert command("MNIST", "dense", "BrainProp", "-l", file, *SHORT).returncode == 0


def test_weights_that_do_not_fit_are_told_in_one_line(trained):
    _, folder = trained
    file = folder / "MNIST_conv_BrainProp_weights.h5"
    message = refused("MNIST", "dense", "BrainProp", "-l", file, *SHORT)
    assert "(784, 1500)" in message and "(3, 3, 1, 32)" in message


BAD_ARGUMENTS = [
    (("MNIST", "deep", "BrainProp"), "choose from dense, loccon, conv"),
    (("cifar-10", "deep", "BrainProp"), "did you mean CIFAR10"),
    (("MNIST", "conv", "SGD"), "BrainProp, EBP"),
    (("MNIST", "conv"), "ALGORITHM"),
    ((*MNIST, "--epochs", "0"), "epochs"),
    ((*MNIST, "--epochs", "ten"), "--epochs"),
    ((*MNIST, "--learning-rate", "nan"), "learning_rate"),
    ((*MNIST, "--seed", "-1"), "seed"),
    ((*MNIST, "--batch-size", "0"), "batch_size"),
    ((*MNIST, "--no-such-option"), "--no-such-option"),
    ((*MNIST, "--resume"), "--checkpoint-dir"),
    ((*MNIST, "--gpus", "0"), "--gpus"),
    ((*MNIST, "--validation-split", "1"), "validation_split"),
    ((*MNIST, "-s", "-l", "main.py"), "-l"),
    ((*MNIST, "-l", "missing.h5"), "missing.h5"),
    ((*MNIST, "--data-dir", "missing"), "missing"),
    ((*MNIST, "--output-dir", "main.py"), "--output-dir"),
]


@pytest.mark.parametrize(("arguments", "hint"), BAD_ARGUMENTS, ids=lambda value: str(value)[:40])
def test_bad_arguments_are_told_before_tensorflow_is_imported(arguments, hint, capsys, monkeypatch):
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setattr(cli, "start_tensorflow", lambda _: pytest.fail("TensorFlow imported"))
    try:
        code = cli.main([str(argument) for argument in arguments])
    except SystemExit as exit:  # argparse ends the program itself
        code = exit.code
    assert code == 2
    message = capsys.readouterr().err
    assert message.startswith("main.py: error: ") and message.count("\n") == 1
    assert hint in message


def test_help_and_errors_do_without_tensorflow():
    probe = "import sys, brainprop.cli; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], cwd=PROJECT).returncode == 0
    help = command("--help").stdout
    for default in ("paper: 500", "paper: 0.1", "paper: 128; loccon 32", "paper: 45", "paper: 1,"):
        assert default in " ".join(help.split())
    assert "cifar-10" in refused("cifar-10", "deep", "BrainProp")


def start(*arguments):
    """Starts main.py and leaves it running."""
    return subprocess.Popen(
        [sys.executable, PROJECT / "main.py", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT,
    )  # fmt: skip


def wait_for_checkpoint(folder, epoch, process):
    deadline = time.monotonic() + 120
    while not any(path.stem.endswith(f"{epoch:04d}") for path in checkpoints.paths(folder)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_saves_and_tells_how_to_go_on(tmp_path):
    settings = (*MNIST, "-s", "--output-dir", tmp_path, "--checkpoint-dir", tmp_path / "c", *SHORT)
    process = start(*settings)
    wait_for_checkpoint(tmp_path / "c", 2, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == ""
    assert (tmp_path / "MNIST_conv_BrainProp_weights.h5").exists()
    assert re.search(r"^go on with: python .*main\.py MNIST conv .* --resume$", out, re.MULTILINE)
    assert re.match(r"best validation accuracy 0\.\d{4} at epoch", out.strip().splitlines()[-1])


def test_a_killed_run_resumed_is_the_uninterrupted_one_bit_for_bit(tmp_path):
    settings = (*MNIST, "-s", "--deterministic", "--epochs", 4, *SHORT)
    whole = command(*settings, "--output-dir", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr

    resumable = (*settings, "--output-dir", tmp_path / "r", "--checkpoint-dir", tmp_path / "c")
    process = start(*resumable, "--resume")
    wait_for_checkpoint(tmp_path / "c", 2, process)
    process.kill()
    process.communicate()
    resumed = command(*resumable, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming after epoch" in resumed.stdout

    histories = []
    for folder in ("whole", "r"):
        told = json.loads((tmp_path / folder / "MNIST_conv_BrainProp_history.json").read_text())
        del told["history"]["seconds"]
        histories.append(told)
    assert histories[0] == histories[1]
    weights = [tmp_path / f / "MNIST_conv_BrainProp_weights.h5" for f in ("whole", "r")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_an_output_folder_that_cannot_be_written_is_told_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli.os, "access", lambda *_: False)  # root may write anywhere
    monkeypatch.setattr(cli, "start_tensorflow", lambda _: pytest.fail("TensorFlow imported"))
    assert cli.main([*MNIST, "-s", "--output-dir", str(tmp_path)]) == 2
    assert "read-only" in capsys.readouterr().err
