"""Atomic writes, and checks of output paths before training starts."""

import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR
from pathlib import Path

from brainprop.common.errors import BrainPropError, one_line

FIGURE_SUFFIXES = (".png", ".pdf")
PARTIAL_SUFFIX = ".brainprop.partial"
STALE_SECONDS = 3600  # No process takes that long between two writes to a file.


@contextmanager
def writing(where: str | Path, remedy: str) -> Iterator[None]:
    """Turns an `OSError` of the block, which writes files, into a `BrainPropError`.

    Args:
        where: The file or the folder, as the message names it.
        remedy: The way out.

    Raises:
        BrainPropError: In place of an `OSError`.
        BrokenPipeError: If stdout is closed, which is not the files' fault.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = one_line(error.strerror or error)
        raise BrainPropError(f"{where} cannot be written ({reason}): {remedy}") from error


@contextmanager
def atomic_write(path: str | os.PathLike, overwrite: bool = True) -> Iterator[Path]:
    """Yields a path to write to, and moves the file to its place once it is complete.

    Args:
        path: The file to write; its folder must exist.
        overwrite: Whether to replace an existing file. Defaults to True.

    Yields:
        A path beside `path`. If the block raises, nothing is left there.

    Raises:
        FileExistsError: If `path` exists and `overwrite` is false.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    remove_stale(path.parent)
    partial = path.with_name(f".{secrets.token_hex(8)}{PARTIAL_SUFFIX}")
    partial.open("x").close()  # With the permissions of a new file of this process.
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        if not overwrite:
            path.open("x").close()  # Claims the name or raises; the next line would overwrite.
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def temporary_folder(directory: Path) -> Iterator[Path]:
    """Yields a temporary folder in a directory, for files that are then moved out of it."""
    remove_stale(directory)
    with tempfile.TemporaryDirectory(PARTIAL_SUFFIX, ".", directory) as folder:
        yield Path(folder)


def remove_stale(directory: Path) -> None:
    """Removes the incomplete files of processes that were killed over an hour ago."""
    for partial in directory.glob(f".*{PARTIAL_SUFFIX}"):
        with suppress(OSError):  # Another process may do the same, or it is another user's.
            newest = max(path.stat().st_mtime for path in (partial, *partial.rglob("*")))
            if time.time() - newest > STALE_SECONDS:
                shutil.rmtree(partial) if partial.is_dir() else partial.unlink()


def make_directory(directory: Path, option: str) -> None:
    """Makes a folder if it does not exist, and checks that files can be made in it.

    Raises:
        BrainPropError: If not. The message names the option that gave the folder.
    """
    with writing(f"{option} {directory}", "choose another folder"):
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()


def check_output(path: Path, option: str) -> None:
    """Checks that a file can be written under a name; its folder is made if it does not exist.

    Raises:
        BrainPropError: If not. The message names the option that gave the file.
    """
    make_directory(path.parent, f"the folder of {option}")
    with writing(f"{option} {path}", "choose another name"), suppress(FileNotFoundError):
        if stat.S_ISDIR(path.stat().st_mode):
            raise IsADirectoryError(EISDIR, "it is a folder")


def check_figure(path: Path, option: str) -> None:
    """Checks a figure's path as `check_output` does, and its suffix.

    Raises:
        BrainPropError: If not. The message names the option that gave the file.
    """
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        endings = " or ".join(FIGURE_SUFFIXES)
        raise BrainPropError(f"{option} {path}: give a name that ends in {endings}")
    check_output(path, option)
