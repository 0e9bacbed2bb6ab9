"""The command line, as a subprocess: what a user types, and what comes back."""

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import pytest
from programs import PATIENCE, Program, run, wait_until

from brainprop import cli
from brainprop.training import checkpoints

PROJECT = Path(__file__).parents[1]
MNIST = ("MNIST", "conv", "BrainProp")
OTHERS = ("accuracy.pdf", "accuracy.png", "history.pkl", "history.json")
SHORT = ("--max-train-samples", "256", "--max-eval-samples", "100")


def command(*arguments, **options):
    """Runs main.py on the bundled MNIST."""
    return run("main.py", *arguments, **options)


def started(*arguments, **variables):
    """Runs main.py in a new interpreter, with more variables in its environment."""
    return subprocess.run(
        [sys.executable, PROJECT / "main.py", *map(str, arguments)],
        capture_output=True, text=True, cwd=PROJECT, env=os.environ | variables,
    )  # fmt: skip


def refusal(result) -> str:
    """The one line on stderr with which arguments are refused."""
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
    assert "256 training images" in out and "validation accuracy is on the test set" in out
    lines = re.findall(r"^Epoch [12]/2: .*$", out, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        for name in ("loss:", "accuracy:", "val_loss:", "val_accuracy:", "best ", "no progress"):
            assert f" {name}" in line
    last = out.strip().splitlines()[-1]
    told = json.loads((folder / "MNIST_conv_BrainProp_history.json").read_text())
    assert last == (
        f"best validation accuracy {told['best_val_accuracy']:.4f} "
        f"at epoch {told['best_epoch']} of 2"
    )


def test_saving_leaves_the_four_files(trained):
    _, folder = trained
    assert {path.name for path in folder.iterdir()} == {
        f"MNIST_conv_BrainProp_{part}" for part in (*OTHERS, "weights.h5")
    }


def test_loading_gives_the_best_accuracy_again(trained):
    _, folder = trained
    result = command(*MNIST, "-l", folder / "MNIST_conv_BrainProp_weights.h5", *SHORT)
    assert result.returncode == 0 and result.stderr == ""
    told = json.loads((folder / "MNIST_conv_BrainProp_history.json").read_text())
    best = told["best_val_accuracy"]
    *_, loss, accuracy = result.stdout.strip().splitlines()
    assert re.fullmatch(r"loss \d+\.\d{4}", loss)
    assert accuracy == f"accuracy {best:.4f} ({round(100 * best)}/100)"


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
    assert "log.csv" in refusal(command(*watched))
    before, new = log.read_bytes(), ("--resume", "--checkpoint-dir", tmp_path / "new")
    assert "log.csv exists" in refusal(command(*watched, *new)) and log.read_bytes() == before


def test_a_history_repeats_its_run_bit_for_bit(tmp_path):
    row = ("mnist", "dense", "brainprop", "--deterministic", "--epochs", 2, "--batch-size", 64)
    few = ("--max-train-samples", 200, "--max-eval-samples", 100, "--seed", 3)
    first = command(*row, *few, "--reward-noise", "0.1", "-s", "--output-dir", tmp_path / "first")
    assert first.returncode == 0, first.stderr
    history = tmp_path / "first" / "MNIST_dense_BrainProp_history.json"
    again = command("--config", history, "-s", "--output-dir", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    found = []
    for folder in ("first", "again"):
        told = json.loads((tmp_path / folder / history.name).read_text())
        del told["history"]["seconds"]
        weights = tmp_path / folder / "MNIST_dense_BrainProp_weights.h5"
        found.append((told, weights.read_bytes()))
    assert found[0] == found[1]


def configured(content, tmp_path, monkeypatch, *arguments):
    """The experiment that main.py makes of a file of settings and of its command line."""
    file = tmp_path / "settings.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    made = []
    monkeypatch.setattr(cli, "_check_values", lambda _: None)
    monkeypatch.setattr(cli, "data_for", lambda experiment, _: made.append(experiment))
    monkeypatch.setattr(cli, "_train", lambda *_: 0)
    assert cli.main(["--config", str(file), *arguments]) == 0
    return made[0]


def test_the_command_line_wins_over_settings_from_a_file(tmp_path, monkeypatch):
    settings = {"Dataset": "cifar10", "architecture": "deep", "algorithm": "EBP", "epochs": 7,
                "deterministic": True, "l2": 0, "max_train_samples": None}  # fmt: skip
    experiment = configured(settings, tmp_path, monkeypatch)
    assert experiment == cli.Experiment(
        "CIFAR10", "deep", "EBP", epochs=7, deterministic=True, l2=0
    )
    arguments = ("--no-deterministic", "--epochs", "8", "MNIST", "--seed", "2", "conv")
    experiment = configured(
        {"settings": settings, "plugins": []}, tmp_path, monkeypatch, *arguments
    )
    assert experiment == cli.Experiment("MNIST", "conv", "EBP", seed=2, epochs=8, l2=0)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ({"epohcs": 3}, "'epohcs': did you mean epochs"),
        ({"settings": {"temperature": 1}}, "'temperature'"),
        ({"epochs": "3"}, "epochs must be a whole number"),
        ({"jit_compile": 1}, "jit_compile must be true or false"),
        ({"rule_arguments": {"x": 1}}, "EBP has no x"),
        ({"dataset": 3, "architecture": None}, ""),
        ({"dataset": None, "architecture": "conv", "algorithm": "EBP"}, "unknown data set 'None'"),
        ("[1, 2]", "it holds no settings"),
        ('{"settings": 3}', "it holds no settings"),
        ("{", "is damaged"),
        ("\xff", "is damaged"),
    ],
)
def test_bad_settings_in_a_file_end_in_one_line(content, hint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(PROJECT)
    file = tmp_path / "settings.json"
    if isinstance(content, dict):
        content = json.dumps(content)
    file.write_bytes(content.encode("latin-1"))
    names = () if "dataset" in content else ("MNIST", "conv", "EBP")
    assert cli.main(["--config", str(file), *names]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and hint in error


def test_ebps_weights_load_into_brainprop_and_rewards_of_ebp_change_nothing(tmp_path):
    result = command(
        "MNIST", "dense", "EBP", "-s", "--epochs", 1, "--output-dir", tmp_path, *SHORT,
        "--reward-noise", 0.1,
    )  # fmt: skip
    assert result.returncode == 0
    assert result.stderr == "reward_noise changes nothing: EBP has none\n"
    file = tmp_path / "MNIST_dense_EBP_weights.h5"
    loaded = command("MNIST", "dense", "BrainProp", "-l", file, *SHORT)
    assert loaded.returncode == 0
    assert f"{file}: trained with EBP; the weights fit BrainProp too\n" in loaded.stdout


def test_weights_that_do_not_fit_are_told_in_one_line(trained):
    _, folder = trained
    file = folder / "MNIST_conv_BrainProp_weights.h5"
    message = refusal(command("MNIST", "dense", "BrainProp", "-l", file, *SHORT))
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
    ((*MNIST, "--config", "missing.json"), "missing.json"),
    ((*MNIST, "--config", "tests"), "tests is a folder"),
    ((*MNIST, "--gpus", "0"), "--gpus"),
    ((*MNIST, "--validation-split", "1"), "validation_split"),
    ((*MNIST, "-s", "-l", "main.py"), "-l"),
    ((*MNIST, "-l", "missing.h5"), "missing.h5"),
    ((*MNIST, "--data-dir", "missing"), "missing"),
    ((*MNIST, "-s", "--output-dir", "main.py"), "--output-dir"),
    (("CIFAR-100", "conv", "EBP"), "did you mean CIFAR100"),
    (("tiny-imagenet", "deep", "EBP"), "did you mean TinyImageNet"),
    (("MNIST", "con", "EBP"), "did you mean conv"),
    (("MNIST", "conv", "brain-prop"), "did you mean BrainProp"),
    ((*MNIST, "--epohcs", "3"), "did you mean --epochs"),
    ((*MNIST, "--learningrate=1"), "did you mean --learning-rate"),
    ((*MNIST, "more"), "unknown argument more"),
    ((*MNIST, "--epochs", "1e3"), "--epochs"),
    ((*MNIST, "--epochs", "-5"), "epochs"),
    ((*MNIST, "--epochs", ""), "--epochs"),
    ((*MNIST, "--learning-rate", "-0.1"), "learning_rate"),
    ((*MNIST, "--learning-rate", "inf"), "learning_rate"),
    ((*MNIST, "--patience", "0"), "patience"),
    ((*MNIST, "--max-train-samples", "0"), "max_train_samples"),
    ((*MNIST, "--validation-split", "nan"), "validation_split"),
    *(
        ((*MNIST, f"--{option}", str(2**40)), option.split("-")[0])
        for option in (
            "epochs",
            "batch-size",
            "learning-rate",
            "patience",
            "seed",
            "gpus",
            "max-train-samples",
            "max-eval-samples",
            "validation-split",
        )
    ),
    ((*MNIST, "--batch-size", "70000"), "from 1 to 60000, not 70000"),
    ((*MNIST, "--batch-size", "200", "--max-train-samples", "100"), "from 1 to 100, not 200"),
    (
        (
            *MNIST,
            *["--max-train-samples", "100", "--validation-split", "0.5", "--batch-size", "99"],
        ),
        "from 1 to 50, not 99",
    ),
    ((*MNIST, "--seed", "1" + 400 * "0"), "seed"),
    ((*MNIST, "-l", "tests"), "is a folder"),
    ((*MNIST, "-l", "/dev/zero"), "is a pipe or a device"),
    ((*MNIST, "-l", "x" * 300), "File name too long"),
    ((*MNIST, "-l", "two\nlines.h5"), "two lines.h5"),
    ((*MNIST, "-s", "--output-dir", "main.py/x"), "--output-dir"),
    ((*MNIST, "--checkpoint-dir", "main.py"), "--checkpoint-dir"),
    ((*MNIST, "--tensorboard", "main.py"), "--tensorboard"),
    ((*MNIST, "--log-csv", "main.py"), "exists"),
    ((*MNIST, "--log-csv", "x" * 300), "File name too long"),
    ((*MNIST, "--log-csv", ""), "an empty name"),
    ((*MNIST, "--checkpoint-dir", ""), "an empty name"),
    ((*MNIST, "--output-dir", "runs"), "--output-dir needs -s"),
    ((*MNIST, "--jit", "--deterministic"), "not both"),
    *(
        ((*MNIST, "-l", "main.py", *option), f"{option[0]} goes with training")
        for option in (
            ("--output-dir", "runs"),
            ("--checkpoint-dir", "runs"),
            ("--resume",),
            ("--log-csv", "log.csv"),
            ("--tensorboard", "board"),
            ("--diagnostics",),
            ("--gpus", "2"),
        )
    ),
    ((*MNIST, "--log-csv", "main.py/log.csv"), "--log-csv"),
    ((*MNIST, "--resume", "--checkpoint-dir", "/tmp", "--log-csv", "tests"), "is a folder"),
]


@pytest.mark.parametrize(("arguments", "hint"), BAD_ARGUMENTS, ids=lambda value: str(value)[:40])
def test_bad_arguments_are_told_before_tensorflow_is_imported(arguments, hint, capsys, monkeypatch):
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setattr(cli, "start_tensorflow", lambda: pytest.fail("TensorFlow imported"))
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
    for default in ("default: 500", "default: 0.1", "default: 128; loccon 32", "default: 45"):
        assert default in " ".join(help.split())
    assert "cifar-10" in refusal(command("cifar-10", "deep", "BrainProp"))


def start(*arguments):
    """Starts main.py and leaves it running."""
    return subprocess.Popen(
        [sys.executable, PROJECT / "main.py", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT,
    )  # fmt: skip


def test_ctrl_c_saves_and_tells_how_to_go_on(tmp_path):
    settings = (*MNIST, "-s", "--output-dir", tmp_path, "--checkpoint-dir", tmp_path / "c", *SHORT)
    process = Program("main.py", *settings)
    wait_until((tmp_path / "c" / "checkpoint-0002.npz").exists, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130 and err == ""
    assert (tmp_path / "MNIST_conv_BrainProp_weights.h5").exists()
    assert re.search(
        r"^resume with: \S*python\S* .*main\.py MNIST conv .* --resume$", out, re.MULTILINE
    )
    assert re.match(r"best validation accuracy 0\.\d{4} at epoch", out.strip().splitlines()[-1])


KILLED = """
import os, signal
from brainprop import cli
from brainprop.training import checkpoints

save = checkpoints.save
checkpoints.save = lambda checkpoint, folder: (
    os.kill(os.getpid(), signal.SIGKILL) if checkpoint.epoch == 3 else save(checkpoint, folder)
)
cli.main()
"""


def test_a_killed_run_resumed_is_the_uninterrupted_one_bit_for_bit(tmp_path):
    """It is killed once it has trained for three epochs, and has checkpoints of two."""
    # With feedback kernels that learn, a run has the most state.
    settings = (*MNIST, "-s", "--deterministic", "--feedback", "learned", "--epochs", 4, *SHORT)
    whole = command(*settings, "--output-dir", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr

    resumable = (*settings, "--output-dir", tmp_path / "r", "--checkpoint-dir", tmp_path / "c")
    assert run("-c", KILLED, *resumable, "--resume").returncode == -signal.SIGKILL
    resumed = command(*resumable, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming after epoch 2" in resumed.stdout

    histories = []
    for folder in ("whole", "r"):
        told = json.loads((tmp_path / folder / "MNIST_conv_BrainProp_history.json").read_text())
        del told["history"]["seconds"]
        histories.append(told)
    assert histories[0] == histories[1]
    weights = [tmp_path / f / "MNIST_conv_BrainProp_weights.h5" for f in ("whole", "r")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.fixture
def open_folder():
    """A folder that other users may look into, as they may not into pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_folder_or_file_without_permission_is_told_at_once(open_folder):
    """As another user, since root may write and read anything."""
    locked, secret = open_folder / "locked", open_folder / "secret.h5"
    locked.mkdir(mode=0o555)
    secret.touch(mode=0)
    script = (
        "import os, sys; sys.path.insert(0, os.getcwd());"
        "from brainprop import cli; sys.argv[0] = 'main.py';"
        "os.geteuid() or (os.setgroups([]), os.setgid(65534), os.setuid(65534));"
        "sys.exit(cli.main())"
    )
    for arguments, hint in (
        (("-s", "--output-dir", locked), "--output-dir"),
        (("-s", "--output-dir", locked / "new"), "--output-dir"),
        (("--checkpoint-dir", locked), "--checkpoint-dir"),
        (("--log-csv", locked / "log.csv"), "--log-csv"),
        (("-l", secret), "secret.h5"),
    ):
        result = subprocess.run(
            [sys.executable, "-c", script, *MNIST, *map(str, arguments)],
            capture_output=True, text=True, cwd=PROJECT,
        )  # fmt: skip
        assert result.returncode == 2 and result.stderr.count("\n") == 1, result.stderr
        assert hint in result.stderr and "Permission denied" in result.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 30 MB, which takes one checkpoint of `dense`, of 22 MB, and no second one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", disk]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_ends_the_run_and_what_it_does_not_take_is_saved_elsewhere(
    small_disk, tmp_path
):
    home, checkpoint_dir = tmp_path / "home", small_disk / "c"
    home.mkdir()
    result = command(
        "MNIST", "dense", "BrainProp", "-s", "--output-dir", small_disk, *SHORT,
        "--checkpoint-dir", checkpoint_dir, env={"HOME": str(home)},
    )  # fmt: skip
    assert result.returncode == 2 and result.stderr.count("\n") == 1, result.stderr
    assert "No space left on device" in result.stderr
    assert "checkpoint-0002.npz cannot be written" in result.stderr
    assert str(home / "MNIST_dense_BrainProp_weights.h5") in result.stderr
    assert "best validation accuracy" in result.stdout
    assert [path.name for path in checkpoint_dir.iterdir()] == ["checkpoint-0001.npz"]
    assert checkpoints.load(checkpoint_dir / "checkpoint-0001.npz").epoch == 1
    saved = {path.name for path in small_disk.glob("MNIST*")}
    assert saved == {f"MNIST_dense_BrainProp_{part}" for part in OTHERS}
    assert not list(small_disk.rglob(".*"))


def test_nobody_reading_the_output_is_no_traceback():
    process = start(*MNIST, "--epochs", 1, *SHORT)
    process.stdout.close()
    assert process.wait(PATIENCE) == cli.FAILURE
    assert "Traceback" not in process.stderr.read()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to print to")
def test_a_stdout_that_is_full_or_closed_is_no_traceback(trained):
    evaluate = ("main.py", *MNIST, *SHORT, "-l", trained[1] / "MNIST_conv_BrainProp_weights.h5")
    full = run(*evaluate, stdout="/dev/full")
    assert full.returncode == 2 and full.stderr.count("\n") == 1
    assert "what this prints cannot be written (No space left on device)" in full.stderr
    line = shlex.join(map(str, (sys.executable, *evaluate)))
    closed = subprocess.run(f"{line} >&-", shell=True, capture_output=True, text=True, cwd=PROJECT)
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stderr_is_no_traceback(closed):
    """What would be told there goes nowhere, not to stdout or into another file either."""
    bad = shlex.join([sys.executable, str(PROJECT / "main.py"), "MNIST", "deep", "EBP"])
    result = subprocess.run(f"{bad} {closed}", shell=True, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    script = (
        "from brainprop.common import commands; commands._prepare_streams(); "
        "raise SystemExit(open('/dev/null').fileno())"
    )
    next_file = shlex.join([sys.executable, "-c", script])
    result = subprocess.run(f"{next_file} {closed}", shell=True, capture_output=True, cwd=PROJECT)
    assert result.returncode >= 3


def test_a_closed_terminal_ends_training_with_all_files(tmp_path):
    """Closing it sends SIGHUP, at times twice, and whatever is printed then fails."""
    terminal, inside = os.openpty()

    def enter():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # Under nohup, it is ignored.

    process = subprocess.Popen(
        [sys.executable, PROJECT / "main.py", *MNIST, *SHORT, "-s", "--output-dir", tmp_path],
        stdin=inside, stdout=inside, stderr=inside, start_new_session=True, preexec_fn=enter,
    )  # fmt: skip
    os.close(inside)
    told = b""
    while b"Epoch 3" not in told:
        told += os.read(terminal, 2**16)
    process.send_signal(signal.SIGHUP)
    os.close(terminal)
    assert process.wait(PATIENCE) == 128 + signal.SIGHUP
    assert len(list(tmp_path.iterdir())) == 5


def test_memory_that_runs_out_before_training_is_told_in_one_line(monkeypatch, capsys):
    def data_for(*_):
        raise MemoryError("Unable to allocate 1.35 GiB")

    monkeypatch.setattr(cli, "data_for", data_for)
    assert cli.main([*MNIST]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "out of memory (Unable to allocate 1.35 GiB): " in error
    with pytest.raises(MemoryError):
        cli.main([*MNIST, "--debug"])


def test_a_stdout_that_ends_while_training_is_told_in_one_line(tmp_path):
    process = start(*MNIST, *SHORT, "--checkpoint-dir", tmp_path)
    wait_until((tmp_path / "checkpoint-0001.npz").exists, process)
    process.stdout.close()
    assert process.wait(PATIENCE) == 2
    (line,) = process.stderr.read().splitlines()
    assert "stdout was closed while training printed" in line


def test_a_data_set_that_cannot_be_downloaded_is_told_in_one_line(tmp_path):
    environment = {"https_proxy": "http://127.0.0.1:9", "KERAS_HOME": str(tmp_path)}
    result = command("CIFAR100", "conv", "EBP", "--data-dir", tmp_path, env=environment)
    assert "cifar-100-python.tar.gz is missing" in refusal(result)


def test_a_configuration_that_keras_refuses_is_told(tmp_path):
    (tmp_path / "keras.json").write_text('{"epsilon": 1}')
    assert "keras.json" in refusal(started(*MNIST, *SHORT, KERAS_HOME=str(tmp_path)))


def test_a_current_folder_that_is_gone_is_told(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = (
        "import os, sys; os.rmdir(os.getcwd()); from brainprop import cli; sys.exit(cli.main())"
    )
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    environment.pop("BRAINPROP_DATA", None)
    result = subprocess.run(
        [sys.executable, "-c", script, *MNIST],
        capture_output=True, text=True, cwd=gone, env=environment,
    )  # fmt: skip
    assert result.returncode == 2 and result.stderr.count("\n") == 1, result.stderr
    assert "the current folder has been deleted" in result.stderr


def test_evaluating_needs_no_folder_to_write_to(monkeypatch, capsys):
    monkeypatch.setattr(cli, "make_directory", lambda *_: pytest.fail("a folder was made"))
    monkeypatch.setattr(cli, "_evaluate", lambda *_: 0)
    monkeypatch.chdir(PROJECT)
    assert cli.main([*MNIST, "-l", "main.py"]) == 0


def test_settings_for_other_programs_do_not_matter(tmp_path):
    """Keras's configuration, Matplotlib's backend, and a terminal that knows ASCII only."""
    (tmp_path / "keras.json").write_text('{"image_data_format": "channels_first"}')
    environment = {
        "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "torch", "MPLBACKEND": "none",
        "PYTHONIOENCODING": "ascii",
    }  # fmt: skip
    out = ("--output-dir", tmp_path / "Bär")
    result = started(*MNIST, "-s", "--epochs", 1, *SHORT, *out, **environment)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    assert len(list((tmp_path / "Bär").iterdir())) == 5


def test_debug_shows_the_traceback():
    result = command(*MNIST, "--epochs", "0", "--debug")
    assert result.returncode != 0 and "Traceback" in result.stderr


def test_tensorflow_that_cannot_be_imported_is_told(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.chdir(PROJECT)
    assert cli.main([*MNIST, "--max-train-samples", "128"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "pip install -r requirements.txt" in error
