"""Finding the data sets' files: in a given directory, nearby, in Keras's cache, or on the web.

A download comes last, and only then is Keras imported, since that takes seconds.
"""

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from brainprop.common.errors import BrainPropError, one_line
from brainprop.common.files import PARTIAL_SUFFIX, remove_stale
from brainprop.common.startup import quiet_stderr

ENVIRONMENT_VARIABLE = "BRAINPROP_DATA"
PROJECT_DIR = Path(__file__).resolve().parents[2]
NETWORK_TIMEOUT = 30  # Seconds of silence until a download counts as failed.

_NO_DOWNLOADS: ContextVar[str | None] = ContextVar("_NO_DOWNLOADS", default=None)


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and the names under which it is found.

    Attributes:
        url: The official download.
        names: File and folder names that hold the data set, the best one first. The first is the
            folder of the official archive, if there is one.
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
        data_dir: The directory to look into, or the data set's own folder. Defaults to the one
            that BRAINPROP_DATA names, else the current one, and then the project's own. Keras's
            cache always comes last.

    Returns:
        A path with one of the source's names, from the first place that has any: a complete one
        if possible.

    Raises:
        BrainPropError: If `data_dir` is no directory, or if the file is missing and cannot be
            downloaded.
    """
    return find_here(source, data_dir) or _download(source, _places(data_dir))


def find_here(source: Source, data_dir: str | Path | None = None) -> Path | None:
    """Finds a data set's file or folder as `find` does, but returns `None` if it is nowhere."""
    given = _given(data_dir)
    for place in _places(data_dir):
        candidates = [*_candidates(source, place)]
        if place in given and source.files and not _missing(source, place):
            candidates.insert(0, place)  # The data set's own folder, regardless of its name.
        missing = {path: len(_missing(source, path)) for path in candidates}
        for path in sorted(candidates, key=lambda path: missing[path] > 0):
            if not missing[path] or missing[path] < len(source.files):
                return path
    return None


@contextlib.contextmanager
def no_downloads(reason: str) -> Iterator[None]:
    """Makes `find` raise an error instead of downloading.

    Args:
        reason: Why, for the message, such as "--dry-run downloads nothing".
    """
    token = _NO_DOWNLOADS.set(reason)
    try:
        yield
    finally:
        _NO_DOWNLOADS.reset(token)


def _candidates(source: Source, place: Path) -> Iterator[Path]:
    """Yields what may be the data set in or at a place, also a folder in a folder of its name."""
    paths = [place / name for name in source.names]
    if place.name == source.names[0]:
        paths.append(place)
    for path in paths:
        while path.exists():
            yield path
            path = path / source.names[0]


def _missing(source: Source, path: Path) -> list[str]:
    """Lists the files that a folder should hold and does not.

    A file counts as complete, and so does a folder that cannot be read: their loader looks closer.
    """
    try:
        if not path.is_dir():
            return []
        os.scandir(path).close()
    except OSError:
        return []
    return [name for name in source.files or source.names if not (path / name).is_file()]


def _places(data_dir: str | Path | None) -> list[Path]:
    """Lists the directories to look into, Keras's cache last."""
    near = _given(data_dir) or [_current()]
    own = [] if data_dir is not None else [PROJECT_DIR]
    return list(dict.fromkeys([*near, *own, _keras_cache()]))


def _given(data_dir: str | Path | None) -> list[Path]:
    """Returns the directory that the user names, if any, in a list."""
    if data_dir is not None:
        return [_directory(data_dir, "the data directory")]
    from_environment = os.environ.get(ENVIRONMENT_VARIABLE)
    return [_directory(from_environment, ENVIRONMENT_VARIABLE)] if from_environment else []


def _current() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise BrainPropError("the current folder has been deleted: change to another") from error


def _directory(path: str | Path, argument: str) -> Path:
    expanded = os.path.expanduser(path)
    if not os.path.isdir(expanded):
        raise BrainPropError(
            f"{argument} {str(path)!r} is not a directory: name the one that holds the data sets"
        )
    return Path(os.path.abspath(expanded))


def _keras_cache() -> Path:
    """Returns the directory in which `keras.datasets` keeps its downloads."""
    home = os.path.expanduser("~")
    base = home if os.access(home, os.W_OK) else tempfile.gettempdir()
    keras_home = os.environ.get("KERAS_HOME") or os.path.join(base, ".keras")
    return Path(os.path.expanduser(keras_home), "datasets")


def _download(source: Source, places: list[Path]) -> Path:
    """Downloads into Keras's cache, under the final name only once it is complete."""
    missing = (
        f"{source.file_name} is missing: looked for {' or '.join(source.names)} in "
        f"{', '.join(map(str, places))}"
    )
    way_out = f"get it from {source.url} and put it into one of these directories"
    reason = _NO_DOWNLOADS.get()
    if reason:
        raise BrainPropError(f"{missing}; {reason}: {way_out}")
    cache = _keras_cache()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        remove_stale(cache)
        with (
            tempfile.TemporaryDirectory(prefix=".", suffix=PARTIAL_SUFFIX, dir=cache) as folder,
            _network_timeout(),
        ):
            with quiet_stderr():
                from keras.utils import get_file

            downloaded = get_file(
                source.file_name,
                source.url,
                file_hash=source.sha256,
                cache_dir=folder,
                cache_subdir="",
            )
            os.replace(downloaded, cache / source.file_name)
    except BrokenPipeError:  # Stdout, where the progress goes, is closed.
        raise
    except Exception as error:  # Keras raises a bare Exception when a download fails.
        raise BrainPropError(
            f"{missing}; the download failed ({one_line(error)}): {way_out}"
        ) from error
    return cache / source.file_name


@contextlib.contextmanager
def _network_timeout() -> Iterator[None]:
    """Limits every wait for the network; Keras's downloader would wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NETWORK_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
