"""Finding the data sets' files: in a given directory, nearby, in Keras's cache, or on the web.

A download comes last, and only then is Keras imported, since that takes seconds.
"""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from brainprop.common.errors import BrainPropError, one_line
from brainprop.common.files import temporary_folder
from brainprop.common.startup import quiet_stderr

ENVIRONMENT_VARIABLE = "BRAINPROP_DATA"
PROJECT_DIR = Path(__file__).resolve().parents[2]
NETWORK_TIMEOUT = 30  # Seconds of silence until a download counts as failed.

_DOWNLOADS = ContextVar("_DOWNLOADS", default=True)


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and the names under which it is found.

    Attributes:
        url: The official download.
        names: File and folder names that hold the data set, the best one first.
        files: What the folder holds, at least; empty if the data set is a file.
        sha256: Checksum of the official download, if its authors or Keras publish one.
    """

    url: str
    names: tuple[str, ...]
    files: tuple[str, ...] = ()
    sha256: str | None = None

    @property
    def file_name(self) -> str:
        """The name of the downloaded file."""
        return self.url.rpartition("/")[2]

    @property
    def remedy(self) -> str:
        """The way out if a file is damaged. It never loses a good file."""
        return f"move it away and download it again from {self.url}"


def find(source: Source, data_dir: str | Path | None = None) -> Path:
    """Finds a data set's file or folder, and downloads it if it is nowhere.

    Args:
        source: What to look for.
        data_dir: The directory to look into, or the data set's own folder; see `load_data`.

    Returns:
        The data set's own folder, or a path with one of the source's names, from the first place
        that has any: the most complete one.

    Raises:
        BrainPropError: If `data_dir` is no directory, or if the file is missing and cannot be
            downloaded.
    """
    return find_here(source, data_dir) or _download(source, _places(data_dir))


def find_here(source: Source, data_dir: str | Path | None = None) -> Path | None:
    """Finds a data set's file or folder as `find` does, but returns `None` if it is nowhere."""
    given = _given(data_dir)
    if given and _share(source, given) == 1:
        return given
    for place in _places(data_dir):
        shares = {place / name: _share(source, place / name) for name in source.names}
        best = max(shares, key=shares.__getitem__)
        if shares[best]:
            return best
    return None


@contextmanager
def no_downloads() -> Iterator[None]:
    """Makes `find` raise an error instead of downloading."""
    token = _DOWNLOADS.set(False)
    try:
        yield
    finally:
        _DOWNLOADS.reset(token)


def _share(source: Source, path: Path) -> float:
    """Returns the share of the data set's files that a folder holds; 1 for a file."""
    if not (os.path.isdir(path) and os.access(path, os.X_OK)):
        return float(os.path.exists(path))  # Its loader looks closer.
    return sum(os.path.isfile(path / name) for name in source.files) / max(1, len(source.files))


def _places(data_dir: str | Path | None) -> list[Path]:
    """Lists the directories to look into, Keras's cache last."""
    near = _given(data_dir) or _current()
    own = [] if data_dir is not None else [PROJECT_DIR]
    return list(dict.fromkeys([near, *own, _keras_cache()]))


def _given(data_dir: str | Path | None) -> Path | None:
    """Returns the directory that the user names, if any."""
    argument, path = "the data directory", data_dir
    if data_dir is None:
        argument, path = ENVIRONMENT_VARIABLE, os.environ.get(ENVIRONMENT_VARIABLE) or None
    if path is None:
        return None
    expanded = os.path.expanduser(path)
    if not os.path.isdir(expanded):
        raise BrainPropError(
            f"{argument} {str(path)!r} is not a directory: name the one that holds the data sets"
        )
    return Path(os.path.abspath(expanded))


def _current() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise BrainPropError("the current folder has been deleted: change to another") from error


def _keras_cache() -> Path:
    """Returns the directory in which `keras.datasets` keeps its downloads."""
    home = os.path.expanduser("~")
    base = home if os.access(home, os.W_OK) else tempfile.gettempdir()
    keras_home = os.environ.get("KERAS_HOME") or os.path.join(base, ".keras")
    return Path(os.path.expanduser(keras_home), "datasets")


def _download(source: Source, places: list[Path]) -> Path:
    """Downloads into Keras's cache, under the final name only once it is complete."""
    missing = f"{source.file_name} is missing in {', '.join(map(str, places))}"
    way_out = f"get it from {source.url} and put it into one of these directories"
    if not _DOWNLOADS.get():
        raise BrainPropError(f"{missing}: {way_out}")
    cache, timeout = _keras_cache(), socket.getdefaulttimeout()
    socket.setdefaulttimeout(NETWORK_TIMEOUT)  # Keras's downloader would wait forever.
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with temporary_folder(cache) as folder:
            with quiet_stderr():
                from keras.utils import get_file

            downloaded = get_file(
                source.file_name,
                source.url,
                file_hash=source.sha256,
                cache_dir=folder,
                cache_subdir="",
            )
            return Path(downloaded).replace(cache / source.file_name)
    except BrokenPipeError:  # Stdout, where the progress goes, is closed.
        raise
    except Exception as error:  # Keras raises a bare Exception when a download fails.
        reason = one_line(error)
        raise BrainPropError(f"{missing}; the download failed ({reason}): {way_out}") from error
    finally:
        socket.setdefaulttimeout(timeout)
