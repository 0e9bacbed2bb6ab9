"""Runs main.py and its like as `subprocess` does, but without the start of TensorFlow.

The processes are forked from one that has imported TensorFlow and run nothing in it. Use
`subprocess` where the start itself, closed streams or the command line of the process matter.
"""

import multiprocessing
import os
import runpy
import sys
import tempfile
import time
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

PROJECT = Path(__file__).parents[1]
PATIENCE = 600  # After so many seconds a program counts as hung, however busy the machine is.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tensorflow", "keras", "matplotlib.figure"])


class Program:
    """A running program with the methods of `subprocess.Popen` that the tests need.

    Args:
        *arguments: As after `python`: "main.py", "-m" and a module, or "-c" and code; then the
            program's own arguments.
        cwd: The current folder of the program.
        env: Variables that its environment has beside those of this process. What TensorFlow,
            Keras and Matplotlib read as they are imported has no effect.
        stdout: Where it prints to, a path. Defaults to a file that `communicate` reads.
    """

    def __init__(self, *arguments, cwd=PROJECT, env=None, stdout=None):
        self.folder = tempfile.TemporaryDirectory()
        self.files = [Path(self.folder.name, name) for name in ("out", "err")]
        words, streams = [str(word) for word in arguments], (stdout or self.files[0], self.files[1])
        self.process = SERVER.Process(target=_main, args=(words, cwd, env or {}, *streams))
        self.process.start()
        self.pid = self.process.pid

    @property
    def returncode(self):
        return self.process.exitcode

    def poll(self):
        return self.process.exitcode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.process.kill()

    def communicate(self):
        self.process.join(PATIENCE)
        if self.process.exitcode is None:
            raise TimeoutExpired(self.process.name, PATIENCE)
        return tuple(file.read_text() if file.exists() else "" for file in self.files)


def run(*arguments, **options) -> CompletedProcess:
    """Runs a program to its end; see `Program`."""
    program = Program(*arguments, **options)
    out, err = program.communicate()
    return CompletedProcess(arguments, program.returncode, out, err)


def wait_until(condition, program) -> None:
    """Waits until a condition holds, while a program runs: a `Program` or a `subprocess.Popen`."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert program.poll() is None, program.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Code that lets every run wait after its first epoch, until there is a file `go`, a path.
WAIT_FOR_GO = """
import time
from brainprop.training import checkpoints

save = checkpoints.save


def save_and_wait(checkpoint, folder):
    path = save(checkpoint, folder)
    while checkpoint.epoch == 1 and not go.exists():
        time.sleep(0.01)
    return path


checkpoints.save = save_and_wait
"""

ON_DEVICES = """
import tensorflow as tf

logical = [tf.config.LogicalDeviceConfiguration()] * 3
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], logical)


def devices(number):
    if number == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(number)])
"""


def run_on_devices(script):
    """Runs a script whose processor counts as three devices; `devices(n)` is a strategy for n."""
    result = run("-c", ON_DEVICES + script)
    assert result.returncode == 0, result.stderr


def _main(words, cwd, env, out, err):
    os.environ.update(env)
    sys.orig_argv = [sys.executable, *words]
    for path, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", 1, closefd=False)
    os.chdir(cwd)
    sys.path.insert(0, str(PROJECT))
    if words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(words[1], {"__name__": "__main__"})
    elif words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(str(PROJECT / words[0]), run_name="__main__")
