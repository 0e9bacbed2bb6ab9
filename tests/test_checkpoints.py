"""Checkpoint files that are damaged, hostile, or cannot be written."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutations

from brainprop.common.errors import BrainPropError
from brainprop.experiments import Experiment
from brainprop.training import checkpoints
from brainprop.training.checkpoints import Checkpoint

EXPERIMENT = Experiment("MNIST", "conv", "BrainProp")
FIGURES = ("accuracy", "loss", "val_accuracy", "val_loss", "learning_rate", "seconds")


def checkpoint(epoch=2, **changes):
    state = {
        "epoch": epoch,
        "settings": EXPERIMENT.settings(),
        "history": {name: [0.5] * epoch for name in FIGURES},
        "early_stopping": {"wait": 0, "best": 0.5},
        "best_epoch": 1,
        "best_accuracy": 0.5,
        "stopped": False,
        "variables": [np.ones((3, 2), "f4"), np.array([1, 2], "u4")],
        "best_weights": [np.ones((3, 2), "f4")],
    }
    return Checkpoint(**(state | changes))


def refused(path) -> str:
    with pytest.raises(BrainPropError) as caught:
        checkpoints.load(path)
    message = str(caught.value)
    assert message.isprintable() and str(path) in message
    return message


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_what_the_system_cannot_read_is_not_called_damaged(number, tmp_path, monkeypatch):
    path = checkpoints.save(checkpoint(), tmp_path)

    def fails(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checkpoints.np, "load", fails)
    message = refused(path)
    assert "cannot be read" in message and os.strerror(number) in message
    assert "damaged" not in message and "move it away" not in message


def test_a_checkpoint_without_its_middle_is_damaged(tmp_path):
    path = checkpoints.save(checkpoint(), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:100] + content[400:])
    assert "is damaged" in refused(path)


def test_what_is_saved_is_loaded(tmp_path):
    path = checkpoints.save(checkpoint(), tmp_path)
    loaded = checkpoints.load(path)
    assert loaded.history == checkpoint().history and loaded.settings == EXPERIMENT.settings()
    for a, b in zip(loaded.variables, checkpoint().variables, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_the_newest_is_that_of_the_highest_number(tmp_path):
    for epoch in (9998, 9999, 10000):
        checkpoints.save(checkpoint(epoch), tmp_path)
    assert [path.stem for path in checkpoints.paths(tmp_path)] == [
        "checkpoint-9999",
        "checkpoint-10000",
    ]
    assert checkpoints.newest(tmp_path, EXPERIMENT).epoch == 10000


@pytest.mark.parametrize(
    "state", ["", "[]", "7", "{}", "[" * 100_000, '{"epoch": 1e999}', '{"what": 1}', "9" * 9999]
)
def test_a_state_of_something_else_is_refused(tmp_path, state):
    np.savez(tmp_path / "checkpoint-0002.npz", state=np.array(state))
    refused(tmp_path / "checkpoint-0002.npz")


@pytest.mark.parametrize("kind", ["objects", "no state", "compressed", "text", "empty", "pipe"])
def test_a_file_of_something_else_is_refused(tmp_path, kind):
    path = tmp_path / "checkpoint-0002.npz"
    match kind:
        case "objects":
            np.savez(path, state=np.array([print], object))
        case "no state":
            np.savez(path, variables_0=1)
        case "compressed":
            np.savez_compressed(path, state=np.array("{}"), variables_0=np.zeros(10**6))
        case "text":
            path.write_text("a checkpoint")
        case "empty":
            path.touch()
        case "pipe":
            os.mkfifo(path)
    refused(path)


def test_another_versions_settings_are_named(tmp_path):
    checkpoints.save(checkpoint(settings=EXPERIMENT.settings() | {"momentum": 0.9}), tmp_path)
    with pytest.raises(BrainPropError, match="another version's, with the setting 'momentum'"):
        checkpoints.newest(tmp_path, EXPERIMENT)


def test_a_full_disk_leaves_the_earlier_checkpoints(tmp_path, monkeypatch):
    def fill(file, **_):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    checkpoints.save(checkpoint(1), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fill)
        with pytest.raises(BrainPropError, match="No space left on device.*--resume"):
            checkpoints.save(checkpoint(2), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-0001.npz"]
    assert checkpoints.newest(tmp_path, EXPERIMENT).epoch == 1


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    return checkpoints.save(checkpoint(), tmp_path_factory.mktemp("intact"))


def check(intact, content):
    """Loads a file of such content, which gives a checkpoint or the one error."""
    damaged = intact.parent / "damaged" / intact.name
    damaged.parent.mkdir(exist_ok=True)
    damaged.write_bytes(content)
    try:
        loaded = checkpoints.load(damaged)
    except BrainPropError as error:
        assert str(error).isprintable() and str(damaged) in str(error)
    else:
        assert all(isinstance(value, np.ndarray) for value in loaded.variables)


@given(content=st.binary(max_size=1000))
def test_random_bytes(intact, content):
    check(intact, content)


@given(data=st.data())
def test_mutated_files(intact, data):
    check(intact, data.draw(mutations(intact.read_bytes())))
