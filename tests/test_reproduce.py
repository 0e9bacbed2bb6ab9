"""Whole tables: which runs, by how many processes, and what happens when one ends early."""

import errno
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf
from made_up_runs import write_run
from PIL import Image
from programs import WAIT_FOR_GO, Program, wait_until

from brainprop.common.durations import duration
from brainprop.experiments import Experiment
from brainprop.outputs.summary import read_summary
from brainprop.paper import ARCHITECTURES
from brainprop.reproduce import attempts, run_folder
from brainprop.reproduce import command as reproduce
from brainprop.reproduce.attempts import Attempt, Status, complete
from brainprop.reproduce.run_folder import RunFiles
from brainprop.training import checkpoints

PROJECT = Path(__file__).parents[1]
SIZE = {"max_train_samples": 200, "max_eval_samples": 100}
DENSE = (
    "--datasets", "MNIST", "--architectures", "dense", "--data-dir", str(PROJECT),
    "--max-train-samples", "200", "--max-eval-samples", "100",
)  # fmt: skip


@pytest.fixture(autouse=True)
def few_units(monkeypatch):
    """`dense`, which is trained often here, is small."""
    layers = (("flatten",), ("dense", 30), ("dense", 20))
    monkeypatch.setitem(ARCHITECTURES, "dense", replace(ARCHITECTURES["dense"], layers=layers))


def experiments(*arguments):
    return reproduce._experiments(reproduce._parser().parse_args(arguments))


def dense(algorithm="EBP", **settings):
    return Experiment("MNIST", "dense", algorithm, **(SIZE | settings))


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_all_of_the_papers_combinations_run_by_default():
    runs = experiments()
    assert len(runs) == len(set(runs)) == 10 * 2 * 10
    assert all(run.overrides() == {} for run in runs)
    assert {run.seed for run in runs[:20]} == {1}  # Each row has one seed before any has two.
    assert {run.architecture for run in runs if run.dataset == "MNIST"} == {
        "dense", "loccon", "conv",
    }  # fmt: skip


def test_rows_seeds_and_settings_are_chosen():
    chosen = ("--datasets", "CIFAR10", "MNIST", "--architectures", "conv", "--algorithms", "EBP")
    runs = experiments(*chosen, "--seeds", "7,1-2", "--epochs", "3", "--deterministic")
    assert [(run.dataset, run.seed) for run in runs] == [
        ("MNIST", 7), ("CIFAR10", 7), ("MNIST", 1), ("CIFAR10", 1), ("MNIST", 2), ("CIFAR10", 2),
    ]  # fmt: skip
    for run in runs:
        assert run.algorithm == "EBP"
        assert run.overrides() == {"epochs": 3, "deterministic": True}


@pytest.mark.parametrize(
    ("text", "seeds"), [("1-3", [1, 2, 3]), ("4", [4]), ("1,3,5-7,3", [1, 3, 5, 6, 7])]
)
def test_seeds(text, seeds):
    assert reproduce._seeds(text) == seeds


def test_a_sweep_is_a_grid_seed_by_seed():
    chosen = ("--datasets", "MNIST", "--architectures", "conv", "--seeds", "1-2")
    sweeps = ("--sweep", "exploration-rate=0, 0.02,0", "--sweep", "L2=0,5e-4")
    runs = experiments(*chosen, *sweeps, "--epochs", "3")
    assert [(run.seed, run.algorithm, run.exploration_rate, run.l2) for run in runs] == [
        point
        for seed in (1, 2)
        for point in [
            (seed, "BrainProp", 0, 0), (seed, "BrainProp", 0, 5e-4),
            (seed, "BrainProp", 0.02, 0), (seed, "BrainProp", 0.02, 5e-4),
            (seed, "EBP", 0.02, 0), (seed, "EBP", 0.02, 5e-4),  # EBP does not explore.
        ]
    ]  # fmt: skip
    assert {run.epochs for run in runs} == {3}
    names = [RunFiles(Path(), run).name for run in runs]
    assert len({*names}) == len(names) == 12
    assert names[0] == "MNIST_conv_BrainProp_seed1_epochs=3_exploration_rate=0.0"


