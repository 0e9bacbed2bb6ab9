"""What TensorFlow is started with."""

import os
import platform
import subprocess
import sys

import pytest

from brainprop.startup import ENVIRONMENT, prepare_environment


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_environment_is_set_where_the_user_has_not(monkeypatch, name):
    monkeypatch.delenv(name)
    prepare_environment()
    assert os.environ[name] == ENVIRONMENT[name]
    monkeypatch.setenv(name, "0")
    prepare_environment()
    assert os.environ[name] == "0"


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="not every build has oneDNN"
)
def test_onednn_is_on(monkeypatch):
    """TensorFlow, which at level 0 tells what it uses, reads the variable under this name."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    program = "from brainprop import startup; startup.prepare_environment(); import tensorflow"
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "oneDNN custom operations are on" in run.stderr
