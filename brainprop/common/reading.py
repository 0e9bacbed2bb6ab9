"""Reading files that may be damaged or hostile: bounded memory, and one type of error."""

import contextlib
import errno
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from brainprop.common.errors import BrainPropError, one_line

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


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


@contextlib.contextmanager
def open_zip(path: Path, limit: int) -> Iterator[zipfile.ZipFile]:
    """Opens a zip whose members can be read in bounded memory.

    Args:
        path: The zip.
        limit: How many bytes all its members together may unpack to.

    Yields:
        The archive. What zipfile then unpacks of a member never exceeds the size checked here.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is encrypted, compressed otherwise than by deflate, or too large.
        zipfile.BadZipFile: If it is no zip.
    """
    check_regular(path)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            if member.flag_bits & 1:
                raise ValueError(f"member {member.filename!r} is encrypted")
            # zipfile inflates piece by piece, but unpacks the other methods' blocks whole
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"member {member.filename!r} is compressed in an unusual way")
        total = sum(member.file_size for member in members)
        if total > limit:
            raise ValueError(f"it would unpack to {total} bytes, more than its at most {limit}")
        yield archive


def read_array(archive: zipfile.ZipFile, name: str, kinds: str = "iu") -> np.ndarray:
    """Reads one array of an open npz file, allocating no more than it holds.

    Args:
        archive: What `open_zip` yields.
        name: Of the array.
        kinds: NumPy's letters for the kinds of data that it may hold.
    """
    if f"{name}.npy" not in archive.namelist():
        raise ValueError(f"it holds no {name}")
    with archive.open(f"{name}.npy") as member:
        shape, _, dtype = _HEADER_READERS[np.lib.format.read_magic(member)](member)
        if dtype.kind not in kinds:
            raise ValueError(f"{name} holds {dtype}, which it may not")
        size = archive.getinfo(f"{name}.npy").file_size - member.tell()
        if math.prod(shape) * dtype.itemsize != size:
            raise ValueError(f"{name} has {size} bytes, which do not make {shape} of {dtype}")
        member.seek(0)
        return np.lib.format.read_array(member, allow_pickle=False)
