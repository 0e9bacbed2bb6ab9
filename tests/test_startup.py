"""What TensorFlow is started with."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from tensorflow.python.util import _pywrap_util_port  # Nothing public says so.

from brainprop import cli
from brainprop.common.errors import BrainPropError
from brainprop.common.startup import (
    ENVIRONMENT,
    OURS,
    UNNEEDED,
    prepare_environment,
    start_tensorflow,
)
from brainprop.reproduce import command as reproduce

PROJECT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_environment_is_set_where_the_user_has_not(monkeypatch, name):
    monkeypatch.delenv(name)
    prepare_environment()
    assert os.environ[name] == ENVIRONMENT[name]
    monkeypatch.setenv(name, "0")
    prepare_environment()
    assert os.environ[name] == "0"


@pytest.mark.parametrize(
    ("command", "loader", "arguments"),
    [
        (cli, "data_for", ["MNIST", "conv", "EBP"]),
        (reproduce, "load_data", ["--datasets", "MNIST", "--seeds", "1"]),
    ],
)
def test_environment_is_set_before_a_download_imports_keras(
    command, loader, arguments, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    for name in (*ENVIRONMENT, *OURS):
        monkeypatch.delenv(name)
    found = {}

    def load(*_, **__):
        found.update(os.environ)
        raise BrainPropError("no network")

    monkeypatch.setattr(command, loader, load)
    assert command.main(arguments) == 2
    assert found.items() >= (ENVIRONMENT | OURS).items()


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="not every build has oneDNN"
)
def test_onednn_is_on_unless_the_user_has_turned_it_off():
    """TensorFlow reads the variable under this name. The tests have started it as the commands."""
    assert _pywrap_util_port.IsMklEnabled() == (os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1")


def test_unneeded_packages_wait_until_something_needs_them():
    """Keras, which would import them, finds them missing; afterwards, they are there."""
    program = """
import gc, sys
from brainprop.common.startup import UNNEEDED, start_tensorflow
start_tensorflow()
assert "keras" in sys.modules and gc.isenabled()
assert not set(UNNEEDED) & sys.modules.keys()
from brainprop.training.fit import train
assert not set(UNNEEDED) & sys.modules.keys()
import sklearn.base, matplotlib.pyplot
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT
    )
    assert run.returncode == 0, run.stderr


def test_packages_that_are_imported_already_stay(monkeypatch):
    for name in UNNEEDED:
        monkeypatch.setitem(sys.modules, name, package := object())
        start_tensorflow()
        assert sys.modules[name] is package