def test_a_report_of_a_sweep_takes_all_data_sets():
    """MNIST has no 20 classes to train with."""
    runs = experiments("--report", "--sweep", "classes=5,20")
    assert {run.row for run in runs} == {run.row for run in experiments()}


@pytest.mark.parametrize(
    ("sweep", "values"),
    [
        ("classes=5,10", [5, 10]),
        ("reward_noise=0,0.1", [0.0, 0.1]),
        ("mixed_precision=no,yes", [False, True]),
        ("feedback=symmetric,Random", ["symmetric", "random"]),
    ],
)
def test_settings_of_every_kind_are_swept(sweep, values):
    chosen = ("--datasets", "CIFAR100", "--architectures", "conv", "--algorithms", "BrainProp")
    runs = experiments(*chosen, "--seeds", "3", "--sweep", sweep)
    assert [getattr(run, sweep.partition("=")[0]) for run in runs] == values


BAD_ARGUMENTS = [
    (("--sweep", "exploration-rat=0"), "did you mean exploration_rate"),
    (("--sweep", "seed=1,2"), "give them as --seeds"),
    (("--sweep", "feedback=symetric"), "did you mean symmetric"),
    (("--sweep", "l2"), "--sweep l2=VALUE,VALUE"),
    (("--sweep", "l2=0,,1"), "--sweep l2: '' is not a number"),
    (("--sweep", "epochs=1.5"), "'1.5' is not a whole number"),
    (("--sweep", "mixed_precision=maybe"), "'maybe' is not yes or no"),
    (("--sweep", "exploration_rate=0,2"), "exploration_rate must be a number from 0 to 1"),
    (("--sweep", "l2=0,nan"), "l2 must be a number"),
    (("--sweep", "l2=0", "--l2", "1"), "l2 is swept"),
    (("--sweep", "classes=5,20", "--datasets", "MNIST"), "classes must be"),
    (("--datasets", "cifar-10"), "did you mean CIFAR10"),
    (("--architectures", "depe"), "did you mean deep"),
    (("--algorithms", "brain-prop"), "did you mean BrainProp"),
    (("--datasets", "MNIST", "--architectures", "deep"), "CIFAR10: loccon, conv, deep"),
    (("--datasets", "MNIST", "CIFAR10", "--architectures", "deep"), "MNIST goes with none"),
    (("--seeds", ""), "1,3,5-7"),
    (("--seeds", "3-1"), "give seeds, at most 1000, such as"),
    (("--seeds", "-1"), "--seeds"),
    (("--seeds", "1-1000000000"), "at most 1000"),
    (("--seeds", "9999999999"), "1,3,5-7"),
    (("--epochs", "0"), "epochs"),
    (("--dry-run", "--report"), "not allowed with"),
    (("--report", "--results", "missing"), "missing"),
    (("--data-dir", "missing"), "missing"),
    (("--results", "a-file"), "--results"),
    (("--report", "--results", "a-file"), "--results"),
    (("--cluster", "rya"), "invalid choice: 'rya'"),
    (("--cluster", "ray", "--cpus-per-run", "0"), "--cpus-per-run"),
    (("--cluster", "ray", "--gpus-per-run", "1.5"), "--gpus-per-run"),
    (("--gpus-per-run", "1"), "--cluster"),
]


@pytest.mark.parametrize(("arguments", "hint"), BAD_ARGUMENTS, ids=lambda value: str(value)[:50])
def test_bad_arguments_are_told_in_one_line(arguments, hint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("")
    monkeypatch.setattr(attempts, "start_tensorflow", lambda: pytest.fail("TensorFlow started"))
    try:
        code = reproduce.main(list(arguments))
    except SystemExit as exit:  # argparse ends the program itself
        code = exit.code
    assert code == 2
    message = capsys.readouterr().err
    assert message.startswith("python -m brainprop.reproduce: error: ")
    assert message.count("\n") == 1 and hint in message


def test_arguments_and_reports_do_without_tensorflow():
    probe = (
        "import sys, brainprop.reproduce.command, brainprop.reproduce.cluster; "
        "sys.exit('tensorflow' in sys.modules or 'ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", probe], cwd=PROJECT).returncode == 0


