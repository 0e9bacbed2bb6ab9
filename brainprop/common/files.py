"""Files that appear whole or not at all, and paths that cannot be read or written."""

import errno
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
STALE_SECONDS = 3600  # nobody takes that long between two writes to a file
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def writing(where: str | Path, remedy: str) -> Iterator[None]:
    """Turns what goes wrong while files are written into the one error that users meet.

    Args:
        where: The file or folder, as the message shall name it.
        remedy: The way out, such as "make room".

    Raises:
        BrainPropError: In place of an `OSError`.
        BrokenPipeError: Nobody reads stdout any more, which is no fault of the files.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BrainPropError(f"{where} cannot be written ({one_line(error)}): {remedy}") from error


@contextmanager
def written_whole(path: str | os.PathLike, overwrite: bool = True) -> Iterator[Path]:
    """Gives a path to write to, and moves the file to its place once it is complete.

    Args:
        path: Where the file shall appear; its folder must exist.
        overwrite: Whether a file that is there already is replaced.

    Yields:
        A path beside `path`, on the same file system. The file there vanishes if the block raises.

    Raises:
        FileExistsError: Something is at `path` and `overwrite` is false.
        OSError: The file could not be written.
    """
    path = Path(path)
    remove_stale(path.parent)
    partial = passing_path(path.parent)
    partial.open("x").close()  # With the permissions that a file of this process has.
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        if overwrite:
            partial.replace(path)
        else:
            _move_to_free_name(partial, path)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _move_to_free_name(partial: Path, path: Path) -> None:
    """Gives a file its name, unless there is a file of that name: a rename would replace it."""
    try:
        os.link(partial, path)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        path.open("x").close()  # File systems without hard links: the name is taken first.
        partial.replace(path)


def passing_path(directory: Path) -> Path:
    """A path in a folder for a file that is not complete yet, which no other process has."""
    return directory / f".{secrets.token_hex(8)}{PARTIAL_SUFFIX}"


def remove_stale(directory: Path) -> None:
    """Removes what a process that was killed while it wrote there has left, an hour later."""
    for partial in directory.glob(f".*{PARTIAL_SUFFIX}"):
        with suppress(OSError):  # Another process may do the same, or it is another user's.
            newest = max(path.stat().st_mtime for path in (partial, *partial.rglob("*")))
            if time.time() - newest > STALE_SECONDS:
                shutil.rmtree(partial) if partial.is_dir() else partial.unlink()


def check_readable(path: Path) -> None:
    """Refuses what is no regular file, or may not be read; opening a pipe would wait for ever.

    Raises:
        BrainPropError: It cannot be read.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
            return
    except (OSError, ValueError) as error:  # A ValueError is a name with a null byte.
        reason = getattr(error, "strerror", None) or error
        raise BrainPropError(f"cannot read {path} ({reason}): give a file that can be") from error
    kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
    raise BrainPropError(f"{path} is {kind}: give a file")


def make_directory(directory: Path, option: str) -> None:
    """Makes a folder if need be, and finds out whether files can be made in it.

    Args:
        directory: The folder.
        option: The argument that named it, for the message.

    Raises:
        BrainPropError: It cannot be made or written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except (OSError, ValueError) as error:  # A ValueError is a name with a null byte.
        reason = getattr(error, "strerror", None) or error
        raise BrainPropError(
            f"{option} {directory} cannot be written to ({reason}): choose another folder"
        ) from error


def check_output(path: Path, option: str) -> None:
    """Refuses a name under which no file could be written.

    Args:
        path: The file; its folder is made if need be.
        option: The argument that named it, for the message.

    Raises:
        BrainPropError: It is a folder, its folder cannot be made or written to, or the file
            system takes no such name.
    """
    make_directory(path.parent, f"the folder of {option}")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:  # It is too long, say.
        raise BrainPropError(
            f"{option} {path} cannot be written ({error.strerror}): choose another name"
        ) from error
    if stat.S_ISDIR(mode):
        raise BrainPropError(f"{option} {path} is a folder: give the name of a file")


def check_figure(path: Path, option: str) -> None:
    """Refuses a name under which no figure could be written, as `check_output` does.

    Raises:
        BrainPropError: As there; or it ends otherwise than in one of `FIGURE_SUFFIXES`.
    """
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise BrainPropError(
            f"{option} {path}: give a name that ends in {' or '.join(FIGURE_SUFFIXES)}"
        )
    check_output(path, option)
