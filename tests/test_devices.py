"""What TensorFlow runs on, told in one line."""

import os
from pathlib import Path

import pytest
import tensorflow as tf

from brainprop.common import devices
from brainprop.common.errors import BrainPropError


def test_a_gpu_is_told_by_name(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: ["GPU:0"])
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda _: {"device_name": "GeForce"}
    )
    assert devices.description() == "GeForce"


@pytest.mark.parametrize(
    ("environment", "present", "reason"),
    [
        (None, False, "no GPU found"),
        (None, True, 'TensorFlow cannot use the GPU: pip install "tensorflow[and-cuda]"'),
        ("-1", True, "CUDA_VISIBLE_DEVICES hides all GPUs"),
        ("", True, "CUDA_VISIBLE_DEVICES hides all GPUs"),
        ("0", False, "no GPU found"),
    ],
)
def test_why_it_is_no_gpu_is_told(monkeypatch, environment, present, reason):
    exists = Path.exists
    monkeypatch.setattr(
        Path, "exists", lambda path: present if str(path) == "/dev/nvidia0" else exists(path)
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if environment is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", environment)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    assert devices.description().endswith(f" cores ({reason})")
    assert "\n" not in devices.description()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system tells no affinity")
def test_the_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    for cores, told in (({3, 5, 7}, "3 cores"), ({5}, "1 core")):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: cores)
        assert f", {told} (" in devices.description()


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM when\nallocating"), "--batch-size"),
        (MemoryError(), "--batch-size"),
        (tf.errors.InternalError(None, None, "cuDNN\nfailed"), "CUDA_VISIBLE_DEVICES=-1"),
        (tf.errors.UnimplementedError(None, None, "DNN library is not found"), "DNN library"),
    ],
)
def test_a_failing_device_is_told_in_one_line(error, hint):
    with pytest.raises(BrainPropError) as caught, devices.reported_failures():
        raise error
    assert hint in str(caught.value) and str(caught.value).isprintable()


def test_faults_of_the_program_are_not_hidden():
    with pytest.raises(tf.errors.InvalidArgumentError), devices.reported_failures():
        raise tf.errors.InvalidArgumentError(None, None, "shapes")