def test_runs_of_different_settings_share_no_file(tmp_path):
    changes = ({}, {"epochs": 9}, {"seed": 2}, {"max_train_samples": 9}, {"learning_rate": 0.2})
    names = [RunFiles(tmp_path, dense(**change)).name for change in changes]
    assert len(set(names)) == len(names)
    assert RunFiles(tmp_path, Experiment("MNIST", "conv", "EBP", seed=3)).name == (
        "MNIST_conv_EBP_seed3"
    )


def test_a_finished_run_is_there_and_is_not_repeated(tmp_path, capsys):
    arguments = [*DENSE, "--results", str(tmp_path), "--seeds", "1", "--epochs", "2"]
    assert reproduce.main(arguments) == 0
    names = [RunFiles(tmp_path, dense(name, epochs=2)).name for name in ("BrainProp", "EBP")]
    parts = (".json", "_weights.h5")
    assert files(tmp_path) == sorted(f"{name}{part}" for name in names for part in parts)
    for name in names:
        told = json.loads((tmp_path / f"{name}.json").read_text())
        assert told["epochs"] == 2 and told["settings"]["seed"] == 1
    out = capsys.readouterr().out
    assert out.startswith(f"2 runs: none finished, in {tmp_path}\n")
    assert re.search(rf"^{names[0]}: best validation accuracy \d+\.\d\d % at", out, re.MULTILINE)

    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.*")}
    assert reproduce.main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.*")} == before
    assert capsys.readouterr().out.splitlines()[-1] == "2 runs: 2 finished"

    assert reproduce.main([*arguments, "--report"]) == 0
    assert "| MNIST | dense | EBP | cut short: epochs 2, " in capsys.readouterr().out


WAITING = f"""
import pathlib, sys
from brainprop.reproduce import command

go = pathlib.Path(sys.argv.pop(1))
{WAIT_FOR_GO}
sys.exit(command.main())
"""


def test_two_processes_share_the_runs_and_one_goes_on_with_what_the_other_was_killed_at(tmp_path):
    """Each waits after its first epoch: one until it is killed, the other until then."""
    results, go = tmp_path / "results", tmp_path / "go"
    arguments = (*DENSE, "--algorithms", "EBP", "--seeds", "1-2", "--results", results,
                 "--epochs", 2)  # fmt: skip
    runs = [RunFiles(results, dense(seed=seed, epochs=2)) for seed in (1, 2)]
    killed = Program("-c", WAITING, go, *arguments)
    wait_until(lambda: runs[0].epochs, killed)
    locked_by = runs[0].locked_by
    assert re.fullmatch(rf"process {killed.pid} on \S+", locked_by)
    other = Program("-c", WAITING, go, *arguments)
    wait_until(lambda: runs[1].epochs, other)
    killed.kill()
    killed.communicate()
    go.touch()
    out, err = other.communicate()
    assert other.returncode == 0, err
    assert f"{runs[0].name}: busy in {locked_by}\n" in out
    assert out.count("resuming after epoch") == 1
    assert out.count("best validation accuracy") == 2
    assert out.splitlines()[-1] == "2 runs: 2 finished"
    for run in runs:
        assert json.loads(run.result.read_text())["epochs"] == 2
    assert len(files(results)) == 4  # No checkpoint and no lock is left.


def test_a_stdout_that_ends_while_training_ends_the_whole_command(tmp_path):
    results, pipe = tmp_path / "results", tmp_path / "pipe"
    os.mkfifo(pipe)
    arguments = (*DENSE, "--algorithms", "EBP", "--seeds", "1-2", "--results", results)
    process = Program("-m", "brainprop.reproduce", *arguments, stdout=pipe)
    run = RunFiles(results, dense())
    with pipe.open():
        wait_until(lambda: run.epochs, process)
    _, err = process.communicate()
    assert process.returncode == 2
    (line,) = err.splitlines()
    assert "stdout was closed while training" in line
    assert run.epochs and not run.is_finished and run.locked_by is None
    assert not list(results.rglob("*seed2*"))


