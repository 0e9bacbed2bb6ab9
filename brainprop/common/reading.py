"""Reading files that may be damaged: one type of error, regardless of what the parser raises."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from brainprop.common.errors import BrainPropError, one_line


@contextlib.contextmanager
def reading(where: str | Path, remedy: str) -> Iterator[None]:
    """Turns anything that goes wrong while a file is read into the one error that users meet.

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
        raise BrainPropError(f"{where} is missing: {way_out}") from error
    except PermissionError as error:
        raise BrainPropError(f"{where} cannot be read: give yourself permission to") from error
    except MemoryError as error:
        raise BrainPropError(f"out of memory reading {where}: end other programs") from error
    except Exception as error:  # on damaged files, parsers raise nearly anything
        # Where a part is missing, zipfile seeks to before the file's beginning: EINVAL. An OSError
        # without a number comes from a parser, not from the system.
        if isinstance(error, OSError) and error.errno not in (None, 0, errno.EINVAL):
            raise BrainPropError(
                f"{where} cannot be read ({one_line(error)}): set that right"
            ) from error
        raise BrainPropError(f"{where} is damaged ({one_line(error)}): {remedy}") from error


def check_regular(path: Path) -> None:
    """Refuses a folder, and a pipe or a device, since opening one can wait forever.

    Raises:
        ValueError: If it is one.
    """
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")


def read_bytes(path: Path, limit: int = 2**30) -> bytes:
    """Reads a whole regular file, unless it is larger than `limit` bytes.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is a folder, a pipe or a device, or too large.
    """
    check_regular(path)
    size = path.stat().st_size
    if size > limit:
        raise ValueError(f"{size} bytes are more than its at most {limit}")
    return path.read_bytes()
