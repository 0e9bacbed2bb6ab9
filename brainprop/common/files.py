"""Files that appear whole or not at all, and checks of paths before hours are spent."""

import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from brainprop.common.errors import BrainPropError, one_line

FIGURE_SUFFIXES = (".png", ".pdf")
PARTIAL_SUFFIX = ".brainprop.partial"
STALE_SECONDS = 3600  # No process takes that long between two writes to a file.


@contextmanager
def writing(where: str | Path, remedy: str) -> Iterator[None]:
    """Turns an error while files are written into the one that users meet.

    Args:
        where: The file or folder, as the message names it.
        remedy: The way out, such as "make room".

    Raises:
        BrainPropError: In place of an `OSError`.
        BrokenPipeError: If stdout is closed, which is no fault of the files.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BrainPropError(f"{where} cannot be written ({one_line(error)}): {remedy}") from error


@contextmanager
def atomic_write(path: str | os.PathLike, overwrite: bool = True) -> Iterator[Path]:
    """Yields a path to write to, and moves the file to its place once it is complete.

    Args:
        path: The file to write; its folder must exist.
        overwrite: Whether to replace an existing file. Defaults to True.

    Yields:
        A path beside `path`, on the same file system. The file there is removed if the block
        raises.

    Raises:
        FileExistsError: If `path` exists and `overwrite` is false.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    remove_stale(path.parent)
    partial = temporary_path(path.parent)
    partial.open("x").close()  # With the permissions of a new file of this process.
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        if not overwrite:
            path.open("x").close()  # Takes the name if it is free; the next line would not ask.
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def temporary_path(directory: Path) -> Path:
    """Returns a path in a folder for an incomplete file, which no other process uses."""
    return directory / f".{secrets.token_hex(8)}{PARTIAL_SUFFIX}"


def remove_stale(directory: Path) -> None:
    """Removes the incomplete files of processes that were killed over an hour ago."""
    for partial in directory.glob(f".*{PARTIAL_SUFFIX}"):
        with suppress(OSError):  # Another process may do the same, or it is another user's.
            newest = max(path.stat().st_mtime for path in (partial, *partial.rglob("*")))
            if time.time() - newest > STALE_SECONDS:
                shutil.rmtree(partial) if partial.is_dir() else partial.unlink()


def check_readable(path: Path) -> None:
    """Checks that a path is a regular file that may be read: opening a pipe would wait for ever.

    Raises:
        BrainPropError: If it is not.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
            return
    except (OSError, ValueError) as error:
        raise BrainPropError(f"cannot read {path} ({_reason(error)})") from error
    kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
    raise BrainPropError(f"{path} is {kind}: give a file")


def make_directory(directory: Path, option: str) -> None:
    """Makes a folder if it does not exist, and checks that files can be made in it.

    Args:
        directory: The folder.
        option: The argument that named it, for the message.

    Raises:
        BrainPropError: If it cannot be made or written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except (OSError, ValueError) as error:
        raise BrainPropError(
            f"{option} {directory} cannot be written to ({_reason(error)}): choose another folder"
        ) from error


def check_output(path: Path, option: str) -> None:
    """Checks that a file can be written under a name; its folder is made if it does not exist.

    Args:
        path: The file.
        option: The argument that named it, for the message.

    Raises:
        BrainPropError: If it is a folder, its folder cannot be made or written to, or the file
            system does not allow the name.
    """
    make_directory(path.parent, f"the folder of {option}")
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:  # The name is too long, for example.
        raise BrainPropError(
            f"{option} {path} cannot be written ({_reason(error)}): choose another name"
        ) from error
    if is_folder:
        raise BrainPropError(f"{option} {path} is a folder: give the name of a file")


def check_figure(path: Path, option: str) -> None:
    """Checks that a figure can be written under a name, as `check_output` does.

    Raises:
        BrainPropError: As in `check_output`; or if it does not end in one of `FIGURE_SUFFIXES`.
    """
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise BrainPropError(
            f"{option} {path}: give a name that ends in {' or '.join(FIGURE_SUFFIXES)}"
        )
    check_output(path, option)


def _reason(error: OSError | ValueError) -> str:
    """Returns the system's words for an error; a ValueError is a name with a null byte."""
    return getattr(error, "strerror", None) or str(error)