def test_a_busy_run_is_told_once_and_left_alone(tmp_path, capsys):
    run = RunFiles(tmp_path, dense())
    arguments = [*DENSE, "--algorithms", "EBP", "--seeds", "1-2", "--results", str(tmp_path)]
    write_run(tmp_path, dense(seed=2), [0.5])
    with run.claimed(patience=0):
        assert reproduce.main(arguments) == 0
        assert capsys.readouterr().out.splitlines()[1:] == [
            f"{run.name}: busy in {run.locked_by}",
            "2 runs: 1 finished, 1 busy",
        ]
    assert run.locked_by is None
    assert not run.is_finished


def test_a_run_that_another_process_finished_meanwhile_is_not_run_again(tmp_path):
    path = write_run(tmp_path, dense(), [0.5])
    before = path.read_text()
    attempt = complete(dense(), tmp_path)
    assert (attempt.status, attempt.message) == (Status.FINISHED, "finished")
    assert path.read_text() == before
    assert files(tmp_path) == [path.name]


def test_waiting_for_a_lock_gets_it_once_it_is_free(tmp_path):
    run = RunFiles(tmp_path, dense())
    held, free = threading.Event(), threading.Event()

    def hold():
        with run.claimed(patience=0):
            held.set()
            free.wait()

    locked_by = threading.Thread(target=hold)
    locked_by.start()
    held.wait()
    with pytest.raises(run_folder.Busy), run.claimed(patience=0.1):
        pass
    threading.Timer(0.2, free.set).start()
    with run.claimed(patience=60):
        pass
    locked_by.join()


def test_sigterm_ends_after_the_batch_and_the_dry_run_tells_how_far_it_came(
    tmp_path, capsys, monkeypatch
):
    arguments = [*DENSE, "--algorithms", "EBP", "--seeds", "1-2", "--results", str(tmp_path)]
    run, save = RunFiles(tmp_path, dense()), checkpoints.save

    def save_and_terminate(*arguments):
        path = save(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)
        return path

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", save_and_terminate)
        assert reproduce.main(arguments) == 128 + signal.SIGTERM
    out = capsys.readouterr().out
    assert f"{run.name}: interrupted after epoch {run.epochs}\n" in out and run.epochs == 1
    assert out.endswith("the same command resumes\n")
    assert not run.is_finished and run.locked_by is None

    before = files(tmp_path)
    assert reproduce.main([*arguments, "--dry-run"]) == 0
    first, second, total, assumption = capsys.readouterr().out.splitlines()
    duration = r"(\d+ s|\d+ min|\d+ h \d\d min)"
    done = f"{run.name}: {run.epochs} of at most 500 epochs"
    assert re.fullmatch(rf"{done}, at most {duration}", first)
    assert re.fullmatch(rf"MNIST_dense_EBP_seed2_.*: new, at most {duration}", second)
    assert re.fullmatch(rf"0 of 2 runs finished; the rest takes at most {duration}", total)
    assert "one run at a time" in assumption
    assert files(tmp_path) == before


