"""Reading files that may be damaged: one type of error, regardless of what the parser raises."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brainprop.common.errors import BrainPropError, one_line

MAX_FILE_BYTES = 2**30


@contextmanager
def reading(where: str | Path, remedy: str) -> Iterator[None]:
    """Turns any error of the block, which reads a file, into a `BrainPropError`.

    Args:
        where: The file, as the message names it.
        remedy: The way out, such as "move it away and download it again from ...". Not "delete
            it": the file may be a good one that another program understands.

    Raises:
        BrainPropError: In place of any other exception.
    """
    try:
        yield
    except BrainPropError:
        raise
    except FileNotFoundError as error:
        way_out = remedy.removeprefix("move it away and ")
        raise BrainPropError(f"{_at_fault(error, where)} is missing: {way_out}") from error
    except MemoryError as error:
        raise BrainPropError(f"out of memory reading {where}: end other programs") from error
    except Exception as error:  # On damaged files, parsers raise nearly anything.
        # Where a part is missing, zipfile seeks to before the file's beginning: EINVAL. An OSError
        # without a number comes from a parser, not from the system.
        if isinstance(error, OSError) and error.errno not in (None, 0, errno.EINVAL):
            what = f"{_at_fault(error, where)} cannot be read ({error.strerror})"
            raise BrainPropError(f"{what}: correct that") from error
        raise BrainPropError(f"{where} is damaged ({one_line(error)}): {remedy}") from error


def _at_fault(error: OSError, where: str | Path) -> str:
    """Returns what an error is about: all of `where`, or a file of it."""
    name = str(error.filename or "")
    return f"{name} of {where}" if name not in ("", str(where)) else str(where)


def check_regular(path: Path) -> None:
    """Checks that a path is a regular file: opening a pipe or a device can wait forever.

    Raises:
        BrainPropError: If it is a folder, a pipe or a device.
        OSError: If there is no such file, or its folder cannot be read.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise BrainPropError(f"{path} is {kind}: give a file")


def check_readable(path: Path) -> None:
    """Checks that a path is a regular file that may be read.

    Raises:
        BrainPropError: If it is not.
    """
    with reading(path, "give another file"):
        check_regular(path)
        path.open("rb").close()


def read_bytes(path: Path) -> bytes:
    """Reads a whole regular file; call it inside `reading`.

    Raises:
        BrainPropError: As `check_regular`.
        OSError: If it is missing or cannot be read.
        ValueError: If it has more than `MAX_FILE_BYTES`.
    """
    check_regular(path)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"more than {MAX_FILE_BYTES} bytes")
    return path.read_bytes()


def files_below(folder: Path) -> list[str]:
    """Lists the files in a folder and its subfolders, without hidden ones.

    Links to folders are followed, but not back to one that they are in.

    Returns:
        Their sorted names, relative to the folder.

    Raises:
        OSError: If a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise error

    found = []
    root = folder.resolve()
    above = {str(folder): {root, *root.parents}}  # The folders that each folder is in, and itself.
    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        targets = {name: Path(place, name).resolve() for name in folders if name[0] != "."}
        folders[:] = [name for name in targets if targets[name] not in above[place]]
        above |= {os.path.join(place, name): above[place] | {targets[name]} for name in folders}
        found += [os.path.join(place, name) for name in names if not name.startswith(".")]
    return sorted(path[len(os.path.join(folder, "")) :] for path in found)
