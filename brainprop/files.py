"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.chmod(0o666 & ~_umask())
        if overwrite:
            partial.replace(path)
        else:
            os.link(partial, path)  # Unlike a rename, this fails where there is a file.
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _umask() -> int:
    """The process's mask of file permissions, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