def test_a_dry_run_downloads_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("keras.utils.get_file", lambda *_, **__: pytest.fail("downloads"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    arguments = ("--datasets", "CIFAR10", "--architectures", "conv", "--seeds", "1", "--dry-run")
    folders = ("--data-dir", str(tmp_path), "--results", str(tmp_path / "runs"))
    assert reproduce.main([*arguments, *folders]) == 0
    captured = capsys.readouterr()
    brainprop, ebp, total = captured.out.splitlines()
    assert brainprop == "CIFAR10_conv_BrainProp_seed1: new, time unknown"
    assert total.endswith("at most 0 s, and the time that is unknown")
    assert "cifar-10-python.tar.gz is missing" in captured.err.splitlines()[0]
    assert not list(tmp_path.iterdir())


def test_a_dry_run_tells_what_is_finished_and_makes_no_folder(tmp_path, capsys):
    arguments = [*DENSE, "--algorithms", "EBP", "--seeds", "1", "--dry-run", "--results"]
    path = write_run(tmp_path, dense(), [0.5])
    assert reproduce.main([*arguments, str(tmp_path)]) == 0
    first, total = capsys.readouterr().out.splitlines()
    assert first == f"{path.stem}: finished"
    assert total == "1 of 1 runs finished; the rest takes at most 0 s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3599, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_many_networks_are_traced_without_tensorflows_warning():
    attempts.start_for_many_runs()
    printed = []
    handler = logging.Handler()
    handler.emit = lambda record: printed.append(record.getMessage())
    tf.get_logger().addHandler(handler)

    def network(x):
        return x + 1

    for _ in range(8):
        tf.function(network)(1.0)
    tf.get_logger().warning("something else")
    tf.get_logger().removeHandler(handler)
    assert printed == ["something else"]


def test_a_diverged_run_is_recorded_and_the_rest_go_on(tmp_path, capsys):
    arguments = [*DENSE, "--algorithms", "BrainProp", "--seeds", "1-2", "--results", str(tmp_path)]
    settings = ["--learning-rate", "1000", "--epochs", "20"]
    assert reproduce.main([*arguments, *settings]) == 1
    results = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.json"))]
    assert [result["settings"]["seed"] for result in results] == [1, 2]
    assert all(read_summary(path).diverged for path in tmp_path.glob("*.json"))
    assert capsys.readouterr().out.splitlines()[-1] == "2 runs: 2 diverged"
    assert reproduce.main([*arguments, *settings]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"{last}, in {tmp_path}" and last == "2 runs: 2 diverged"
    assert reproduce.main([*arguments, *settings, "--report"]) == 0
    assert "2 diverged | 0 |" in capsys.readouterr().out


def test_a_run_that_fails_is_told_and_the_rest_go_on(tmp_path, capsys):
    damaged = RunFiles(tmp_path, dense(epochs=1))
    damaged.checkpoint_dir.mkdir(parents=True)
    (damaged.checkpoint_dir / "checkpoint-0001.npz").write_text("damaged")
    assert checkpoints.paths(damaged.checkpoint_dir)
    arguments = [*DENSE, "--algorithms", "EBP", "--seeds", "1-2", "--epochs", "1"]
    assert reproduce.main([*arguments, "--results", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    last = captured.err.splitlines()[-1]
    assert last.startswith(f"{damaged.name}: all checkpoints in {damaged.checkpoint_dir} are")
    assert captured.out.splitlines()[-1] == "2 runs: 1 finished, 1 failed"


@pytest.mark.parametrize("writer", ["training.checkpoints.np.savez", "networks.weights.serialized"])
def test_a_full_disk_fails_the_run_which_can_go_on_later(tmp_path, monkeypatch, writer):
    def fill(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"brainprop.{writer}", fill)
        attempt = complete(dense(epochs=1), tmp_path, PROJECT)
    assert attempt.status is Status.FAILED and "No space left on device" in attempt.message
    assert not RunFiles(tmp_path, dense(epochs=1)).is_finished
    assert complete(dense(epochs=1), tmp_path, PROJECT).status is Status.FINISHED


def test_a_batch_of_more_images_than_there_are_fails_the_run(tmp_path):
    attempt = complete(dense(batch_size=201), tmp_path, PROJECT)
    assert attempt.status is Status.FAILED and "from 1 to 200, not 201" in attempt.message


def test_a_damaged_result_is_told(tmp_path, capsys):
    RunFiles(tmp_path, dense()).result.write_text("damaged")
    arguments = [*DENSE, "--algorithms", "EBP", "--seeds", "1", "--results", str(tmp_path)]
    assert reproduce.main(arguments) == 2
    assert "move it elsewhere to have the run repeated" in capsys.readouterr().err
    assert reproduce.main([*arguments, "--dry-run"]) == 0
    captured = capsys.readouterr()
    assert "move it elsewhere to have the run repeated" in captured.err
    assert captured.out.startswith("0 of 1 runs finished")


def test_a_result_of_another_folder_of_images_of_that_name_is_not_taken(tmp_path, capsys):
    for place in ("a", "b"):
        for label in ("cat", "dog"):
            (tmp_path / place / "pets" / label).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(tmp_path / place / "pets" / label / "1.png")
    write_run(tmp_path, Experiment(str(tmp_path / "a" / "pets"), "conv", "EBP"), [0.9])
    options = ("--architectures", "conv", "--algorithms", "EBP", "--seeds", "1")
    arguments = ("--datasets", str(tmp_path / "b" / "pets"), *options, "--results", str(tmp_path))
    assert reproduce.main([*arguments]) == 2
    assert f"is of dataset {tmp_path / 'a' / 'pets'}" in capsys.readouterr().err


def test_a_damaged_result_does_not_keep_the_others_from_running(tmp_path, capsys):
    RunFiles(tmp_path, dense("BrainProp", epochs=1)).result.write_text("damaged")
    arguments = [*DENSE, "--seeds", "1", "--epochs", "1", "--results", str(tmp_path)]
    assert reproduce.main(arguments) == 2
    assert RunFiles(tmp_path, dense(epochs=1)).is_finished
    assert capsys.readouterr().out.splitlines()[-1] == "2 runs: 1 finished, 1 failed"


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_drive_without_locks_trains_and_reports_with_one_warning(
    code, tmp_path, monkeypatch, capsys
):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(run_folder.fcntl, "flock", flock)
    monkeypatch.setattr(attempts, "_train", lambda *_: Attempt(Status.FINISHED, "trained"))
    arguments = [*DENSE, "--algorithms", "EBP", "--seeds", "1-2", "--results", str(tmp_path)]
    assert reproduce.main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "2 runs: 2 finished"
    (warning,) = captured.err.splitlines()
    assert f"warning: {tmp_path} " in warning and os.strerror(code) in warning
    assert RunFiles(tmp_path, dense()).locked_by is None


def test_a_device_that_fails_as_the_network_is_built_fails_that_run(tmp_path, monkeypatch):
    def build(_):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory left on the GPU")

    monkeypatch.setattr("brainprop.training.prepare.model_for", build)
    attempt = complete(dense(epochs=1), tmp_path, PROJECT)
    assert attempt.status is Status.FAILED and "no memory left" in attempt.message
    monkeypatch.setattr("brainprop.networks.models.model_for", build)
    arguments = [*DENSE, "--algorithms", "EBP", "--seeds", "1", "--dry-run"]
    assert reproduce.main([*arguments, "--results", str(tmp_path)]) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_gives_its_own_exit_code(tmp_path, monkeypatch, number):
    def interrupt(*_):
        raise KeyboardInterrupt(number)

    monkeypatch.setattr(reproduce, "complete", interrupt)
    arguments = [*DENSE, "--algorithms", "EBP", "--seeds", "1", "--results", str(tmp_path)]
    assert reproduce.main(arguments) == 128 + number


def test_a_report_that_cannot_be_written_is_told_in_one_line(tmp_path, monkeypatch, capsys):
    def fill(*_, **__):
        raise OSError(28, "No space left on device")

    write_run(tmp_path, dense(), [0.5])
    monkeypatch.setattr("brainprop.reproduce.report.atomic_write", fill)
    assert reproduce.main(["--report", "--results", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line and str(tmp_path) in line


def test_a_setting_stays_with_the_algorithms_that_have_it():
    """EBP has no reward; its runs are those of the paper's row."""
    words = ["--datasets", "MNIST", "--architectures", "dense", "--seeds", "3"]
    arguments = reproduce._parser().parse_args([*words, "--reward-noise", "0.1", "--l2", "0.01"])
    noisy, plain = reproduce._experiments(arguments)
    assert noisy == Experiment("MNIST", "dense", "BrainProp", seed=3, reward_noise=0.1, l2=0.01)
    assert plain == Experiment("MNIST", "dense", "EBP", seed=3, l2=0.01)


def test_a_run_with_feedback_of_its_own_keeps_its_angles(tmp_path):
    for feedback in ("symmetric", "random"):
        run = dense("BrainProp", epochs=2, feedback=feedback)
        assert complete(run, tmp_path, PROJECT).status is Status.FINISHED
        history = json.loads(RunFiles(tmp_path, run).result.read_text())["history"]
        angles = history.get("feedback_angle/2_Dense", [])
        assert len(angles) == (0 if feedback == "symmetric" else 2)
        assert all(80 < angle < 100 for angle in angles)
