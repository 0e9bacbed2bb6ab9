"""Files that appear whole or not at all."""

import io
import os
import time
from pathlib import Path

import pytest
from PIL import Image

from brainprop.common import files
from brainprop.common.errors import BrainPropError, one_line


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    with files.atomic_write(path) as partial:
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    with pytest.raises(ZeroDivisionError), files.atomic_write(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["file"]


def test_what_killed_processes_left_goes_an_hour_later(tmp_path):
    old, new = (tmp_path / f".{name}.x.brainprop.partial" for name in ("old", "new"))
    folder, another = tmp_path / ".f.brainprop.partial", tmp_path / ".another.partial"
    growing = tmp_path / ".growing.brainprop.partial"  # As a download that takes long.
    for path in (folder, growing):
        path.mkdir()
        (path / "part").touch()
    for path in (old, new, another):
        path.touch()
    for path in (old, folder / "part", folder, growing, another):
        os.utime(path, (0, time.time() - 2 * files.STALE_SECONDS))
    with files.atomic_write(tmp_path / "file"):
        pass
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"file", new.name, growing.name, another.name}


def test_what_another_user_left_is_left_alone(tmp_path, monkeypatch):
    old = tmp_path / ".old.x.brainprop.partial"
    old.touch()
    os.utime(old, (0, 0))
    unlink = Path.unlink

    def refuse(path, *args, **kwargs):
        if path == old:
            raise PermissionError(1, "Operation not permitted")
        unlink(path, *args, **kwargs)

    monkeypatch.setattr(Path, "unlink", refuse)
    with files.atomic_write(tmp_path / "file"):
        pass
    assert (tmp_path / "file").exists() and old.exists()


def test_a_name_is_taken_once(tmp_path):
    path = tmp_path / "file"
    with files.atomic_write(path, overwrite=False) as partial:
        partial.write_text("first")
    with (
        pytest.raises(FileExistsError),
        files.atomic_write(path, overwrite=False) as partial,
    ):
        partial.write_text("second")
    assert path.read_text() == "first" and os.listdir(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_made_or_written_is_told(tmp_path, monkeypatch):
    files.make_directory(tmp_path / "a" / "b", "--dir")
    assert os.listdir(tmp_path / "a" / "b") == []
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "x", tmp_path / ("x" * 300)):
        with pytest.raises(BrainPropError, match="--dir .* cannot be written"):
            files.make_directory(path, "--dir")

    def read_only(dir):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", read_only)
    with pytest.raises(BrainPropError, match="Read-only file system"):
        files.make_directory(tmp_path, "--dir")


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path):
    path = tmp_path / ("a" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    with files.atomic_write(path) as partial:
        partial.write_text("whole")
    assert path.read_text() == "whole"


def test_a_file_has_the_permissions_that_the_process_gives(tmp_path):
    before = os.umask(0o027)
    try:
        with files.atomic_write(tmp_path / "file"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_message_names_no_address_in_memory():
    with pytest.raises(OSError) as caught:
        Image.open(io.BytesIO(b"no picture"))
    assert "0x" in str(caught.value)
    assert one_line(caught.value) == "cannot identify image file"
